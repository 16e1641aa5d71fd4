"""sensor_msgs/Image to an array: what cv_bridge calls passthrough, without cv_bridge."""

from typing import Any

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError

MOST_PIXELS = 2**26  # 8192 x 8192, twice what an 8K camera sends
_VALID = "rgb8, bgr8, rgba8, bgra8, mono8, mono16, or <8U|8S|16U|16S|32S|32F|64F>C<channels> such as 16UC1 and 32FC1"


class _Image:
    """An Image whose rows lie side by side: the only kind that rosbags-image reads rightly (it ignores `step`)."""

    def __init__(self, message: Any, data: np.ndarray):
        self.encoding, self.height, self.width = message.encoding, message.height, message.width
        self.is_bigendian, self.data = bool(message.is_bigendian), data


def check_size(width: int, height: int) -> None:
    """Before memory is taken for an image of this size [px].

    Raises:
        GmiError: SIZE_MISMATCH where it is empty or has more than MOST_PIXELS.
    """
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise GmiError(
            ErrorCode.SIZE_MISMATCH,
            f"image of {width}x{height} has {width * height} pixels, at least 1 and at most {MOST_PIXELS} are taken",
        )


def image_array(message: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image as they are: (h, w), or (h, w, channels) for several, in native byte order.

    `message` is any object with the fields of sensor_msgs/Image. Padding at the end of rows (`step`) is dropped, also
    where it is not a whole number of pixels, for which cv_bridge's Python shears the image. The array may share the
    message's memory.

    Raises:
        GmiError: UNKNOWN_ENCODING, listing the valid ones; SIZE_MISMATCH where the data are too short for the size.
    """
    # rosbags-image brings OpenCV, which takes a while to import.
    from rosbags.image import ImageFormatError, message_to_cvimage
    from rosbags.image.image import to_cvtype

    try:
        _, _, kind, channels = to_cvtype(message.encoding)
    except ImageFormatError as error:
        raise _unknown(message.encoding) from error
    if channels < 1:
        raise _unknown(message.encoding)

    height, width, step = int(message.height), int(message.width), int(message.step)
    row = width * channels * np.dtype(kind).itemsize
    data = np.frombuffer(message.data, np.uint8)
    if height < 1 or width < 1 or step < row or data.size < height * step:
        raise GmiError(
            ErrorCode.SIZE_MISMATCH,
            f"{message.encoding} image of {width}x{height} needs step >= {row} and step * height bytes, "
            f"got step {step} and {data.size} bytes (and at least one pixel)",
        )
    rows = data[: height * step].reshape(height, step)[:, :row]
    return message_to_cvimage(_Image(message, np.ascontiguousarray(rows)))


def _unknown(encoding: str) -> GmiError:
    return GmiError(
        ErrorCode.UNKNOWN_ENCODING, f"image encoding {encoding[:80]!r} is not understood; valid are {_VALID}"
    )
