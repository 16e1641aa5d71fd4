"""A whole camera frame as one file: a JSON header and the images, compressed without loss; nothing that is executed."""

import json
import struct

import numpy as np
import zstandard

from gmi_ros.core.errors import GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.experience.images import MOST_PIXELS

_MAGIC = b"GMIFRAM1"
_LENGTH = struct.Struct("<I")  # of the header [bytes]
_LONGEST_HEADER = 2**16
_NUMBERS = ("fx", "fy", "cx", "cy")
_PIXEL_BYTES = {"millimetres": 3 + 2 + 2, "float32": 3 + 4 + 2}  # rgb, depth, mask; by how depth is written
_MILLIMETRE = np.float32(0.001)


def encode_frame(observation_id: str, frame: Frame) -> bytes:
    """The file's content."""
    millimetres = _millimetres(frame.depth)
    rgb = np.moveaxis(np.ascontiguousarray(frame.rgb), 2, 0)  # (3, h, w)
    if millimetres is None:
        kind, depth = "float32", _differences(np.ascontiguousarray(frame.depth, "<f4").view("<u4"))
    else:
        kind, depth = "millimetres", millimetres
    lens = frame.intrinsics
    header = {
        "observation_id": observation_id, "width": lens.width, "height": lens.height,
        **{name: float(getattr(lens, name)) for name in _NUMBERS},
        "stamp_ns": int(frame.stamp_ns), "frame_id": frame.frame_id, "depth": kind,
    }  # fmt: skip
    told = json.dumps(header).encode()
    mask = np.ascontiguousarray(frame.mask, "<u2")
    images = b"".join([_differences(rgb).tobytes(), _planes(depth), _planes(mask)])
    packed = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(images)
    return _MAGIC + _LENGTH.pack(len(told)) + told + packed


def decode_frame(content: bytes) -> tuple[str, Frame]:
    """The observation_id and the frame again, bit for bit.

    Raises:
        ValueError: saying what is wrong with the content.
    """
    start = len(_MAGIC) + _LENGTH.size
    if content[: len(_MAGIC)] != _MAGIC or len(content) < start:
        raise ValueError("it does not begin as a frame does")
    (length,) = _LENGTH.unpack(content[len(_MAGIC) : start])
    if length > _LONGEST_HEADER:
        raise ValueError(f"its header claims {length} bytes, at most {_LONGEST_HEADER} are read")
    try:
        header = json.loads(content[start : start + length])
        lens = Intrinsics(header["width"], header["height"], *(header[name] for name in _NUMBERS))
        observation_id, stamp_ns, frame_id = str(header["observation_id"]), int(header["stamp_ns"]), header["frame_id"]
        n = lens.width * lens.height
        size = n * _PIXEL_BYTES[header["depth"]]
        if n > MOST_PIXELS:
            raise ValueError(f"{lens.width}x{lens.height} are more than {MOST_PIXELS} pixels")
        packed = content[start + length :]
        if zstandard.frame_content_size(packed) != size:
            raise ValueError(f"its images have not the {size} bytes of {lens.width}x{lens.height}")
        images = np.frombuffer(zstandard.ZstdDecompressor().decompress(packed, max_output_size=size), np.uint8)
    except (KeyError, TypeError, AttributeError, OverflowError, zstandard.ZstdError, GmiError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    shape = (lens.height, lens.width)
    rgb, depth, mask = np.split(images, [3 * n, size - 2 * n])
    if header["depth"] == "millimetres":
        metres = _from_planes(depth, "<u2", shape).astype(np.float32) * _MILLIMETRE
    else:
        metres = _sums(_from_planes(depth, "<u4", shape)).view("<f4").astype(np.float32, copy=False)
    colours = np.ascontiguousarray(np.moveaxis(_sums(rgb.reshape(3, *shape)), 0, 2))
    labels = _from_planes(mask, "<u2", shape).astype(np.uint16, copy=False)
    return observation_id, Frame(colours, metres, labels, lens, stamp_ns, frame_id)


def _millimetres(depth: np.ndarray) -> np.ndarray | None:
    """(h, w) uint16 where that is what the depth was made of, to the bit (core.images), which is a tenth the size."""
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.rint(depth / _MILLIMETRE)
        if not ((whole >= 0) & (whole <= 65535)).all():
            return None
        whole = whole.astype("<u2")
    again = whole.astype(np.float32) * _MILLIMETRE
    return whole if again.tobytes() == np.ascontiguousarray(depth, np.float32).tobytes() else None


def _planes(array: np.ndarray) -> bytes:
    """First bytes of all numbers, then the second ones, and so on: the high ones repeat."""
    return array.view(np.uint8).reshape(-1, array.itemsize).T.tobytes()


def _from_planes(data: np.ndarray, dtype: str, shape: tuple[int, int]) -> np.ndarray:
    return np.ascontiguousarray(data.reshape(np.dtype(dtype).itemsize, -1).T).view(dtype).reshape(shape)


def _differences(array: np.ndarray) -> np.ndarray:
    """Each number less the one on its left, modulo its range."""
    found = np.array(array)
    found[..., 1:] -= array[..., :-1]
    return found


def _sums(differences: np.ndarray) -> np.ndarray:
    return np.add.accumulate(differences, axis=-1, dtype=differences.dtype)
