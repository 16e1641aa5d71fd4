"""Run-length and variable-length depth images (Wilson, "Fast Lossless Depth Image Compression", 2017), to be read.

A stream of numbers, each in groups of three bits, lowest first, with a fourth bit that says that more follow; eight
groups to a little-endian word, highest first. They tell in turn how many zeros come, how many other pixels, and for
each of these its difference to the one before, the sign in the lowest bit.
"""

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError

_MOST_GROUPS = 10  # of a number; more is damage
_MOST_BYTES_PER_PIXEL = 4  # no pixel takes more than six groups, and a run of at least one pixel two numbers


def decode(data: np.ndarray, n_pixels: int) -> np.ndarray:
    """(n_pixels,) uint16 of (n,) bytes.

    Raises:
        GmiError: SIZE_MISMATCH where the data do not make exactly so many pixels.
    """
    if data.size > _MOST_BYTES_PER_PIXEL * n_pixels + 16:
        raise _damaged(data, n_pixels, f"so many pixels take at most {_MOST_BYTES_PER_PIXEL * n_pixels + 16} bytes")
    numbers = _numbers(data)
    runs, at, done = [], 0, 0  # runs: first pixel, first number, how many
    while done < n_pixels:
        if at + 2 > numbers.size:
            raise _damaged(data, n_pixels, f"they end after {done} pixels")
        start, length = done + int(numbers[at]), int(numbers[at + 1])
        at, done = at + 2, start + length
        if done > n_pixels or at + length > numbers.size:
            raise _damaged(data, n_pixels, f"a run goes on to pixel {done}, or past the end of the data")
        runs.append((start, at, length))
        at += length

    coded = np.concatenate([numbers[first : first + length] for _, first, length in runs] or [numbers[:0]])
    values = np.cumsum((coded >> 1) ^ -(coded & 1)).astype(np.uint16)  # differences wrap as 16-bit numbers do
    pixels, used = np.zeros(n_pixels, np.uint16), 0
    for start, _, length in runs:
        pixels[start : start + length] = values[used : used + length]
        used += length
    return pixels


def _numbers(data: np.ndarray) -> np.ndarray:
    """(n,) int64: all numbers of the stream; what follows the last whole word is not there."""
    words = np.frombuffer(data[: data.size // 4 * 4].tobytes(), "<u4")
    groups = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).astype(np.int64).ravel()
    ends = np.flatnonzero(groups < 8)
    if not ends.size:
        return ends
    groups = groups[: ends[-1] + 1]
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(groups.size) - np.repeat(starts, ends - starts + 1)
    return np.add.reduceat((groups & 7) << 3 * np.minimum(place, _MOST_GROUPS), starts)


def _damaged(data: np.ndarray, n_pixels: int, why: str) -> GmiError:
    return GmiError(ErrorCode.SIZE_MISMATCH, f"{data.size} bytes of RVL do not make {n_pixels} pixels: {why}")
