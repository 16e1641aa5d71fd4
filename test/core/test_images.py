"""Encodings to the canonical arrays: every one that is understood, and what is said of the others."""

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.images import canonical_depth, canonical_mask, canonical_rgb

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
ALPHA = np.full((4, 6, 1), 77, np.uint8)


@pytest.mark.parametrize(
    "encoding, array",
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.concatenate([RGB, ALPHA], axis=-1)),
        ("bgra8", np.concatenate([RGB[..., ::-1], ALPHA], axis=-1)),
    ],
)
def test_colours_keep_their_order(encoding, array):
    np.testing.assert_array_equal(canonical_rgb(array, encoding), RGB)


def test_grey_is_three_times_the_same():
    np.testing.assert_array_equal(canonical_rgb(RGB[..., 0], "mono8"), np.repeat(RGB[..., :1], 3, axis=-1))


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
def test_sixteen_bit_depth_is_millimetres(encoding):
    depth = canonical_depth(np.array([[700, 0], [1234, 65535]], np.uint16), encoding)
    np.testing.assert_allclose(depth, [[0.7, 0], [1.234, 65.535]], rtol=1e-6)
    assert depth.dtype == np.float32


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 1)])
def test_float_depth_is_metres(shape):
    array = np.array([0.7, np.nan, np.inf, 0.0], np.float32).reshape(shape)
    np.testing.assert_array_equal(canonical_depth(array, "32FC1"), array.reshape(2, 2))


@pytest.mark.parametrize(
    "encoding, dtype",
    [("mono8", np.uint8), ("8UC1", np.uint8), ("mono16", np.uint16), ("16UC1", np.uint16), ("bool", bool)],
)
def test_masks_keep_their_labels(encoding, dtype):
    labels = np.array([[0, 1], [255, 3]]).astype(dtype)
    mask = canonical_mask(labels, encoding)
    assert mask.dtype == np.uint16
    np.testing.assert_array_equal(mask, labels.astype(np.uint16))


def test_labels_out_of_range_are_refused():
    with pytest.raises(GmiError, match="-1 to 0"):
        canonical_mask(np.array([[-1, 0]], np.int16), "16SC1")


@pytest.mark.parametrize("function", [canonical_rgb, canonical_depth, canonical_mask])
def test_unknown_encodings_are_refused_with_the_valid_ones(function):
    with pytest.raises(GmiError) as refused:
        function(np.zeros((2, 2), np.uint8), "yuv422")
    assert refused.value.code == ErrorCode.UNKNOWN_ENCODING
    assert "'yuv422' is not one of" in refused.value.message
