"""One frame from files: colours, depth, mask and camera."""

import io
import json
import sys
from pathlib import Path
from tokenize import TokenError

import numpy as np
import yaml
from PIL import Image, UnidentifiedImageError

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.images import canonical_depth, canonical_mask, canonical_rgb

_COLOUR_MODES = ("RGB", "RGBA", "L", "P", "LA", "1")
_DEPTH_MODES = ("I;16", "I;16L", "I;16B", "I")  # what Pillow calls 16-bit grey
_LABEL_MODES = ("1", "L", "P", *_DEPTH_MODES)
_LOSSY = ("JPEG", "MPO")
_MOST = 512 * 2**20  # bytes of a picture


def read_frame(rgb: Path, depth: Path, mask: Path, camera: Path) -> Frame:
    """The frame of four files: see `read_rgb`, `read_depth`, `read_mask` and `read_camera`.

    Raises:
        GmiError: FILE_NOT_FOUND, FILE_DAMAGED, UNKNOWN_ENCODING, BAD_INTRINSICS, SIZE_MISMATCH.
    """
    return Frame(read_rgb(rgb), read_depth(depth), read_mask(mask), read_camera(camera))


def read_rgb(path: Path) -> np.ndarray:
    """Colour picture (png, jpg) as (h, w, 3) uint8."""
    image = _open_image(path)
    if image.mode not in _COLOUR_MODES:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING, f"{path}: colours must be 8 bits (rgb, rgba or grey), got mode {image.mode}"
        )
    return canonical_rgb(np.asarray(image.convert("RGB")), "rgb8")


def read_depth(path: Path) -> np.ndarray:
    """Depth as (h, w) float32 [m]: an npy of floats in metres, (h, w) or (h, w, 1), or a 16-bit png in millimetres."""
    if path.suffix.lower() == ".npy":
        return _depth_of_npy(path)
    image = _open_image(path)
    if image.mode not in _DEPTH_MODES:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"{path}: depth must be a 16-bit png [mm] or an npy of floats [m], got mode {image.mode}",
        )
    return canonical_depth(np.asarray(image), "16UC1")


def read_mask(path: Path) -> np.ndarray:
    """Mask picture as (h, w) uint16 labels: 0 is background, 0/255 one object, else one label for each object."""
    image = _open_image(path)
    if image.format in _LOSSY:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"{path}: a mask's labels must be exact, and {image.format} changes them at every edge: store it as png",
        )
    array = np.asarray(image)
    if image.mode in ("RGB", "RGBA", "LA"):
        channels = array[..., : 3 if image.mode.startswith("RGB") else 1]
        if (channels != channels[..., :1]).any():
            raise GmiError(
                ErrorCode.UNKNOWN_ENCODING,
                f"{path}: a mask has one channel, this one has colours: store labels as grey",
            )
        array = channels[..., 0]
    elif image.mode not in _LABEL_MODES:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING, f"{path}: a mask is a grey picture of 8 or 16 bits, got mode {image.mode}"
        )
    encoding = {"bool": "bool", "uint8": "8UC1", "uint16": "16UC1"}.get(array.dtype.name, "32SC1")
    return canonical_mask(array, encoding)


def read_camera(path: Path) -> Intrinsics:
    """JSON or YAML with `width`, `height`, `K` (9 numbers, row-major), or the camera_info YAML of ROS calibrations.

    Distortion is not undone, the images are taken to be rectified; where the file tells of some, stderr says so.
    """
    text = _read_bytes(path)
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is neither JSON nor YAML: {first}") from error
    if not isinstance(data, dict):
        raise GmiError(ErrorCode.BAD_INTRINSICS, f"{path} must hold width, height and K, got {type(data).__name__}")
    matrix = data.get("camera_matrix")
    k = data.get("K", data.get("k", matrix.get("data") if isinstance(matrix, dict) else None))
    width, height = (data.get(n, data.get(f"image_{n}")) for n in ("width", "height"))
    missing = [n for n, v in (("width", width), ("height", height), ("K", k)) if v is None]
    if missing:
        raise GmiError(
            ErrorCode.BAD_INTRINSICS,
            f"{path} lacks {', '.join(missing)}: it must hold width, height and K (9 numbers, row-major), "
            "or image_width, image_height and camera_matrix.data",
        )
    coefficients = data.get("distortion_coefficients")
    distortion = data.get("D", data.get("d", coefficients.get("data") if isinstance(coefficients, dict) else None))
    if isinstance(distortion, list) and any(distortion):
        told = "lens distortion is not undone here: give rectified images, with the K of these"
        print(f"{path}: distortion coefficients {distortion}: {told}", file=sys.stderr)
    try:
        return Intrinsics.from_k(width, height, np.asarray(k, float))
    except (TypeError, ValueError, OverflowError) as error:
        raise GmiError(ErrorCode.BAD_INTRINSICS, f"{path}: width, height and K must be numbers: {error}") from error


def _depth_of_npy(path: Path) -> np.ndarray:
    _read_bytes(path, 1)
    try:
        # Memory-mapped: a header that promises more than the file holds is found out before anything is allocated.
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except (ValueError, OSError, EOFError, SyntaxError, TokenError, MemoryError) as error:
        raise GmiError(
            ErrorCode.FILE_DAMAGED, f"{path} is not a readable npy of numbers ({type(error).__name__})"
        ) from error
    if not isinstance(array, np.ndarray):
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is an archive, not one npy array")
    if array.dtype.kind != "f":
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING,
            f"{path}: an npy depth must be floats in metres, got {array.dtype}; millimetres belong in a 16-bit png",
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 1):
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path}: depth must be (h, w) or (h, w, 1), got {array.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is no depth
        return canonical_depth(array.astype(np.float32), "32FC1")


def _open_image(path: Path) -> Image.Image:
    content = _read_bytes(path, _MOST)  # once: it may be a pipe
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is not a readable picture: {error}") from error
    return image


def _read_bytes(path: Path, most: int = 2**20) -> bytes:
    """The first `most` bytes; what is wrong with the path is said in words."""
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"cannot read {path}: {reason}") from error
