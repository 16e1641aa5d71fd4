"""What a frame shows around the object: its observed points and the table it stands on."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.object_frame import ObjectFrame

AROUND_M = 0.30  # points within this distance of the object belong to its surroundings [m]
CLUTTER_HEIGHT = 0.015  # what is higher above the table than this stands on it [m]
CLUTTER_GAP = 0.015  # what is nearer to the object than this belongs to it [m]
_MAX_POINTS = 1500
_PLANE_TRIALS = 96
_PLANE_TOLERANCE = 0.008  # [m], a Kinect's noise at 1 m
_PLANE_SHARE = 0.35  # of the surroundings must lie on the plane
_TRIALS_AT_ONCE = 24  # what stays in the cache, and wakes none of BLAS's threads
_GRID = 3  # pixels of a Kinect between two that are looked at; of a finer camera more, so that none is slower
_KINECT_FX = 525.0  # [px]


@dataclass(frozen=True)
class Table:
    """The plane under the object, in the camera's frame: normal (3,) unit, towards the camera; offset [m].

    Height of a point above it: normal @ point - offset.
    """

    normal: np.ndarray
    offset: float

    def height(self, points: np.ndarray) -> np.ndarray:
        """Height [m] of points (..., 3) above the table."""
        return points @ self.normal - self.offset

    def seen_from(self, camera_from_frame: np.ndarray) -> np.ndarray:
        """(4,) normal and offset [m] of the plane in another frame, whose pose (4, 4) in the camera's is given."""
        return np.append(self.normal @ camera_from_frame[:3, :3], self.offset - self.normal @ camera_from_frame[:3, 3])


def given_table(plane: tuple[float, ...], output_from_camera: np.ndarray) -> Table:
    """The table of a plane a, b, c, d with ax + by + cz + d = height above it [m] in the output frame."""
    normal, offset = np.asarray(plane[:3]), plane[3]
    length = np.linalg.norm(normal)
    normal, offset = normal / length, offset / length
    rotation, translation = output_from_camera[:3, :3], output_from_camera[:3, 3]
    return Table(normal @ rotation, float(-(offset + normal @ translation)))


def object_points(frame: Frame, object_frame: ObjectFrame, most: int = 400) -> np.ndarray:
    """Observed points of the object (n <= most, 3) [m] in the camera's frame, outliers in depth left out."""
    rows, columns = frame.box(object_frame.label)
    depth = frame.depth[rows, columns]
    seen = (frame.mask[rows, columns] == object_frame.label) & measured(depth)
    with np.errstate(invalid="ignore"):  # inf - inf where there is no depth
        seen &= np.abs(depth - object_frame.depth) < AROUND_M
    return _deproject(frame, rows, columns, _thinned(np.flatnonzero(seen), most))


def clutter_points(
    frame: Frame, object_frame: ObjectFrame, table: Table | None, surface: cKDTree, most: int = 300
) -> np.ndarray:
    """Observed points (n <= most, 3) [m] of what stands on the table around the object; none without a table.

    surface: of the object's observed points.
    """
    if table is None:
        return np.empty((0, 3))
    rows, columns = _around(frame, object_frame)
    high = heights(frame, table, rows, columns) > CLUTTER_HEIGHT
    high &= measured(frame.depth[rows, columns]) & (frame.mask[rows, columns] != object_frame.label)
    standing = _deproject(frame, rows, columns, np.flatnonzero(high))
    standing = standing[np.linalg.norm(standing - object_frame.camera_from_object[:3, 3], axis=1) < AROUND_M]
    # Rays that graze the object's edge leave points in the air close to it: those are not clutter.
    away = np.isinf(surface.query(standing, distance_upper_bound=CLUTTER_GAP)[0])
    return _thinned(standing[away], most)


