"""Rigid poses as 4x4 matrices named `a_from_b`, quaternions xyzw."""

import numpy as np
from scipy.spatial.transform import Rotation


def make(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Stack rotations (..., 3, 3) and translations (..., 3) [m] into poses (..., 4, 4)."""
    rotation, translation = np.asarray(rotation, float), np.asarray(translation, float)
    pose = np.zeros((*np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1]), 4, 4))
    pose[..., :3, :3] = rotation
    pose[..., :3, 3] = translation
    pose[..., 3, 3] = 1.0
    return pose  # (..., 4, 4)


def inverse(a_from_b: np.ndarray) -> np.ndarray:
    """Return b_from_a, (..., 4, 4)."""
    rotation = np.swapaxes(a_from_b[..., :3, :3], -1, -2)
    return make(rotation, -np.einsum("...ij,...j->...i", rotation, a_from_b[..., :3, 3]))


def transform_points(a_from_b: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (..., n, 3) [m] from b to a."""
    return rotate(a_from_b, points) + a_from_b[..., None, :3, 3]


def rotate(a_from_b: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Turn directions (..., n, 3) from b to a."""
    return np.einsum("...ij,...nj->...ni", a_from_b[..., :3, :3], directions)


def from_xyzw(translation: np.ndarray, xyzw: np.ndarray) -> np.ndarray:
    """Pose from a translation [m] and a quaternion in ROS order; the quaternion need not be normalised."""
    return make(Rotation.from_quat(xyzw).as_matrix(), translation)


def to_xyzw(a_from_b: np.ndarray) -> np.ndarray:
    """Quaternion (..., 4) in ROS order, w >= 0."""
    return Rotation.from_matrix(a_from_b[..., :3, :3]).as_quat(canonical=True)


def is_rigid(pose: np.ndarray, tolerance: float = 1e-6) -> bool:
    """Whether a 4x4 matrix is a proper rigid transform."""
    pose = np.asarray(pose, float)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        return False
    rotation = pose[:3, :3]
    return bool(
        np.allclose(rotation @ rotation.T, np.eye(3), atol=tolerance)
        and np.linalg.det(rotation) > 0
        and np.allclose(pose[3], [0, 0, 0, 1], atol=tolerance)
    )
