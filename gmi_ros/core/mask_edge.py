"""Where a mask's edge is off by a few pixels: moved to the edge of the object that the depth shows.

Segmenters give masks that end before the object does, or go beyond it. The object frame, the window and the contacts all
follow the mask, so 3 pixels cost grasps. Beside the object a camera sees the table or what is behind: what goes on in depth
and stands above the table belongs to the object.
"""

from dataclasses import replace

import numpy as np

from gmi_ros.core.cloud import Table, heights
from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.object_frame import ObjectFrame

LOW, HIGH = 0.005, 0.008  # what is lower is the table, what is higher is not [m]; a Kinect's noise at 1 m is between
STEP = 0.012  # from one pixel to the next, a surface's depth changes by less [m]
_RIM_SHARE = 0.8  # of a mask's rim on the table: it is too large (an exact one has up to 0.5, in a Kinect's noise 0.8)
_INNER_SHARE = 0.5  # of the inside on the table: the object is flat, and its rim tells nothing


def mended(frame: Frame, found: ObjectFrame, table: Table | None, reach: int) -> Frame:
    """The frame, with the mask of an object cut back to it or grown to its edge, by at most `reach` [px] each way.

    Cut back where nearly all of the rim lies on the table; grown over unlabelled pixels alone, and not to the image's
    border. The frame itself where nothing changes, where no table is known, or for `reach` 0.
    """
    if table is None or reach == 0:
        return frame
    rows, columns = (
        slice(max(part.start - reach, 1), min(part.stop + reach, size - 1))
        for part, size in zip(frame.box(found.label), frame.mask.shape, strict=True)
    )
    depth, labels = frame.depth[rows, columns], frame.mask[rows, columns]
    known, height = measured(depth), heights(frame, table, rows, columns)
    before = labels == found.label
    after = _cut_back(before, ~known | (height < LOW), reach)
    after = _grown(after, (labels == 0) & known & (height > HIGH), depth, reach)
    if (after == before).all():
        return frame
    mask = frame.mask.copy()
    mask[rows, columns][before] = 0
    mask[rows, columns][after] = found.label
    return replace(frame, mask=mask)


def _cut_back(mask: np.ndarray, low: np.ndarray, reach: int) -> np.ndarray:
    """Without the low pixels of its rim, and of the next, as long as nearly all of it is low."""
    inside = [mask]
    for _ in range(reach):
        inside.append(_inner(inside[-1]))
    if not inside[-1].any() or low[inside[-1]].mean() > _INNER_SHARE:
        return mask
    for _ in range(reach):
        rim = mask & ~_inner(mask)
        if low[rim].mean() < _RIM_SHARE:
            break
        mask = mask & ~(rim & low)
    return mask


def _inner(mask: np.ndarray) -> np.ndarray:
    """The pixels whose eight neighbours are in the mask too; the array's border is not."""
    inner = np.zeros_like(mask)
    columns = mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]
    inner[1:-1, 1:-1] = columns[:-2] & columns[1:-1] & columns[2:]
    return inner


def _grown(mask: np.ndarray, free: np.ndarray, depth: np.ndarray, reach: int) -> np.ndarray:
    """And the free pixels that the surface goes on to, `reach` pixels far."""
    with np.errstate(invalid="ignore"):  # inf - inf where there is no depth
        down = np.abs(depth[1:] - depth[:-1]) < STEP
        right = np.abs(depth[:, 1:] - depth[:, :-1]) < STEP
    for _ in range(reach):
        before = mask
        mask = _beside(mask, down, free)
        mask = _beside(mask.T, right.T, free.T).T
        if (mask == before).all():
            break
    return mask


def _beside(mask: np.ndarray, goes_on: np.ndarray, free: np.ndarray) -> np.ndarray:
    """And the free pixels in the rows above and below; `goes_on`: from which rows to the next."""
    near = np.zeros_like(mask)
    near[1:] |= mask[:-1] & goes_on
    near[:-1] |= mask[1:] & goes_on
    return mask | (near & free)
