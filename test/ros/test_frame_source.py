"""The four inputs as they come: compressed or not, counted, told on, taken down, whatever the one who listens does."""

import io
import math
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Picture
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import load
from gmi_ros.pipeline import synthesize
from gmi_ros.ros import compat
from gmi_ros.ros.convert import frame_messages, stamp_message
from gmi_ros.ros.frame_source import TOPICS, FrameSource, input_topics
from gmi_ros.ros.grasp_synthesizer import GraspSynthesizer
from gmi_ros.ros.settings import NodeSettings
from gmi_ros.srv import SynthesizeGrasp

pytestmark = pytest.mark.ros
SETTINGS = {"input_reliability": "reliable", "queue_size": 3, "slop_s": 0.05, "max_age": 60.0, "max_future": 1.0}


def settings(**changes) -> NodeSettings:
    return NodeSettings(**{**SETTINGS, **changes})


def png(message, array) -> CompressedImage:
    """The image message as a PNG file of the array."""
    buffer = io.BytesIO()
    Picture.fromarray(array).save(buffer, "PNG")
    return CompressedImage(header=message.header, format=f"{message.encoding}; png compressed", data=buffer.getvalue())


@pytest.fixture(params=["own", "message_filters"])
def synchroniser(request, monkeypatch):
    """Each test with either synchroniser; the genuine one where it is installed."""
    if request.param == "own":
        monkeypatch.setattr(compat, "message_filters", None)
    elif compat.message_filters is None:
        pytest.skip("message_filters comes with ROS distributions only")


class Camera:
    """A FrameSource of its own node, and what publishes to it."""

    def __init__(self, live, **changes):
        self.live, self.node, self.user = live, live.node("listener"), live.node("camera")
        self.source = FrameSource(self.node, settings(**changes))
        self.names = [self.node.resolve_topic_name(n) for _, n in input_topics(self.node, settings(**changes))]
        self.publishers = [
            self.user.create_publisher(kind, name, 10) for kind, name in input_topics(self.node, settings(**changes))
        ]
        live.until(lambda: all(p.get_subscription_count() for p in self.publishers), "the inputs")

    def send(self, index: int, message) -> None:
        """Publish one message and wait until it is counted."""
        count = self.source.received[self.names[index]]
        self.publishers[index].publish(message)
        self.live.until(lambda: self.source.received[self.names[index]] > count, "the message")

    def show(self, frame, make=lambda messages: messages) -> None:
        """Publish a frame stamped now."""
        messages = frame_messages(frame)
        for message in messages:
            message.header.stamp = self.user.get_clock().now().to_msg()
        for index, message in enumerate(make(messages)):
            self.send(index, message)


def test_compressed_images_come_in_by_their_own_topics(live, draw, synchroniser):
    frame = draw()
    camera = Camera(live, rgb_transport="compressed", depth_transport="compressed", mask_transport="compressed")
    assert camera.names == [
        "/rgb/image/compressed", "/depth/image/compressed", "/rgb/camera_info", "/segmentation/mask/compressed",
    ]  # fmt: skip
    depth_mm = np.rint(frame.depth * 1000).astype(np.uint16)

    def compress(messages):
        rgb, depth, info, mask = messages
        return png(rgb, frame.rgb), png(depth, depth_mm), info, png(mask, frame.mask.astype(np.uint8))

    camera.show(frame, compress)
    live.until(lambda: camera.source.sets == 1, "the set")
    seen, age = camera.source.newest()
    np.testing.assert_array_equal(seen.rgb, frame.rgb)
    np.testing.assert_array_equal(seen.mask, frame.mask)
    np.testing.assert_allclose(seen.depth, frame.depth, atol=1e-6)
    assert 0 <= age < 60


