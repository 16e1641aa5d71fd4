"""Bags of a box on a table, small enough for a replay to be quick."""

import numpy as np
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


def write_bag(path, storage="mcap", n=3, names=tuple(NAMES), leave_out=(), late=None):
    """n sets 100 ms apart, the second one without an object; `late`: how far a topic's stamps are behind [ns]."""
    late = late or {}
    with BagWriter(path, storage) as writer:
        for topic, kind in zip(names, NAMES.values(), strict=True):
            if topic not in leave_out:
                writer.add_topic(topic, f"sensor_msgs/msg/{kind}")
        for number in range(n):
            received = 10**10 + number * 10**8
            for i, (topic, kind) in enumerate(zip(names, NAMES.values(), strict=True)):
                if topic not in leave_out:
                    message = messages(received - late.get(topic, 0), number != 1)[i]
                    writer.write(topic, bytes(STORE.serialize_cdr(message, f"sensor_msgs/msg/{kind}")), received)
    return path
