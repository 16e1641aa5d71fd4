"""Whole images of executed grasps: found by stamp, whatever came first, within the memory, bit for bit on disk."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from gmi_ros.msg import GraspOutcome, Observation
from gmi_ros.ros import qos
from gmi_ros.ros.convert import frame_messages
from gmi_ros.ros.experience_recorder import ExperienceRecorder
from gmi_ros.ros.frame_ring import FrameRing, size
from gmi_ros.ros.frame_source import TOPICS

pytestmark = pytest.mark.ros
SET_BYTES = 3000


def image_set(stamp: int) -> tuple:
    header = Header(stamp=Time(sec=stamp))
    images = [Image(header=header, data=bytes(SET_BYTES // 3)) for _ in range(3)]
    return images[0], images[1], CameraInfo(header=header), images[2]


def observation(name: str, stamp: int) -> Observation:
    return Observation(id=name, header=Header(stamp=Time(sec=stamp)))


@pytest.mark.parametrize("first", ["images", "observation"])
def test_images_and_observation_meet_in_either_order(first):
    ring, images = FrameRing(10 * SET_BYTES), image_set(3)
    steps = [lambda: ring.came(*images), lambda: ring.observed(observation("a", 3))]
    for step in steps if first == "images" else steps[::-1]:
        ring.came(*image_set(2))
        step()
    ring.observed(observation("a", 3))  # it is published again with the outcome
    for stamp in range(4, 100):
        ring.came(*image_set(stamp))
        assert ring.bytes <= 10 * SET_BYTES
    assert ring.take("a")[0] is images[0] and ring.take("a") is None and ring.take("b") is None


def test_two_objects_of_one_image():
    ring, images = FrameRing(10 * SET_BYTES), image_set(3)
    ring.came(*images)
    ring.observed(observation("a", 3))
    ring.observed(observation("b", 3))
    assert ring.take("a")[0] is ring.take("b")[0] is images[0] and ring.bytes == 0


def test_the_memory_holds_whatever_comes():
    rng, ring, most = np.random.default_rng(1), FrameRing(10 * SET_BYTES), 0
    for n in range(2000):
        if rng.random() < 0.5:
            ring.came(*image_set(int(rng.integers(n // 4, n // 4 + 20))))
        else:
            stamp = int(rng.integers(n // 4, n // 4 + 20))
            ring.observed(observation(f"{stamp}", stamp))
        most = max(most, ring.bytes)
        assert ring.bytes <= 10 * SET_BYTES
    assert most >= 9 * SET_BYTES  # and it is used
    ring.clear()
    assert ring.bytes == 0
    huge = FrameRing(SET_BYTES / 2)
    huge.came(*image_set(1))
    assert huge.bytes == 0 and size(image_set(1)) == SET_BYTES


class Cell:
    """A recorder of full frames; camera and synthesizer are played by the test."""

    def __init__(self, live, path, **settings):
        self.live = live
        given = {"store": str(path), "store_full_frames": True, "input_reliability": "reliable", **settings}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.recorder = live.spin(ExperienceRecorder(context=live.context, parameter_overrides=overrides))
        self.player = live.node("grasp_synthesizer")
        self.cameras = [self.player.create_publisher(kind, name, 10) for kind, name in TOPICS]
        self.outcomes = self.player.create_publisher(GraspOutcome, "grasp_outcome", qos.retained(100))
        self.observations = self.player.create_publisher(Observation, "~/observation", qos.retained(20))

    def show(self, frame) -> None:
        ring = self.recorder._frames._ring
        before = ring.bytes
        for camera, message in zip(self.cameras, frame_messages(frame)):
            camera.publish(message)
        self.live.until(lambda: ring.bytes > before, "the images")

    def counted(self, name: str, n: int) -> None:
        self.live.until(lambda: self.recorder.statistics[name] == n, f"{n} {name}")


def test_what_was_executed_is_kept_bit_for_bit_and_nothing_else(live, tmp_path, executed, draw):
    cell = Cell(live, tmp_path / "experience.db")
    live.until(lambda: all(camera.get_subscription_count() for camera in cell.cameras), "the inputs")
    for n in range(4):
        cell.show(draw(stamp_ns=1_000_000_000 + n * 100_000_000))
    for n, name in ((1, "a"), (3, "b"), (1, "c")):  # c: another grasp of a's image
        outcome, seen, _ = executed(n, name)
        cell.observations.publish(seen)
        cell.outcomes.publish(outcome)
    cell.counted("frames.written", 2)
    cell.counted("stored", 3)
    frames = cell.recorder.store.frames
    for n in (1, 3):
        kept, shown = frames.read(executed(n, "x")[1].id), draw(stamp_ns=1_000_000_000 + n * 100_000_000)
        for part in ("rgb", "depth", "mask"):
            np.testing.assert_array_equal(getattr(kept, part), getattr(shown, part))
        assert (kept.stamp_ns, kept.intrinsics, kept.frame_id) == (shown.stamp_ns, shown.intrinsics, shown.frame_id)
    assert len(frames) == 2 and cell.recorder.statistics["frames.missed"] == 0
    # Images that never came: the record is stored all the same, and the loss is said.
    outcome, seen, _ = executed(9, "d")
    cell.observations.publish(seen)
    cell.outcomes.publish(outcome)
    cell.counted("stored", 4)
    cell.counted("frames.missed", 1)


def test_cameras_are_left_alone_unless_asked(live, tmp_path):
    cell = Cell(live, tmp_path / "experience.db", store_full_frames=False)
    live.until(lambda: cell.observations.get_subscription_count() and cell.outcomes.get_subscription_count(), "it")
    assert [cell.player.count_subscribers(name) for _, name in TOPICS] == [0, 0, 0, 0]
