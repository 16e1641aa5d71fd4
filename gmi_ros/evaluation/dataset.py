"""Training pairs from experience stores: successes with their observations, as arrays for the learner."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.recipes import grasp_in_view, render_episode
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.learning.dataset import GraspData

_CHUNK = 64


def load_grasp_data(stores: Iterable[Path], workers: int = 2, progress: bool = True) -> GraspData:
    """The successful grasps of these stores with all three contacts known, each with the images it is seen in.

    Simulated episodes are rendered from their recipes, others bring their pixels. Simulated grasps of one object at
    rest in one pose belong to each other's views too, where the view is not far off their approach: one image, many
    grasps, which is what the network is to learn (paper, IV-A1).

    Raises:
        GmiError: BAD_REQUEST where there is no such grasp; the stores' errors.
    """
    episodes = [e for path in stores for e in _successes(Path(path))]
    if not episodes:
        listed = ", ".join(str(p) for p in stores)
        raise GmiError(ErrorCode.BAD_REQUEST, f"no successful grasp with its contacts in {listed}: nothing to train on")
    views = list({e.observation_id: e for e in reversed(episodes)}.values())[::-1]
    rgb = np.empty((len(views), 64, 64, 3), np.uint8)
    depth = np.empty((len(views), 64, 64), np.float16)
    mask = np.empty((len(views), 64, 64), bool)
    rendered = _render_all(views, workers)
    for i, pixels in enumerate(tqdm(rendered, "rendering", len(views), disable=not progress, dynamic_ncols=True)):
        rgb[i], depth[i], mask[i] = pixels
    image_index, pair_episodes, grasps = _pairs(views, episodes)
    return GraspData(
        rgb=rgb,
        depth=depth,
        mask=mask,
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


def _render_all(episodes: list[Episode], workers: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    if workers == 1:
        for chunk in _chunks(episodes):
            yield from _render(chunk)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for rendered in pool.map(_render, _chunks(episodes)):
            yield from rendered


def _chunks(episodes: list[Episode]) -> Iterator[list[Episode]]:
    stream = iter(episodes)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk


def _render(episodes: list[Episode]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    seen = [e.pixels if e.pixels is not None else render_episode(e) for e in episodes]
    return [(s.rgb, s.depth.astype(np.float16), s.mask) for s in seen]
