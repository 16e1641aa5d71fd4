"""The object frame {O}: PCA on the segmentation mask (paper, section IV-A2)."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
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
    selected = frame.mask == label  # (h, w)
    _check_mask(selected, label, settings)
    depth = _median_depth(frame, selected, settings)

    v, u = np.nonzero(selected)
    centroid = np.array([u.mean(), v.mean()])
    (a, b), (_, c) = np.cov(np.stack([u, v]).astype(float), bias=True)
    spread = np.hypot((a - c) / 2, b)
    largest, smallest = (a + c) / 2 + spread, (a + c) / 2 - spread
    ratio = float(max(smallest, 0.0) / largest)
    degenerate = ratio > settings.degenerate_ratio
    z_axis = np.array([0.0, -1.0]) if degenerate else _upper_half(0.5 * np.arctan2(2 * b, a - c))

    x_axis = np.array([0.0, 0.0, 1.0])
    z_axis = np.array([z_axis[0], z_axis[1], 0.0])
    rotation = np.stack([x_axis, np.cross(z_axis, x_axis), z_axis], axis=1)  # columns O_x, O_y, O_z
    origin = frame.intrinsics.deproject(centroid, np.array(depth))
    return ObjectFrame(poses.make(rotation, origin), degenerate, ratio, centroid, depth, int(u.size), label)


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


def _check_mask(selected: np.ndarray, label: int, settings: SynthesisSettings) -> None:
    n_pixels = int(selected.sum())
    if n_pixels < settings.min_mask_pixels:
        raise GmiError(
            ErrorCode.MASK_TOO_SMALL, f"label {label} has {n_pixels} pixels, at least {settings.min_mask_pixels} needed"
        )
    edges = {"top": selected[0], "bottom": selected[-1], "left": selected[:, 0], "right": selected[:, -1]}
    touched = [name for name, edge in edges.items() if edge.any()]
    if touched:
        raise GmiError(
            ErrorCode.MASK_AT_BORDER,
            f"label {label} touches the image's {' and '.join(touched)} border: the object is not wholly in view",
        )


def _median_depth(frame: Frame, selected: np.ndarray, settings: SynthesisSettings) -> float:
    valid = frame.valid & selected
    inner = valid
    if settings.depth_erosion_px:
        inner = valid & binary_erosion(selected, iterations=settings.depth_erosion_px)
    depths = frame.depth[inner if inner.any() else valid]
    if not depths.size:
        raise GmiError(ErrorCode.NO_VALID_DEPTH, f"none of the {int(selected.sum())} pixels of the mask has a depth")
    # The lower median is the depth of some pixel, also where half of the mask lies far behind the other half.
    depth = float(np.percentile(depths, 50, method="lower"))
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
