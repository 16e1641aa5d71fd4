"""A goal of execute_grasp as a motion's plan, and what came of the motion as the action's result."""

import numpy as np
from std_msgs.msg import Header

from gmi_ros import msg
from gmi_ros.action import ExecuteGrasp
from gmi_ros.bridge.plan import FingerState, MotionPlan, Outcome
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.contact import tip_contacts
from gmi_ros.ros.convert import array_of, contact_messages, joints_array, joints_message, pose_matrix, pose_stamped
from gmi_ros.ros.reached import OUTER_JOINTS

SLOWEST_FINGER, LATEST_START = 0.05, 10.0  # [rad/s], [s]


def motion_plan(grasp: msg.Grasp, hand: BarrettHand, base_from_grasp: np.ndarray) -> MotionPlan:
    """The grasp in the arm's base frame, checked against the hand.

    Raises:
        GmiError: BAD_REQUEST naming what the hand cannot do, its value and its bound.
    """
    if grasp.hand and grasp.hand != hand.name:
        raise _bad(f"the grasp is for hand {grasp.hand!r}, this one is {hand.name!r}")
    if not grasp.header.frame_id:
        raise _bad("the grasp's header has no frame_id")
    joints_open, joints_closed = joints_array(grasp.joints_open), joints_array(grasp.joints_closed)
    if joints_open is None or joints_closed is None:
        raise _bad(
            f"joints_open and joints_closed must name spread, f1, f2, f3; they name {list(grasp.joints_open.name)} "
            f"and {list(grasp.joints_closed.name)}"
        )
    for name, joints in (("joints_open", joints_open), ("joints_closed", joints_closed)):
        low, high = hand.hard_limits.T
        if not ((joints >= low - 1e-6) & (joints <= high + 1e-6)).all():
            raise _bad(f"{name} must be in {low.tolist()} to {high.tolist()} rad, got {joints.tolist()}")
    speed, start = np.array(grasp.finger_speed, float), np.array(grasp.finger_start, float)
    _within("finger_speed", speed, SLOWEST_FINGER, float(hand.max_speed[1:].min()), "rad/s")
    _within("finger_start", start, 0.0, LATEST_START, "s")
    _within("spread_speed", grasp.spread_speed, 1e-3, float(hand.max_speed[0]), "rad/s")
    _within("tip_force_limit", grasp.tip_force_limit, 1e-3, hand.max_tip_force, "N")
    for name in ("approach_speed", "lift_speed"):
        _within(name, getattr(grasp, name), 1e-3, 2.0, "m/s")
    _within("lift_height", grasp.lift_height, 0.0, 1.0, "m")
    up = array_of(grasp.lift_direction)
    if not abs(np.linalg.norm(up) - 1) < 0.01:
        raise _bad(f"lift_direction must have length 1, got {up.tolist()}")
    mount, pregrasp, palm = (pose_matrix(p) for p in (grasp.mount_pose, grasp.pregrasp_mount_pose, grasp.wrist_pose))
    return MotionPlan(
        base_from_pregrasp=base_from_grasp @ pregrasp,
        base_from_grasp=base_from_grasp @ mount,
        mount_from_palm=poses.inverse(mount) @ palm,
        joints_open=joints_open,
        joints_closed=joints_closed,
        finger_start=start,
        finger_speed=speed,
        spread_speed=grasp.spread_speed,
        approach_speed=grasp.approach_speed,
        lift=base_from_grasp[:3, :3] @ up * grasp.lift_height,
        lift_speed=grasp.lift_speed,
        tip_force_limit=grasp.tip_force_limit,
    )


def result_message(
    outcome: Outcome, goal: ExecuteGrasp.Goal, hand: BarrettHand, base_from_grasp: np.ndarray
) -> ExecuteGrasp.Result:
    """All in the grasp's frame; contacts follow from the joints where a finger is in contact."""
    grasp_header = goal.grasp.header
    points, normals = np.full((3, 3), np.nan), np.full((3, 3), np.nan)
    result = ExecuteGrasp.Result(
        success=outcome.held,
        error_code=outcome.code,
        message=outcome.message,
        reason=outcome.reason,
        judged_by=outcome.judged_by,
        height_lifted=outcome.lifted,
    )
    result.joints_reached.header = result.wrist_pose_reached.header = Header(stamp=grasp_header.stamp)
    if outcome.joints is not None and outcome.base_from_palm is not None:
        palm = poses.inverse(base_from_grasp) @ outcome.base_from_palm
        at, out = tip_contacts(hand, outcome.joints, outcome.outer)
        touching = np.array([state is FingerState.IN_CONTACT for state in outcome.states])[:, None]
        points = np.where(touching, poses.transform_points(palm, at), np.nan)
        normals = np.where(touching, poses.rotate(palm, out), np.nan)
        header = Header(stamp=grasp_header.stamp, frame_id=grasp_header.frame_id)
        result.joints_reached = joints_message(outcome.joints, header)
        if outcome.outer is not None:
            result.joints_reached.name = [*result.joints_reached.name, *OUTER_JOINTS]
            result.joints_reached.position = [*result.joints_reached.position, *map(float, outcome.outer)]
        result.wrist_pose_reached = pose_stamped(palm, header)
    result.contacts_reached = contact_messages(points, normals, states=[int(state) for state in outcome.states])
    for contact, force in zip(result.contacts_reached, outcome.force):
        contact.force = float(force)
    return result


def _within(name: str, value, low: float, high: float, unit: str) -> None:
    values = np.atleast_1d(np.asarray(value, float))
    if not ((values >= low) & (values <= high + 1e-6)).all():
        raise _bad(f"{name} must be in [{low:g}, {high:g}] {unit}, got {values.tolist()}")


def _bad(message: str) -> GmiError:
    return GmiError(ErrorCode.BAD_REQUEST, message)
