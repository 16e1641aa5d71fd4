"""Frames into a bag, without ROS: the four messages of a camera, as its driver sends them."""

import numpy as np

from gmi_ros.core.frame import Frame
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.topics import CAMERA_INFO, DEFAULTS, IMAGE


class FramesWriter:
    """Writes image sets into an open BagWriter, on the default topics; depth in millimetres (16UC1), masks as mono8."""

    def __init__(self, bag: BagWriter):
        from rosbags.typesys import Stores, get_typestore

        self._bag = bag
        self._store = get_typestore(Stores.ROS2_JAZZY)
        for role, name in DEFAULTS.items():
            bag.add_topic(name, CAMERA_INFO if role == "camera_info" else IMAGE)

    def write(self, frame: Frame, received_ns: int) -> None:
        """Add one set, stamped frame.stamp_ns and received at this time [ns]. Raises as BagWriter.write."""
        types = self._store.types
        stamp = types["builtin_interfaces/msg/Time"](*divmod(frame.stamp_ns, 1_000_000_000))
        header = types["std_msgs/msg/Header"](stamp, frame.frame_id)

        def image(pixels: np.ndarray, encoding: str):
            height, width = pixels.shape[:2]
            data = np.ascontiguousarray(pixels).view(np.uint8).ravel()
            return types[IMAGE](header, height, width, encoding, 0, data.size // height, data)

        i = frame.intrinsics
        k = np.array([i.fx, 0.0, i.cx, 0.0, i.fy, i.cy, 0.0, 0.0, 1.0])
        p = np.array([i.fx, 0.0, i.cx, 0.0, 0.0, i.fy, i.cy, 0.0, 0.0, 0.0, 1.0, 0.0])
        region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        info = types[CAMERA_INFO](
            header, i.height, i.width, "plumb_bob", np.zeros(5), k, np.eye(3).ravel(), p, 0, 0, region
        )
        millimetres = np.nan_to_num(frame.depth * 1000).round().astype(np.uint16)
        messages = (
            image(frame.rgb, "rgb8"),
            image(millimetres, "16UC1"),
            info,
            image(frame.mask.astype(np.uint8), "mono8"),
        )
        for name, message in zip(DEFAULTS.values(), messages, strict=True):
            self._bag.write(name, bytes(self._store.serialize_cdr(message, message.__msgtype__)), received_ns)
