"""Eq. 7 as a least-squares problem: its residual and Jacobian, apart from any solver.

For contacts p_i with outward normals n_i (in any one frame), wrist pose frame_from_palm = (R, t) and joints q:

    residual = [ R tip_i(q) + t - p_i ,  weight (R pad_i(q) + n_i) ]  for i = F1, F2, F3          (18 rows)

The paper's Eq. 7 is the first half; the second brings the pads onto the surface (a pad's normal against the object's).
"""

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import BarrettHand


def residual(hand: BarrettHand, points, normals, weight: float, frame_from_palm, joints) -> np.ndarray:
    """(..., 18) residual [m]: nine of the tips, then nine of the normals times `weight` [m].

    points, normals: (..., 3, 3). frame_from_palm: (..., 4, 4). joints: (..., 4) [rad].
    """
    tips = poses.transform_points(frame_from_palm, hand.tips(joints)) - points
    pads = weight * (poses.rotate(frame_from_palm, hand.pad_normals(joints)) + normals)
    return np.concatenate([tips, pads], axis=-2).reshape(*tips.shape[:-2], 18)


def jacobian(hand: BarrettHand, weight: float, frame_from_palm, joints) -> np.ndarray:
    """(..., 18, 10) derivative of the residual by [w, v, joints], for R <- R exp(w) [rad] and t <- t + v [m]."""
    rotation = frame_from_palm[..., None, :3, :3]  # (..., 1, 3, 3)
    rows = np.zeros((*np.shape(joints)[:-1], 6, 3, 10))
    rows[..., :3, :, :3] = -rotation @ skew(hand.tips(joints))
    rows[..., :3, :, 3:6] = np.eye(3)
    rows[..., :3, :, 6:] = rotation @ hand.jacobian(joints)
    rows[..., 3:, :, :3] = -weight * rotation @ skew(hand.pad_normals(joints))
    rows[..., 3:, :, 6:] = weight * rotation @ hand.normal_jacobian(joints)
    return rows.reshape(*rows.shape[:-3], 18, 10)


def skew(vectors: np.ndarray) -> np.ndarray:
    """Cross-product matrices (..., 3, 3) of vectors (..., 3)."""
    matrix = np.zeros((*vectors.shape, 3))
    matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 2] = -vectors[..., 2], vectors[..., 1], -vectors[..., 0]
    return matrix - np.swapaxes(matrix, -1, -2)


def rotation_from(vectors: np.ndarray) -> np.ndarray:
    """exp of rotation vectors (..., 3) [rad], (..., 3, 3) (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = skew(vectors)
    # sinc keeps both factors right down to zero: sin(a)/a and (1 - cos a)/a^2 = sinc^2(a/2)/2.
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (cross @ cross)


def checked(name: str, array, shape: tuple[int, ...]) -> np.ndarray:
    """The array as float64 of shape (n, *shape), finite.

    Raises:
        GmiError: BAD_REQUEST with the array's name and shape.
    """
    try:
        array = np.asarray(array, float)
    except (TypeError, ValueError) as error:
        message = f"{name} must be numbers of shape (n, {_listed(shape)}): {error}"
        raise GmiError(ErrorCode.BAD_REQUEST, message) from error
    if array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must have shape (n, {_listed(shape)}), got {array.shape}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).sum())
        message = f"{name} {array.shape} must be finite, {bad} of {len(array)} samples are not"
        raise GmiError(ErrorCode.BAD_REQUEST, message)
    return array


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(str(s) for s in shape)
