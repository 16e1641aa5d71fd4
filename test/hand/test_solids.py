"""Distances from a link's shapes are those that MuJoCo finds between the same shapes and a small ball."""

import mujoco
import numpy as np
import pytest

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import HANDS, load_hand
from gmi_ros.hand.description import Primitive
from gmi_ros.hand.posture import clear_posture
from gmi_ros.hand.solids import signed_distance

BALL = 1e-3  # [m]
BOX = Primitive("box", "box", "metal", np.array([-0.02, -0.03, 0.01]), np.array([0.04, 0.03, 0.05]), None)
CYLINDER = Primitive("cylinder", "cylinder", "metal", np.array([0.01, -0.02, 0.0]), np.array([0.03, 0.02, 0.04]), 0.015)
CAPSULE = Primitive("capsule", "capsule", "metal", np.array([0.01, -0.02, 0.0]), np.array([0.03, 0.02, 0.04]), 0.015)


def by_mujoco(primitive: Primitive, points: np.ndarray) -> np.ndarray:
    if primitive.shape == "box":
        middle, half = (primitive.start + primitive.end) / 2, (primitive.end - primitive.start) / 2
        shape = f'pos="{" ".join(map(str, middle))}" size="{" ".join(map(str, half))}"'
    else:
        ends = " ".join(map(str, [*primitive.start, *primitive.end]))
        shape = f'fromto="{ends}" size="{primitive.radius}"'
    xml = f"""<mujoco><worldbody><geom name="shape" type="{primitive.shape}" {shape}/>
        <body name="ball" mocap="true"><geom name="ball" type="sphere" size="{BALL}"/></body></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    data, found = mujoco.MjData(model), []
    for point in points:
        data.mocap_pos[0] = point
        mujoco.mj_forward(model, data)
        found.append(mujoco.mj_geomDistance(model, data, 0, 1, 1.0, None) + BALL)
    return np.array(found)


@pytest.mark.parametrize("primitive", [BOX, CYLINDER, CAPSULE], ids=lambda p: p.shape)
def test_distances_are_those_of_mujoco(primitive):
    points = np.random.default_rng(3).uniform(-0.05, 0.08, (600, 3))
    distance = signed_distance(primitive, points)
    outside = distance > 0.002  # inside, a ball and a box have more than one depth
    assert outside.sum() > 400 and (distance < 0).sum() > 5
    np.testing.assert_allclose(distance[outside], by_mujoco(primitive, points[outside]), atol=2e-5)
    low, high = primitive.bounds.T
    assert ((points > low) & (points < high)).all(axis=1)[distance < 0].all()


@pytest.mark.parametrize("primitive", [BOX, CYLINDER, CAPSULE], ids=lambda p: p.shape)
def test_inside_a_step_to_the_surface_is_as_long_as_told(primitive):
    points = np.random.default_rng(4).uniform(-0.05, 0.08, (6000, 3))
    inside = points[(distance := signed_distance(primitive, points)) < -1e-3]
    step = 1e-6
    slope = [signed_distance(primitive, inside + step * axis) - distance[distance < -1e-3] for axis in np.eye(3)]
    slope = np.array(slope).T / step
    smooth = np.abs(np.linalg.norm(slope, axis=1) - 1) < 1e-3
    assert len(inside) > 50 and smooth.mean() > 0.95  # but where two faces are as near
    there = inside - slope * distance[distance < -1e-3, None]
    np.testing.assert_allclose(signed_distance(primitive, there)[smooth], 0.0, atol=1e-4)


@pytest.mark.parametrize("name", HANDS)
def test_what_is_in_the_palm_is_told_so_whatever_its_envelope(name):
    """A thin thing that is seen 2 mm inside a corner of a shape of the palm, or in the middle of a round one."""
    hand, settings = load_hand(name), SynthesisSettings()
    joints = np.array([[0.3, 1.0, 1.0, 1.0]])
    for primitive in hand.links.palm.primitives:
        corner = primitive.bounds[:, 1] - 0.002
        if signed_distance(primitive, corner) > 0:  # the corner of a round shape's box
            corner = (primitive.start + primitive.end) / 2
        gap = clear_posture(hand, np.eye(4)[None], joints, corner[None], None, settings).palm_gap
        assert gap < 0.0 and gap == min(signed_distance(p, corner) for p in hand.links.palm.primitives)
    above = np.array([[0.0, 0.0, hand.links.palm.primitives[0].bounds[2].max() + 0.2]])
    assert clear_posture(hand, np.eye(4)[None], joints, above, None, settings).palm_gap == 0.0
