"""Contacts from joint angles are those for which Eq. 7 would choose these angles."""

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import HANDS, load_hand
from gmi_ros.hand.contact import tip_contacts
from gmi_ros.hand.wrist import solve_wrist

JOINTS = np.array([[0.2, 1.2, 1.1, 1.3], [0.6, 0.9, 1.0, 1.1], [1.1, 1.4, 1.3, 1.0]])


@pytest.mark.parametrize("name", HANDS)
def test_eq_7_finds_the_palm_again(name):
    hand = load_hand(name)
    points, normals = tip_contacts(hand, JOINTS)
    solved = solve_wrist(hand.touching, points + hand.touch.radius * normals, normals, 0.02)
    assert solved.residual.max() < 1e-6
    np.testing.assert_allclose(solved.joints, JOINTS, atol=1e-4)
    np.testing.assert_allclose(solved.frame_from_palm, np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-4)


def test_the_tip_is_outside_and_presses_inward():
    hand = load_hand()
    points, normals = tip_contacts(hand, JOINTS)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1.0)
    centres = hand.touching.tips(JOINTS)
    np.testing.assert_allclose(((centres - points) * normals).sum(axis=-1), hand.touch.radius)
    # Closing moves the tip against the outward normal.
    ahead = tip_contacts(hand, JOINTS + [0, 0.01, 0.01, 0.01])[0] - points
    assert ((ahead * normals).sum(axis=-1) < 0).all()


def test_outer_joints_count_where_they_are_known():
    hand = load_hand()
    coupled = hand.coupled_outer(JOINTS[:, 1:])
    same = tip_contacts(hand, JOINTS, coupled)
    np.testing.assert_allclose(same, tip_contacts(hand, JOINTS), atol=1e-12)
    bent = coupled + [0.1, 0.0, 0.0]
    bent[:, 2] = np.nan
    moved = np.abs(np.array(tip_contacts(hand, JOINTS, bent)) - same).max(axis=(0, 3)) > 1e-4  # (3, finger)
    assert (moved == [True, False, False]).all()


def test_a_rigid_motion_of_the_hand_moves_its_contacts():
    hand, move = load_hand(), poses.from_xyzw(np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.5, 0.5, 0.5]))
    points, normals = tip_contacts(hand, JOINTS)
    moved = poses.transform_points(move, points), poses.rotate(move, normals)
    solved = solve_wrist(hand.touching, moved[0] + hand.touch.radius * moved[1], moved[1], 0.02)
    np.testing.assert_allclose(solved.frame_from_palm, np.broadcast_to(move, (3, 4, 4)), atol=1e-4)


def test_a_wrong_shape_is_refused():
    with pytest.raises(GmiError) as caught:
        tip_contacts(load_hand(), np.zeros(3))
    assert caught.value.code == ErrorCode.BAD_REQUEST
