"""`gmi replay`: one line and one picture per set, the same file each time, refusals counted."""

import numpy as np
import pytest
from PIL import Image
from rosbags.typesys import Stores, get_typestore

from gmi_ros.experience.bag_writer import BagWriter

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
NAMES = {
    "/rgb/image": "Image",
    "/depth/image": "Image",
    "/rgb/camera_info": "CameraInfo",
    "/segmentation/mask": "Image",
}


def image(header, array, encoding):
    step = array.nbytes // array.shape[0]
    data = np.frombuffer(array.tobytes(), np.uint8)
    return TYPES["sensor_msgs/msg/Image"](header, *array.shape[:2], encoding, 0, step, data)


def messages(stamp_ns, with_object=True):
    header = TYPES["std_msgs/msg/Header"](
        TYPES["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9), "camera_optical"
    )
    rgb = np.full((120, 160, 3), (120, 110, 100), np.uint8)
    depth, mask = np.full((120, 160), 0.70, np.float32), np.zeros((120, 160), np.uint8)
    box = np.s_[45:69, 70:82]
    rgb[box], depth[box], mask[box] = (200, 40, 40), 0.60, 255 if with_object else 0
    k = np.array([130.0, 0, 79.5, 0, 130.0, 59.5, 0, 0, 1])
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    info = TYPES["sensor_msgs/msg/CameraInfo"](
        header, 120, 160, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), np.zeros(12), 0, 0, roi
    )
    return image(header, rgb, "rgb8"), image(header, depth, "32FC1"), info, image(header, mask, "mono8")


@pytest.fixture
def bag(tmp_path):
    """Three sets, the second one without an object."""
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        for topic, kind in NAMES.items():
            writer.add_topic(topic, f"sensor_msgs/msg/{kind}")
        for number in range(3):
            stamp = 10**9 + number * 10**8
            for (topic, kind), message in zip(NAMES.items(), messages(stamp, number != 1), strict=True):
                writer.write(topic, bytes(STORE.serialize_cdr(message, f"sensor_msgs/msg/{kind}")), stamp)
    return path


def test_a_replay_is_repeatable(bag, tiny_model, gmi, tmp_path):
    common = ("replay", bag, "--model", tiny_model, "--inference-threads", 1, "--quiet", "--seed", 5)
    status, data, _ = gmi(*common, "--out", tmp_path / "one")
    assert status == 0 and data["frames"] == 3 and data["refused"] == 1 and data["grasps"] > 0
    assert data["reasons"] == {"MASK_EMPTY": 1}
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [
        "000000.png", "000001.png", "000002.png", "grasps.jsonl",
    ]  # fmt: skip
    assert Image.open(tmp_path / "one" / "000000.png").size[0] > 100
    gmi(*common, "--out", tmp_path / "two", "--no-pictures")
    assert (tmp_path / "one" / "grasps.jsonl").read_bytes() == (tmp_path / "two" / "grasps.jsonl").read_bytes()
    assert len(list((tmp_path / "two").iterdir())) == 1


def test_bags_and_topics_that_are_not_there(bag, tiny_model, gmi, tmp_path):
    common = ("--model", tiny_model, "--out", tmp_path / "out", "--quiet")
    status, data, stderr = gmi("replay", tmp_path / "none", *common)
    assert (status, data["error"]) == (1, "FILE_NOT_FOUND") and "Traceback" not in stderr
    status, data, _ = gmi("replay", bag, *common, "--mask-topic", "/other")
    assert (status, data["error"]) == (1, "BAD_REQUEST") and "/other" in data["message"]


def test_a_folder_that_cannot_be_made(bag, tiny_model, gmi, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, data, _ = gmi("replay", bag, "--model", tiny_model, "--out", tmp_path / "file" / "out", "--quiet")
    assert (status, data["error"]) == (1, "STORE_UNWRITABLE")
