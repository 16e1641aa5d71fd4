"""Masks as segmenters give them."""

import numpy as np
import pytest

from gmi_ros.core.errors import GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.evaluation.masks import DILATED, ERODED, EXACT, MISSING, PIXELS, TORN, worsened
from gmi_ros.sim.camera import KINECT


def frame_of(mask):
    return Frame(np.zeros((480, 640, 3), np.uint8), np.ones((480, 640), np.float32), mask.astype(np.uint16), KINECT)


@pytest.fixture
def frame():
    mask = np.zeros((480, 640), bool)
    mask[200:260, 300:350] = True
    return frame_of(mask)


def size(frame):
    return int((frame.mask == 1).sum())


def test_a_rectangle_grows_and_shrinks_on_every_side(frame):
    assert size(worsened(frame, DILATED, 1)) == (60 + 2 * PIXELS) * (50 + 2 * PIXELS)
    assert size(worsened(frame, ERODED, 1)) == (60 - 2 * PIXELS) * (50 - 2 * PIXELS)
    grown_back = worsened(worsened(frame, DILATED, 1), ERODED, 1)
    assert np.array_equal(grown_back.mask, frame.mask)
    assert worsened(frame, EXACT, 1) is frame


def test_a_tenth_goes_missing_in_one_piece(frame):
    one, again, other = (worsened(frame, TORN, seed) for seed in (1, 1, 2))
    assert size(one) == round((1 - MISSING) * size(frame)) and not (one.mask & ~frame.mask).any()
    assert np.array_equal(one.mask, again.mask) and not np.array_equal(one.mask, other.mask)
    hole = np.argwhere((frame.mask == 1) & (one.mask == 0))
    assert np.ptp(hole, axis=0).max() <= 50


def test_nothing_is_left_without_a_mask(frame):
    speck = np.zeros((480, 640), bool)
    speck[100:103, 100:103] = True
    assert size(worsened(frame_of(speck), ERODED, 1)) == 9
    assert size(worsened(frame_of(speck & False), DILATED, 1)) == 0
    with pytest.raises(GmiError, match="no mask 'blurred': choose one of exact, dilated, eroded, torn"):
        worsened(frame, "blurred", 1)
