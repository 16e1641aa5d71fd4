"""Compressed images are read as image_transport's subscribers read them, and none takes memory before its size fits."""

import struct
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from compressing import compressed_depth, file_of, rvl, rvl_file

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bags import FrameSet, set_to_frame
from gmi_ros.experience.coded import open_image
from gmi_ros.experience.images import MOST_PIXELS
from gmi_ros.experience.rvl import decode

W, H = 24, 18
RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 5, (H, W), dtype=np.uint8)
DEPTH_MM = np.where(RNG.random((H, W)) < 0.2, 0, RNG.integers(500, 4000, (H, W))).astype(np.uint16)
DEPTH_M = np.where(DEPTH_MM > 0, DEPTH_MM / 1000, np.nan).astype(np.float32)


def header(frame_id="camera"):
    return SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2), frame_id=frame_id)


def compressed(told, data, frame_id="camera"):
    return SimpleNamespace(header=header(frame_id), format=told, data=data)


def raw(array, encoding, frame_id="camera"):
    h, w = array.shape[:2]
    fields = {"height": h, "width": w, "encoding": encoding, "is_bigendian": 0, "step": array.nbytes // h}
    return SimpleNamespace(header=header(frame_id), data=array.tobytes(), **fields)


def info(width=W, height=H, frame_id="camera"):
    k = np.array([30.0, 0, width / 2, 0, 30.0, height / 2, 0, 0, 1])
    return SimpleNamespace(header=header(frame_id), width=width, height=height, k=k)


def frame_of(rgb=None, depth=None, mask=None, camera_info=None):
    parts = (
        raw(RGB, "rgb8") if rgb is None else rgb,
        raw(DEPTH_MM, "16UC1") if depth is None else depth,
        info() if camera_info is None else camera_info,
        raw(LABELS, "mono8") if mask is None else mask,
    )
    return set_to_frame(FrameSet(*parts, (0, 0, 0, 0)))


def refusal(**parts) -> GmiError:
    with pytest.raises(GmiError) as caught:
        frame_of(**parts)
    return caught.value


@pytest.mark.parametrize("told", ["rgb8; png compressed bgr8", "png", "bgra8; jpeg compressed bgr8"])
def test_colour_comes_as_it_was_sent(told):
    np.testing.assert_array_equal(frame_of(rgb=compressed(told, file_of(RGB))).rgb, RGB)


def test_jpeg_colour_is_nearly_what_was_sent():
    smooth = np.stack(np.broadcast_arrays(np.arange(W) * 10, np.arange(H)[:, None] * 10, 90), axis=-1).astype(np.uint8)
    seen = frame_of(rgb=compressed("rgb8; jpeg compressed bgr8", file_of(smooth, "JPEG", quality=95))).rgb
    assert np.abs(seen.astype(int) - smooth).max() < 16  # and red is red


def test_grey_and_alpha_are_colour_too():
    grey = frame_of(rgb=compressed("mono8; png compressed ", file_of(RGB[..., 0]))).rgb
    np.testing.assert_array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))
    alpha = np.concatenate([RGB, RGB[..., :1]], axis=2)
    np.testing.assert_array_equal(frame_of(rgb=compressed("png", file_of(alpha))).rgb, RGB)


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(np.uint16) * 300], ids=["8 bits", "16 bits"])
def test_masks_keep_their_labels(labels):
    np.testing.assert_array_equal(frame_of(mask=compressed("mono8; png compressed ", file_of(labels))).mask, labels)


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_depth_in_millimetres_is_the_same_as_raw(codec):
    told, data = compressed_depth(DEPTH_MM, codec)
    np.testing.assert_array_equal(frame_of(depth=compressed(told, data)).depth, frame_of().depth)


def test_depth_without_a_codec_is_png_and_plain_png_serves_too():
    _, data = compressed_depth(DEPTH_MM)
    for message in (
        compressed("16UC1; compressedDepth", data),
        compressed("16UC1; png compressed ", file_of(DEPTH_MM)),
    ):
        np.testing.assert_array_equal(frame_of(depth=message).depth, frame_of().depth)


@pytest.mark.parametrize("codec", ["png", "rvl"])
def test_depth_in_metres_comes_back_as_finely_as_it_was_quantised(codec):
    depth = frame_of(depth=compressed(*compressed_depth(DEPTH_M, codec))).depth
    np.testing.assert_array_equal(np.isnan(depth), np.isnan(DEPTH_M))
    known = DEPTH_MM > 0
    np.testing.assert_allclose(depth[known], DEPTH_M[known], atol=4.0**2 / (100 * 101))  # z^2 / a: one step at 4 m


@pytest.mark.parametrize("seed", range(8))
def test_run_lengths_of_anything(seed):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 65536, int(rng.integers(1, 500))).astype(np.uint16)
    numbers[rng.random(numbers.size) < rng.random()] = 0
    np.testing.assert_array_equal(decode(np.frombuffer(rvl(numbers.tolist()), np.uint8), numbers.size), numbers)


def test_run_lengths_that_are_damaged_are_refused_or_read_never_anything_else():
    rng, good = np.random.default_rng(1), np.frombuffer(rvl(DEPTH_MM.ravel().tolist()), np.uint8)
    refused = 0
    for _ in range(60):
        bad = good.copy()
        bad[rng.integers(0, bad.size, 4)] = rng.integers(0, 256, 4)
        try:
            assert decode(bad[: int(rng.integers(0, bad.size))], W * H).size == W * H
        except GmiError as error:
            assert error.code == ErrorCode.SIZE_MISMATCH and f"do not make {W * H} pixels" in error.message
            refused += 1
    assert refused > 40
    with pytest.raises(GmiError, match="take at most"):
        decode(np.zeros(10_000, np.uint8), 4)


