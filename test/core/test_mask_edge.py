"""A mask that is a few pixels off is moved to the object's edge, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, generate_binary_structure

from gmi_ros.core.cloud import Table, fit_table
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.mask_edge import HIGH, LOW, mended
from gmi_ros.core.object_frame import object_frame

_CAMERA = Intrinsics(160, 120, 140.0, 140.0, 79.5, 59.5)
_TABLE_DEPTH = 0.8  # [m]
_SQUARE = generate_binary_structure(2, 2)
_REACH = 4


def _seen(height: float, tilt: float = 0.0) -> Frame:
    """A camera over a table that may be tilted [slope in depth], on which an ellipse stands, `height` [m] towards it."""
    v, u = np.mgrid[: _CAMERA.height, : _CAMERA.width]
    # The plane z = d + tilt y: along a ray with y = z t, z = d / (1 - tilt t).
    depth = _TABLE_DEPTH / (1 - tilt * (v - _CAMERA.cy) / _CAMERA.fy)
    ellipse = ((u - 80) / 30) ** 2 + ((v - 60) / 18) ** 2 < 1
    depth = (depth - height * ellipse).astype(np.float32)
    rgb = np.zeros((*depth.shape, 3), np.uint8)
    return Frame(rgb, depth, ellipse.astype(np.uint16), _CAMERA)


def _with(frame: Frame, mask: np.ndarray) -> Frame:
    return replace(frame, mask=mask.astype(frame.mask.dtype))


def _mended(frame: Frame, reach: int = _REACH) -> Frame:
    found = object_frame(frame, 1)
    return mended(frame, found, fit_table(frame, found), reach)


@pytest.mark.parametrize("tilt", [0.0, 0.4, -0.7])
def test_an_exact_mask_stays_as_it_is(tilt):
    frame = _seen(0.05, tilt)
    assert _mended(frame) is frame


@pytest.mark.parametrize("change", [binary_erosion, binary_dilation])
@pytest.mark.parametrize("pixels", [1, 2, 3])
@pytest.mark.parametrize("tilt", [0.0, 0.4, -0.7])
def test_a_mask_too_small_or_too_large_becomes_the_exact_one(change, pixels, tilt):
    exact = _seen(0.05, tilt)
    off = _with(exact, change(exact.mask == 1, _SQUARE, pixels))
    assert (off.mask != exact.mask).any()
    assert np.array_equal(_mended(off).mask, exact.mask)


@pytest.mark.parametrize("change", [binary_erosion, binary_dilation])
def test_more_reach_never_mends_less(change):
    exact = _seen(0.05)
    off = _with(exact, change(exact.mask == 1, _SQUARE, 3))
    for reach in (3, 4, 10, 20, 50):
        assert np.array_equal(_mended(off, reach).mask, exact.mask)


def test_no_further_than_its_reach():
    exact = _seen(0.05)
    torn = exact.mask == 1
    torn[50:60, 60:75] = False
    grown = _mended(_with(exact, torn), 3).mask == 1
    assert np.array_equal(grown, binary_dilation(torn, _SQUARE, 3) & (exact.mask == 1)) and (grown != torn).any()
    large = _with(exact, binary_dilation(exact.mask == 1, _SQUARE, 8))
    assert np.array_equal(_mended(large, 3).mask == 1, binary_dilation(exact.mask == 1, _SQUARE, 5))


def test_where_the_surface_goes_on_beyond_reach_nothing_grows():
    exact = _seen(0.05)
    small = _with(exact, binary_erosion(exact.mask == 1, _SQUARE, 8))
    assert _mended(small) is small
    v, u = np.mgrid[: _CAMERA.height, : _CAMERA.width]
    board = (np.abs(u - 80) < 50) & (np.abs(v - 60) < 40) & (exact.mask == 0)
    rounded = 0.012 + 0.03 * np.clip(1 - ((u - 80) / 30) ** 2 - ((v - 60) / 18) ** 2, 0, 1)
    depth = np.where(board | (exact.mask == 1), _TABLE_DEPTH - rounded, exact.depth).astype(np.float32)
    on_board = replace(exact, depth=depth)
    assert _mended(on_board) is on_board


@pytest.mark.parametrize("pixels", [1, 2, 3, 4])
def test_a_rim_without_depth_says_nothing(pixels):
    exact = _seen(0.05)
    rim = (exact.mask == 1) & ~binary_erosion(exact.mask == 1, _SQUARE, pixels)
    dark = replace(exact, depth=np.where(rim, np.float32(0.0), exact.depth))
    assert _mended(dark) is dark


def test_nothing_without_reach_or_table():
    exact = _seen(0.05)
    small = _with(exact, binary_erosion(exact.mask == 1, _SQUARE, 2))
    found = object_frame(small, 1)
    assert mended(small, found, None, _REACH) is small
    assert mended(small, found, fit_table(small, found), 0) is small


def test_a_flat_object_is_not_taken_for_table():
    frame = _seen(0.6 * LOW)
    assert _mended(frame) is frame


def test_no_other_label_no_other_surface_and_no_border():
    exact = _seen(0.05)
    half = exact.mask.copy()
    half[:, 80:][half[:, 80:] == 1] = 2  # the same surface, another object by the mask
    assert np.array_equal(_mended(_with(exact, half)).mask, half)

    depth = exact.depth.copy()
    depth[40:80, 110:] = _TABLE_DEPTH - 0.15  # a higher thing, right beside it
    beside = replace(exact, depth=depth)
    assert _mended(beside) is beside

    table = Table(np.array([0.0, 0.0, -1.0]), -_TABLE_DEPTH)
    plate = replace(exact, depth=np.full_like(exact.depth, _TABLE_DEPTH - 2 * HIGH))  # as far as the camera sees
    mask = np.zeros(exact.mask.shape, bool)
    mask[2:-2, 2:-2] = True
    plate = _with(plate, mask)
    wanted = np.zeros_like(mask)
    wanted[1:-1, 1:-1] = True
    found = mended(plate, object_frame(plate, 1), table, _REACH)
    assert np.array_equal(found.mask == 1, wanted)
    object_frame(found, 1)  # and is not refused


def test_pixels_without_depth_are_not_grown_over():
    exact = _seen(0.05)
    small = _with(exact, binary_erosion(exact.mask == 1, _SQUARE, 3))
    for nothing in (0.0, np.nan, np.inf):
        holes = replace(small, depth=np.where((exact.mask == 1) & (small.mask == 0), np.float32(nothing), exact.depth))
        assert _mended(holes) is holes
