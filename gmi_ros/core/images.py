"""Images as they come (an array and its encoding) to the three arrays of a Frame: one place for colours and units."""

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError

_RGB_CHANNELS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "rgba8": (0, 1, 2), "bgra8": (2, 1, 0), "mono8": (0, 0, 0)}
_DEPTH_SCALE = {"16UC1": 0.001, "mono16": 0.001, "32FC1": 1.0, "64FC1": 1.0}  # [m] per unit, REP-118
_MASK_ENCODINGS = ("mono8", "8UC1", "8SC1", "mono16", "16UC1", "16SC1", "32SC1", "bool")


def canonical_rgb(array: np.ndarray, encoding: str) -> np.ndarray:
    """Colour image of any supported encoding as (h, w, 3) uint8 in the order red, green, blue.

    Raises:
        GmiError: UNKNOWN_ENCODING, listing the encodings that are understood.
    """
    if encoding not in _RGB_CHANNELS:
        raise _unknown("rgb", encoding, _RGB_CHANNELS)
    array = array.reshape(*array.shape[:2], -1)  # (h, w, channels)
    return np.ascontiguousarray(array[..., list(_RGB_CHANNELS[encoding])])


def canonical_depth(array: np.ndarray, encoding: str) -> np.ndarray:
    """Depth image as (h, w) float32 [m]: 16-bit encodings are millimetres, float ones metres (REP-118).

    Holes stay what they are (0, NaN or inf): `Frame.valid` knows them.

    Raises:
        GmiError: UNKNOWN_ENCODING, listing the encodings that are understood.
    """
    if encoding not in _DEPTH_SCALE:
        raise _unknown("depth", encoding, _DEPTH_SCALE)
    with np.errstate(invalid="ignore", over="ignore"):  # whatever is in there, it is a hole or too far
        return array.reshape(array.shape[:2]).astype(np.float32) * np.float32(_DEPTH_SCALE[encoding])


def canonical_mask(array: np.ndarray, encoding: str) -> np.ndarray:
    """Mask as (h, w) uint16 labels, 0 = background; values outside [0, 65535] are refused.

    Raises:
        GmiError: UNKNOWN_ENCODING, listing the encodings that are understood, or the value that is no label.
    """
    if encoding not in _MASK_ENCODINGS:
        raise _unknown("mask", encoding, _MASK_ENCODINGS)
    array = array.reshape(array.shape[:2])
    if array.dtype != bool and array.size and (array.min() < 0 or array.max() > 65535):
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"mask labels must be in [0, 65535], got {array.min()} to {array.max()} ({encoding})",
        )
    return array.astype(np.uint16)


def _unknown(what: str, encoding: str, valid) -> GmiError:
    return GmiError(ErrorCode.UNKNOWN_ENCODING, f"{what} encoding {encoding!r} is not one of {', '.join(valid)}")
