"""What goes into a message comes out again, whatever the encoding and the padding of rows."""

import numpy as np
import pytest
from geometry_msgs.msg import Pose
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from gmi_ros.core.frame import Intrinsics
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.images import canonical_depth, canonical_mask, canonical_rgb
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.experience.images import image_array
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import load
from gmi_ros.pipeline import synthesize
from gmi_ros.ros import convert
from gmi_ros.ros.convert_outcome import observation_pixels
from gmi_ros.ros.grasp_synthesizer import bounded_motion
from gmi_ros.ros.settings import NodeSettings

pytestmark = pytest.mark.ros
HEADER = Header(frame_id="camera")
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
ALPHA = np.full((5, 7, 1), 9, np.uint8)
LABELS = np.random.default_rng(1).integers(0, 200, (5, 7), dtype=np.uint8)


def padded(array: np.ndarray, encoding: str, padding: int) -> Image:
    """The image with `padding` bytes of rubbish at the end of every row."""
    message = convert.image_message(array, encoding, HEADER)
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, -1)
    rubbish = np.full((message.height, padding), 0xA5, np.uint8)
    message.step += padding
    message.data = np.hstack([rows, rubbish]).tobytes()
    return message


@pytest.mark.parametrize("padding", [0, 1, 24])
@pytest.mark.parametrize(
    "encoding, sent, wanted",
    [
        ("rgb8", RGB, RGB),
        ("bgr8", RGB[..., ::-1], RGB),
        ("rgba8", np.concatenate([RGB, ALPHA], axis=2), RGB),
        ("bgra8", np.concatenate([RGB[..., ::-1], ALPHA], axis=2), RGB),
        ("mono8", RGB[..., 0], np.repeat(RGB[..., :1], 3, axis=2)),
    ],
)
def test_colour_of_every_encoding(encoding, sent, wanted, padding):
    message = padded(sent, encoding, padding)
    np.testing.assert_array_equal(canonical_rgb(convert.image_array(message), encoding), wanted)


@pytest.mark.parametrize("padding", [0, 2, 24])
@pytest.mark.parametrize(
    "encoding, sent",
    [
        ("16UC1", np.array([[0, 512], [1024, 65535]], np.uint16)),
        ("32FC1", np.array([[np.nan, 0.512], [np.inf, 0]], np.float32)),
    ],
)
def test_depth_is_metres_whatever_the_encoding(encoding, sent, padding):
    depth = canonical_depth(convert.image_array(padded(sent, encoding, padding)), encoding)
    scale = np.float32(0.001 if encoding == "16UC1" else 1.0)
    np.testing.assert_array_equal(depth, sent.astype(np.float32) * scale)


@pytest.mark.parametrize("padding", [0, 3, 16])
@pytest.mark.parametrize(
    "encoding, kind", [("mono8", np.uint8), ("8UC1", np.uint8), ("mono16", np.uint16), ("16UC1", np.uint16)]
)
def test_masks_keep_their_labels(encoding, kind, padding):
    labels = LABELS.astype(kind) * (1 if kind == np.uint8 else 300)
    message = padded(labels, encoding, padding)
    np.testing.assert_array_equal(canonical_mask(convert.image_array(message), encoding), labels)


def test_a_big_endian_image_is_read_rightly():
    depth = np.array([[1, 2], [3, 4]], np.uint16)
    message = convert.image_message(depth.astype(">u2").view(np.uint16), "16UC1", HEADER)
    message.is_bigendian = 1
    np.testing.assert_array_equal(image_array(message), depth)


