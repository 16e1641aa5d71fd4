"""Training pairs from experience stores: successes with their observations, as arrays for the learner."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.images import images_of
from gmi_ros.evaluation.recipes import grasps_in_views
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
    within: float = 0.0,
    most_images: int = 0,
    keep: Callable[[Episode], bool] = lambda episode: True,
) -> GraspData:
    """The successful grasps of these stores with all three contacts known, each with the image it was planned from.

    Simulated episodes are rendered from their recipes, others bring their pixels.

    Args:
        within: angle [rad] between view and approach. Above 0, simulated grasps of one object at rest in one pose
            are paired with each other's views too, where they approach within it: one image, many grasps.
        meshes: a user's own objects that were collected.
        held_out: take records of the test splits, which nothing may be trained on.
        cache: folder that keeps the rendered images; None renders them anew.
        most_images: take the grasps of so many views, drawn from all; 0: of all.
        keep: which of the records.

    Raises:
        GmiError: BAD_REQUEST where there is no such grasp, or one of a test split; the stores' and the cache's errors.
    """
    episodes = [e for path in stores for e in successes(Path(path)) if keep(e)]
    if not episodes:
        listed = ", ".join(str(p) for p in stores)
        raise GmiError(ErrorCode.BAD_REQUEST, f"no successful grasp with its contacts in {listed}: nothing to train on")
    refuse_tests(episodes, held_out)
    views = some({e.observation_id: e for e in episodes}, most_images)
    episodes = [e for e in episodes if e.observation_id in views]
    views = list({e.observation_id: e for e in reversed(episodes)}.values())[::-1]
    image_index, pair_episodes, grasps, own = _pairs(views, episodes, within)
    return GraspData(
        **images_of(views, {m.name: m for m in meshes}, workers, progress, cache),
        image_index=image_index,
        grasps=grasps,
        object_id=_numbered(e.object_name for e in pair_episodes),
        class_id=_numbered(e.class_name for e in pair_episodes),
        trial=_numbered(_trial(e) for e in pair_episodes),
        own=own,
    )


def some(views: dict[str, Episode], most: int) -> dict[str, Episode]:
    """At most so many of these, drawn the same each time, in their order; 0: all."""
    if not 0 < most < len(views):
        return views
    names = list(views)
    return {names[i]: views[names[i]] for i in np.sort(np.random.default_rng(0).permutation(len(names))[:most])}


def refuse_tests(episodes: Iterable[Episode], held_out: bool) -> None:
    """Raises GmiError BAD_REQUEST where there are records of a test split; held_out: that is what is wanted."""
    tested = sorted({e.split for e in episodes} & set(TEST_SPLITS))
    if tested and not held_out:
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"records of {', '.join(tested)} are for testing: nothing may be trained on them"
        )


def _pairs(
    views: list[Episode], episodes: list[Episode], within: float
) -> tuple[np.ndarray, list[Episode], np.ndarray, np.ndarray]:
    """Which image (n,), which episode and which grasp (n, 18) in the image's {O} make a pair, and whether it is the
    episode's own view (n,)."""
    number = {view.observation_id: i for i, view in enumerate(views)}
    indices = [number[e.observation_id] for e in episodes]
    found, grasps, own = list(episodes), [e.grasp_vector() for e in episodes], [True] * len(episodes)
    for scene in scenes(episodes) if within > 0 else []:
        for view, trial, grasp in zip(*grasps_in_views(scene, within)):
            seen, guest = scene[view], scene[trial]
            # A trial of several views is shared once, and not with itself.
            if guest.view == 0 and _trial(guest) != _trial(seen):
                indices.append(number[seen.observation_id])
                found.append(guest)
                grasps.append(grasp)
                own.append(False)
    return np.array(indices), found, np.stack(grasps), np.array(own)


def _trial(episode: Episode) -> str:
    if episode.recipe is None:
        return episode.outcome_id
    return f"{episode.split}/{episode.object_name}/{episode.trial_seed}"


def scenes(episodes: list[Episode]) -> list[list[Episode]]:
    """Simulated episodes of one object at rest in one pose."""
    found: dict[tuple, list[Episode]] = {}
    for episode in episodes:
        if episode.recipe is not None:
            found.setdefault((episode.object_name, tuple(episode.recipe["object"])), []).append(episode)
    return list(found.values())


def successes(path: Path) -> Iterator[Episode]:
    """The store's successful episodes whose contacts are known, each with an observation."""
    with Store(path) as store:
        for episode in store.episodes(success=True):
            # Outcomes whose observation never came have a recipe too, of another kind.
            if episode.contacts_reached is not None and not episode.observation_missing:
                yield episode


def _numbered(names: Iterable[str]) -> np.ndarray:
    """(n,) number of each name, in the names' order."""
    names = list(names)
    numbers = {name: i for i, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names])
