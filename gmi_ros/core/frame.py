"""One RGB-D frame with its mask: what every road into the package starts from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError


FOCAL_RANGE = (0.05, 100.0)  # of a focal length, in image sizes


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion: sizes and focal lengths in pixels (REP-103 optical frame)."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self):
        if self.width < 1 or self.height < 1:
            raise GmiError(ErrorCode.BAD_INTRINSICS, f"camera size must be positive, got {self.width}x{self.height}")
        numbers = np.array([self.fx, self.fy, self.cx, self.cy], float)
        if not np.isfinite(numbers).all() or self.fx <= 0 or self.fy <= 0:
            raise GmiError(
                ErrorCode.BAD_INTRINSICS,
                f"camera_info.k needs finite fx > 0 and fy > 0 [px], got fx={self.fx}, fy={self.fy}, "
                f"cx={self.cx}, cy={self.cy}; is the camera calibrated?",
            )
        size = np.array([self.width, self.height], float)
        focal, centre = numbers[:2] / size, numbers[2:] / size
        if (
            (focal < FOCAL_RANGE[0]).any()
            or (focal > FOCAL_RANGE[1]).any()
            or (centre < -1).any()
            or (centre > 2).any()
        ):
            raise GmiError(
                ErrorCode.BAD_INTRINSICS,
                f"fx={self.fx}, fy={self.fy}, cx={self.cx}, cy={self.cy} do not fit an image of "
                f"{self.width}x{self.height}: fx and fy must be {FOCAL_RANGE[0]} to {FOCAL_RANGE[1]} times width and "
                "height, and the centre within one image size of the image",
            )

    @classmethod
    def from_k(cls, width: int, height: int, k: np.ndarray) -> "Intrinsics":
        """From the row-major 3x3 camera matrix of sensor_msgs/CameraInfo.

        Raises:
            GmiError: BAD_INTRINSICS where `k` has not nine finite numbers, or no focal length.
        """
        k = np.asarray(k, float).reshape(-1)
        if k.size != 9:
            raise GmiError(ErrorCode.BAD_INTRINSICS, f"K must hold 9 numbers (row-major 3x3), got {k.size}")
        if k[1] != 0 or k[3] != 0:
            raise GmiError(
                ErrorCode.BAD_INTRINSICS, f"K must have no skew: K[1] and K[3] must be 0, got {k[1]}, {k[3]}"
            )
        if k[0] > 0 and (k[6:] != [0, 0, 1]).any():
            last = ", ".join(f"{number:g}" for number in k[6:])
            raise GmiError(
                ErrorCode.BAD_INTRINSICS, f"K's last row must be 0, 0, 1, got {last}: is K stored column by column?"
            )
        if not float(width).is_integer() or not float(height).is_integer():
            raise GmiError(ErrorCode.BAD_INTRINSICS, f"width and height must be whole pixels, got {width}x{height}")
        return cls(int(width), int(height), float(k[0]), float(k[4]), float(k[2]), float(k[5]))

    @property
    def k(self) -> np.ndarray:
        """The 3x3 camera matrix."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) as (u, v) of points (..., 3) [m] in the camera frame."""
        z = points[..., 2:3]
        return points[..., :2] / z * [self.fx, self.fy] + [self.cx, self.cy]

    def deproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points (..., 3) [m] in the camera frame of pixels (..., 2) as (u, v) at depth (...) [m]."""
        pixels, depth = np.asarray(pixels, float), np.asarray(depth, float)
        xy = (pixels - [self.cx, self.cy]) / [self.fx, self.fy] * depth[..., None]
        return np.concatenate([xy, depth[..., None]], axis=-1)


@dataclass(frozen=True)
class Frame:
    """An image set taken at one time by one (registered) camera.

    rgb: (h, w, 3) uint8. depth: (h, w) float32 [m], not finite or <= 0 where there is none.
    mask: (h, w) uint16 labels, 0 = background; a boolean or 0/255 mask is one label.
    stamp_ns: the images' time [ns]. frame_id: the camera's optical frame.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    intrinsics: Intrinsics
    stamp_ns: int = 0
    frame_id: str = "camera"

    def __post_init__(self):
        size = (self.intrinsics.height, self.intrinsics.width)
        sizes = {"rgb": self.rgb.shape[:2], "depth": self.depth.shape[:2], "mask": self.mask.shape[:2]}
        if any(s != size for s in sizes.values()):
            listed = ", ".join(f"{name} {s[1]}x{s[0]}" for name, s in sizes.items())
            raise GmiError(
                ErrorCode.SIZE_MISMATCH,
                f"{listed}, camera_info {size[1]}x{size[0]}: all four must have one size (register depth to rgb)",
            )

    @property
    def valid(self) -> np.ndarray:
        """(h, w) bool: where there is a depth."""
        return measured(self.depth)

    def labels(self) -> list[int]:
        """The labels in the mask, largest area first."""
        return list(self.areas)

    @cached_property
    def areas(self) -> dict[int, int]:
        """Pixels of each label in the mask, largest first."""
        counts = np.bincount(self.mask[self._labelled].ravel(), minlength=1)
        counts[0] = 0
        present = np.flatnonzero(counts)
        order = present[np.argsort(-counts[present], kind="stable")]
        return {int(i): int(counts[i]) for i in order}

    def box(self, label: int) -> tuple[slice, slice]:
        """The smallest rows and columns that hold every pixel of `label`; empty slices where it has none."""
        rows, columns = self._labelled
        selected = self.mask[rows, columns] == label
        return _span(selected.any(axis=1), rows.start), _span(selected.any(axis=0), columns.start)

    @cached_property
    def _labelled(self) -> tuple[slice, slice]:
        """Rows and columns that hold every label: what comes after need not look at the whole of a large image."""
        rows = _span(self.mask.max(axis=1) > 0)
        return rows, _span(self.mask[rows].max(axis=0, initial=0) > 0)


def measured(depth: np.ndarray) -> np.ndarray:
    """Where there is a depth: it is a number above 0 and below infinity."""
    return (depth > 0) & (depth < np.inf)


def _span(which: np.ndarray, origin: int = 0) -> slice:
    """From the first to the last of the true ones (n,), counted from `origin`."""
    (found,) = np.nonzero(which)
    return slice(origin + int(found[0]), origin + int(found[-1]) + 1) if found.size else slice(origin, origin)
