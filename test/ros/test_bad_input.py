"""Whatever comes in, the answer has its own code, the value and the bound, is counted, and the next one is good."""

from dataclasses import replace

import numpy as np
import pytest
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.msg import GraspFilters
from gmi_ros.ros.convert import image_message
from gmi_ros.ros.grasp_synthesizer import GraspSynthesizer

pytestmark = pytest.mark.ros


def refused(robot, code: ErrorCode, *words: str, **request) -> None:
    """The request is refused with this code and a message that holds the words, counted, and then a good one is met."""
    before = robot.node.statistics[f"refused.{code.name}"]
    answer = robot.ask(**request)
    assert ErrorCode(answer.error_code) == code, answer.message
    assert not answer.success and not answer.goal_accepted
    for word in words:
        assert word in answer.message, answer.message
    assert robot.node.statistics[f"refused.{code.name}"] == before + 1
    robot.show()
    assert robot.ask().success


def with_mask(frame, edit):
    """The frame with an edited copy of its mask."""
    mask = frame.mask.copy()
    edit(mask)
    return replace(frame, mask=mask)


def with_depth(frame, depth):
    """The frame with another depth where its object is."""
    return replace(frame, depth=np.where(frame.mask > 0, np.float32(depth), frame.depth).astype(np.float32))


@pytest.fixture
def robot(shared_robot):
    """One node for all of them: it must outlive everything that it is fed."""
    return shared_robot


def test_no_frame_yet(make_robot):
    robot = make_robot(namespace="another")
    refused(robot, ErrorCode.NO_FRAME, "0 complete sets", "1 is needed", "depth/image 0")


def test_a_frame_older_than_max_age(robot):
    robot.show(age=25.0)
    refused(robot, ErrorCode.STALE_FRAME, "25.", "at most 20.000 s", "max_age")


def test_the_request_can_lower_and_raise_max_age(robot):
    robot.show(age=25.0)
    assert robot.ask(max_age=60.0).success
    robot.show(age=0.5)
    refused(robot, ErrorCode.STALE_FRAME, "at most 0.200 s", max_age=0.2)


def test_a_stamp_in_the_future(robot):
    robot.show(age=-20.0)
    refused(robot, ErrorCode.FUTURE_FRAME, "in the future", "at most 0.100 s")


def test_an_empty_mask(robot, draw):
    robot.show(draw(()))
    refused(robot, ErrorCode.MASK_EMPTY, "no pixel", "above 0")


def test_an_empty_mask_where_all_objects_are_asked_for(robot, draw):
    robot.show(draw(()))
    refused(robot, ErrorCode.MASK_EMPTY, "no pixel", "above 0", all_objects=True)


def test_a_mask_at_the_border(robot, draw):
    robot.show(draw(((0, 45, 12, 24, 1),)))
    refused(robot, ErrorCode.MASK_AT_BORDER, "label 1", "left")


def test_a_mask_of_fewer_than_30_pixels(robot, draw):
    robot.show(draw(((70, 45, 5, 5, 1),)))
    refused(robot, ErrorCode.MASK_TOO_SMALL, "25 pixels", "at least 30")


def test_a_label_that_is_not_there(robot):
    robot.show()
    refused(robot, ErrorCode.LABEL_NOT_FOUND, "label 9", "it has 1", target_label=9)


@pytest.mark.parametrize("hole", [0.0, np.nan, np.inf])
def test_no_valid_depth(robot, draw, hole):
    robot.show(with_depth(draw(), hole))
    refused(robot, ErrorCode.NO_VALID_DEPTH, "none of the 288 pixels")


def test_depth_that_is_a_thousand_times_off(robot, draw):
    robot.show(with_depth(draw(), 600.0))
    refused(robot, ErrorCode.DEPTH_UNITS, "600 m", "[0.2, 4.0]", "millimetres given as metres")
    robot.show(with_depth(draw(), 0.0006))
    refused(robot, ErrorCode.DEPTH_UNITS, "0.0006 m", "[0.2, 4.0]")


@pytest.mark.parametrize("which", ["rgb", "depth", "info", "mask"])
def test_sizes_that_differ(robot, which):
    def shrink(*messages):
        message = messages[("rgb", "depth", "info", "mask").index(which)]
        if which == "info":
            message.width, message.height = 80, 60
            return
        small = np.zeros((60, 80, 3) if which == "rgb" else (60, 80), np.float32 if which == "depth" else np.uint8)
        other = image_message(small, message.encoding, message.header)
        message.width, message.height, message.step, message.data = 80, 60, other.step, other.data

    robot.show(change=shrink)
    refused(robot, ErrorCode.SIZE_MISMATCH, "80x60", "160x120", "one size")


def test_data_that_are_shorter_than_the_size(robot):
    def cut(rgb, *_):
        rgb.data = rgb.data[:100]

    robot.show(change=cut)
    refused(robot, ErrorCode.SIZE_MISMATCH, "rgb/image", "160x120", "100 bytes")


