"""The object of a frame as something to simulate: columns from what is seen to where the hidden side is thought to be."""

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates, median_filter

from gmi_ros.core import poses
from gmi_ros.core.cloud import AROUND_M, Table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import FINE
from gmi_ros.core.solid import further, thickness
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import HAND, TABLE, Part

COLUMN = 0.003  # side of the narrowest column [m]
_LEVELS = 4, 2, 1  # sides of columns, in those of the narrowest
_FLAT = (
    1e-3,
    2e-3,
    4e-3,
    np.inf,
)  # most that front or back of a wider column bulges [m]: the first that leaves few enough
_MOST = 400  # columns
_FILLED = 0.35  # part of a column's pixels that must show the object
_STEP = 0.02  # most that the front of one column may rise [m]: beyond is what the camera sees past an edge
_THINNEST = 0.003  # [m]
_ABOVE = 4e-4  # least height of the columns above the table [m], so that only the hull under them rests on it
_LEAST_VOLUME = 1e-9  # of a column [m3]
_LESS = 1 / 1000  # of the second direction in which an end is sought, between those that are alike in the first
_ENDS = np.array(
    [[a, b * _LESS] for a in (-1, 1) for b in (-1, 1)] + [[b * _LESS, a] for a in (-1, 1) for b in (-1, 1)]
)
_ROUND = [0, 1, 6, 7, 3, 2, 5, 4]  # the ends in their order round a column
_FLOATING = 0.005  # height above the table from which something unseen must carry the object [m]
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
    frame: Frame, found: ObjectFrame, table: Table, solid: np.ndarray, least: float = 0.5
) -> tuple[ObjectModel, np.ndarray]:
    """The object that a frame shows, and its pose (4, 4) in `world_from_camera`.

    The hand meets columns along the camera's rays, wider where the object is flat; the table meets their common hull.

    Args:
        solid: (96, 96, LAYERS) how likely the object is there behind what is seen, in the cells of the fine window, 0
            where it is not seen (core.solid). least: likelihood from which it is.

    Raises:
        GmiError: NO_VALID_DEPTH where no column is left.
    """
    columns = poses.transform_points(world_from_camera(table, found), _columns(frame, found, table, solid, least))
    volumes = _volumes(columns)
    columns, volumes = columns[volumes > _LEAST_VOLUME], volumes[volumes > _LEAST_VOLUME]  # (n, 16, 3), (n,)
    if not len(columns):
        raise GmiError(ErrorCode.NO_VALID_DEPTH, "what is seen of the object is too little to be simulated")
    middle = columns.mean(axis=(0, 1))
    places = columns.mean(axis=1)
    parts = [
        _part(place, vertices, HAND, float(volume))
        for place, vertices, volume in zip(places - middle, columns - places[:, None], volumes, strict=True)
    ]
    foot = columns.reshape(-1, 3)
    if foot[:, 2].min() > _FLOATING:  # what it stands on is not seen
        foot = np.concatenate([foot, foot * [1.0, 1.0, 0.0] + [0.0, 0.0, _ABOVE]])
    foot = foot - middle - [0.0, 0.0, _ABOVE]
    model = ObjectModel("seen", 0, (*parts, _part(np.zeros(3), foot, TABLE)), (0.6, 0.6, 0.6))
    return model, poses.make(np.eye(3), middle)


def _part(place: np.ndarray, vertices: np.ndarray, meets: str, volume: float | None = None) -> Part:
    return Part("hull", (), tuple(place.tolist()), _UPRIGHT, vertices, meets, volume)


def _columns(frame: Frame, found: ObjectFrame, table: Table, solid: np.ndarray, least: float) -> np.ndarray:
    """(n, 16, 3) [m] in the camera's frame: the outline of the front, then of the back, above the table."""
    rows, columns = frame.box(found.label)
    depth = frame.depth[rows, columns]
    with np.errstate(invalid="ignore"):  # inf - inf where there is no depth
        shown = (frame.mask[rows, columns] == found.label) & measured(depth)
        shown &= np.abs(depth - found.depth) < AROUND_M
    seen = solid[..., 0] > 0
    if not shown.any() or not seen.any():
        return np.empty((0, 16, 3))
    nearest = tuple(distance_transform_edt(~shown, return_distances=False, return_indices=True))
    front = median_filter(depth[nearest].astype(float), 3)
    pixels = np.stack(np.meshgrid(np.arange(shown.shape[1]), np.arange(shown.shape[0])), axis=-1)  # (h, w, 2)
    cells = _cells(frame, found, pixels + [columns.start, rows.start])  # (2, h, w)
    # Beyond the object it is as thick as at its edge.
    at_edge = tuple(distance_transform_edt(~seen, return_distances=False, return_indices=True))
    deep = map_coordinates(thickness(solid, least)[at_edge], cells, order=1, mode="nearest")
    narrowest = max(1, round(COLUMN * frame.intrinsics.fx / found.depth))
    corners, outwards = _outlines(shown, front, front + deep, narrowest)  # (n, 8, 2) of row and column
    near = front[corners[..., 0], corners[..., 1]]  # (n, 8)
    near = np.minimum(near, near.min(axis=1, keepdims=True) + _STEP)
    far = near + np.maximum(deep[corners[..., 0], corners[..., 1]], _THINNEST)
    at = (corners + 0.5 * outwards)[..., ::-1] + [columns.start, rows.start]
    rays = frame.intrinsics.deproject(at, np.ones(near.shape))
    middles = tuple(corners.mean(axis=1).astype(int).T)
    row, column = np.rint(cells[:, *middles]).astype(int).clip(0, FINE[0] - 1)
    there = solid[row, column] >= least  # (n, LAYERS)
    gapped = np.flatnonzero((there[:, 1:] & ~there[:, :-1]).any(axis=1))
    ends = [(i, a, b) for i in gapped for a, b in further(there[i])]
    if ends:  # what is behind a gap
        i, a, b = (np.array(v) for v in zip(*ends, strict=True))
        base = front[middles][i][:, None]
        near = np.concatenate([near, np.broadcast_to(base + a[:, None], (len(i), 8))])
        far = np.concatenate([far, np.broadcast_to(base + b[:, None], (len(i), 8))])
        rays = np.concatenate([rays, rays[i]])
    steepness = np.minimum(rays @ table.normal, -1e-6)  # rays that rise meet the table behind the camera
    under = (table.offset + _ABOVE) / steepness  # depth at which they meet it
    near, far = np.minimum(near, under), np.minimum(far, under)
    return np.concatenate([rays * near[..., None], rays * far[..., None]], axis=1)


