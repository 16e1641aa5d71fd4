"""What the joints' positions and the fingertips tell about each finger."""

from itertools import combinations

import numpy as np

from gmi_ros.bridge.drivers import HandState
from gmi_ros.bridge.plan import FingerState, MotionSettings
from gmi_ros.hand.barrett import BarrettHand

_LOOKS = 5
_MEETING_GAP = 0.004  # two fingertips this near to each other have met, with nothing between them [m]


class StallWatch:
    """Since when each of some angles has stayed where it is; time is that of the states, so silence is no stall."""

    def __init__(self, angles: np.ndarray, since: np.ndarray | float, within: float):
        """Args:
        angles: (n,) [rad] at first. since: from when a rest counts [s]. within: what is no motion [rad].
        """
        self._at, self._within = angles.copy(), within
        self._since = np.broadcast_to(np.asarray(since, float), angles.shape).copy()
        self._looks = np.zeros(angles.shape, int)  # states since then
        self._last = -np.inf
        self.moved = np.zeros(angles.shape, bool)

    def update(self, angles: np.ndarray, heard: float) -> None:
        """Angles (n,) [rad] as they were at `heard` [s]."""
        if heard > self._last:
            self._looks, self._last = self._looks + 1, heard
        now_moved = np.abs(angles - self._at) > self._within
        self._looks[now_moved] = 0
        self._at[now_moved], self._since[now_moved] = angles[now_moved], np.maximum(self._since[now_moved], heard)
        self.moved |= now_moved

    def stalled(self, heard: float, time: float) -> np.ndarray:
        """(n,) bool: at rest for `time` [s], and for several states, which a slow driver takes longer to tell."""
        return (heard - self._since >= time) & (self._looks >= _LOOKS)


def bend(state: HandState) -> np.ndarray:
    """(3,) [rad]: how far each finger is bent, inner and outer joint together where the outer one is known.

    After breakaway the inner joint rests while the outer one goes on: only both together tell that a finger has stopped.
    """
    return state.joints[1:] + (0.0 if state.outer is None else state.outer)


def motors(state: HandState, hand: BarrettHand) -> np.ndarray:
    """(4,) [rad]: where the drives stand, as angles of spread and inner joints: what a driver is commanded in.

    After breakaway the motor is ahead of the inner joint; the outer joint tells by how much, where it is known.
    """
    if state.outer is None:
        return state.joints.copy()
    return np.append(state.joints[0], bend(state) / (1 + hand.outer_ratio))


def everything(state: HandState) -> np.ndarray:
    """(4,) or (7,) [rad]: all angles that are known."""
    return state.joints if state.outer is None else np.concatenate([state.joints, state.outer])


def tip_force(state: HandState, hand: BarrettHand) -> np.ndarray:
    """(3,) [N] on each fingertip: from the inner joint's torque, else as felt; NaN where the driver tells neither.

    The hand's limits are those of its drives, so the torque comes first: a tactile pad near the joint feels more.
    """
    if state.effort is not None:
        return np.asarray(state.effort, float) * (hand.forces.tip_max / hand.forces.inner_torque_max)
    return np.full(3, np.nan) if state.tactile is None else np.asarray(state.tactile, float)


def at_stop(state: HandState, hand: BarrettHand, tolerance: float) -> np.ndarray:
    """(3,) bool: fingers that can close no further: inner joint at its limit, or after breakaway the outer at its stop.

    Args:
        tolerance: [rad] how near counts.
    """
    stopped = state.joints[1:] >= hand.limits[1:, 1] - tolerance
    if state.outer is not None:
        stopped |= state.outer >= hand.limits_by_joint.outer_hard[1] - tolerance
    return stopped


def meeting(state: HandState, hand: BarrettHand) -> np.ndarray:
    """(3,) bool: fingers whose rounded ends touch another finger's, so that they stopped at each other."""
    ends = hand.touching.tips(state.joints, state.outer)
    met = np.zeros(3, bool)
    for a, b in combinations(range(3), 2):
        if np.linalg.norm(ends[a] - ends[b]) < 2 * hand.touch.radius + _MEETING_GAP:
            met[[a, b]] = True
    return met


def finger_states(
    state: HandState, begin: np.ndarray, expected: np.ndarray, hand: BarrettHand, settings: MotionSettings
) -> list[FingerState]:
    """What each finger did once it has stopped closing.

    Args:
        begin: (3,) [rad] inner joints before. expected: (3,) [rad] inner joints at the contact, as planned.
    """
    inner = state.joints[1:]
    limit = hand.limits[1:, 1] - settings.joint_tolerance
    felt = None if state.tactile is None else state.tactile >= settings.contact_force
    met = meeting(state, hand)
    found = []
    for i in range(3):
        short = expected[i] - inner[i]
        still = abs(inner[i] - begin[i]) <= settings.joint_tolerance and short > 2 * settings.joint_tolerance
        if felt is not None and felt[i] and not met[i]:
            found.append(FingerState.IN_CONTACT)
        elif inner[i] >= limit[i] or met[i]:
            found.append(FingerState.CLOSED_EMPTY)
        elif still or short > settings.blocked_angle:
            found.append(FingerState.BLOCKED)
        else:
            # A finger that feels, stopped on its way and feels nothing has stopped at something that is no object.
            found.append(FingerState.IN_CONTACT if felt is None else FingerState.BLOCKED)
    return found
