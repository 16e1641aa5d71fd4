"""The images of recorded episodes: as they were stored, or rendered from their recipes by several processes, once."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.evaluation.recipes import object_of, render_episode
from gmi_ros.experience.episode import Episode, Pixels
from gmi_ros.learning.files import write_together
from gmi_ros.sim.geometry import digest
from gmi_ros.sim.objects import ObjectModel

_CHUNK = 64


def images_of(
    episodes: Sequence[Episode],
    objects: Mapping[str, ObjectModel],
    workers: int = 2,
    progress: bool = True,
    cache: Path | None = None,
) -> dict[str, np.ndarray]:
    """rgb (n, 64, 64, 3) uint8, depth (n, 64, 64) float16 [m] and mask (n, 64, 64) bool of these episodes.

    Args:
        objects: by name, those of the recipes that are not the package's.
        cache: folder of rendered images, a file for each set of episodes; made where it is not there.

    Raises:
        GmiError: FILE_DAMAGED for a damaged cache; as render_episode.
    """
    simulated = [i for i, e in enumerate(episodes) if e.pixels is None]
    rendered = _rendered([episodes[i] for i in simulated], objects, workers, progress, cache) if simulated else {}
    if len(simulated) == len(episodes) > 0:
        return rendered
    found = _empty(len(episodes))
    for i, e in enumerate(episodes):
        if e.pixels is not None:
            found["rgb"][i], found["depth"][i], found["mask"][i] = e.pixels.rgb, e.pixels.depth, e.pixels.mask
    for name, images in rendered.items():
        found[name][simulated] = images
    return found


def _rendered(
    episodes: Sequence[Episode], objects: Mapping[str, ObjectModel], workers: int, progress: bool, cache: Path | None
) -> dict[str, np.ndarray]:
    kept = None if cache is None else cache / f"{_fingerprint(episodes, objects)}.safetensors"
    if kept is not None and kept.exists():
        return _read(kept)
    found = _empty(len(episodes))
    for i, pixels in enumerate(render_episodes(episodes, objects, workers, progress)):
        found["rgb"][i], found["depth"][i], found["mask"][i] = pixels.rgb, pixels.depth, pixels.mask
    if kept is not None:
        write_together(cache, {kept.name: save(found)})
    return found


def _empty(n: int) -> dict[str, np.ndarray]:
    return {
        "rgb": np.empty((n, 64, 64, 3), np.uint8),
        "depth": np.empty((n, 64, 64), np.float16),
        "mask": np.empty((n, 64, 64), bool),
    }


def render_episodes(
    episodes: Sequence[Episode], objects: Mapping[str, ObjectModel], workers: int = 2, progress: bool = True
) -> Iterator[Pixels]:
    """The observations of simulated episodes, in their order, rendered by several processes. Args, Raises: as above."""
    rendered = in_chunks(partial(_render, objects=objects), episodes, _CHUNK, workers)
    return iter(tqdm(rendered, "rendering", len(episodes), disable=not progress, dynamic_ncols=True))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise GmiError(
            ErrorCode.FILE_DAMAGED, f"{path} is damaged ({error}): delete it, and it is made anew"
        ) from error


def _fingerprint(episodes: Sequence[Episode], objects: Mapping[str, ObjectModel]) -> str:
    """Of everything that the images depend on."""
    found, models = hashlib.sha256(), {}
    for e in episodes:
        models[e.object_name] = object_of(e, objects)
        found.update(json.dumps([e.object_name, e.recipe, e.camera_from_object.tolist()]).encode())
    found.update("".join(digest(model) for model in models.values()).encode())
    return found.hexdigest()[:20]


def _render(episodes: list[Episode], objects: Mapping[str, ObjectModel]) -> list[Pixels]:
    return [Pixels.of(render_episode(e, objects)) for e in episodes]
