"""How far points are from the shapes that links are made of."""

import numpy as np

from gmi_ros.hand.description import Primitive


def signed_distance(primitive: Primitive, points: np.ndarray) -> np.ndarray:
    """Distance (...,) [m] of points (..., 3) from a shape's surface, in its link's frame; negative inside."""
    if primitive.shape == "box":
        middle, half = (primitive.start + primitive.end) / 2, (primitive.end - primitive.start) / 2
        return _outside([np.abs(points[..., i] - middle[i]) - half[i] for i in range(3)])
    along = primitive.end - primitive.start
    length = np.linalg.norm(along)
    axis = along / length
    way = points @ axis - primitive.start @ axis
    if primitive.shape == "capsule":
        nearest = np.clip(way, 0.0, length)[..., None] * axis + primitive.start
        return np.linalg.norm(points - nearest, axis=-1) - primitive.radius
    beside = np.linalg.norm(points - primitive.start - way[..., None] * axis, axis=-1)
    return _outside([np.abs(way - length / 2) - length / 2, beside - primitive.radius])


def _outside(beyond: list[np.ndarray]) -> np.ndarray:
    """Distance from where all of these are at most 0, which are lengths [m] at right angles to each other."""
    squared = sum(np.square(np.maximum(length, 0.0)) for length in beyond)
    return np.sqrt(squared) + np.minimum(np.maximum.reduce(beyond), 0.0)
