"""Small things about poses that a motion needs."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.bridge.plan import MotionPlan
from gmi_ros.core import poses

RAMP = 0.1  # [s]


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


def ramped_time(way: float, speed: float, ramp: float = RAMP) -> float:
    """Time [s] of a way (any unit) at this speed, which is reached and left within `ramp` [s]: no arm starts at once."""
    return way / speed + ramp


def ramped_share(time: float, total: float, ramp: float = RAMP) -> float:
    """Share of the way that is done `time` [s] after it began, 0 to 1; total: of ramped_time, more than `ramp` [s]."""
    time = min(max(time, 0.0), total)
    ramped = min(time, ramp) ** 2 - max(time - total + ramp, 0.0) ** 2
    return (ramped / (2 * ramp) + max(time - ramp, 0.0)) / (total - ramp)


def straight_way(a: np.ndarray, b: np.ndarray, speed: float, turn_speed: float, step: float):
    """Times (n,) [s] and poses, n of (4, 4), `step` [s] apart, from a (not among them) straight to b, with ramps."""
    total = ramped_time(max(travel_time(a, b, speed, turn_speed), 1e-3), 1.0)
    times = np.append(np.arange(step, total, step), total)
    return times, [between(a, b, ramped_share(time, total)) for time in times]


def along(times: np.ndarray, way: Sequence[np.ndarray], time: float) -> np.ndarray:
    """The pose (4, 4) at this time [s] of a way: times (n,) [s], rising, n at least 2, and as many poses."""
    index = int(np.clip(np.searchsorted(times, time, side="right") - 1, 0, len(times) - 2))
    share = (time - times[index]) / max(times[index + 1] - times[index], 1e-9)
    return between(way[index], way[index + 1], float(np.clip(share, 0.0, 1.0)))


def travel_time(a: np.ndarray, b: np.ndarray, speed: float, turn_speed: float) -> float:
    """Time [s] from pose a to pose b at these speeds [m/s], [rad/s]."""
    return max(distance(a, b) / speed, angle(a, b) / turn_speed)


def between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """The pose this share of the way from a to b: position along the line, rotation about one axis."""
    turn = Rotation.from_matrix(a[:3, :3].T @ b[:3, :3]).as_rotvec()
    rotation = a[:3, :3] @ Rotation.from_rotvec(share * turn).as_matrix()
    return poses.make(rotation, a[:3, 3] + share * (b[:3, 3] - a[:3, 3]))
