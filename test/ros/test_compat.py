"""The seam serves the same whether the packages of a ROS distribution are there or not, and names the absent."""

from types import SimpleNamespace

import numpy as np
import pytest
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros import compat, qos
from gmi_ros.ros.convert import image_message, stamp_message

pytestmark = pytest.mark.ros


def test_what_is_missing_is_named_in_one_line(monkeypatch):
    lines = []
    node = SimpleNamespace(get_logger=lambda: SimpleNamespace(info=lines.append))
    monkeypatch.setattr(compat, "cv_bridge", None)
    monkeypatch.setattr(compat, "tf2_ros", None)
    monkeypatch.setattr(compat, "message_filters", object())
    compat.log_missing(node)
    (line,) = lines
    assert "cv_bridge" in line and "camera_pose" in line and "message_filters" not in line
    monkeypatch.setattr(compat, "cv_bridge", object())
    monkeypatch.setattr(compat, "tf2_ros", object())
    compat.log_missing(node)
    assert len(lines) == 1


def test_a_package_that_does_not_fit_counts_as_absent(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise AttributeError('_ARRAY_API not found')")
    monkeypatch.syspath_prepend(tmp_path)
    assert compat._optional("broken_package") is None
    assert compat._optional("no_such_package_anywhere") is None


def test_sets_are_made_of_stamps_that_lie_close_together(live):
    user, sets = live.node("user"), []
    names = ("a", "b")
    synchronizer = compat.Synchronizer(
        user, [(JointState, n) for n in names], qos.inputs("reliable"), 10, 0.05, lambda *s: sets.append(s)
    )
    publishers = [user.create_publisher(JointState, n, 10) for n in names]
    live.until(lambda: all(p.get_subscription_count() for p in publishers), "the subscriptions")

    def send(index: int, stamp_ns: int) -> None:
        count = synchronizer.received[f"/{names[index]}"]
        publishers[index].publish(JointState(header=Header(stamp=stamp_message(stamp_ns))))
        live.until(lambda: synchronizer.received[f"/{names[index]}"] > count, "the message")

    send(0, 1_000_000_000)
    send(1, 1_100_000_000)  # too far
    assert not sets
    send(0, 1_120_000_000)
    live.until(lambda: len(sets) == 1, "the set")
    assert [m.header.stamp.nanosec for m in sets[0]] == [120_000_000, 100_000_000]
    send(0, 2_000_000_000)
    synchronizer.clear()
    send(1, 2_000_000_000)
    assert len(sets) == 1
    assert synchronizer.received == {"/a": 3, "/b": 2}


def test_images_are_read_without_cv_bridge(monkeypatch):
    monkeypatch.setattr(compat, "cv_bridge", None)
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    np.testing.assert_array_equal(compat.image_array(image_message(array, "16UC1", Header())), array)


def test_the_genuine_cv_bridge_is_used_and_its_errors_are_ours(monkeypatch):
    class CvBridgeError(Exception):
        pass

    def fail(message, encoding):
        assert encoding == "passthrough"
        raise CvBridgeError("Unrecognized image encoding [nonsense]")

    bridge = SimpleNamespace(imgmsg_to_cv2=fail)
    monkeypatch.setattr(compat, "cv_bridge", SimpleNamespace(CvBridge=lambda: bridge, CvBridgeError=CvBridgeError))
    message = image_message(np.zeros((2, 2), np.uint8), "mono8", Header())
    message.encoding = "nonsense"
    with pytest.raises(GmiError, match="nonsense") as caught:
        compat.image_array(message)
    assert caught.value.code == ErrorCode.UNKNOWN_ENCODING
    with pytest.raises(GmiError) as caught:
        compat.image_array(Image(encoding="mono8", width=2, height=2, step=2))
    assert caught.value.code == ErrorCode.SIZE_MISMATCH
