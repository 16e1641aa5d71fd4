"""Recording: every message of every topic, byte for byte, into a bag that reads back."""

import os
import signal
import threading

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bags import bag_topics, read_sets, set_to_frame
from gmi_ros.ros.convert import frame_messages
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.recording import record

pytestmark = pytest.mark.ros


class Camera:
    """Shows one frame again and again, from a thread of its own."""

    def __init__(self, live, frame):
        self.node = live.node("camera")
        self.publishers = [self.node.create_publisher(kind, name, 10) for kind, name in TOPICS]
        self.frame = frame
        self.timer = self.node.create_timer(0.1, self.show)

    def show(self):
        stamp = self.node.get_clock().now().to_msg()
        for publisher, message in zip(self.publishers, frame_messages(self.frame), strict=True):
            message.header.stamp = stamp
            publisher.publish(message)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_what_is_published_is_recorded(live, draw, tmp_path, storage):
    camera = Camera(live, draw())
    out = tmp_path / "bag"
    told = record(out, storage=storage, duration_s=2.0)
    assert told["messages"] == sum(told["per_topic"].values()) >= 4 * 5
    assert set(told["per_topic"]) == set(bag_topics(out)) == {"/" + name for _, name in TOPICS}
    assert "/grasp_outcome" in told["missing"]
    frames = [set_to_frame(s) for s in read_sets(out)]
    assert len(frames) >= 5
    for frame in frames:
        assert (frame.rgb == camera.frame.rgb).all() and (frame.depth == camera.frame.depth).all()
        assert frame.frame_id == camera.frame.frame_id
    assert len({frame.stamp_ns for frame in frames}) == len(frames)


def test_a_signal_finishes_the_bag(live, draw, tmp_path):
    Camera(live, draw())
    threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    told = record(tmp_path / "bag", topics=["rgb/camera_info"], duration_s=30.0)
    assert told["messages"] > 0 and bag_topics(tmp_path / "bag") == {"/rgb/camera_info": "sensor_msgs/msg/CameraInfo"}


def test_a_bag_is_never_overwritten(tmp_path):
    with pytest.raises(GmiError, match="exists already") as caught:
        record(tmp_path, duration_s=0.1)
    assert caught.value.code is ErrorCode.BAD_REQUEST
