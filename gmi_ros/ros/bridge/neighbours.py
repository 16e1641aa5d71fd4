"""Our grasps in the messages of neighbours: moveit_msgs/Grasp, hand postures, a robot_description of hand and mount."""

from xml.etree import ElementTree

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import PoseStamped, Vector3Stamped
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from gmi_ros import msg
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.grasp import JOINTS
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.export import urdf
from gmi_ros.ros.compat import interface
from gmi_ros.ros.convert import array_of, joints_array, pose_matrix, vector_message

_SHORTEST = 0.5  # share of the wanted approach and retreat that will do


def posture(joints, names: tuple[str, ...] = JOINTS, force: float | None = None, hand: BarrettHand | None = None):
    """trajectory_msgs/JointTrajectory with one point: spread, f1, f2, f3 under these names.

    Args:
        joints: sensor_msgs/JointState that names our joints. force: of a fingertip [N]; with `hand` it becomes the
            effort of the inner joints.

    Raises:
        GmiError: BAD_REQUEST where a joint is missing.
    """
    values = joints_array(joints)
    if values is None:
        raise GmiError(ErrorCode.BAD_REQUEST, f"a posture needs {', '.join(JOINTS)}, got {list(joints.name)}")
    point = JointTrajectoryPoint(positions=[float(v) for v in values], time_from_start=Duration(sec=1))
    if force is not None and hand is not None:
        torque = force * hand.forces.inner_torque_max / hand.forces.tip_max
        point.effort = [0.0, torque, torque, torque]
    return JointTrajectory(joint_names=list(names), points=[point])


def moveit_grasp(grasp: msg.Grasp, hand: BarrettHand, names: tuple[str, ...] = JOINTS):
    """moveit_msgs/Grasp: grasp_pose is the pose of the end effector's parent link, which is our mount.

    Approach and retreats are straight: from the pre-grasp, and up. The quality is our score.

    Raises:
        GmiError: BAD_SETTING where moveit_msgs is not installed; BAD_REQUEST where joints are missing.
    """
    made = interface("moveit_msgs", "msg", "Grasp", "a moveit_msgs/Grasp")()
    header = Header(stamp=grasp.header.stamp, frame_id=grasp.header.frame_id)
    made.id = grasp.grasp_id
    made.pre_grasp_posture = posture(grasp.joints_open, names)
    made.grasp_posture = posture(grasp.joints_closed, names, grasp.tip_force_limit, hand)
    made.grasp_pose = PoseStamped(header=header, pose=grasp.mount_pose)
    made.grasp_quality, made.max_contact_force = float(grasp.score), float(grasp.tip_force_limit)
    way = pose_matrix(grasp.mount_pose)[:3, 3] - pose_matrix(grasp.pregrasp_mount_pose)[:3, 3]
    length = float(np.linalg.norm(way))
    approach = way / length if length else np.zeros(3)
    up = array_of(grasp.lift_direction)
    for translation, direction, distance in (
        (made.pre_grasp_approach, approach, length),
        (made.post_grasp_retreat, up, grasp.lift_height),
        (made.post_place_retreat, -approach, length),
    ):
        translation.direction = Vector3Stamped(header=header, vector=vector_message(direction))
        translation.desired_distance, translation.min_distance = float(distance), float(_SHORTEST * distance)
    return made


def robot_description(hand: BarrettHand, hand_mount_from_palm: np.ndarray, mount_link: str = "hand_mount") -> str:
    """URDF of the hand on its mount, for RViz and for an arm's own description: mount_link is the root.

    Raises:
        GmiError: BAD_SETTING where hand_mount_from_palm is not rigid, or the hand has a link of that name.
    """
    if not poses.is_rigid(hand_mount_from_palm):
        raise GmiError(ErrorCode.BAD_SETTING, "hand_mount_from_palm is not a rigid pose of finite numbers")
    root = ElementTree.fromstring(urdf(hand))
    links = [link.get("name") for link in root.iter("link")]
    if mount_link in links:
        raise GmiError(
            ErrorCode.BAD_SETTING, f"mount_link must differ from the hand's {', '.join(links)}: {mount_link!r}"
        )
    r = hand_mount_from_palm[:3, :3]
    # Fixed-axis roll, pitch, yaw, as URDF has it.
    rpy = np.arctan2(r[2, 1], r[2, 2]), np.arctan2(-r[2, 0], np.hypot(r[0, 0], r[1, 0])), np.arctan2(r[1, 0], r[0, 0])
    joint = ElementTree.SubElement(root, "joint", name="mount_fixed", type="fixed")
    numbers = [" ".join(repr(float(x) + 0.0) for x in values) for values in (hand_mount_from_palm[:3, 3], rpy)]
    ElementTree.SubElement(joint, "origin", xyz=numbers[0], rpy=numbers[1])
    ElementTree.SubElement(joint, "parent", link=mount_link)
    ElementTree.SubElement(joint, "child", link="palm")
    ElementTree.SubElement(root, "link", name=mount_link)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
