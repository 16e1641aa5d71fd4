"""Masks as segmenters give them: a little too large, too small, or with a part missing."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, generate_binary_structure

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame

MASKS = EXACT, DILATED, ERODED, TORN = "exact", "dilated", "eroded", "torn"
PIXELS = 3  # that a mask grows or shrinks by, in every direction
MISSING = 0.1  # part of a torn mask that is missing


def worsened(frame: Frame, kind: str, seed: int) -> Frame:
    """The frame with the mask of its one object (label 1) worsened in one of the ways of MASKS.

    A torn one lacks those MISSING of its pixels that are nearest to one of them, which the seed draws. A mask that
    erosion would leave nothing of stays as it is.

    Raises:
        GmiError: BAD_REQUEST for an unknown kind.
    """
    if kind not in MASKS:
        raise GmiError(ErrorCode.BAD_REQUEST, f"no mask {kind!r}: choose one of {', '.join(MASKS)}")
    mask = frame.mask == 1
    if kind == EXACT or not mask.any():
        return frame
    if kind == TORN:
        pixels = np.argwhere(mask)
        centre = pixels[np.random.default_rng(seed).integers(len(pixels))]
        nearest = np.argsort(((pixels - centre) ** 2).sum(axis=1), kind="stable")[: round(MISSING * len(pixels))]
        mask = mask.copy()
        mask[tuple(pixels[nearest].T)] = False
    else:
        change = binary_dilation if kind == DILATED else binary_erosion
        changed = change(mask, generate_binary_structure(2, 2), PIXELS)
        mask = changed if changed.any() else mask
    return replace(frame, mask=mask.astype(frame.mask.dtype))
