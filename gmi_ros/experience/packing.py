"""How the parts of an episode become bytes: little-endian numbers, poses as seven of them, images with zstd."""

import json
import math
import struct
from typing import Any

import numpy as np
import zstandard

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import SIZE
from gmi_ros.experience.episode import Pixels

_RGB_BYTES, _DEPTH_BYTES, _MASK_BYTES = SIZE * SIZE * 3, SIZE * SIZE * 4, SIZE * SIZE // 8

_UNIT = 32000  # of a 16-bit fraction; leaves room for a unit vector that is a little too long


def pack_floats(array: np.ndarray | None) -> bytes | None:
    """Any shape as float32."""
    return None if array is None else np.asarray(array, "<f4").tobytes()


def unpack_floats(data: bytes | None, *shape: int) -> np.ndarray | None:
    """The array again, float32 of the given shape."""
    return None if data is None else np.frombuffer(data, "<f4").reshape(shape).astype(np.float32)


def pack_directions(directions: np.ndarray | None) -> bytes | None:
    """Unit vectors as 16-bit fractions: to 3e-5 rad, half the size of float32."""
    return None if directions is None else np.rint(np.asarray(directions, float) * _UNIT).astype("<i2").tobytes()


def unpack_directions(data: bytes | None) -> np.ndarray | None:
    """The (3, 3) unit vectors again, float32."""
    if data is None:
        return None
    directions = np.frombuffer(data, "<i2").reshape(3, 3).astype(float)
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)


def pack_pose(pose: np.ndarray | None) -> bytes | None:
    """A rigid (4, 4) pose as translation [m] and quaternion xyzw, 28 bytes."""
    if pose is None:
        return None
    return np.concatenate([pose[:3, 3], poses.to_xyzw(np.asarray(pose, float))]).astype("<f4").tobytes()


def unpack_pose(data: bytes | None) -> np.ndarray | None:
    """The (4, 4) pose again, exactly rigid."""
    if data is None:
        return None
    numbers = np.frombuffer(data, "<f4").astype(float)
    if numbers.shape != (7,):
        raise ValueError(f"a pose has 7 numbers, got {numbers.size}")
    return poses.from_xyzw(numbers[:3], numbers[3:])


def pack_pixels(pixels: Pixels) -> bytes:
    """Image, depth and mask, compressed without loss; depth by byte planes, whose high ones repeat."""
    depth = np.ascontiguousarray(pixels.depth, "<f4").view(np.uint8).reshape(-1, 4).T
    raw = np.ascontiguousarray(pixels.rgb).tobytes() + depth.tobytes() + np.packbits(pixels.mask).tobytes()
    return zstandard.ZstdCompressor(level=3).compress(raw)


def unpack_pixels(data: bytes) -> Pixels:
    """The pixels again, bit for bit."""
    size = _RGB_BYTES + _DEPTH_BYTES + _MASK_BYTES
    raw = np.frombuffer(zstandard.ZstdDecompressor().decompress(data, max_output_size=size), np.uint8)
    if raw.size != size:
        raise ValueError(f"pixels have {size} bytes, got {raw.size}")
    rgb, depth, mask = np.split(raw, [_RGB_BYTES, _RGB_BYTES + _DEPTH_BYTES])
    depth = np.ascontiguousarray(depth.reshape(4, -1).T).view("<f4").astype(np.float32)
    mask = np.unpackbits(mask).astype(bool)
    return Pixels(rgb.reshape(SIZE, SIZE, 3).copy(), depth.reshape(SIZE, SIZE), mask.reshape(SIZE, SIZE))


def same_pixels(a: bytes, b: bytes) -> bool:
    """Whether two packed images are the same: other versions of zstd make other bytes of them."""
    try:
        first, second = unpack_pixels(a), unpack_pixels(b)
    except (ValueError, zstandard.ZstdError):
        return False  # one is damaged
    return all(getattr(first, n).tobytes() == getattr(second, n).tobytes() for n in ("rgb", "depth", "mask"))


def pack_recipe(recipe: dict) -> tuple[str, bytes]:
    """A JSON-able dict as its template, the same text for every record of a kind, and its numbers.

    Numbers keep their value: 4 bytes each where all of a kind (int, float) fit float32 or int32 exactly, 8 otherwise;
    a recipe whose numbers are rounded to float32 beforehand is half the size.

    Raises:
        GmiError: BAD_REQUEST for what JSON cannot hold.
    """
    numbers: list = []
    template = _strip(recipe, numbers)
    floats = "f" if all(_fits_float32(n) for n in numbers if isinstance(n, float)) else "d"
    integers = "i" if all(-(2**31) <= n < 2**31 for n in numbers if isinstance(n, int)) else "q"
    codes = "".join(floats if isinstance(n, float) else integers for n in numbers)
    text = json.dumps([codes, template], separators=(",", ":"), sort_keys=True)
    try:
        return text, struct.pack(f"<{codes}", *numbers)
    except struct.error as error:
        raise GmiError(ErrorCode.BAD_REQUEST, f"a recipe's integers must fit 64 bits: {error}") from error


def unpack_recipe(template: str, data: bytes) -> dict:
    """The recipe again; tuples and arrays come back as lists."""
    codes, stripped = json.loads(template)
    return _fill(stripped, iter(struct.unpack(f"<{codes}", data)))


def _strip(value: Any, numbers: list) -> Any:
    """The value with each number moved to `numbers` and a "#" in its place; texts that begin so get another."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, str):
        return f"#{value}" if value.startswith("#") else value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        numbers.append(value)
        return "#"
    if isinstance(value, (list, tuple)):
        return [_strip(v, numbers) for v in value]
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {k: _strip(value[k], numbers) for k in sorted(value)}
    raise GmiError(
        ErrorCode.BAD_REQUEST,
        f"a recipe holds texts, numbers, lists and dicts with text keys, got {type(value).__name__}",
    )


def _fill(value: Any, numbers) -> Any:
    if value == "#":
        return next(numbers)
    if isinstance(value, str):
        return value[1:] if value.startswith("#") else value
    if isinstance(value, list):
        return [_fill(v, numbers) for v in value]
    if isinstance(value, dict):
        return {k: _fill(value[k], numbers) for k in sorted(value)}
    return value


def _fits_float32(number: float) -> bool:
    with np.errstate(over="ignore"):
        return float(np.float32(number)) == number or math.isnan(number)
