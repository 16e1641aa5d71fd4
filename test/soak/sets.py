"""Valid image sets in the encodings that cameras send."""

import numpy as np
from sensor_msgs.msg import Image

from gmi_ros.core.frame import Frame
from gmi_ros.ros.convert import camera_info_message, header_message, image_message

VARIANTS = (
    ("rgb8", "32FC1", "mono8", 0),
    ("bgr8", "16UC1", "mono16", 8),
    ("rgba8", "64FC1", "16UC1", 0),
)  # encodings of rgb, depth and mask, and bytes of padding at the end of every row


def as_messages(frame: Frame, rgb: str, depth: str, mask: str, padding: int) -> list:
    """rgb, depth, camera_info and mask of a frame, in these encodings."""
    header = header_message(frame)
    colours = frame.rgb[..., ::-1] if rgb.startswith("bgr") else frame.rgb
    if rgb == "rgba8":
        colours = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    if depth == "16UC1":
        metres = (frame.depth * 1000).round().astype(np.uint16)
    else:
        metres = frame.depth.astype(np.float64 if depth == "64FC1" else np.float32)
    labels = frame.mask.astype(np.uint8 if mask == "mono8" else np.uint16)
    return [
        _padded(image_message(colours, rgb, header), padding),
        _padded(image_message(metres, depth, header), padding),
        camera_info_message(frame.intrinsics, header),
        _padded(image_message(labels, mask, header), padding),
    ]


def _padded(message: Image, padding: int) -> Image:
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, -1)
    message.data = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xA5).tobytes()
    message.step += padding
    return message
