"""What a frame shows around the object: its observed points and the table it stands on."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gmi_ros.core.frame import Frame
from gmi_ros.core.object_frame import ObjectFrame

AROUND_M = 0.30  # points within this distance of the object belong to its surroundings [m]
CLUTTER_HEIGHT = 0.015  # what is higher above the table than this stands on it [m]
CLUTTER_GAP = 0.015  # what is nearer to the object than this belongs to it [m]
_MAX_POINTS = 1500
_PLANE_TRIALS = 96
_PLANE_TOLERANCE = 0.008  # [m], a Kinect's noise at 1 m
_PLANE_SHARE = 0.35  # of the surroundings must lie on the plane
_GRID = 3  # pixels between two that are looked at


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


def given_table(plane: tuple[float, ...], output_from_camera: np.ndarray) -> Table:
    """The table of a plane a, b, c, d with ax + by + cz + d = height above it [m] in the output frame."""
    normal, offset = np.asarray(plane[:3]), plane[3]
    length = np.linalg.norm(normal)
    normal, offset = normal / length, offset / length
    rotation, translation = output_from_camera[:3, :3], output_from_camera[:3, 3]
    return Table(normal @ rotation, float(-(offset + normal @ translation)))


def object_points(frame: Frame, object_frame: ObjectFrame, most: int = 400) -> np.ndarray:
    """Observed points of the object (n <= most, 3) [m] in the camera's frame, outliers in depth left out."""
    v, u = np.nonzero((frame.mask == object_frame.label) & frame.valid)
    keep = np.abs(frame.depth[v, u] - object_frame.depth) < AROUND_M
    return _deproject(frame, u[keep], v[keep], most)


def clutter_points(frame: Frame, object_frame: ObjectFrame, table: Table | None, most: int = 300) -> np.ndarray:
    """Observed points (n <= most, 3) [m] of what stands on the table around the object; none without a table."""
    if table is None:
        return np.empty((0, 3))
    rows, columns = _around(frame, object_frame)
    v, u = np.nonzero(frame.valid[rows, columns] & (frame.mask[rows, columns] != object_frame.label))
    points = _deproject(frame, u * _GRID + columns.start, v * _GRID + rows.start, u.size)
    near = np.linalg.norm(points - object_frame.camera_from_object[:3, 3], axis=1) < AROUND_M
    standing = points[near & (table.height(points) > CLUTTER_HEIGHT)]
    if not len(standing):
        return standing
    # Rays that graze the object's edge leave points in the air close to it: those are not clutter.
    away = cKDTree(object_points(frame, object_frame)).query(standing)[0] > CLUTTER_GAP
    return _thinned(standing[away], most)


def fit_table(frame: Frame, object_frame: ObjectFrame) -> Table | None:
    """The dominant plane of what surrounds the object (RANSAC, then least squares); None where there is none.

    The draw is seeded with a constant: one frame always gives one plane.
    """
    rows, columns = _around(frame, object_frame)
    v, u = np.nonzero(frame.valid[rows, columns] & (frame.mask[rows, columns] == 0))
    points = _deproject(frame, u * _GRID + columns.start, v * _GRID + rows.start, _MAX_POINTS)
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
    near = np.abs(normals @ points.T - offsets[:, None]) < _PLANE_TOLERANCE  # (t, n)
    best = near[np.argmax(near.sum(axis=1))]
    if best.mean() < _PLANE_SHARE:
        return None
    centre = points[best].mean(axis=0)
    normal = np.linalg.svd(points[best] - centre, full_matrices=False)[2][2]
    normal = normal if normal @ centre < 0 else -normal  # towards the camera, which is the origin
    return Table(normal, float(normal @ centre))


def _around(frame: Frame, object_frame: ObjectFrame) -> tuple[slice, slice]:
    """Rows and columns, every _GRID-th, of the image within AROUND_M of the object at its depth."""
    reach = np.array([frame.intrinsics.fx, frame.intrinsics.fy]) * AROUND_M / object_frame.depth  # [px]
    low = np.maximum(object_frame.centroid_px - reach, 0).astype(int)
    high = (object_frame.centroid_px + reach).astype(int) + 1
    return slice(int(low[1]), int(high[1]), _GRID), slice(int(low[0]), int(high[0]), _GRID)


def _deproject(frame: Frame, u: np.ndarray, v: np.ndarray, most: int) -> np.ndarray:
    """Points (n, 3) [m] of these pixels, thinned evenly to `most`."""
    u, v = _thinned(u, most), _thinned(v, most)
    return frame.intrinsics.deproject(np.stack([u, v], axis=-1), frame.depth[v, u])


def _thinned(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]
