"""Views of objects that are to be drawn, chosen from recorded successes, each with all that is known of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.dataset import scenes
from gmi_ros.evaluation.recipes import (
    RECIPE_VERSION,
    camera_of,
    grasps_in_views,
    object_of,
    render_episode,
    resting_pose,
)
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.sim.camera import Camera
from gmi_ros.sim.objects import ObjectModel

WITHIN = np.radians(20)  # a grasp is known in a view when its approach is at most this far off


@dataclass(frozen=True, eq=False)
class KnownView:
    """One object at rest, as one camera saw it.

    image: (64, 64, 5) float32, what the network sees. world_from_model: (4, 4) the object's pose, of its own frame, not
    of {O}. world_from_object: (4, 4) pose of {O}. known: (k, 18) recorded successes that approach within WITHIN of the
    view, in its {O}.
    """

    split: str
    object_model: ObjectModel
    image: np.ndarray
    camera: Camera
    world_from_model: np.ndarray
    world_from_object: np.ndarray
    known: np.ndarray

    @property
    def name(self) -> str:
        """Of the object."""
        return self.object_model.name


def read_successes(stores: Iterable[Path], splits: Sequence[str]) -> dict[str, list[Episode]]:
    """The simulated successes of each of these splits.

    Raises:
        GmiError: BAD_REQUEST where a split has none, naming those that have, and for a recipe of another version;
            FILE_DAMAGED for a grasp that is not finite; the stores' errors.
    """
    found: dict[str, list[Episode]] = {}
    for path in stores:
        with Store(path) as store:
            for episode in store.episodes(success=True):
                if "camera" in (episode.recipe or {}) and episode.contacts_reached is not None:
                    _check(episode, path)
                    found.setdefault(episode.split, []).append(episode)
    for split in splits:
        if split not in found:
            there = ", ".join(sorted(found)) or "no simulated success at all"
            listed = ", ".join(str(path) for path in stores)
            raise GmiError(
                ErrorCode.BAD_REQUEST, f"no simulated success of split {split} in {listed}; there is: {there}"
            )
    return {split: found[split] for split in splits}


def _check(episode: Episode, path: Path) -> None:
    version = episode.recipe.get("version")
    if version != RECIPE_VERSION:
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            f"{path}: {episode.outcome_id} has recipe version {version}, this gmi_ros reads version {RECIPE_VERSION}",
        )
    bad = int((~np.isfinite(episode.grasp_vector())).sum())
    if bad:
        raise GmiError(
            ErrorCode.FILE_DAMAGED, f"{path}: {bad} of the grasp's 18 numbers of {episode.outcome_id} are not finite"
        )


def choose(successes: Sequence[Episode], n: int, rng: np.random.Generator, only: Sequence[str] = ()) -> list[KnownView]:
    """A view of each of n objects, drawn at random; of an object the view in which most grasps are known.

    Args:
        only: names of objects: those of them that are here, in this order; random ones where none of them is.
    """
    here = sorted({e.object_name for e in successes})
    names = [name for name in only if name in here] or rng.permutation(here)[:n].tolist()
    return [_best_view([e for e in successes if e.object_name == name]) for name in names]


def _best_view(episodes: Sequence[Episode]) -> KnownView:
    """The view of one object in which most of its grasps are known; the first of several."""
    best, known = None, np.empty((0, 18))
    for scene in scenes(episodes):
        views, _, grasps = grasps_in_views(scene, WITHIN)
        counts = np.bincount(views, minlength=len(scene))
        if best is None or counts.max() > len(known):
            best, known = scene[int(counts.argmax())], grasps[views == counts.argmax()]
    return _instance(best, known if len(known) else best.grasp_vector()[None])


def _instance(episode: Episode, known: np.ndarray) -> KnownView:
    observation, camera = render_episode(episode), camera_of(episode)
    return KnownView(
        episode.split,
        object_of(episode),
        observation.image,
        camera,
        resting_pose(episode),
        camera.world_from_camera @ episode.camera_from_object.astype(float),
        known.astype(float),
    )
