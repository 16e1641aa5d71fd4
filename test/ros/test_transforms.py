"""The pose of the camera in the frame of the answers: given, or asked of tf2; what is missing is told with its frames."""

import time
from threading import Timer
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros import compat
from gmi_ros.ros.transforms import Transforms

pytestmark = pytest.mark.ros


def test_the_pose_of_the_camera_is_given_or_asked_of_tf2(live, monkeypatch):
    node = live.node("user")
    pose = poses.from_xyzw(np.array([0, 0, 1.0]), np.array([1.0, 0, 0, 0]))
    assert Transforms(node, "", None).output_from_camera("camera", 0, 0.0) is None
    assert Transforms(node, "camera", pose).output_from_camera("camera", 0, 0.0) is None
    np.testing.assert_array_equal(Transforms(node, "base", pose).output_from_camera("camera", 0, 0.0), pose)
    monkeypatch.setattr(compat, "tf2_ros", None)
    with pytest.raises(GmiError, match="camera_pose") as caught:
        Transforms(node, "base", None)
    assert caught.value.code == ErrorCode.BAD_SETTING


class TransformException(Exception):
    pass


class Buffer:
    """Of tf2, as far as it is used: knows one transform once it has been heard."""

    def __init__(self, node=None):
        self.known, self.cleared = None, 0

    def can_transform(self, target, source, time, timeout):
        assert timeout.nanoseconds == 0  # never waits by the node's clock
        return self.known is not None

    def lookup_transform(self, target, source, time, timeout):
        if self.known is None:
            raise TransformException(f"{target} {source} {time.nanoseconds}")
        return self.known

    def clear(self):
        self.known, self.cleared = None, self.cleared + 1


class Listener:
    """Counts those that listen."""

    listening = 0

    def __init__(self, buffer, node):
        Listener.listening += 1

    def unregister(self):
        Listener.listening -= 1


@pytest.fixture
def transforms(live, monkeypatch):
    tf2 = SimpleNamespace(Buffer=Buffer, TransformListener=Listener, TransformException=TransformException)
    monkeypatch.setattr(compat, "tf2_ros", tf2)
    monkeypatch.setattr(Listener, "listening", 0)
    return Transforms(live.node("user"), "base", None)


def test_a_transform_that_is_not_there_is_told_after_the_wait(transforms):
    start = time.monotonic()
    with pytest.raises(GmiError, match="'camera' to 'base'.*5.000 s after 0.05 s .tf_timeout.*5000000000") as caught:
        transforms.output_from_camera("camera", 5_000_000_000, 0.05)
    assert caught.value.code == ErrorCode.TRANSFORM_UNAVAILABLE and 0.05 <= time.monotonic() - start < 2.0


def test_a_transform_that_comes_late_is_waited_for(transforms):
    found = TransformStamped()
    found.transform.translation.x, found.transform.rotation.w = 0.25, 1.0
    Timer(0.05, lambda: setattr(transforms._buffer, "known", found)).start()
    pose = transforms.output_from_camera("camera", 1, 10.0)
    np.testing.assert_array_equal(pose, poses.from_xyzw(np.array([0.25, 0, 0]), np.array([0, 0, 0, 1.0])))


def test_after_a_jump_back_it_listens_anew_so_that_static_transforms_come_again(transforms):
    transforms._forget()
    assert transforms._buffer.cleared == 1 and Listener.listening == 1
    transforms.close()
    assert Listener.listening == 0
