"""image_array gives what genuine cv_bridge gives (test/golden), and says what is wrong with an image."""

import array
import base64
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.images import image_array

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "images.json").read_text())["cases"]


def image(**changes):
    fields = {"encoding": "rgb8", "height": 2, "width": 3, "step": 9, "is_bigendian": 0, "data": bytes(range(18))}
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize("case", GOLDEN, ids=lambda c: f"{c['encoding']}-step{c['step']}-big{c['is_bigendian']}")
def test_same_as_cv_bridge_passthrough(case):
    data = base64.b64decode(case["data"])
    expected = np.frombuffer(base64.b64decode(case["array"]["data"]), case["array"]["dtype"])
    for buffer in (data, array.array("B", data), np.frombuffer(data, np.uint8)):  # rclpy, rosbags and plain bytes
        result = image_array(SimpleNamespace(**{**case, "data": buffer}))
        assert result.dtype == expected.dtype and result.dtype.isnative
        assert list(result.shape) == case["array"]["shape"]
        np.testing.assert_array_equal(result.ravel(), expected)


def test_padding_that_is_no_whole_pixel_is_dropped():
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 9)
    padded = np.pad(pixels, ((0, 0), (0, 4)), constant_values=255)
    result = image_array(image(step=13, data=padded.tobytes()))
    np.testing.assert_array_equal(result, pixels.reshape(2, 3, 3))


@pytest.mark.parametrize("encoding", ["jpeg", "", "rgb8; compressed", "8UC0"])
def test_unknown_encoding_lists_the_valid_ones(encoding):
    with pytest.raises(GmiError, match="rgb8, bgr8, .*32FC1") as error:
        image_array(image(encoding=encoding))
    assert error.value.code == ErrorCode.UNKNOWN_ENCODING and repr(encoding) in error.value.message


@pytest.mark.parametrize(
    "changes",
    [{"step": 8}, {"step": 0}, {"data": bytes(17)}, {"data": b""}, {"height": 3}, {"width": 0}, {"height": 0}],
)
def test_data_too_short_for_the_size_are_refused(changes):
    with pytest.raises(GmiError, match="step") as error:
        image_array(image(**changes))
    assert error.value.code == ErrorCode.SIZE_MISMATCH
