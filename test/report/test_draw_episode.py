"""The picture of an outcome: everything is drawn where the network saw it."""

import dataclasses

import numpy as np
import pytest
from episodes import make_pixels, make_robot_episode
from PIL import Image

from gmi_ros.core import poses
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import SIZE, window_rays
from gmi_ros.hand.barrett import load_hand
from gmi_ros.report.draw_episode import _SIDE, _ZOOM, _Window, draw_episode

FACING = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # {O} of an object upright before the camera
CAMERA_FROM_OBJECT = poses.make(FACING, np.array([0.1, -0.05, 0.7]))


def episode(**changes):
    touched = {
        "contacts_reached": np.array([[0, 0.04, 0], [0, -0.04, 0.03], [0, -0.04, -0.03]]),
        "normals_reached": np.array([[0, 1.0, 0], [0, -1, 0], [0, -1, 0]]),
        "camera_from_palm": CAMERA_FROM_OBJECT @ poses.make(np.roll(np.eye(3), 1, axis=0), np.array([-0.2, 0, 0])),
        "joints": np.array([0.2, 1.1, 1.1, 1.1]), "contacts_predicted": None, "normals_predicted": None,
    }  # fmt: skip
    return make_robot_episode(1, camera_from_object=CAMERA_FROM_OBJECT, **touched | changes)


def test_the_centre_of_every_cell_is_drawn_in_its_middle():
    found = ObjectFrame(CAMERA_FROM_OBJECT, False, np.nan, np.full(2, np.nan), 0.7, 0, 1)
    rays = window_rays(found)
    for depth in (1.0, 0.6, 1.7):  # anywhere on the ray, as the camera sees it
        drawn = np.array(_Window(CAMERA_FROM_OBJECT).points(depth * rays.reshape(-1, 3))).reshape(SIZE, SIZE, 2)
        middle = (np.arange(SIZE) + 0.5) * _ZOOM
        np.testing.assert_allclose(drawn[..., 0], np.broadcast_to(middle[None, :], (SIZE, SIZE)), atol=1e-6)
        np.testing.assert_allclose(drawn[..., 1], np.broadcast_to(middle[:, None], (SIZE, SIZE)), atol=1e-6)


def changed(a, b) -> np.ndarray:
    return np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).sum(axis=2) > 0


def test_contacts_hand_and_words_are_drawn_in():
    hand, pixels = load_hand(), make_pixels(np.random.default_rng(1))
    bare = episode(joints=None, contacts_reached=None, normals_reached=None)
    touched = dataclasses.replace(
        bare, contacts_reached=episode().contacts_reached, normals_reached=episode().normals_reached
    )
    plain, with_contacts, whole = (draw_episode(e, pixels, hand) for e in (bare, touched, episode()))
    where = changed(plain, with_contacts)[:_SIDE, :_SIDE]
    points = poses.transform_points(CAMERA_FROM_OBJECT, touched.contacts_reached)
    for x, y in _Window(CAMERA_FROM_OBJECT).points(points):
        assert where[round(y), round(x)]
    assert 0 < where.mean() < 0.05 < changed(plain, whole)[:_SIDE, :_SIDE].mean() < 0.7
    assert not changed(plain, whole)[:, _SIDE:].any()  # what the network saw stays as it is
    predicted = dataclasses.replace(
        bare, contacts_predicted=touched.contacts_reached, normals_predicted=touched.normals_reached
    )
    assert 0 < changed(plain, draw_episode(predicted, pixels, hand))[:_SIDE].sum() < where.sum()
    failed = draw_episode(dataclasses.replace(bare, success=not bare.success, note=""), pixels, hand)
    assert changed(plain, failed)[_SIDE:].any() and not changed(plain, failed)[:_SIDE].any()


@pytest.mark.parametrize("away", [np.inf, 1e300, -0.7, 1e-300])
def test_contacts_beside_or_behind_the_camera_do_no_harm(away):
    far = episode().contacts_reached + np.array([min(away, 1e30), 0, 0])
    picture = draw_episode(episode(contacts_reached=far), make_pixels(np.random.default_rng(1)), load_hand())
    assert isinstance(picture, Image.Image)