def test_the_node_answers_compressed_images_as_it_answers_plain_ones(live, draw, weights):
    frame = draw()
    depth_mm = np.rint(frame.depth * 1000).astype(np.uint16)
    frame = replace(frame, depth=depth_mm.astype(np.float32) * np.float32(0.001))
    expected = synthesize(frame, load(weights), load_hand(), SynthesisSettings(n_samples=8), 1)
    transports = {"rgb_transport": "compressed", "depth_transport": "compressedDepth", "mask_transport": "compressed"}
    given = {"model": weights, "n_samples": 8, "max_age": 60.0, "request_timeout": 20.0, **transports}
    node = live.spin(
        GraspSynthesizer(
            context=live.context, parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
        )
    )
    user = live.node("user")
    client = user.create_client(SynthesizeGrasp, "synthesize_grasp")
    cameras = [user.create_publisher(kind, name, 5) for kind, name in input_topics(node, settings(**transports))]
    live.until(lambda: all(c.get_subscription_count() for c in cameras), "the inputs")
    messages = frame_messages(frame)
    for message in messages:
        message.header.stamp = user.get_clock().now().to_msg()
    rgb, depth, info, mask = messages
    coded = png(depth, depth_mm)
    coded.format, coded.data = "16UC1; compressedDepth png", bytes(12) + bytes(coded.data)
    sent = (png(rgb, frame.rgb), coded, info, png(mask, frame.mask.astype(np.uint8)))

    def answer():
        for camera, message in zip(cameras, sent):
            camera.publish(message)
        return live.call(client, SynthesizeGrasp.Request(seed=1), 30.0)

    found = live.until(lambda: (a := answer()).error_code != ErrorCode.NO_FRAME and a, "an answer", 30.0)
    assert found.success, found.message
    assert [g.score for g in found.grasps] == [g.score for g in expected.grasps]


def test_the_ending_is_appended_to_the_remapped_name(live):
    node = live.node("listener", "left")
    names = [name for _, name in input_topics(node, settings(depth_transport="compressedDepth"))]
    assert names == ["rgb/image", "/left/depth/image/compressedDepth", "rgb/camera_info", "segmentation/mask"]


def test_inputs_are_counted_and_what_finds_no_partners_is_told(live, draw, synchroniser):
    camera = Camera(live)
    before = camera.source.statistics()
    assert set(before) == {f"/{name}" for _, name in TOPICS}
    assert all(s.received == s.unpaired == s.rate == 0 and math.isnan(s.age) for s in before.values())
    for _ in range(2):
        camera.show(draw())
    live.until(lambda: camera.source.sets == 2, "the sets")
    rgb, *_ = frame_messages(draw())
    for second in range(5):  # 3 may wait, and none has partners
        rgb.header.stamp = stamp_message(camera.node.get_clock().now().nanoseconds - (10 - second) * 10**9)
        camera.send(0, rgb)
    now = camera.source.statistics()
    assert now["/rgb/image"].received == 7 and now["/rgb/image"].unpaired == 2
    assert now["/depth/image"].received == 2 and now["/depth/image"].unpaired == 0
    assert 5.5 < now["/rgb/image"].age < 60 and 0 < now["/depth/image"].rate <= 2
    assert 0 < camera.source.sets_per_s <= 2


def test_who_is_told_of_a_set_may_fail_and_may_look(live, draw, synchroniser, monkeypatch):
    camera, seen, logged = Camera(live), [], []
    monkeypatch.setattr(camera.source, "_logger", SimpleNamespace(error=logged.append))

    def told():
        seen.append(camera.source.newest()[0].stamp_ns)
        camera.source._synchronizer.clear()  # hangs where a lock is held
        raise ZeroDivisionError("made by the test")

    camera.source.on_set = told
    for count in (1, 2, 3):
        camera.show(draw())
        live.until(lambda: len(seen) == count and len(logged) == count, "the call")
    assert camera.source.sets == 3 and "made by the test" in logged[0]


def test_what_is_closed_receives_no_more_and_can_be_made_again(live, draw, synchroniser):
    camera = Camera(live)
    camera.show(draw())
    live.until(lambda: camera.source.sets == 1, "the set")
    camera.source.close()
    live.until(lambda: not any(p.get_subscription_count() for p in camera.publishers), "the end of the subscriptions")
    with pytest.raises(GmiError) as caught:
        camera.source.newest()
    assert caught.value.code == ErrorCode.NO_FRAME and camera.source.sets == 1
    camera.source = FrameSource(camera.node, settings())
    live.until(lambda: all(p.get_subscription_count() for p in camera.publishers), "the new subscriptions")
    camera.show(draw())
    live.until(lambda: camera.source.sets == 1, "the set")


def test_counting_costs_next_to_nothing():
    from gmi_ros.ros.intake import Input

    source, start = Input("/rgb/image"), time.process_time()
    for stamp in range(20_000):
        source.came(stamp)
    assert time.process_time() - start < 1.0  # 50 us each on the slowest machine
    assert source.received == 20_000 and source.statistics(30_000, 0).age == pytest.approx(10_001e-9)
