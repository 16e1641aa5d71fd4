"""Conversions for neighbours keep frames, lengths and units."""

from importlib.util import find_spec
from xml.etree import ElementTree

import numpy as np
import pytest

pytestmark = pytest.mark.ros
from bridge_bench import plain_goal  # noqa: E402

from gmi_ros.bridge.chain import Chain  # noqa: E402
from gmi_ros.core import poses  # noqa: E402
from gmi_ros.core.errors import GmiError  # noqa: E402
from gmi_ros.hand.barrett import load_hand  # noqa: E402
from gmi_ros.ros.bridge.neighbours import moveit_grasp, posture, robot_description  # noqa: E402
from gmi_ros.ros.convert import pose_message  # noqa: E402
from gmi_ros.ros.joint_names import PRESETS  # noqa: E402

HAND = load_hand()
MOUNT = poses.from_xyzw(np.array([0.01, 0.02, 0.06]), np.array([0.0, 0.0, 0.38268343, 0.92387953]))


def test_a_posture_keeps_the_joints_whatever_their_order_and_turns_force_into_torque():
    joints = plain_goal().grasp.joints_open
    joints.name, joints.position = ["f2", "spread", "f3", "f1"], [0.2, 0.5, 0.3, 0.1]
    made = posture(joints, PRESETS["robotnik"], force=20.0, hand=HAND)
    assert list(made.joint_names) == list(PRESETS["robotnik"]) and len(made.points) == 1
    assert list(made.points[0].positions) == [0.5, 0.1, 0.2, 0.3]
    np.testing.assert_allclose(made.points[0].effort, [0, *[HAND.forces.inner_torque_max] * 3])
    joints.name = ["f2", "spread", "f3", "other"]
    with pytest.raises(GmiError, match="spread, f1, f2, f3, got .*other"):
        posture(joints)


def test_the_description_hangs_the_palm_where_the_mount_says():
    text = robot_description(HAND, MOUNT, "tool0")
    root = ElementTree.fromstring(text)
    children = {joint.find("child").get("link") for joint in root.iter("joint")}
    assert [link.get("name") for link in root.iter("link") if link.get("name") not in children] == ["tool0"]
    # The palm by an independent walk along the chain to a fingertip.
    chain = Chain(text, "tool0", "f1_tip")
    joints = np.array([0.3, 0.7, 0.7 / 3])
    tip = poses.transform_points(MOUNT, HAND.tips(np.array([0.3, 0.7, 0.0, 0.0]))[:1])[0]
    np.testing.assert_allclose(chain.pose(joints)[:3, 3], tip, atol=1e-9)
    with pytest.raises(GmiError, match="mount_link must differ from the hand's palm"):
        robot_description(HAND, MOUNT, "palm")
    with pytest.raises(GmiError, match="not a rigid pose"):
        robot_description(HAND, 2 * MOUNT)


def test_without_moveit_msgs_a_grasp_for_it_is_refused_in_one_line(monkeypatch):
    from gmi_ros.ros import compat

    monkeypatch.setattr(compat, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(GmiError, match="needs moveit_msgs/msg/Grasp, and moveit_msgs is not installed"):
        moveit_grasp(plain_goal().grasp, HAND)


@pytest.mark.skipif(find_spec("moveit_msgs") is None, reason="moveit_msgs is not installed")
def test_a_moveit_grasp_is_the_pose_of_the_parent_link():
    grasp = plain_goal().grasp
    grasp.mount_pose = pose_message(poses.inverse(MOUNT))
    grasp.pregrasp_mount_pose = pose_message(poses.inverse(MOUNT) @ poses.make(np.eye(3), np.array([0, 0, -0.1])))
    grasp.score, grasp.grasp_id = 0.7, "g"
    made = moveit_grasp(grasp, HAND)
    assert made.grasp_pose.pose == grasp.mount_pose and made.grasp_pose.header.frame_id == grasp.header.frame_id
    assert made.pre_grasp_approach.desired_distance == pytest.approx(0.1, abs=1e-6)
    d = made.pre_grasp_approach.direction.vector
    np.testing.assert_allclose([d.x, d.y, d.z], poses.inverse(MOUNT)[:3, 2], atol=1e-9)
    assert made.max_contact_force == pytest.approx(15.0) and made.grasp_quality == pytest.approx(0.7) and made.id == "g"
