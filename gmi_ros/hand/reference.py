"""Eq. 7 by scipy, one sample and one start at a time: what the batched solver is measured against."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from gmi_ros.core import poses
from gmi_ros.hand import problem
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.wrist import align_wrist


class ReferenceSolution(NamedTuple):
    """frame_from_palm (4, 4); joints (4,) [rad]; residual (3,) [m] per finger; cost [m^2]."""

    frame_from_palm: np.ndarray
    joints: np.ndarray
    residual: np.ndarray
    cost: float


def scipy_reference(
    hand: BarrettHand, points, normals, weight: float, starts, analytic: bool = True, tolerance: float = 1e-12
) -> ReferenceSolution:
    """The best of `scipy.optimize.least_squares` (trf, bounded) over the starts of one sample.

    Args:
        points, normals: (3, 3) [m], normals outward. starts: (s, 4) joints [rad]; the wrist starts where the tips of
            that posture lie best on the points. analytic: our Jacobian, or scipy's finite differences.
    """
    low = np.concatenate([np.full(6, -np.inf), hand.limits[:, 0]])
    high = np.concatenate([np.full(6, np.inf), hand.limits[:, 1]])
    best = None
    for joints in np.asarray(starts, float):
        (first,), _ = align_wrist(hand.tips(joints)[None], np.asarray(points, float)[None])

        def pose(x, first=first):
            return poses.make(first[:3, :3] @ problem.rotation_from(x[:3]), first[:3, 3] + x[3:6])

        def residual(x, pose=pose):
            return problem.residual(hand, points, normals, weight, pose(x), x[6:])

        def jacobian(x, pose=pose):
            rows = problem.jacobian(hand, weight, pose(x), x[6:])
            rows[:, :3] = rows[:, :3] @ _right_jacobian(x[:3])
            return rows

        x0 = np.clip(np.concatenate([np.zeros(6), joints]), low, high)
        found = least_squares(
            residual,
            x0,
            jac=jacobian if analytic else "2-point",
            bounds=(low, high),
            method="trf",
            ftol=tolerance,
            xtol=tolerance,
            gtol=tolerance,
        )
        if best is None or 2 * found.cost < best.cost:
            distance = np.linalg.norm(found.fun[:9].reshape(3, 3), axis=1)
            best = ReferenceSolution(pose(found.x), found.x[6:], distance, 2 * float(found.cost))
    return best


def _right_jacobian(vector: np.ndarray) -> np.ndarray:
    """(3, 3) J with exp(v + d) = exp(v) exp(J d) to first order."""
    angle = np.linalg.norm(vector)
    cross = problem.skew(vector)
    if angle < 1e-5:  # the closed form cancels there; the series is exact to rounding
        return np.eye(3) - cross / 2 + cross @ cross / 6
    return np.eye(3) - (1 - np.cos(angle)) / angle**2 * cross + (angle - np.sin(angle)) / angle**3 * cross @ cross
