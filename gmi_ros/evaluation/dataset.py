"""Training pairs from experience stores: successes with their observations, as arrays for the learner."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.images import images_of
from gmi_ros.evaluation.recipes import grasp_in_view
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.learning.dataset import GraspData
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.splits import TEST_SPLITS


def load_grasp_data(
    stores: Iterable[Path],
    workers: int = 2,
    progress: bool = True,
    meshes: Sequence[ObjectModel] = (),
    held_out: bool = False,
    cache: Path | None = None,
) -> GraspData:
    """The successful grasps of these stores with all three contacts known, each with the images it is seen in.

    Simulated episodes are rendered from their recipes, others bring their pixels. Simulated grasps of one object at
    rest in one pose belong to each other's views too, where the view is not far off their approach: one image, many
    grasps, which is what the network is to learn (paper, IV-A1).

    Args:
        meshes: a user's own objects that were collected.
        held_out: take records of the test splits, which nothing may be trained on.
        cache: folder that keeps the rendered images; None renders them anew.

    Raises:
        GmiError: BAD_REQUEST where there is no such grasp, or one of a test split; the stores' and the cache's errors.
    """
    episodes = [e for path in stores for e in _successes(Path(path))]
    if not episodes:
        listed = ", ".join(str(p) for p in stores)
        raise GmiError(ErrorCode.BAD_REQUEST, f"no successful grasp with its contacts in {listed}: nothing to train on")
    tested = sorted({e.split for e in episodes} & set(TEST_SPLITS))
    if tested and not held_out:
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"records of {', '.join(tested)} are for testing: nothing may be trained on them"
        )
    views = list({e.observation_id: e for e in reversed(episodes)}.values())[::-1]
    image_index, pair_episodes, grasps = _pairs(views, episodes)
    return GraspData(
        **images_of(views, {m.name: m for m in meshes}, workers, progress, cache),
        image_index=image_index,
        grasps=grasps,
        object_id=_numbered(e.object_name for e in pair_episodes),
        class_id=_numbered(e.class_name for e in pair_episodes),
    )


def _pairs(views: list[Episode], episodes: list[Episode]) -> tuple[np.ndarray, list[Episode], np.ndarray]:
    """Which image (n,), which episode and which grasp (n, 18) in the image's {O} make a pair."""
    number = {view.observation_id: i for i, view in enumerate(views)}
    scenes: dict[tuple, list[Episode]] = {}
    for episode in episodes:
        scene = (episode.object_name, tuple(episode.recipe["object"])) if episode.recipe else (episode.outcome_id,)
        scenes.setdefault(scene, []).append(episode)
    indices, found, grasps = [], [], []
    for scene in scenes.values():
        trials = {e.outcome_id if e.recipe is None else e.trial_seed: e for e in scene}.values()
        for view in {e.observation_id: e for e in scene}.values():
            for trial in trials:
                grasp = trial.grasp_vector() if trial.recipe is None else grasp_in_view(trial, view)
                if grasp is not None:
                    indices.append(number[view.observation_id])
                    found.append(trial)
                    grasps.append(grasp)
    return np.array(indices), found, np.stack(grasps)


def _successes(path: Path) -> Iterator[Episode]:
    with Store(path) as store:
        for episode in store.episodes(success=True):
            # Outcomes whose observation never came have a recipe too, of another kind.
            if episode.contacts_reached is not None and "observation_missing" not in (episode.recipe or {}):
                yield episode


def _numbered(names: Iterable[str]) -> np.ndarray:
    """(n,) number of each name, in the names' order."""
    names = list(names)
    numbers = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names])
