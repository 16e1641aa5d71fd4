"""The pose of the camera in the frame of the answers: given, or asked of tf2; what is missing is told with its frames."""

from types import SimpleNamespace

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros import compat
from gmi_ros.ros.transforms import Transforms

pytestmark = pytest.mark.ros


def test_the_pose_of_the_camera_is_given_or_asked_of_tf2(live, monkeypatch):
    node = live.node("user")
    pose = poses.from_xyzw(np.array([0, 0, 1.0]), np.array([1.0, 0, 0, 0]))
    assert Transforms(node, "", None).output_from_camera("camera", 0) is None
    assert Transforms(node, "camera", pose).output_from_camera("camera", 0) is None
    np.testing.assert_array_equal(Transforms(node, "base", pose).output_from_camera("camera", 0), pose)
    monkeypatch.setattr(compat, "tf2_ros", None)
    with pytest.raises(GmiError, match="camera_pose") as caught:
        Transforms(node, "base", None)
    assert caught.value.code == ErrorCode.BAD_SETTING


def test_a_transform_that_is_not_there_is_told(live, monkeypatch):
    class TransformException(Exception):
        pass

    class Buffer:
        def __init__(self, node):
            self.asked = []

        def lookup_transform(self, target, source, time, timeout):
            raise TransformException(f"{target} {source} {time.nanoseconds}")

    tf2 = SimpleNamespace(
        Buffer=Buffer, TransformListener=lambda buffer, node: None, TransformException=TransformException
    )
    monkeypatch.setattr(compat, "tf2_ros", tf2)
    transforms = Transforms(live.node("user"), "base", None)
    with pytest.raises(GmiError, match="'camera' to 'base'.*5.000 s.*5000000000") as caught:
        transforms.output_from_camera("camera", 5_000_000_000)
    assert caught.value.code == ErrorCode.TRANSFORM_UNAVAILABLE
