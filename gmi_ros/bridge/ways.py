"""Small things about poses that a motion needs."""

import numpy as np

from gmi_ros.bridge.plan import MotionPlan


def moved(pose: np.ndarray, way: np.ndarray) -> np.ndarray:
    """The pose (4, 4) further by `way` (3,) [m]."""
    there = pose.copy()
    there[:3, 3] += way
    return there


def behind(plan: MotionPlan, way: float) -> np.ndarray:
    """The pre-grasp, `way` [m] further back along the palm's approach."""
    approach = (plan.base_from_pregrasp @ plan.mount_from_palm)[:3, 2]
    return moved(plan.base_from_pregrasp, -way * approach)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Between the origins of two poses [m]."""
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3]))


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Angle [rad] between two rotations."""
    return float(np.arccos(np.clip((np.trace(a[:3, :3].T @ b[:3, :3]) - 1) / 2, -1, 1)))
