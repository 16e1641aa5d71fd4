"""Poses that come unevenly are followed evenly."""

import numpy as np
import pytest

from gmi_ros.bridge.pose_stream import PoseStream
from gmi_ros.core import poses

PERIOD, DELAY, SPEED = 0.02, 0.04, 0.2  # [s], [s], [m/s]


def at(height: float) -> np.ndarray:
    return poses.make(np.eye(3), np.array([0.0, 0.0, height]))


def followed(late: np.ndarray, clock: float = 0.0) -> np.ndarray:
    """Heights (n,) [m] every 0.01 s of a way up at SPEED whose poses come `late` (n,) [s] after their stamps."""
    stream, waiting, time, heights = PoseStream(DELAY), [(k * PERIOD, wait) for k, wait in enumerate(late)], 0.0, []
    while waiting or stream.lacks(time):
        while waiting and waiting[0][0] + waiting[0][1] <= time + 1e-9:
            stamp, _ = waiting.pop(0)
            here = stream.pose_at(time)
            stream.add(clock + stamp, at(SPEED * stamp), time, at(0.0) if here is None else here)
        if waiting and stream.lacks(time):  # as the plant does: it waits, so that what is late comes now
            waiting[0] = (waiting[0][0], time - waiting[0][0])
            continue
        if (pose := stream.pose_at(time)) is not None:
            heights.append(pose[2, 3])
        time += 0.01
    return np.array(heights)


@pytest.mark.parametrize("clock", [0.0, 1.7e9])
def test_a_way_is_as_even_as_its_stamps_however_late_its_poses_come(clock):
    rng = np.random.default_rng(1)
    heights = followed(rng.choice([0.0, 0.01, 0.03, 0.2], 50), clock)
    steps = np.diff(heights)
    assert heights[-1] > 0.9 * 49 * PERIOD * SPEED
    assert steps.min() >= -1e-6 and steps.max() <= 1.01 * SPEED * 0.01 + 1e-6
    assert np.abs(np.diff(steps[8:-8])).max() < 1e-6  # no jerk on the way


def test_the_last_pose_is_the_end():
    stream = PoseStream(DELAY)
    assert stream.pose_at(0.0) is None and not stream.lacks(5.0)
    stream.add(3.0, at(0.1), 1.0, at(0.0))
    assert stream.lacks(1.1) and not stream.lacks(1.03)
    assert stream.pose_at(1.02)[2, 3] == pytest.approx(0.05) and stream.pose_at(9.0)[2, 3] == pytest.approx(0.1)
    stream.end()
    assert not stream.lacks(9.0) and stream.pose_at(9.0)[2, 3] == pytest.approx(0.1)
    stream.add(7.0, at(0.2), 10.0, at(0.1))  # another motion, by whatever clock
    assert stream.pose_at(10.02)[2, 3] == pytest.approx(0.15)
    stream.stop()
    assert stream.pose_at(11.0) is None


def test_stamps_that_go_back_do_not_bring_the_arm_back():
    stream = PoseStream(DELAY)
    for stamp, height in ((1.0, 0.1), (0.5, 0.2), (1.02, 0.3)):
        stream.add(stamp, at(height), 2.0, at(0.0))
    heights = [stream.pose_at(time)[2, 3] for time in np.arange(2.0, 2.1, 0.005)]
    assert heights == sorted(heights) and heights[-1] == pytest.approx(0.3)
