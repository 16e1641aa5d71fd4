"""The images of recorded episodes: rendered from their recipes by several processes, once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.evaluation.recipes import object_of, render_episode
from gmi_ros.experience.episode import Episode
from gmi_ros.learning.files import write_together
from gmi_ros.sim.geometry import digest
from gmi_ros.sim.objects import ObjectModel

_CHUNK = 64
_Pixels = tuple[np.ndarray, np.ndarray, np.ndarray]


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
    kept = None if cache is None else cache / f"{_fingerprint(episodes, objects)}.safetensors"
    if kept is not None and kept.exists():
        return _read(kept)
    n = len(episodes)
    found = {
        "rgb": np.empty((n, 64, 64, 3), np.uint8),
        "depth": np.empty((n, 64, 64), np.float16),
        "mask": np.empty((n, 64, 64), bool),
    }
    rendered = in_chunks(partial(_render, objects=objects), episodes, _CHUNK, workers)
    for i, pixels in enumerate(tqdm(rendered, "rendering", n, disable=not progress, dynamic_ncols=True)):
        found["rgb"][i], found["depth"][i], found["mask"][i] = pixels
    if kept is not None:
        write_together(cache, {kept.name: save(found)})
    return found


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
        if e.pixels is None:
            seen = e.recipe
            models[e.object_name] = object_of(e, objects)
        else:
            seen = hashlib.sha256(
                e.pixels.rgb.tobytes() + e.pixels.depth.tobytes() + e.pixels.mask.tobytes()
            ).hexdigest()
        found.update(json.dumps([e.object_name, seen, e.camera_from_object.tolist()]).encode())
    found.update("".join(digest(model) for model in models.values()).encode())
    return found.hexdigest()[:20]


def _render(episodes: list[Episode], objects: Mapping[str, ObjectModel]) -> list[_Pixels]:
    seen = [e.pixels if e.pixels is not None else render_episode(e, objects) for e in episodes]
    return [(s.rgb, s.depth.astype(np.float16), s.mask) for s in seen]
