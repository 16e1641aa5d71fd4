"""A user's own objects: a folder of meshes in, objects of convex hulls out."""

import logging
import math
import re
import time
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.decomposition import convex_pieces
from gmi_ros.sim.mesh_files import SUFFIXES, Body, read_bodies
from gmi_ros.sim.objects import ASSORTED, FILES, RANDOM, ObjectModel, class_names
from gmi_ros.sim.shapes import Part

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Skipped:
    """A file that gave no object: its name and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class MeshFolder:
    """What a folder gave, in the order of the files' names."""

    objects: tuple[ObjectModel, ...]
    skipped: tuple[Skipped, ...]


def load_meshes(folder: Path, scale: float = 1.0, max_parts: int = 16, cache: Path | None = None) -> MeshFolder:
    """The .obj, .stl and .ply files of a folder (not of those below), each an object of convex hulls.

    An object's frame is the file's, moved so that the volume's centroid is on the z-axis and the lowest point at z = 0.
    Its class is the file's name in [a-z0-9_] without suffix; where another file of the folder or a class of ours has
    that name, the suffix is added (`mug.obj` -> `mug_obj`). Its index is 0.

    Args:
        scale: metres per unit of the files.
        max_parts: hulls that an object may have; a thin-walled mug is not hollow with many fewer than 16.
        cache: folder that keeps decompositions; they take seconds for each mesh that is not convex.

    Raises:
        GmiError: FILE_NOT_FOUND without the folder, BAD_REQUEST without a mesh file in it, BAD_SETTING for a scale or
            max_parts out of range, FILE_DAMAGED for a damaged cache. A bad mesh is no error: it is in `skipped`.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise GmiError(ErrorCode.BAD_SETTING, f"scale must be a number greater than 0 [m per unit], got {scale}")
    if max_parts < 1:
        raise GmiError(ErrorCode.BAD_SETTING, f"max_parts must be at least 1, got {max_parts}")
    for package in ("trimesh", "coacd"):
        if find_spec(package) is None:
            message = f"meshes need the package {package!r}: pip install '.[sim]' in the checkout"
            raise GmiError(ErrorCode.BAD_REQUEST, message)
    paths = _mesh_files(Path(folder))
    objects, skipped = [], []
    for path, name in zip(paths, _class_names(paths), strict=True):
        try:
            _check_name(name, path, [model.class_name for model in objects])
            objects.append(_object(path, name, scale, max_parts, cache))
        except GmiError as error:
            if error.code not in (ErrorCode.BAD_REQUEST, ErrorCode.FILE_DAMAGED):
                raise
            skipped.append(Skipped(path.name, error.message))
            _log.info("skipped %s: %s", path.name, error.message)
    return MeshFolder(tuple(objects), tuple(skipped))


def _mesh_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"{folder} is not a folder")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.is_dir())
    if not paths:
        raise GmiError(ErrorCode.BAD_REQUEST, f"no mesh in {folder}: looked for {', '.join(SUFFIXES)}")
    return paths


def _class_names(paths: list[Path]) -> list[str]:
    """A name for each file that depends on no file of another stem."""
    stems = [re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_") or "mesh" for path in paths]
    count = Counter(stems) + Counter(_ours())
    return [
        stem if count[stem] == 1 else f"{stem}_{path.suffix.lower()[1:]}"
        for stem, path in zip(stems, paths, strict=True)
    ]


def _check_name(name: str, path: Path, others: list[str]) -> None:
    if name in _ours() or name in others:
        whose = "a class of ours" if name in _ours() else "another file of the folder"
        raise GmiError(ErrorCode.BAD_REQUEST, f"{path.name} and {whose} would both be named {name!r}: rename the file")


def _ours() -> set[str]:
    return {RANDOM, ASSORTED} | {name for file in FILES for name in class_names(file)}


def _object(path: Path, name: str, scale: float, max_parts: int, cache: Path | None) -> ObjectModel:
    started = time.monotonic()
    bodies = read_bodies(path, scale)
    hulls = convex_pieces(bodies, max_parts, cache)
    parts = _parts(hulls, bodies)
    rgb = np.random.default_rng(list(name.encode())).uniform(0.15, 0.95, 3)
    _log.info("%s: %d parts in %.1f s", path.name, len(parts), time.monotonic() - started)
    return ObjectModel(name, 0, parts, tuple(float(c) for c in rgb))


def _parts(hulls: list[np.ndarray], bodies: list[Body]) -> tuple[Part, ...]:
    """The hulls about the bodies' common centroid, standing on z = 0."""
    origin = sum(body.moment for body in bodies) / sum(body.volume for body in bodies)  # (3,) [m]
    origin[2] = min(hull[:, 2].min() for hull in hulls)
    return tuple(Part("hull", (), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), hull - origin) for hull in hulls)
