"""The object of a frame as something to simulate: columns from what is seen to where the hidden side is thought to be."""

import math

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates, median_filter

from gmi_ros.core import poses
from gmi_ros.core.cloud import AROUND_M, Table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import SIZE, WINDOW_M
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import HAND, TABLE, Part

COLUMN = 0.006  # side of a column [m]
_MOST = 1000  # columns, about: of what looks larger they are wider
_FILLED = 0.35  # part of a column's pixels that must show the object
_STEP = 0.02  # most that the front of one column may rise [m]: beyond is what the camera sees past an edge
_THINNEST = 0.003  # [m]
_ABOVE = 4e-4  # least height of the columns above the table [m], so that only the hull under them rests on it
_LEAST_VOLUME = 1e-9  # of a column [m3]
_LESS = 1 / 1000  # of the second direction in which an end is sought, between those that are alike in the first
_ENDS = np.array(
    [[a, b * _LESS] for a in (-1, 1) for b in (-1, 1)] + [[b * _LESS, a] for a in (-1, 1) for b in (-1, 1)]
)
_UPRIGHT = (0.0, 0.0, 0.0, 1.0)


def world_from_camera(table: Table, found: ObjectFrame) -> np.ndarray:
    """(4, 4) of a world as the cell's: z up, the table's top at z = 0, its origin under the object."""
    origin = found.camera_from_object[:3, 3]
    foot = origin - table.height(origin) * table.normal
    x_axis = np.cross(table.normal, [0.0, 0.0, 1.0] if abs(table.normal[2]) < 0.9 else [0.0, 1.0, 0.0])
    x_axis /= np.linalg.norm(x_axis)
    rotation = np.stack([x_axis, np.cross(table.normal, x_axis), table.normal])
    return poses.make(rotation, -rotation @ foot)


def reconstruct(
    frame: Frame, found: ObjectFrame, table: Table, thickness: np.ndarray, side: float = COLUMN
) -> tuple[ObjectModel, np.ndarray]:
    """The object that a frame shows, and its pose (4, 4) in `world_from_camera`.

    The hand meets columns along the camera's rays, the table meets their common hull.

    Args:
        thickness: (64, 64) [m] how far the object reaches behind what is seen, along the optical axis, in the cells of the
            observation's window. side: of the columns [m].

    Raises:
        GmiError: NO_VALID_DEPTH where no column is left.
    """
    columns = poses.transform_points(world_from_camera(table, found), _columns(frame, found, table, thickness, side))
    columns = columns[_volume(columns) > _LEAST_VOLUME]  # (n, 16, 3)
    if not len(columns):
        raise GmiError(ErrorCode.NO_VALID_DEPTH, "what is seen of the object is too little to be simulated")
    middle = columns.mean(axis=(0, 1))
    parts = [_part(column - middle, HAND) for column in columns]
    foot = columns.reshape(-1, 3) - middle
    foot[:, 2] -= _ABOVE
    model = ObjectModel("seen", 0, (*parts, _part(foot, TABLE)), (0.6, 0.6, 0.6))
    return model, poses.make(np.eye(3), middle)


def _part(vertices: np.ndarray, meets: str) -> Part:
    place = vertices.mean(axis=0)
    return Part("hull", (), tuple(place.tolist()), _UPRIGHT, vertices - place, meets)


def _columns(frame: Frame, found: ObjectFrame, table: Table, thickness: np.ndarray, side: float) -> np.ndarray:
    """(n, 16, 3) [m] in the camera's frame: the outline of the front, then of the back, above the table."""
    rows, columns = frame.box(found.label)
    depth = frame.depth[rows, columns]
    with np.errstate(invalid="ignore"):  # inf - inf where there is no depth
        shown = (frame.mask[rows, columns] == found.label) & measured(depth)
        shown &= np.abs(depth - found.depth) < AROUND_M
    if not shown.any():
        return np.empty((0, 16, 3))
    nearest = tuple(distance_transform_edt(~shown, return_distances=False, return_indices=True))
    front = median_filter(depth[nearest].astype(float), 3)
    step = max(1, round(side * frame.intrinsics.fx / found.depth), math.ceil(math.sqrt(shown.sum() / _MOST)))
    corners, outwards = _corners(shown, step)  # (n, 8, 2) of row and column
    near = front[corners[..., 0], corners[..., 1]]  # (n, 8)
    near = np.minimum(near, near.min(axis=1, keepdims=True) + _STEP)
    pixels = (corners + 0.5 * outwards)[..., ::-1] + [columns.start, rows.start]
    far = near + np.maximum(_in_window(frame, found, thickness, pixels), _THINNEST)
    rays = frame.intrinsics.deproject(pixels, np.ones(near.shape))
    steepness = np.minimum(rays @ table.normal, -1e-6)  # rays that rise meet the table behind the camera
    under = (table.offset + _ABOVE) / steepness  # depth at which they meet it
    near, far = np.minimum(near, under), np.minimum(far, under)
    return np.concatenate([rays * near[..., None], rays * far[..., None]], axis=1)


def _corners(shown: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The outline of what is shown in each square of `step` pixels that is full enough: the ends of its first and last rows
    and columns (n, 8, 2), row and column, and in which direction each is an end (8, 2)."""
    height, width = (-(-n // step) for n in shown.shape)
    squares = np.zeros((height * step, width * step), bool)
    squares[: shown.shape[0], : shown.shape[1]] = shown
    squares = squares.reshape(height, step, width, step).swapaxes(1, 2)  # (h, w, step, step)
    full = squares.mean(axis=(2, 3)) >= _FILLED
    squares, place = squares[full].reshape(-1, step**2), np.argwhere(full) * step  # (n, step^2), (n, 2)
    within = np.stack(np.divmod(np.arange(step**2), step), axis=-1)  # (step^2, 2)
    least = within @ _ENDS.T + 1 + step**2  # (step^2, 8): how far in each direction, above 0
    ends = (squares[:, :, None] * least).argmax(axis=1)  # (n, 8)
    return place[:, None] + within[ends], np.sign(_ENDS)


def _in_window(frame: Frame, found: ObjectFrame, cells: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Values (...) of the window's cells (64, 64) at pixels (..., 2), between cells linearly; beyond the object as at its
    edge, where a cell that is 0 shows none."""
    object_from_camera = poses.inverse(found.camera_from_object)
    at = frame.intrinsics.deproject(pixels, np.full(pixels.shape[:-1], found.camera_from_object[2, 3]))
    y, z = np.moveaxis(poses.transform_points(object_from_camera, at)[..., 1:], -1, 0)
    row, column = ((SIZE - 1) / 2 - offset * (SIZE / WINDOW_M) for offset in (z, y))
    nearest = tuple(distance_transform_edt(cells == 0, return_distances=False, return_indices=True))
    return map_coordinates(cells[nearest], [row, column], order=1, mode="nearest")


def _volume(columns: np.ndarray) -> np.ndarray:
    """About that (n,) [m3] of columns (n, 16, 3): of their first four corners, by the diagonals."""
    front, back = columns[:, :8], columns[:, 8:]
    along = back.mean(axis=1) - front.mean(axis=1)
    return np.abs(np.einsum("ni,ni->n", np.cross(front[:, 3] - front[:, 0], front[:, 2] - front[:, 1]), along)) / 2
