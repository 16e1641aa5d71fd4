"""Outcomes of executions: from the action's result to the message, and from the message to the stored episode."""

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import JointState

from gmi_ros import msg
from gmi_ros.action import ExecuteGrasp
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError, shortened
from gmi_ros.core.version import version
from gmi_ros.experience.episode import OBSERVATION_MISSING, Episode, Pixels
from gmi_ros.ros.compat import image_array
from gmi_ros.ros.convert import (
    contact_arrays,
    joints_array,
    nanoseconds,
    pose_matrix,
    unknown_contacts,
)
from gmi_ros.ros.reached import reached_contacts

LIVE = "live"  # split of what a node recorded
UNPAIRED = "unpaired"  # split of outcomes whose observation has not come: kept, but no training pairs
LONGEST_NAME = 255  # characters of an id or of who judged
_LONGEST_REASON = 1000
_NAMES = "outcome_id grasp_id observation_id execution_id judged_by model_hash software_version camera".split()


def outcome_message(
    goal: ExecuteGrasp.Goal,
    result: ExecuteGrasp.Result | None,
    code: ErrorCode | int,
    message: str,
    finished: Time,
    seed: int = 0,
    camera: str = "",
    model_hash: str = "",
) -> msg.GraspOutcome:
    """What came of a goal. result: None where the server never told; then `code` and `message` say why."""
    grasp = goal.grasp
    outcome = msg.GraspOutcome(
        header=grasp.header,
        finished=finished,
        outcome_id=goal.execution_id,
        grasp_id=grasp.grasp_id,
        observation_id=grasp.observation_id,
        execution_id=goal.execution_id,
        grasp=grasp,
        error_code=int(code),
        message=message,
        seed=seed,
        camera=camera,
        model_hash=model_hash,
        software_version=version(),
    )
    if result is None:
        outcome.reason = code_name(code).lower()
        outcome.contacts_reached = unknown_contacts()
        outcome.joints_reached = JointState(header=grasp.header)
        # wrist_pose_reached stays without a frame_id: nobody knows where the palm got to.
        outcome.height_lifted = float("nan")
        return outcome
    outcome.success = result.success and code == ErrorCode.OK
    outcome.reason = result.reason or _reason(outcome.success, code)
    outcome.judged_by = result.judged_by
    outcome.contacts_reached = result.contacts_reached
    outcome.joints_reached = result.joints_reached
    outcome.wrist_pose_reached = result.wrist_pose_reached
    outcome.height_lifted = result.height_lifted
    return outcome


def code_name(code: ErrorCode | int) -> str:
    """The name of a code; `error_7` for one that is not ours, as a server may send any."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error_{int(code)}"


def _reason(success: bool, code: ErrorCode | int) -> str:
    """Where the server gave none."""
    if code:
        return code_name(code).lower()
    return "held" if success else "failed"


def observation_pixels(observation: msg.Observation) -> Pixels:
    """What the network saw. Raises GmiError UNKNOWN_ENCODING or SIZE_MISMATCH."""
    depth = np.ascontiguousarray(image_array(observation.depth), np.float32)
    return Pixels(np.ascontiguousarray(image_array(observation.rgb)), depth, image_array(observation.mask) > 0)


def episode_from_messages(outcome: msg.GraspOutcome, observation: msg.Observation | None) -> Episode:
    """The stored record. Without its observation it is kept as unpaired: no pixels, and no part of a training set.

    {O} is known both to the camera (observation.object_pose) and in the frame of the grasp (grasp.object_pose), so that
    nothing needs the camera's pose.

    Raises:
        GmiError: BAD_REQUEST, listing what is wrong with the outcome; or what observation_pixels refuses.
    """
    grasp = outcome.grasp
    object_from_output = poses.inverse(pose_matrix(grasp.object_pose))
    paired = observation is not None
    camera_from_object = pose_matrix(observation.object_pose if paired else grasp.object_pose)
    predicted = _in_object(*contact_arrays(grasp.contacts), object_from_output)
    wrist = outcome.wrist_pose_reached
    # Without a frame_id it was not told; then the planned one stands for it.
    same_frame = wrist.header.frame_id == grasp.header.frame_id != ""
    palm = pose_matrix(wrist.pose if same_frame else grasp.wrist_pose)
    found = reached_contacts(outcome, palm)
    reached = _in_object(found.points, found.normals, object_from_output)
    joints = joints_array(outcome.joints_reached)
    return Episode(
        source="simulation" if outcome.judged_by == msg.GraspOutcome.JUDGED_BY_SIMULATION else "robot",
        split=LIVE if paired else UNPAIRED,
        success=outcome.success,
        outcome_id=outcome.outcome_id,
        grasp_id=outcome.grasp_id,
        # An unpaired outcome must not claim the id of an observation that may still come.
        observation_id=outcome.observation_id if paired else "",
        stamp_ns=nanoseconds(outcome.header.stamp),
        pixels=observation_pixels(observation) if paired else None,
        recipe=None if paired else {OBSERVATION_MISSING: outcome.observation_id},
        camera_from_object=camera_from_object,
        degenerate=bool(paired and observation.degenerate),
        contacts_predicted=predicted[0],
        normals_predicted=predicted[1],
        contacts_reached=reached[0],
        normals_reached=reached[1],
        contacts_computed=bool(found.complete and found.computed.any()),
        joints=None if joints is None or not np.isfinite(joints).all() else joints,
        camera_from_palm=camera_from_object @ object_from_output @ palm,
        reason=shortened(outcome.reason, _LONGEST_REASON),
        judged_by=outcome.judged_by,
        height_lifted=outcome.height_lifted if np.isfinite(outcome.height_lifted) else None,
        seed=outcome.seed,
        model_hash=outcome.model_hash,
        software_version=outcome.software_version,
        camera=outcome.camera,
    )


def _in_object(
    points: np.ndarray, normals: np.ndarray, object_from_output: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Points and unit normals in {O}, or None for both where one of them is not known."""
    lengths = np.linalg.norm(normals, axis=1)
    if not np.isfinite(points).all() or not np.isfinite(lengths).all() or lengths.min() < 0.5:
        return None, None
    return (
        poses.transform_points(object_from_output, points),
        poses.rotate(object_from_output, normals / lengths[:, None]),
    )


def check_outcome(outcome: msg.GraspOutcome) -> None:
    """Raises GmiError BAD_REQUEST where an outcome has no name to store it under, or one beyond LONGEST_NAME."""
    if not outcome.outcome_id:
        raise GmiError(ErrorCode.BAD_REQUEST, f"outcome of grasp {outcome.grasp_id!r} has an empty outcome_id")
    for name in _NAMES:
        text = getattr(outcome, name)
        if len(text) > LONGEST_NAME:
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"{name} must have at most {LONGEST_NAME} characters, got {len(text)}: {shortened(text, 60)!r}",
            )
