"""One grasp as a motion: poses of the mount, joints, speeds and limits, all in the arm's base frame and SI units."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from gmi_ros.core.settings import Settings, setting


class Phase(IntEnum):
    """The same numbers as the constants of ExecuteGrasp's feedback."""

    OPENING = 0
    PREGRASP = 1
    APPROACH = 2
    CLOSING = 3
    SQUEEZE = 4
    LIFT = 5
    HOLD = 6
    VERDICT = 7
    RETREAT = 8


class FingerState(IntEnum):
    """The same numbers as the constants of gmi_ros/Contact."""

    UNKNOWN = 0
    IN_CONTACT = 1
    CLOSED_EMPTY = 2
    BLOCKED = 3


@dataclass(frozen=True)
class MotionPlan:
    """What is to be done.

    base_from_pregrasp, base_from_grasp: (4, 4) of the mount. mount_from_palm: (4, 4). joints_open, joints_closed: (4,)
    [rad] spread, f1, f2, f3. finger_start [s], finger_speed [rad/s]: (3,). spread_speed [rad/s]. approach_speed,
    lift_speed [m/s]. lift: (3,) [m], in the base frame. tip_force_limit [N].
    """

    base_from_pregrasp: np.ndarray
    base_from_grasp: np.ndarray
    mount_from_palm: np.ndarray
    joints_open: np.ndarray
    joints_closed: np.ndarray
    finger_start: np.ndarray
    finger_speed: np.ndarray
    spread_speed: float
    approach_speed: float
    lift: np.ndarray
    lift_speed: float
    tip_force_limit: float


@dataclass(frozen=True)
class MotionSettings(Settings):
    """How a grasp is carried out, whatever the drivers."""

    travel_speed: float = setting(0.25, "largest speed of the palm on the way to the pre-grasp [m/s]", 0.001, 2.0)
    standoff: float = setting(
        0.15, "the way to the pre-grasp leads over a point this far behind it; 0: straight there [m]", 0.0, 1.0
    )
    opening_timeout: float = setting(10.0, "longest time to open and spread the hand [s]", 0.1, 600.0)
    travel_timeout: float = setting(30.0, "longest time to the pre-grasp [s]", 0.1, 600.0)
    approach_timeout: float = setting(20.0, "longest time from the pre-grasp to the grasp [s]", 0.1, 600.0)
    closing_timeout: float = setting(
        10.0, "longest time to close the fingers, after the last has started [s]", 0.1, 600.0
    )
    lift_timeout: float = setting(20.0, "longest time to lift [s]", 0.1, 600.0)
    retreat_timeout: float = setting(
        30.0, "longest time for the way back; a driver that is silent may come back in it [s]", 0.1, 600.0
    )
    silence_timeout: float = setting(1.0, "silence of a driver after which it counts as lost [s]", 0.05, 60.0)
    squeeze_time: float = setting(0.3, "how long the fingers press before the lift [s]", 0.0, 10.0)
    squeeze_angle: float = setting(
        0.0,
        "for hands without a torque limit of their own: how far beyond the contact a finger is sent [rad]; "
        "0: on as it closed, until its torque stops it, or by the hand's curl where the outer joints are told",
        0.0,
        1.0,
    )
    hold_time: float = setting(1.0, "how long the object is held before the verdict [s]", 0.0, 60.0)
    joint_tolerance: float = setting(0.05, "how near a joint must come to where it was sent [rad]", 1e-3, 1.0)
    spread_tolerance: float = setting(0.03, "a spread within this is not moved [rad]", 1e-3, 1.0)
    fingers_open: float = setting(
        0.3, "inner angle up to which a finger counts as open, so that the spread may move [rad]", 0.0, 2.44
    )
    position_tolerance: float = setting(0.01, "how near the mount must come to where it was sent [m]", 1e-4, 0.1)
    angle_tolerance: float = setting(0.05, "the same of its rotation [rad]", 1e-3, 1.0)
    stall_time: float = setting(0.25, "a finger that has not moved for this long has stopped [s]", 0.02, 5.0)
    stall_angle: float = setting(0.01, "what counts as not moved [rad]", 1e-4, 0.2)
    blocked_angle: float = setting(
        0.6, "a finger that stops this far before its contact, feeling nothing, is blocked [rad]", 0.01, 2.44
    )
    contact_force: float = setting(0.5, "force on a fingertip, where it is felt, that is a contact [N]", 0.01, 15.0)
    response_time: float = setting(0.5, "how long a driver may take to begin a motion [s]", 0.0, 10.0)
    slip_angle: float = setting(
        0.15, "a finger that closes this much further when it presses again has lost the object [rad]", 0.01, 1.0
    )
    fingers_needed: int = setting(3, "fingers that must be in contact for an object to be held", 1, 3)
    put_down: bool = setting(False, "after a success: put the object down where it was, open and retreat")


@dataclass
class Outcome:
    """What came of it; complete once the motion has ended.

    code: 0, or one of ErrorCode. states: FingerState of F1, F2, F3 when they had closed. joints: (4,), outer: (3,) or
    None, force: (3,) [N], NaN where not felt, and base_from_palm: (4, 4), all at the end of the squeeze, or when the
    motion failed before; None where never heard. lifted: [m], NaN where nothing was lifted to be seen. open_and_away:
    whether the way back came to its end; None where there was none.
    """

    held: bool = False
    code: int = 0
    reason: str = ""
    message: str = ""
    judged_by: str = ""
    states: list[FingerState] = field(default_factory=lambda: [FingerState.UNKNOWN] * 3)
    joints: np.ndarray | None = None
    outer: np.ndarray | None = None
    force: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    base_from_palm: np.ndarray | None = None
    lifted: float = float("nan")
    open_and_away: bool | None = None
