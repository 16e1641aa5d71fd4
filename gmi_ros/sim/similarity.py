"""How alike two objects are in shape: the size-normalised symmetric Chamfer distance."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import corners

N_POINTS = 1000
N_HEADINGS = 24
_DENSER = 4  # points drawn for each that is kept: those inside another part are dropped
_SKIN = 1e-6  # deeper than this in another part is inside [m]


def normalised_points(model: ObjectModel, n: int = N_POINTS) -> np.ndarray:
    """`n` points (n, 3) even over the object's surface, about their centroid, in units of their RMS radius."""
    points = surface_points(model, n)
    points = points - points.mean(axis=0)
    return points / np.sqrt((points**2).sum(axis=1).mean())


def surface_points(model: ObjectModel, n: int = N_POINTS) -> np.ndarray:
    """`n` points (n, 3) [m] of the surface of the union of the object's parts, the same each time."""
    hulls = [ConvexHull(corners(part)) for part in model.parts]
    area = np.array([hull.area for hull in hulls])
    rng = np.random.default_rng(0)
    points = []
    for i, hull in enumerate(hulls):
        drawn = _on_hull(hull, int(np.ceil(_DENSER * n * area[i] / area.sum())), rng)
        for other in hulls[:i] + hulls[i + 1 :]:
            depth = -(drawn @ other.equations[:, :3].T + other.equations[:, 3]).max(axis=1)
            drawn = drawn[depth < _SKIN]
        points.append(drawn)
    points = np.concatenate(points)
    return points[_spread(points, n)]


def chamfer(a: np.ndarray, b: np.ndarray) -> float:
    """Symmetric Chamfer distance of point sets (n, d) and (m, d): the mean of both mean nearest distances."""
    apart = cdist(a, b)
    return float((apart.min(axis=0).mean() + apart.min(axis=1).mean()) / 2)


def distance(a: np.ndarray, b: np.ndarray, below: float = np.inf) -> float:
    """Least Chamfer distance of normalised points (n, 3), (m, 3) over N_HEADINGS headings of one against the other.

    Args:
        below: only distances less than this are of interest; where there is none the result is at least this.
    """
    headings = 2 * np.pi * np.arange(N_HEADINGS) / N_HEADINGS
    bound = np.zeros(N_HEADINGS)  # of the distance at each heading, from below
    # A turn moves a point on a circle by a chord of its radius, and the distance by no more than the mean chord.
    radius = (_radius_height(a)[:, 0].mean() + _radius_height(b)[:, 0].mean()) / 2
    chord = 2 * radius * np.abs(np.sin(headings / 2))
    best = np.inf
    while bound.min() < min(best, below):
        i = int(bound.argmin())
        cosine, sine = np.cos(headings[i]), np.sin(headings[i])
        here = chamfer(a @ np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]), b)
        best = min(best, here)
        bound = np.maximum(bound, here - np.roll(chord, i))
        bound[i] = np.inf
    return min(best, float(bound.min()))


def nearest(points: np.ndarray, others: Sequence[np.ndarray], below: float = np.inf) -> tuple[int, float]:
    """Index and distance of the nearest of `others` (each of normalised points); (-1, below) where none is nearer.

    Radius and height do not change with the heading and are never farther apart than the points themselves, so their
    Chamfer distance is a lower bound: many pairs need no more.
    """
    flat = _radius_height(points)
    bounds = np.array([chamfer(flat, _radius_height(other)) for other in others])
    best, best_distance = -1, below
    for i in np.argsort(bounds):
        if bounds[i] >= best_distance:
            break
        found = distance(points, others[i], below=best_distance)
        if found < best_distance:
            best, best_distance = int(i), found
    return best, best_distance


def _radius_height(points: np.ndarray) -> np.ndarray:
    return np.column_stack([np.hypot(points[:, 0], points[:, 1]), points[:, 2]])


def _on_hull(hull: ConvexHull, n: int, rng: np.random.Generator) -> np.ndarray:
    """Points (n, 3) on a convex hull, uniform in area."""
    triangles = hull.points[hull.simplices]  # (t, 3, 3)
    edges = triangles[:, 1:] - triangles[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    chosen = rng.choice(len(area), n, p=area / area.sum())
    return np.einsum("nk,nkd->nd", rng.dirichlet(np.ones(3), n), triangles[chosen])


def _spread(points: np.ndarray, n: int) -> np.ndarray:
    """Indices (n,) of points far from each other: each next one is the farthest from those before."""
    chosen = np.zeros(n, int)
    gap = np.full(len(points), np.inf)
    for i in range(1, n):
        gap = np.minimum(gap, ((points - points[chosen[i - 1]]) ** 2).sum(axis=1))
        chosen[i] = gap.argmax()
    return chosen