@pytest.mark.parametrize("index, topic", [(0, "rgb"), (1, "depth"), (3, "mask")])
@pytest.mark.parametrize("encoding", ["nonsense", "64FC3"])
def test_an_unknown_encoding(robot, index, topic, encoding):
    def rename(*messages):
        message = messages[index]
        message.encoding = encoding
        if encoding == "64FC3":
            message.step, message.data = 160 * 24, b"\0" * (160 * 24 * 120)

    robot.show(change=rename)
    refused(robot, ErrorCode.UNKNOWN_ENCODING, topic, encoding)


def test_k_of_zeros(robot):
    def zero(rgb, depth, info, mask):
        info.k = np.zeros(9)

    robot.show(change=zero)
    refused(robot, ErrorCode.BAD_INTRINSICS, "fx=0.0", "fx > 0")


def test_depth_of_another_frame(robot):
    def move(rgb, depth, *_):
        depth.header = Header(stamp=rgb.header.stamp, frame_id="camera_depth_optical_frame")

    robot.show(change=move)
    refused(robot, ErrorCode.UNREGISTERED_DEPTH, "camera_depth_optical_frame", "camera_rgb_optical_frame")


def test_a_frame_without_end(robot):
    def name(*messages):
        for message in messages:
            message.header.frame_id = "x" * 100_000

    robot.show(change=name)
    refused(robot, ErrorCode.BAD_REQUEST, "frame_id", "at most 255 characters, got 100000")


def test_intrinsics_of_another_frame(robot):
    def move(rgb, depth, info, mask):
        info.header = Header(stamp=rgb.header.stamp, frame_id="camera_depth_optical_frame")

    robot.show(change=move)
    refused(robot, ErrorCode.BAD_INTRINSICS, "camera_depth_optical_frame", "camera_rgb_optical_frame")


def test_frames_that_differ_by_a_slash_and_masks_of_any_frame_are_taken(robot):
    def rename(rgb, depth, info, mask):
        depth.header = Header(stamp=rgb.header.stamp, frame_id="/camera_rgb_optical_frame")
        mask.header = Header(stamp=rgb.header.stamp, frame_id="somewhere")

    robot.show(change=rename)
    assert robot.ask().success


@pytest.mark.parametrize("side", [60_000, 2**32 - 1])
def test_a_camera_info_without_bounds(robot, side):
    def grow(rgb, depth, info, mask):
        info.width = info.height = side

    robot.show(change=grow)
    refused(robot, ErrorCode.BAD_INTRINSICS, f"{side}x{side}", str(side**2), "67108864")


@pytest.mark.parametrize("index, topic", [(0, "rgb/image"), (1, "depth/image"), (3, "segmentation/mask")])
def test_an_image_of_a_billion_pixels(robot, index, topic):
    def grow(*messages):
        messages[index].width, messages[index].height, messages[index].step = 2**15, 2**15, 0

    robot.show(change=grow)
    refused(robot, ErrorCode.SIZE_MISMATCH, topic, "32768x32768", "1073741824 pixels", "at most 67108864")


@pytest.mark.parametrize(
    "request_, words",
    [
        ({"n_samples": 10_000_000}, ("n_samples", "10000000", "[1, 4096]")),
        ({"max_grasps": 10_000_000}, ("max_grasps", "10000000", "[1, 4096]")),
        ({"max_age": float("nan")}, ("max_age", "nan")),
        ({"seed": 2**64 - 1}, ("seed", str(2**64 - 1), "2^63")),
        ({"filters": GraspFilters(use=True, max_residual=2.0)}, ("max_residual", "2.0", "[0.0, 1.0]")),
        ({"filters": GraspFilters(use=True, max_spread=float("nan"))}, ("max_spread", "nan", "3.1416")),
        ({"filters": GraspFilters(use=True, table_plane=[0.0, 0.0, 0.0, 1.0])}, ("table_plane", "normal")),
    ],
)
def test_fields_out_of_bounds(robot, request_, words):
    robot.show()
    refused(robot, ErrorCode.BAD_REQUEST, *words, **request_)


def test_execution_that_is_not_allowed(robot):
    robot.show()
    refused(robot, ErrorCode.EXECUTION_NOT_ALLOWED, "allow_execution is false", "true", execute=True)


def test_a_defect_of_ours_is_answered_too(robot, monkeypatch):
    robot.show()

    def broken(*_):
        raise ZeroDivisionError("made by the test")

    monkeypatch.setattr(robot.node._configuration.model, "sample", broken)
    answer = robot.ask()
    assert answer.error_code == ErrorCode.INTERNAL and "made by the test" in answer.message
    monkeypatch.undo()
    assert robot.ask().success


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("n_samples", 0, ("n_samples", "[1, 4096]")),
        ("tip_force_limit", 30.0, ("tip_force_limit", "15.0")),
        ("hand", "robotiq", ("hand", "bh280", "robotiq")),
        ("hand_mount_from_palm", [0.0, 1.0], ("hand_mount_from_palm", "7 numbers", "got 2")),
        ("max_age", 1, ("max_age", "1.0")),
    ],
)
def test_parameters_out_of_bounds_are_refused_at_the_start(live, weights, name, value, words):
    overrides = [Parameter("model", value=weights), Parameter(name, value=value)]
    with pytest.raises(GmiError) as caught:
        GraspSynthesizer(context=live.context, parameter_overrides=overrides)
    assert caught.value.code == ErrorCode.BAD_SETTING
    for word in words:
        assert word in caught.value.message
