"""Training pairs from experience stores: successes with their observations, as arrays for the learner."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.recipes import render_episode
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.learning.dataset import GraspData

_CHUNK = 64


def load_grasp_data(stores: Iterable[Path], workers: int = 2, progress: bool = True) -> GraspData:
    """The successful grasps of these stores with all three contacts known, each with the image it is seen in.

    Simulated episodes are rendered from their recipes, others bring their pixels.

    Raises:
        GmiError: BAD_REQUEST where there is no such grasp; the stores' errors.
    """
    episodes = [e for path in stores for e in _successes(Path(path))]
    if not episodes:
        listed = ", ".join(str(p) for p in stores)
        raise GmiError(ErrorCode.BAD_REQUEST, f"no successful grasp with its contacts in {listed}: nothing to train on")
    first_seen = list({e.observation_id: e for e in reversed(episodes)}.values())[::-1]
    image_number = {e.observation_id: i for i, e in enumerate(first_seen)}
    rgb = np.empty((len(first_seen), 64, 64, 3), np.uint8)
    depth = np.empty((len(first_seen), 64, 64), np.float16)
    mask = np.empty((len(first_seen), 64, 64), bool)
    rendered = _render_all(first_seen, workers)
    for i, pixels in enumerate(tqdm(rendered, "rendering", len(first_seen), disable=not progress, dynamic_ncols=True)):
        rgb[i], depth[i], mask[i] = pixels
    objects = _numbered(e.object_name for e in episodes)
    classes = _numbered(e.class_name for e in episodes)
    return GraspData(
        rgb=rgb,
        depth=depth,
        mask=mask,
        image_index=np.array([image_number[e.observation_id] for e in episodes]),
        grasps=np.stack([e.grasp_vector() for e in episodes]),
        object_id=objects,
        class_id=classes,
    )


def _successes(path: Path) -> Iterator[Episode]:
    with Store(path) as store:
        for episode in store.episodes(success=True):
            if episode.contacts_reached is not None:
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
