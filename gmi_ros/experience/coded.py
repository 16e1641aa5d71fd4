"""Image and CompressedImage messages: their size first, their pixels only when the size was found right.

What image_transport's plugins make: `compressed` (a JPEG or PNG file) and `compressedDepth` (12 bytes, then a PNG file
or RVL; 16UC1 as it is, 32FC1 as quantised inverse depth).
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import rvl
from gmi_ros.experience.images import check_size, image_array

_ENCODINGS = {"L": "mono8", "RGB": "rgb8", "RGBA": "rgba8", "I;16": "mono16", "I": "mono16"}  # by Pillow's mode
_DEPTH_HEADER = struct.Struct("<iff")  # kind of quantisation (there is one), its two parameters
_RVL_SIZE = struct.Struct("<II")  # columns, rows
_DEPTHS = ("16UC1", "mono16", "32FC1")


@dataclass(frozen=True)
class Opened:
    """An image of which only the size was read: (width, height) [px].

    pixels: makes the array, (h, w) or (h, w, channels), and says its encoding.
    """

    size: tuple[int, int]
    pixels: Callable[[], tuple[np.ndarray, str]]


def open_image(message: Any, to_array: Callable[[Any], np.ndarray] = image_array, lossless: bool = False) -> Opened:
    """Look at an Image or a CompressedImage; takes no memory for pixels.

    Args:
        to_array: makes an array of an Image.
        lossless: refuse JPEG, whose pixels are no longer the ones that were sent.

    Raises:
        GmiError: SIZE_MISMATCH, UNKNOWN_ENCODING; `pixels` of what it returns may raise them too.
    """
    if not hasattr(message, "format"):
        check_size(message.width, message.height)
        return Opened((message.width, message.height), lambda: (to_array(message), message.encoding))
    data = np.frombuffer(message.data, np.uint8)
    if "compressedDepth" in message.format:
        return _open_depth(message.format, data)
    if message.format.startswith("bayer"):
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"compressed image of format {message.format[:80]!r}: the colours of a Bayer pattern are not made here",
        )
    return _open_file(message.format, data, lossless)


def _open_file(told: str, data: np.ndarray, lossless: bool) -> Opened:
    """A JPEG or PNG file, whatever it was told to be."""
    try:
        picture = Image.open(io.BytesIO(data.tobytes()), formats=("JPEG", "PNG"))
    except Image.DecompressionBombError as error:
        raise GmiError(ErrorCode.SIZE_MISMATCH, f"compressed image of format {told[:80]!r}: {error}") from error
    except Exception as error:  # random bytes make the library raise anything
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"compressed image of format {told[:80]!r} and {data.size} bytes is neither a JPEG nor a PNG file",
        ) from error
    check_size(*picture.size)
    if lossless and picture.format != "PNG":
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING, "a JPEG file does not keep depths and labels as they were: send a PNG file"
        )
    if picture.mode not in _ENCODINGS:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"{picture.format} file of mode {picture.mode!r} is not understood; valid are grey of 8 or 16 bits, "
            "RGB and RGBA",
        )
    return Opened(picture.size, lambda: (_load(picture), _ENCODINGS[picture.mode]))


def _load(picture: Image.Image) -> np.ndarray:
    try:
        array = np.array(picture)
    except Exception as error:  # damage shows as errors of zlib, struct and the library's own
        raise GmiError(
            ErrorCode.SIZE_MISMATCH,
            f"{picture.format} file of {picture.size[0]}x{picture.size[1]} is damaged or cut off: {error}",
        ) from error
    return array.astype(np.uint16) if picture.mode.startswith("I") else array


def _open_depth(told: str, data: np.ndarray) -> Opened:
    """compressedDepth: `16UC1; compressedDepth png` and the like; without a name at the end it is png."""
    encoding, _, how = (part.strip() for part in told.partition(";"))
    codec = how.removeprefix("compressedDepth").strip() or "png"
    if encoding not in _DEPTHS or codec not in ("png", "rvl"):
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"compressed depth of format {told[:80]!r} is not understood; valid are 16UC1 and 32FC1, "
            "each with '; compressedDepth png' or '; compressedDepth rvl'",
        )
    if data.size < _DEPTH_HEADER.size + _RVL_SIZE.size:
        raise GmiError(
            ErrorCode.SIZE_MISMATCH,
            f"compressed depth needs at least {_DEPTH_HEADER.size + _RVL_SIZE.size} bytes, got {data.size}",
        )
    _, a, b = _DEPTH_HEADER.unpack_from(data)
    coded = _open_rvl(data[_DEPTH_HEADER.size :]) if codec == "rvl" else _open_png(told, data[_DEPTH_HEADER.size :])
    if encoding != "32FC1":
        return coded
    if not np.isfinite([a, b]).all() or a <= 0:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING, f"compressed depth has the parameters {a} and {b}: finite and > 0 is needed"
        )
    return Opened(coded.size, lambda: (_metres(coded.pixels()[0], a, b), "32FC1"))


def _open_png(told: str, data: np.ndarray) -> Opened:
    opened = _open_file(told, data, lossless=True)

    def pixels() -> tuple[np.ndarray, str]:
        array, encoding = opened.pixels()
        if encoding != "mono16":
            raise GmiError(ErrorCode.UNKNOWN_ENCODING, f"compressed depth must be grey of 16 bits, got {encoding}")
        return array, "16UC1"

    return Opened(opened.size, pixels)


def _open_rvl(data: np.ndarray) -> Opened:
    width, height = _RVL_SIZE.unpack_from(data)
    check_size(width, height)
    rest = data[_RVL_SIZE.size :]
    return Opened((width, height), lambda: (rvl.decode(rest, width * height).reshape(height, width), "16UC1"))


def _metres(inverse: np.ndarray, a: float, b: float) -> np.ndarray:
    """(h, w) float32 [m]: depth = a / (n - b) of the numbers n (h, w); NaN where n is 0."""
    n = inverse.astype(np.float32)
    with np.errstate(divide="ignore"):
        return np.where(inverse > 0, np.float32(a) / (n - np.float32(b)), np.float32(np.nan))
