"""What a camera driver with image_transport's plugins sends, made by the plainest code that can do it."""

import io
import struct

import numpy as np
from PIL import Image


def file_of(array: np.ndarray, kind: str = "PNG", **options) -> bytes:
    """A PNG or JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def compressed_depth(depth: np.ndarray, codec: str = "png", depth_max: float = 10.0, quantization: float = 100.0):
    """(format, data) of depth (h, w): uint16 [mm], or float32 [m] as quantised inverse depth."""
    a, b, numbers = 0.0, 0.0, depth
    if depth.dtype == np.float32:
        a = quantization * (quantization + 1)
        b = 1 - a / depth_max
        known = np.nan_to_num(depth, nan=np.inf) < depth_max
        numbers = np.where(known, a / np.where(known, depth, 1) + b, 0).astype(np.uint16)
    coded = rvl_file(numbers) if codec == "rvl" else file_of(numbers)
    encoding = "32FC1" if depth.dtype == np.float32 else "16UC1"
    return f"{encoding}; compressedDepth {codec}", struct.pack("<iff", 0, a, b) + coded


def rvl_file(numbers: np.ndarray) -> bytes:
    """Columns, rows and the run-length code of (h, w) uint16."""
    return struct.pack("<II", numbers.shape[1], numbers.shape[0]) + rvl(numbers.ravel().tolist())


def rvl(numbers: list[int]) -> bytes:
    """The run-length code itself."""
    groups: list[int] = []

    def write(number: int) -> None:
        while number > 7:
            groups.append(number & 7 | 8)
            number >>= 3
        groups.append(number)

    at, previous = 0, 0
    while at < len(numbers):
        for zeros in (True, False):
            end = at
            while end < len(numbers) and (numbers[end] == 0) == zeros:
                end += 1
            write(end - at)
            for number in [] if zeros else numbers[at:end]:
                difference = number - previous
                write(2 * difference if difference >= 0 else -2 * difference - 1)
                previous = number
            at = end
    groups += [0] * (-len(groups) % 8)
    return b"".join(
        struct.pack("<I", int("".join(f"{g:x}" for g in groups[i : i + 8]), 16)) for i in range(0, len(groups), 8)
    )