def png_head(width, height) -> bytes:
    """A grey PNG file of 16 bits that claims a size, and ends."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (head, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def huge(width, height):
    """(part, message) of images that claim a size and hold next to nothing."""
    yield "rgb", compressed("png", png_head(width, height))
    yield "mask", compressed("png", png_head(width, height))
    yield "depth", compressed("16UC1; compressedDepth png", bytes(12) + png_head(width, height))
    yield "depth", compressed("16UC1; compressedDepth rvl", bytes(12) + struct.pack("<II", width, height) + bytes(8))
    empty = raw(LABELS, "mono8")
    empty.width, empty.height, empty.step = width, height, 0
    yield "mask", empty


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(8000, 8000), (10_000, 9_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_images_that_claim_to_be_huge_take_no_memory(size):
    open_image(compressed("png", file_of(LABELS)))  # what the library makes at its first use is not counted
    for part, message in huge(*size):
        tracemalloc.start()
        error = refusal(**{part: message})
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert error.code == ErrorCode.SIZE_MISMATCH and peak < 1_000_000, part
        told = f"{W}x{H}" if size[0] * size[1] <= MOST_PIXELS else "pixels"
        assert told in error.message and ("/image" in error.message or "mask" in error.message)


def test_a_camera_info_of_60000_squared_is_refused_with_its_bound():
    error = refusal(camera_info=info(60_000, 60_000))
    assert error.code == ErrorCode.BAD_INTRINSICS
    for word in ("60000x60000", "3600000000", str(MOST_PIXELS)):
        assert word in error.message


@pytest.mark.parametrize("encoding", ["8UC4000000000", "64FC512", "x" * 1_000_000])
def test_absurd_encodings_are_refused_shortly(encoding):
    message = raw(LABELS, "mono8")
    message.encoding = encoding
    error = refusal(mask=message)
    assert error.code in (ErrorCode.SIZE_MISMATCH, ErrorCode.UNKNOWN_ENCODING) and len(error.message) < 400


@pytest.mark.parametrize(
    "part, message, words",
    [
        ("mask", compressed("mono8; jpeg compressed ", file_of(LABELS, "JPEG")), "JPEG file does not keep"),
        ("depth", compressed("jpeg", file_of(LABELS, "JPEG")), "JPEG file does not keep"),
        ("rgb", compressed("tiff", file_of(RGB, "TIFF")), "neither a JPEG nor a PNG"),
        ("rgb", compressed("jpeg", b""), "0 bytes"),
        ("rgb", compressed("bayer_rggb8; jpeg compressed ", file_of(LABELS, "JPEG")), "Bayer"),
        ("mask", compressed("png", file_of(RGB)), "mask encoding 'rgb8'"),
        ("mask", compressed("png", file_of(LABELS > 2)), "mode '1'"),
        ("depth", compressed("16UC1; compressedDepth zstd", bytes(40)), "zstd"),
        ("depth", compressed("8UC1; compressedDepth png", bytes(40)), "16UC1 and 32FC1"),
        ("depth", compressed("16UC1; compressedDepth png", bytes(12) + file_of(LABELS)), "16 bits, got mono8"),
        ("depth", compressed("32FC1; compressedDepth png", bytes(12) + file_of(DEPTH_MM)), "parameters 0.0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(part, message, words):
    error = refusal(**{part: message})
    assert error.code == ErrorCode.UNKNOWN_ENCODING and words in error.message


@pytest.mark.parametrize(
    "part, message",
    [
        ("rgb", compressed("png", file_of(RGB)[:-200])),
        ("rgb", compressed("jpeg", file_of(RGB, "JPEG", quality=95)[:-200])),
        ("depth", compressed("16UC1; compressedDepth png", bytes(15))),
        ("depth", compressed("16UC1; compressedDepth rvl", bytes(12) + rvl_file(DEPTH_MM)[:-200])),
    ],
)
def test_files_that_are_cut_off_are_refused(part, message):
    error = refusal(**{part: message})
    assert error.code == ErrorCode.SIZE_MISMATCH and f"{part}/image" in error.message


def test_flipped_bytes_never_raise_anything_else():
    rng = np.random.default_rng(5)
    messages = {"rgb": file_of(RGB, "JPEG"), "mask": file_of(LABELS), "depth": compressed_depth(DEPTH_M)[1]}
    for part, data in messages.items():
        for _ in range(40):
            broken = bytearray(data)
            for position in rng.integers(0, len(data), 3):
                broken[position] = int(rng.integers(256))
            told = "32FC1; compressedDepth png" if part == "depth" else "anything"
            try:
                frame_of(**{part: compressed(told, bytes(broken))})
            except GmiError as error:
                assert error.code in (ErrorCode.SIZE_MISMATCH, ErrorCode.UNKNOWN_ENCODING)


def test_depth_and_intrinsics_must_be_the_colour_cameras():
    assert frame_of(depth=raw(DEPTH_MM, "16UC1", "/camera")).frame_id == "camera"  # tf had a leading slash once
    assert frame_of(mask=raw(LABELS, "mono8", "")).frame_id == "camera"
    assert frame_of(mask=raw(LABELS, "mono8", "segmentation")).frame_id == "camera"
    assert frame_of(camera_info=info(frame_id="")).frame_id == "camera"
    error = refusal(depth=raw(DEPTH_MM, "16UC1", "depth_camera"))
    assert error.code == ErrorCode.UNREGISTERED_DEPTH and "'depth_camera'" in error.message
    error = refusal(camera_info=info(frame_id="depth_camera"))
    assert error.code == ErrorCode.BAD_INTRINSICS and "'depth_camera'" in error.message and "'camera'" in error.message
