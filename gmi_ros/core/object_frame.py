"""The object frame {O}: PCA on the segmentation mask (paper, section IV-A2)."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.settings import SynthesisSettings


@dataclass(frozen=True)
class ObjectFrame:
    """{O} of one object in one image.

    camera_from_object: (4, 4), O_z and O_y along the first and second principal component of the mask as directions
    in the image plane, O_x along the optical axis, away from the camera; origin at the mean pixel of the mask,
    deprojected at the mask's median depth [m].
    degenerate: the principal axes are not distinct, O_z is the image's up.
    eigenvalue_ratio: lambda2 / lambda1 in [0, 1]. centroid_px: (2,) mean (u, v). depth: median depth [m].
    """

    camera_from_object: np.ndarray
    degenerate: bool
    eigenvalue_ratio: float
    centroid_px: np.ndarray
    depth: float
    n_pixels: int
    label: int


def object_frame(frame: Frame, label: int = 0, settings: SynthesisSettings = SynthesisSettings()) -> ObjectFrame:
    """Find {O} of the object with this label (0 = the one with the largest area).

    PCA uses every pixel of the label, without splitting components. The depth is the median over the mask eroded by
    `depth_erosion_px`, since depth at an object's edge mixes with what is behind it; where erosion leaves no valid
    depth (thin objects), over the whole mask.

    Raises:
        GmiError: MASK_EMPTY, LABEL_NOT_FOUND, MASK_TOO_SMALL, MASK_AT_BORDER, NO_VALID_DEPTH, DEPTH_UNITS.
    """
    label = _pick_label(frame, label)
    rows, columns = frame.box(label)
    selected = frame.mask[rows, columns] == label  # (h, w) of the box around it
    _check_mask(frame, label, rows, columns, settings)
    depth = _median_depth(frame.depth[rows, columns], selected, settings)

    n_pixels = frame.areas[label]
    mean, (a, b, c) = _moments(selected)
    centroid = mean + [columns.start, rows.start]
    spread = np.hypot((a - c) / 2, b)
    largest, smallest = (a + c) / 2 + spread, (a + c) / 2 - spread
    ratio = float(max(smallest, 0.0) / largest)
    degenerate = ratio > settings.degenerate_ratio
    z_axis = np.array([0.0, -1.0]) if degenerate else _upper_half(0.5 * np.arctan2(2 * b, a - c))

    x_axis = np.array([0.0, 0.0, 1.0])
    z_axis = np.array([z_axis[0], z_axis[1], 0.0])
    rotation = np.stack([x_axis, np.cross(z_axis, x_axis), z_axis], axis=1)  # columns O_x, O_y, O_z
    origin = frame.intrinsics.deproject(centroid, np.array(depth))
    return ObjectFrame(poses.make(rotation, origin), degenerate, ratio, centroid, depth, n_pixels, label)


def _moments(selected: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Mean (u, v) of the pixels and their variance of u, covariance, variance of v [px^2].

    Made of sums of whole numbers, which are exact in whatever order: the same on every machine.
    """
    weights = selected.astype(float)
    v, u = (np.arange(size, dtype=float) for size in selected.shape)
    by_row, by_column = weights.sum(axis=1), weights.sum(axis=0)
    n = by_row.sum()
    mean_u, mean_v = (by_column * u).sum() / n, (by_row * v).sum() / n
    mixed = (v * np.einsum("vu,u->v", weights, u)).sum() / n - mean_u * mean_v
    variances = [(by * x**2).sum() / n - mean**2 for by, x, mean in ((by_column, u, mean_u), (by_row, v, mean_v))]
    return np.array([mean_u, mean_v]), (variances[0], mixed, variances[1])


def _upper_half(angle: float) -> np.ndarray:
    """The direction (du, dv) of a line at this angle that points up in the image, to the right when horizontal."""
    direction = np.array([np.cos(angle), np.sin(angle)])
    if abs(direction[1]) < 1e-9:
        return np.array([1.0, 0.0])
    return direction if direction[1] < 0 else -direction


def _pick_label(frame: Frame, label: int) -> int:
    labels = frame.labels()
    if not labels:
        raise GmiError(ErrorCode.MASK_EMPTY, "the mask is empty: no pixel has a label above 0")
    if label == 0:
        return labels[0]
    if label not in labels:
        raise GmiError(ErrorCode.LABEL_NOT_FOUND, f"label {label} is not in the mask; it has {_listed(labels)}")
    return label


def _listed(labels: list[int], most: int = 20) -> str:
    text = ", ".join(str(i) for i in labels[:most])
    return text if len(labels) <= most else f"{text} and {len(labels) - most} more"


def _check_mask(frame: Frame, label: int, rows: slice, columns: slice, settings: SynthesisSettings) -> None:
    n_pixels = frame.areas[label]
    if n_pixels < settings.min_mask_pixels:
        raise GmiError(
            ErrorCode.MASK_TOO_SMALL, f"label {label} has {n_pixels} pixels, at least {settings.min_mask_pixels} needed"
        )
    height, width = frame.mask.shape
    edges = {
        "top": rows.start == 0,
        "bottom": rows.stop == height,
        "left": columns.start == 0,
        "right": columns.stop == width,
    }
    touched = [name for name, touches in edges.items() if touches]
    if touched:
        raise GmiError(
            ErrorCode.MASK_AT_BORDER,
            f"label {label} touches the image's {' and '.join(touched)} border: the object is not wholly in view",
        )


def _median_depth(depth: np.ndarray, selected: np.ndarray, settings: SynthesisSettings) -> float:
    """The median [m] of the box (h, w) around an object."""
    valid = measured(depth) & selected
    inner = valid & _eroded(selected, settings.depth_erosion_px)
    depths = depth[inner if inner.any() else valid]
    if not depths.size:
        raise GmiError(ErrorCode.NO_VALID_DEPTH, f"none of the {int(selected.sum())} pixels of the mask has a depth")
    # The lower median is the depth of some pixel, also where half of the mask lies far behind the other half.
    middle = (depths.size - 1) // 2
    depth = float(np.partition(depths, middle)[middle])
    low, high = settings.min_depth, settings.max_depth
    if low <= depth <= high:
        return depth
    for factor, cause in ((0.001, "millimetres given as metres"), (1000.0, "metres divided by 1000 once too often")):
        if low <= depth * factor <= high:
            raise GmiError(
                ErrorCode.DEPTH_UNITS,
                f"median depth of the object is {depth:.6g} m, outside [{low}, {high}] m: looks like {cause} "
                "(16UC1 must be millimetres, 32FC1 metres)",
            )
    raise GmiError(
        ErrorCode.NO_VALID_DEPTH,
        f"median depth of the object is {depth:.6g} m, outside [{low}, {high}] m (min_depth, max_depth)",
    )


def _eroded(selected: np.ndarray, times: int) -> np.ndarray:
    """Without the pixels next to (above, below, left, right of) one that is not selected, so many times over."""
    for _ in range(times):
        smaller = np.zeros_like(selected)
        smaller[1:-1, 1:-1] = selected[1:-1, 1:-1]
        smaller[1:-1, 1:-1] &= selected[:-2, 1:-1] & selected[2:, 1:-1] & selected[1:-1, :-2] & selected[1:-1, 2:]
        selected = smaller
    return selected
