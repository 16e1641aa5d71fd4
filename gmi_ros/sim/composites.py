"""Objects without a class: a few random convex pieces grown into one body, as many as there are numbers."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.sim.shapes import Part, corners, moved, parts_of

PIECES = (2, 6)  # fewest and most
EXTENT = (0.04, 0.18)  # of the whole along x, y and z [m]
_HALF = (0.010, 0.036)  # half sizes of a piece [m]
_MAX_TRIES = 1000


def composite(number: int) -> tuple[tuple[Part, ...], tuple[float, float, float]]:
    """Parts and colour (rgb in [0, 1]) of composite `number`, the same each time; it stands on z = 0."""
    rng = np.random.default_rng([number, *b"random"])
    return drawn(rng, lambda: _grow(rng), lambda parts, extent: EXTENT[0] <= extent.min() and extent.max() <= EXTENT[1])


def drawn(
    rng: np.random.Generator, draw: Callable[[], list[Part]], fits: Callable[[list[Part], np.ndarray], bool]
) -> tuple[tuple[Part, ...], tuple[float, float, float]]:
    """Parts of the first draw that fits, standing on z = 0 about the origin, and a colour (rgb in [0, 1]).

    Args:
        fits: of the parts and the sides (3,) [m] of their box.

    Raises:
        GmiError: INTERNAL where none of many does.
    """
    for _ in range(_MAX_TRIES):
        parts = draw()
        points = np.concatenate([corners(part) for part in parts])
        if fits(parts, np.ptp(points, axis=0)):
            break
    else:
        raise GmiError(ErrorCode.INTERNAL, f"none of {_MAX_TRIES} objects drawn is of a size to grasp")
    low, high = points.min(axis=0), points.max(axis=0)
    shift = np.append(-(low + high)[:2] / 2, -low[2])
    return tuple(moved(part, shift) for part in parts), tuple(rng.uniform(0.15, 0.95, 3).tolist())


def _grow(rng: np.random.Generator) -> list[Part]:
    """Each further piece shares a point inside it with a point inside an earlier one, so that all are one body."""
    parts = [_piece(rng)]
    for _ in range(rng.integers(PIECES[0], PIECES[1] + 1) - 1):
        host, piece = parts[rng.integers(len(parts))], _piece(rng)
        inside = _centre(piece) + rng.uniform(0.2, 0.8) * (_somewhere(piece, rng) - _centre(piece))
        anchor = _centre(host) + 0.95 * (_somewhere(host, rng) - _centre(host))
        parts.append(moved(piece, anchor - inside))
    return parts


def _piece(rng: np.random.Generator) -> Part:
    a, b, c, d = rng.uniform(*_HALF, 4).tolist()
    kind = rng.choice(["box", "ellipsoid", "cylinder", "capsule", "frustum", "polygon", "taper"])
    sizes = {
        "box": {"size": [a, b, c]},
        "ellipsoid": {"size": [a, b, c]},
        "cylinder": {"radius": a, "half_height": b},
        "capsule": {"radius": a, "half_height": b},
        "frustum": {"bottom": a, "top": b, "half_height": c},
        "polygon": {"sides": int(rng.integers(3, 9)), "radius": max(a, 0.015), "half_height": b},
        "taper": {"bottom": [a, b], "top": [c, d], "half_height": float(rng.uniform(*_HALF))},
    }[str(kind)]
    # Half of the pieces stand square: bodies of nothing but slanted pieces are like no thing in a house.
    turn = Rotation.random(random_state=rng) if rng.random() < 0.5 else Rotation.identity()
    (part,) = parts_of({"shape": str(kind), **sizes, "turn": turn.as_euler("xyz").tolist()})
    return part


def _somewhere(part: Part, rng: np.random.Generator) -> np.ndarray:
    """A point (3,) of the part, rather near its surface: a random mean of three of its corners."""
    points = corners(part)
    return rng.dirichlet(np.ones(3)) @ points[rng.choice(len(points), 3, replace=False)]


def _centre(part: Part) -> np.ndarray:
    return corners(part).mean(axis=0)