def test_a_frame_goes_through_messages_unchanged(draw):
    frame = draw(((70, 45, 12, 24, 1), (20, 20, 20, 10, 300)), stamp_ns=123_456_789_012)
    back = convert.frame_from_messages(*convert.frame_messages(frame))
    for name in ("rgb", "depth", "mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(frame, name))
    assert (back.intrinsics, back.stamp_ns, back.frame_id) == (frame.intrinsics, frame.stamp_ns, frame.frame_id)


def test_poses_and_stamps_go_there_and_back():
    rng = np.random.default_rng(4)
    for rotation in Rotation.random(20, rng).as_matrix():
        pose = poses.make(rotation, rng.normal(size=3))
        np.testing.assert_allclose(convert.pose_matrix(convert.pose_message(pose)), pose, atol=1e-15)
    for stamp in (0, 1, 999_999_999, 1_700_000_000_123_456_789):
        assert convert.nanoseconds(convert.stamp_message(stamp)) == stamp


def test_a_pose_without_an_orientation_is_refused():
    empty = Pose()
    empty.orientation.w = 0.0
    with pytest.raises(GmiError, match="quaternion of length 1") as caught:
        convert.pose_matrix(empty)
    assert caught.value.code == ErrorCode.BAD_REQUEST


def test_joints_are_found_by_name():
    message = convert.joints_message(np.array([0.1, 0.2, 0.3, 0.4]), HEADER)
    message.name, message.position = message.name[::-1], message.position[::-1]
    np.testing.assert_array_equal(convert.joints_array(message), [0.1, 0.2, 0.3, 0.4])
    message.name[0] = "thumb"
    assert convert.joints_array(message) is None


@pytest.mark.parametrize("target", [False, True])
def test_a_grasp_goes_there_and_back_whatever_the_frame(draw, weights, target):
    frame, hand = draw(), load_hand()
    found = synthesize(frame, load(weights), hand, SynthesisSettings(n_samples=8), 1)
    output_from_camera = poses.from_xyzw(np.array([0.4, 0, 1.0]), np.array([0.9, 0.1, 0, 0.4])) if target else None
    settings = NodeSettings(hand_mount_from_palm=(0.0, 0.0, 0.1, 0.0, 0.0, 1.0, 0.0))
    header = convert.header_message(frame, "base" if target else "")
    for grasp in found.grasps:
        message = convert.grasp_message(grasp, found, bounded_motion(settings, hand), header, output_from_camera)
        back = convert.grasp_from_message(message, output_from_camera)
        for name in ("contacts", "normals", "camera_from_palm", "camera_from_pregrasp", "joints", "joints_open",
                     "finger_start", "finger_speed", "residual"):  # fmt: skip
            np.testing.assert_allclose(getattr(back, name), getattr(grasp, name), atol=1e-12)
        for name in ("grasp_id", "label", "status", "log_density", "score"):
            np.testing.assert_equal(getattr(back, name), getattr(grasp, name))
        wrist, mount = convert.pose_matrix(message.wrist_pose), convert.pose_matrix(message.mount_pose)
        mount_from_palm = poses.from_xyzw(np.array([0, 0, 0.1]), np.array([0, 0, 1.0, 0]))
        np.testing.assert_allclose(mount @ mount_from_palm, wrist, atol=1e-12)
        assert message.header.frame_id == ("base" if target else frame.frame_id)


def test_the_goal_never_asks_for_more_than_the_limit(draw, weights):
    frame, hand = draw(), load_hand()
    found = synthesize(frame, load(weights), hand, SynthesisSettings(n_samples=8), 1)
    motion = bounded_motion(NodeSettings(finger_speed_limit=0.05, tip_force_limit=3.0), hand)
    message = convert.grasp_message(found.grasps[0], found, motion, HEADER)
    assert max(message.finger_speed) <= 0.05 and message.tip_force_limit == 3.0


def test_an_observation_keeps_what_the_network_saw(draw, weights):
    frame = draw()
    found = synthesize(frame, load(weights), load_hand(), SynthesisSettings(n_samples=8), 1)
    message = convert.observation_message(found, frame, "drawn")
    pixels = observation_pixels(message)
    np.testing.assert_array_equal(pixels.image, found.observation.image)
    pose = convert.pose_matrix(message.object_pose)
    np.testing.assert_allclose(pose, found.object_frame.camera_from_object, atol=1e-15)
    info = message.camera_info
    assert Intrinsics.from_k(info.width, info.height, info.k) == frame.intrinsics
