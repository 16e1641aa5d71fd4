"""Where a mask's edge is off by a few pixels: moved to the edge of the object that the depth shows.

Segmenters give masks that end before the object does, or go beyond it. The object frame, the window and the contacts all
follow the mask, so 3 pixels cost grasps. Beside the object a camera sees the table or what is behind: what goes on in depth
and stands above the table belongs to the object, if it ends within reach. A board that the object lies on does not.
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
_GOES_ON_SHARE = 0.25  # of a grown mask's rim where the surface goes on: it is not the object's (torn: up to a fifth)


def mended(frame: Frame, found: ObjectFrame, table: Table | None, reach: int) -> Frame:
    """The frame, with the mask of an object cut back to it or grown to its edge, by at most `reach` [px] each way.

    Cut back where nearly all of the rim lies on the table; grown over unlabelled pixels alone, not to the image's border,
    and not where the surface goes on beyond reach. The frame itself where nothing changes, where no table is known, or
    for `reach` 0.
    """
    if table is None or reach == 0:
        return frame
    rows, columns = (
        slice(max(part.start - reach - 1, 1), min(part.stop + reach + 1, size - 1))
        for part, size in zip(frame.box(found.label), frame.mask.shape, strict=True)
    )
    depth, labels = frame.depth[rows, columns], frame.mask[rows, columns]
    known, height = measured(depth), heights(frame, table, rows, columns)
    before = labels == found.label
    after = _cut_back(before, known, height < LOW, reach)
    after = _grown(after, (labels == 0) & known & (height > HIGH), depth, reach)
    if (after == before).all():
        return frame
    mask = frame.mask.copy()
    mask[rows, columns][before] = 0
    mask[rows, columns][after] = found.label
    return replace(frame, mask=mask)


def _cut_back(mask: np.ndarray, known: np.ndarray, low: np.ndarray, reach: int) -> np.ndarray:
    """Without what is low or has no depth of its rim, and of the next, as long as nearly all that has one is low."""
    inside = mask
    for _ in range(reach):
        deeper = _inner(inside)
        if not (deeper & known).any():
            break
        inside = deeper
    if inside is mask or low[inside & known].mean() > _INNER_SHARE:
        return mask
    for _ in range(reach):
        rim = mask & ~_inner(mask)
        if not (rim & known).any() or low[rim & known].mean() < _RIM_SHARE:
            break
        mask = mask & ~(rim & (low | ~known))
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
    grown = mask
    for _ in range(reach):
        before, grown = grown, _step(grown, down, right, free)
        if (grown == before).all():
            return grown
    further = _step(grown, down, right, free) & ~grown
    return mask if further.sum() > _GOES_ON_SHARE * (grown & ~_inner(grown)).sum() else grown


def _step(mask: np.ndarray, down: np.ndarray, right: np.ndarray, free: np.ndarray) -> np.ndarray:
    """And the free pixels that the surface goes on to, one pixel far."""
    return _beside(_beside(mask, down, free).T, right.T, free.T).T


def _beside(mask: np.ndarray, goes_on: np.ndarray, free: np.ndarray) -> np.ndarray:
    """And the free pixels in the rows above and below; `goes_on`: from which rows to the next."""
    near = np.zeros_like(mask)
    near[1:] |= mask[:-1] & goes_on
    near[:-1] |= mask[1:] & goes_on
    return mask | (near & free)
