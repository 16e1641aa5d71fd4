"""Poses: group laws and quaternions."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses


@pytest.fixture
def many() -> np.ndarray:
    rng = np.random.default_rng(0)
    return poses.make(Rotation.random(20, rng=rng).as_matrix(), rng.standard_normal((20, 3)))


def test_inverse(many):
    np.testing.assert_allclose(many @ poses.inverse(many), np.broadcast_to(np.eye(4), many.shape), atol=1e-12)


def test_quaternions_round_trip_up_to_sign(many):
    xyzw = poses.to_xyzw(many)
    for sign in (1, -1):
        again = poses.from_xyzw(many[:, :3, 3], sign * xyzw)
        np.testing.assert_allclose(again, many, atol=1e-12)
    assert (xyzw[:, 3] >= 0).all()


def test_points_and_directions_compose(many):
    points = np.random.default_rng(1).standard_normal((20, 5, 3))
    both = poses.transform_points(many[::-1] @ many, points)
    np.testing.assert_allclose(
        both, poses.transform_points(many[::-1], poses.transform_points(many, points)), atol=1e-12
    )
    shifted = poses.transform_points(many, points + [1, 2, 3]) - poses.transform_points(many, points)
    np.testing.assert_allclose(shifted, poses.rotate(many, np.broadcast_to([1.0, 2, 3], points.shape)), atol=1e-12)


@pytest.mark.parametrize("bad", [np.eye(3), np.diag([1.0, 1, -1, 1]), 2 * np.eye(4), np.full((4, 4), np.nan)])
def test_what_is_not_rigid(bad):
    assert not poses.is_rigid(bad)


def test_what_is_rigid(many):
    assert all(poses.is_rigid(pose) for pose in many)
