"""Closed forms of an object's convex parts: volume, how far they reach, and a digest of them all."""

import hashlib

import numpy as np
from scipy.spatial import ConvexHull

from gmi_ros.sim.objects import ObjectModel, Part


def volume(part: Part) -> float:
    """Volume of a part [m3]."""
    if part.volume is not None:
        return part.volume
    size = part.size
    match part.shape:
        case "box":
            return 8 * size[0] * size[1] * size[2]
        case "ellipsoid":
            return 4 / 3 * np.pi * size[0] * size[1] * size[2]
        case "cylinder":
            return 2 * np.pi * size[0] ** 2 * size[1]
        case "capsule":
            return 2 * np.pi * size[0] ** 2 * size[1] + 4 / 3 * np.pi * size[0] ** 3
    return float(ConvexHull(part.vertices).volume)


def reach(part: Part, directions: np.ndarray) -> np.ndarray:
    """Support function (n,) [m] of a part about its own origin, for unit directions (n, 3) in its own frame."""
    size = np.array(part.size)
    match part.shape:
        case "box":
            return np.abs(directions) @ size
        case "ellipsoid":
            return np.linalg.norm(directions * size, axis=1)
        case "cylinder":
            return np.abs(directions[:, 2]) * size[1] + size[0] * np.linalg.norm(directions[:, :2], axis=1)
        case "capsule":
            return np.abs(directions[:, 2]) * size[1] + size[0]
    return (directions @ part.vertices.T).max(axis=1)


def digest(model: ObjectModel) -> str:
    """16 hexadecimal digits that differ where name, colour or any part of two objects differ."""
    found = hashlib.sha256(repr((model.name, model.rgb)).encode())
    for part in model.parts:
        found.update(repr((part.shape, part.size, part.position, part.xyzw)).encode())
        found.update(b"" if part.vertices is None else np.ascontiguousarray(part.vertices, float).tobytes())
    return found.hexdigest()[:16]