def _outlines(shown: np.ndarray, front: np.ndarray, back: np.ndarray, narrowest: int) -> tuple[np.ndarray, np.ndarray]:
    """What is shown in squares (n, 8, 2), as `_corners`: wide ones where all of it is flat, the narrowest elsewhere.

    Few enough of them, if need be by taking for flat what is less so, and with wider ones at the edge.
    """
    for flat in _FLAT:
        left, found = shown.copy(), []
        for level in _LEVELS:
            step = narrowest * level
            squares = _squares(left, step)
            if level == 1:
                full = squares.mean(axis=(2, 3)) >= _FILLED
            else:
                bulges = [_bulge(_squares(side, step)) for side in (front, back)]
                full = squares.all(axis=(2, 3)) & (np.max(bulges, axis=0) < flat)
            found.append(_corners(left, step, full))
            left &= ~np.kron(full, np.ones((step, step), bool))[: left.shape[0], : left.shape[1]]
        corners = np.concatenate(found)
        if len(corners) <= _MOST:
            return corners, np.sign(_ENDS)
    return _outlines(shown, front, back, narrowest + 1)


def _squares(values: np.ndarray, step: int) -> np.ndarray:
    """(h, w, step, step) of an image, with zeros beyond it."""
    height, width = (-(-n // step) for n in values.shape)
    whole = np.zeros((height * step, width * step), values.dtype)
    whole[: values.shape[0], : values.shape[1]] = values
    return whole.reshape(height, step, width, step).swapaxes(1, 2)


def _bulge(squares: np.ndarray) -> np.ndarray:
    """How far (h, w) the middles of squares and of their sides are off what lies evenly between the corners."""
    a, m = squares.shape[-1] - 1, squares.shape[-1] // 2
    nw, ne, sw, se = (squares[..., i, j] for i in (0, a) for j in (0, a))
    even = [(nw + ne) / 2, (sw + se) / 2, (nw + sw) / 2, (ne + se) / 2, (nw + ne + sw + se) / 4]
    seen = [squares[..., i, j] for i, j in ((0, m), (a, m), (m, 0), (m, a), (m, m))]
    return np.abs(np.subtract(seen, even)).max(axis=0)


def _corners(shown: np.ndarray, step: int, full: np.ndarray) -> np.ndarray:
    """The outline of what is shown in those squares of `step` pixels that are `full`: the ends of its first and last rows and
    columns (n, 8, 2), row and column."""
    squares, place = _squares(shown, step)[full].reshape(-1, step**2), np.argwhere(full) * step  # (n, step^2), (n, 2)
    within = np.stack(np.divmod(np.arange(step**2), step), axis=-1)  # (step^2, 2)
    least = within @ _ENDS.T + 1 + step**2  # (step^2, 8): how far in each direction, above 0
    ends = (squares[:, :, None] * least).argmax(axis=1)  # (n, 8)
    return place[:, None] + within[ends]


def _cells(frame: Frame, found: ObjectFrame, pixels: np.ndarray) -> np.ndarray:
    """Where pixels (..., 2) are in the fine window: (2, ...) row and column."""
    object_from_camera = poses.inverse(found.camera_from_object)
    at = frame.intrinsics.deproject(pixels, np.full(pixels.shape[:-1], found.camera_from_object[2, 3]))
    y, z = np.moveaxis(poses.transform_points(object_from_camera, at)[..., 1:], -1, 0)
    size, side = FINE
    return np.array([(size - 1) / 2 - offset * (size / side) for offset in (z, y)])


def _volumes(columns: np.ndarray) -> np.ndarray:
    """About that (n,) [m3] of columns (n, 16, 3): front, back and sides in triangles, which where they twist lie in the hull."""
    local = columns - columns.mean(axis=1, keepdims=True)
    front, back = local[:, _ROUND], local[:, [8 + i for i in _ROUND]]  # (n, 8, 3)
    on_front, on_back = np.roll(front, -1, axis=1), np.roll(back, -1, axis=1)
    caps = [
        (np.broadcast_to(side.mean(axis=1, keepdims=True), side.shape), *ends)
        for side, ends in ((front, (front, on_front)), (back, (on_back, back)))
    ]
    triangles = [*caps, (front, back, on_front), (on_front, back, on_back)]
    total = sum(np.einsum("nvi,nvi->n", a, np.cross(b, c)) for a, b, c in triangles)
    return np.abs(total) / 6
