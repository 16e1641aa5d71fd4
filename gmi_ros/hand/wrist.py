"""Eq. 7: the wrist (and the posture) that bring the fingertips onto the contacts, for all samples at once.

(a) `align_wrist`, posture given: the closed form of Kabsch. (b) `solve_wrist`, posture free within the soft limits:
a batched descent from several starts.
"""

from typing import NamedTuple

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.grasp import WristStatus
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.descent import AT_BOUND, EXACT, Effort, minimise
from gmi_ros.hand.problem import checked, skew
from gmi_ros.hand.quadratic import model_of
from gmi_ros.hand.starts import default_starts

MAX_RESIDUAL = 0.010  # default bound of a reachable contact [m]


class WristSolution(NamedTuple):
    """Wrist and posture per sample: n samples, in the frame of the points.

    frame_from_palm (n, 4, 4); joints (n, 4) [rad]; residual (n, 3) [m] distance tip to contact of F1, F2, F3;
    status (n,) values of WristStatus; cost (n,) [m^2] = sum |tip - p|^2 + weight^2 sum |pad + n|^2.
    """

    frame_from_palm: np.ndarray
    joints: np.ndarray
    residual: np.ndarray
    status: np.ndarray
    cost: np.ndarray


def align_wrist(tips: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 7 for a given posture: the rigid motion with the least sum of squared distances, in closed form (Kabsch).

    Args:
        tips: (n, 3, 3) [m] in {P}. targets: (n, 3, 3) [m] in any one frame.

    Returns:
        target_from_palm (n, 4, 4), always a proper rotation, and the residuals (n, 3) [m] per finger. Where the tips
        are collinear or coincide, one of the many best rotations.

    Raises:
        GmiError: BAD_REQUEST for wrong or different shapes and numbers that are not finite.
    """
    tips, targets = checked("tips", tips, (3, 3)), checked("targets", targets, (3, 3))
    _check_counts(tips=tips, targets=targets)
    centre, goal = tips.mean(axis=1, keepdims=True), targets.mean(axis=1, keepdims=True)
    rotation = _kabsch(np.einsum("nfi,nfj->nij", targets - goal, tips - centre))
    pose = poses.make(rotation, goal[:, 0] - np.einsum("nij,nj->ni", rotation, centre[:, 0]))
    return pose, np.linalg.norm(poses.transform_points(pose, tips) - targets, axis=-1)


def solve_wrist(
    hand: BarrettHand,
    points: np.ndarray,
    normals: np.ndarray,
    normal_weight: float,
    starts: np.ndarray | None = None,
    max_residual: float = MAX_RESIDUAL,
    effort: Effort = EXACT,
) -> WristSolution:
    """Eq. 7 for wrist and posture together, within the soft limits: the best of all starts.

    Args:
        points: (n, 3, 3) contacts [m]. normals: (n, 3, 3) unit, OUTWARD of the object. Any one frame.
        normal_weight: metres that a unit of normal error counts, >= 0.
        starts: (n, s, 4) joints [rad], clipped to the limits; default `default_starts`.
        max_residual: a sample with a farther fingertip is UNREACHABLE [m].
        effort: how exact: the pipeline takes QUICK.

    Raises:
        GmiError: BAD_REQUEST for wrong shapes, numbers that are not finite, a negative weight or bound.
    """
    points, normals = checked("points", points, (3, 3)), checked("normals", normals, (3, 3))
    _check_counts(points=points, normals=normals)
    for name, value in (("normal_weight", normal_weight), ("max_residual", max_residual)):
        if not (np.isfinite(value) and value >= 0):
            raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must be finite and >= 0 [m], got {value}")
    if starts is None:
        starts = default_starts(hand, points, normals, normal_weight)
    starts = np.asarray(starts, float)
    if starts.ndim != 3 or len(starts) != len(points) or not starts.shape[1] or starts.shape[2] != 4:
        raise GmiError(ErrorCode.BAD_REQUEST, f"starts must have shape ({len(points)}, s >= 1, 4), got {starts.shape}")
    checked("starts", starts, starts.shape[1:])
    starts = np.clip(starts, *hand.limits.T)

    n, s = starts.shape[:2]
    goal = points.mean(axis=1, keepdims=True)
    stacked = np.concatenate([points - goal, -normal_weight * normals], axis=1)  # (n, 6, 3): where tips and pads belong
    targets = np.ascontiguousarray(np.repeat(stacked, s, axis=0).T)  # (3, 6, n s): from here the searches come last
    first = np.ascontiguousarray(starts.reshape(-1, 4).T)
    model = model_of(hand, normal_weight, first)[0]
    rotation = _kabsch(np.moveaxis((targets[:, None] * model).sum(axis=2), -1, 0))
    rotation = np.ascontiguousarray(np.moveaxis(rotation, 0, -1))
    rotation, joints, cost = minimise(hand, normal_weight, targets, rotation, first, s, effort)
    best = np.arange(n) * s + cost.reshape(n, s).argmin(axis=1)
    rotation, joints, cost = np.moveaxis(rotation, -1, 0)[best], joints.T[best], cost[best]

    tips = hand.tips(joints)
    pose = poses.make(rotation, goal[:, 0] - np.einsum("nij,nj->ni", rotation, tips.mean(axis=1)))
    residual = np.linalg.norm(poses.transform_points(pose, tips) - points, axis=-1)
    at_limit = (np.abs(joints[..., None] - hand.limits) < AT_BOUND).any(axis=(1, 2))
    status = np.where(at_limit, int(WristStatus.AT_LIMIT), int(WristStatus.SOLVED))
    status = np.where(residual.max(axis=1) > max_residual, int(WristStatus.UNREACHABLE), status)
    return WristSolution(pose, joints, residual, status, cost)


def _check_counts(**arrays) -> None:
    if len({len(a) for a in arrays.values()}) != 1:
        listed = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise GmiError(ErrorCode.BAD_REQUEST, f"one count of samples expected, got {listed}")


def _kabsch(cross_covariance: np.ndarray) -> np.ndarray:
    """Proper rotations (n, 3, 3) that maximise trace(R^T C) for C = sum target tip^T (n, 3, 3).

    By Horn's quaternion, the eigenvector of the largest eigenvalue of a 4x4 matrix: a proper rotation in every case.
    """
    c = cross_covariance
    horn = np.empty((len(c), 4, 4))
    horn[:, 0, 0] = np.trace(c, axis1=1, axis2=2)
    horn[:, 1:, 1:] = c + np.swapaxes(c, 1, 2) - horn[:, :1, :1] * np.eye(3)
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        horn[:, 0, i + 1] = horn[:, i + 1, 0] = c[:, k, j] - c[:, j, k]
    quaternion = np.linalg.eigh(horn)[1][:, :, 3]  # w, x, y, z
    w, vector = quaternion[:, :1, None], quaternion[:, 1:]
    outer = vector[:, :, None] * vector[:, None]
    return (2 * w**2 - 1) * np.eye(3) + 2 * outer + 2 * w * skew(vector)