def heights(frame: Frame, table: Table, rows: slice, columns: slice) -> np.ndarray:
    """Height [m] above the table of what each pixel of these rows and columns sees; no number that counts where there is
    no depth."""
    k = frame.intrinsics
    slope_v = (_numbers(rows, frame, 0) - k.cy) * (table.normal[1] / k.fy)
    slope_u = (_numbers(columns, frame, 1) - k.cx) * (table.normal[0] / k.fx) + table.normal[2]
    with np.errstate(invalid="ignore"):
        return (slope_v[:, None] + slope_u) * frame.depth[rows, columns] - table.offset


def fit_table(frame: Frame, object_frame: ObjectFrame) -> Table | None:
    """The dominant plane of what surrounds the object (RANSAC, then least squares); None where there is none.

    The draw is seeded with a constant: one frame always gives one plane.
    """
    rows, columns = _around(frame, object_frame)
    background = measured(frame.depth[rows, columns]) & (frame.mask[rows, columns] == 0)
    points = _deproject(frame, rows, columns, _thinned(np.flatnonzero(background), _MAX_POINTS))
    points = points[np.linalg.norm(points - object_frame.camera_from_object[:3, 3], axis=1) < 1.5 * AROUND_M]
    if len(points) < 30:
        return None

    rng = np.random.default_rng(0)
    corners = points[rng.integers(len(points), size=(_PLANE_TRIALS, 3))]  # (t, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    if not (lengths > 1e-9).any():
        return None
    normals = normals[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    offsets = np.einsum("ti,ti->t", normals, corners[lengths > 1e-9, 0])
    few = points.astype(np.float32)  # enough for counting
    counts = []
    for first in range(0, len(normals), _TRIALS_AT_ONCE):
        some = slice(first, first + _TRIALS_AT_ONCE)
        counts.append(np.count_nonzero(_near(few, normals[some], offsets[some]), axis=1))
    winner = int(np.argmax(np.concatenate(counts)))
    best = _near(points, normals[winner : winner + 1], offsets[winner : winner + 1])[0]
    if best.mean() < _PLANE_SHARE:
        return None
    centre = points[best].mean(axis=0)
    spread = points[best] - centre
    normal = np.linalg.eigh(spread.T @ spread)[1][:, 0]  # along which they vary least
    normal = normal if normal @ centre < 0 else -normal  # towards the camera, which is the origin
    return Table(normal, float(normal @ centre))


def _near(points: np.ndarray, normals: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Which of the points (n, 3) lie on each of the planes, (t, n); reckoned with the points' precision."""
    normals, offsets = normals.astype(points.dtype), offsets.astype(points.dtype)
    distance = normals @ points.T
    distance -= offsets[:, None]
    return np.abs(distance, out=distance) < _PLANE_TOLERANCE


def _around(frame: Frame, object_frame: ObjectFrame) -> tuple[slice, slice]:
    """Rows and columns of the image within AROUND_M of the object at its depth, as finely as a Kinect has them."""
    k = frame.intrinsics
    reach = np.array([k.fx, k.fy]) * AROUND_M / object_frame.depth  # [px]
    low = np.maximum(object_frame.centroid_px - reach, 0).astype(int)
    high = (object_frame.centroid_px + reach).astype(int) + 1
    grid = max(1, round(_GRID * k.fx / _KINECT_FX))
    return slice(int(low[1]), int(high[1]), grid), slice(int(low[0]), int(high[0]), grid)


def _numbers(part: slice, frame: Frame, axis: int) -> np.ndarray:
    """The pixel numbers that a slice of an axis of the image takes."""
    return np.arange(*part.indices(frame.depth.shape[axis]))


def _deproject(frame: Frame, rows: slice, columns: slice, chosen: np.ndarray) -> np.ndarray:
    """Points (n, 3) [m] of the pixels `chosen` (n,), numbered row by row within these rows and columns."""
    u = _numbers(columns, frame, 1)
    v, u = _numbers(rows, frame, 0)[chosen // u.size], u[chosen % u.size]
    return frame.intrinsics.deproject(np.stack([u, v], axis=-1), frame.depth[v, u])


def _thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]
