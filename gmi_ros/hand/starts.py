"""Where the search for wrist and posture starts: postures whose fingertip triangle resembles the contacts'."""

from functools import lru_cache

import numpy as np

from gmi_ros.core.grasp import JOINTS
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.problem import checked

N_STARTS = 8
_PER_JOINT = 9  # inner angles per finger in the library
_SIZE = 0.1  # length of a grasp [m]: makes areas and moments about as large as distances
_LEAST_WEIGHT = 0.01  # [m] of the normals in choosing
_AT_ONCE = 8  # samples compared with the library: what stays in the cache, and wakes none of BLAS's threads
_PAIRS = ((0, 1), (1, 2), (2, 0))


def default_starts(hand: BarrettHand, points, normals, normal_weight: float) -> np.ndarray:
    """Postures (n, N_STARTS, 4) [rad] within the soft limits from which to solve Eq. 7 for each sample.

    A rigid motion changes neither the distances between the contacts nor how the normals stand to the triangle, so
    these are compared with a library of postures without looking for a wrist pose. The range of the spread is cut into
    N_STARTS parts and the nearest posture of each part is taken, so that the starts differ.

    points, normals: (n, 3, 3), normals outward of the object.

    Raises:
        GmiError: BAD_REQUEST for wrong shapes or numbers that are not finite.
    """
    points, normals = checked("points", points, (3, 3)), checked("normals", normals, (3, 3))
    # However small their weight, the normals tell solutions with equal tips apart: they must count in the choice.
    weight = max(float(normal_weight), _LEAST_WEIGHT) if normal_weight else 0.0
    postures, known, half_squares = _library(hand, weight)
    wanted = _invariants(points, -normals, weight)  # (n, d)
    best = np.empty((len(wanted), N_STARTS), int)
    for first in range(0, len(wanted), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        # -|a - b|^2 / 2 without |a|^2, which is the same for every posture.
        likeness = wanted[rows] @ known  # (parts, rows, k)
        likeness -= half_squares
        best[rows] = likeness.argmax(axis=-1).T
    return postures[np.arange(N_STARTS), best]


def _invariants(points, inward, weight: float) -> np.ndarray:
    """(..., 15) [m]: three distances; six moments, three cosines and three handednesses of the normals, weighted."""
    sides = np.stack([points[..., b, :] - points[..., a, :] for a, b in _PAIRS], axis=-2)  # (..., 3, 3)
    distances = np.linalg.norm(sides, axis=-1)
    cosines = np.stack([(inward[..., a, :] * inward[..., b, :]).sum(-1) for a, b in _PAIRS], axis=-1)
    moments = [(inward[..., f, :] * sides[..., s, :]).sum(-1) for s, ends in enumerate(_PAIRS) for f in ends]
    area = np.cross(sides[..., 0, :], sides[..., 1, :])
    handed = (inward * area[..., None, :]).sum(-1) / _SIZE**2
    return np.concatenate(
        [distances, weight * cosines, weight / _SIZE * np.stack(moments, axis=-1), weight * handed], axis=-1
    )


@lru_cache(maxsize=8)
def _library(hand: BarrettHand, weight: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Postures (p, k, 4) by part of the spread, what is invariant of them (p, d, k), and half its squares (p, 1, k)."""
    (low, high), inner = hand.limits[0], hand.limits[1]
    spreads = low + (high - low) * (np.arange(N_STARTS) + 0.5) / N_STARTS
    # Cell centres: a start on a limit would have to leave it first.
    angles = inner[0] + (inner[1] - inner[0]) * (np.arange(_PER_JOINT) + 0.5) / _PER_JOINT
    grid = np.stack(np.meshgrid(spreads, angles, angles, angles, indexing="ij"), axis=-1)
    postures = grid.reshape(N_STARTS, -1, len(JOINTS))
    known = np.moveaxis(_invariants(hand.tips(postures), hand.pad_normals(postures), weight), 1, 2)  # (p, d, k)
    return postures, np.ascontiguousarray(known), 0.5 * (known**2).sum(axis=1, keepdims=True)
