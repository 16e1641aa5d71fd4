"""Contacts reached: what the result says of a finger in contact, else what its joints say, else nothing."""

import copy

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped

from gmi_ros.core import poses
from gmi_ros.hand.barrett import load_hand
from gmi_ros.hand.contact import tip_contacts
from gmi_ros.msg import Contact
from gmi_ros.ros.convert import joints_array, pose_matrix, pose_message
from gmi_ros.ros.convert_outcome import episode_from_messages
from gmi_ros.ros.reached import OUTER_JOINTS, reached_contacts

pytestmark = pytest.mark.ros
NAN = float("nan")


@pytest.fixture
def outcome(executed):
    return copy.deepcopy(executed(0, "a")[0])


def palm_of(outcome) -> np.ndarray:
    return pose_matrix(outcome.wrist_pose_reached.pose)


def forget(contact, point=True, normal=True) -> None:
    """The hand feels a contact, and not where."""
    if point:
        contact.position.x = contact.position.y = contact.position.z = NAN
    if normal:
        contact.normal.x = contact.normal.y = contact.normal.z = NAN


def test_what_the_result_tells_is_taken(outcome):
    found = reached_contacts(outcome, np.eye(4))  # the palm's pose does not matter then
    assert found.complete and not found.computed.any()
    for i, contact in enumerate(outcome.contacts_reached):
        np.testing.assert_array_equal(found.points[i], [contact.position.x, contact.position.y, contact.position.z])
        assert np.linalg.norm(found.normals[i]) == pytest.approx(1.0)


def test_a_hand_that_only_feels_contact_gets_them_from_its_joints(outcome):
    for contact in outcome.contacts_reached:
        forget(contact)
    palm = palm_of(outcome)
    found = reached_contacts(outcome, palm)
    points, normals = tip_contacts(load_hand(outcome.grasp.hand), joints_array(outcome.joints_reached))
    assert found.complete and found.computed.all()
    np.testing.assert_allclose(found.points, poses.transform_points(palm, points))
    np.testing.assert_allclose(found.normals, poses.rotate(palm, normals))
    # Eq. 7 has chosen these joints for the planned contacts: the two agree to what it left.
    planned = reached_contacts(outcome, palm)
    residual = max(contact.residual for contact in outcome.grasp.contacts)
    assert np.linalg.norm(found.points - planned.points, axis=1).max() <= residual + 1e-9


def test_one_finger_of_three(outcome):
    told = reached_contacts(outcome, palm_of(outcome))
    forget(outcome.contacts_reached[1])
    found = reached_contacts(outcome, palm_of(outcome))
    assert list(found.computed) == [False, True, False]
    np.testing.assert_array_equal(found.points[[0, 2]], told.points[[0, 2]])


def test_a_place_that_is_told_stays_and_only_the_normal_is_computed(outcome):
    told = reached_contacts(outcome, palm_of(outcome))
    forget(outcome.contacts_reached[0], point=False)
    found = reached_contacts(outcome, palm_of(outcome))
    assert list(found.computed) == [True, False, False] and found.complete
    np.testing.assert_array_equal(found.points, told.points)


@pytest.mark.parametrize("state", [Contact.UNKNOWN, Contact.CLOSED_EMPTY, Contact.BLOCKED])
def test_a_finger_that_is_not_said_to_touch_stays_unknown(outcome, state):
    outcome.contacts_reached[2].state = state
    found = reached_contacts(outcome, palm_of(outcome))
    assert np.isnan(found.points[2]).all() and np.isnan(found.normals[2]).all() and not found.computed[2]
    assert np.isfinite(found.points[:2]).all() and not found.complete
    assert episode_from_messages(outcome, None).contacts_reached is None


@pytest.mark.parametrize("spoil", ["hand", "names", "nan"])
def test_without_a_known_hand_or_its_joints_nothing_is_made_up(outcome, spoil):
    forget(outcome.contacts_reached[0])
    if spoil == "hand":
        outcome.grasp.hand = "shadow"
    elif spoil == "names":
        outcome.joints_reached.name = ["a", "b", "c", "d"]
    else:
        outcome.joints_reached.position[1] = NAN
    found = reached_contacts(outcome, palm_of(outcome))
    assert np.isnan(found.points[0]).all() and not found.computed.any() and np.isfinite(found.points[1:]).all()
    episode = episode_from_messages(outcome, None)  # the rest of the record is kept
    assert episode.contacts_reached is None and (episode.joints is None) == (spoil != "hand")


def test_outer_joints_that_are_known_count(outcome):
    for contact in outcome.contacts_reached:
        forget(contact)
    before = reached_contacts(outcome, palm_of(outcome))
    joints = joints_array(outcome.joints_reached)
    outcome.joints_reached.name = [*outcome.joints_reached.name, *OUTER_JOINTS]
    outer = load_hand().coupled_outer(joints[1:]) + [0.2, 0.0, NAN]
    outcome.joints_reached.position = [*joints, *outer]
    after = reached_contacts(outcome, palm_of(outcome))
    moved = np.linalg.norm(after.points - before.points, axis=1)
    assert moved[0] > 1e-3 and moved[1:].max() < 1e-9


def test_the_store_has_them_in_the_object_frame_and_a_moved_camera_changes_nothing(outcome, executed):
    for contact in outcome.contacts_reached:
        forget(contact)
    seen = executed(0, "a")[1]
    still = episode_from_messages(outcome, seen)
    move = poses.from_xyzw(np.array([0.3, -0.2, 0.5]), np.array([0.5, -0.5, 0.5, 0.5]))
    for holder in (outcome.grasp, outcome.wrist_pose_reached):
        for name in ("object_pose", "wrist_pose", "pose"):
            if hasattr(holder, name):
                setattr(holder, name, pose_message(move @ pose_matrix(getattr(holder, name))))
    moved = episode_from_messages(outcome, seen)
    assert still.contacts_computed and moved.contacts_computed
    np.testing.assert_allclose(moved.contacts_reached, still.contacts_reached, atol=1e-9)
    np.testing.assert_allclose(moved.normals_reached, still.normals_reached, atol=1e-9)
    # Outward: the tips' centres lie outside, on the side that the normals point to.
    hand = load_hand()
    palm = poses.inverse(still.camera_from_object) @ still.camera_from_palm
    centres = poses.transform_points(palm, hand.touching.tips(still.joints))
    away = ((centres - still.contacts_reached) * still.normals_reached).sum(axis=1)
    np.testing.assert_allclose(away, hand.touch.radius, atol=1e-6)


def test_the_planned_pose_stands_for_one_that_was_not_told(outcome, executed):
    for contact in outcome.contacts_reached:
        forget(contact)
    seen = executed(0, "a")[1]
    told = episode_from_messages(outcome, seen)
    outcome.wrist_pose_reached = PoseStamped()
    np.testing.assert_allclose(episode_from_messages(outcome, seen).contacts_reached, told.contacts_reached)
