"""Where a camera's rays are inside simulated objects: closed forms, MuJoCo's own rays, parts that touch or do not."""

import mujoco
import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.sim.camera import KINECT, Camera, look_at
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.shapes import TABLE, Part
from gmi_ros.sim.stretches import stretches

UPRIGHT = (0.0, 0.0, 0.0, 1.0)
MIDDLE = np.array([[KINECT.cx, KINECT.cy]])
HERE = poses.make(np.eye(3), np.array([0.0, 0.0, 0.1]))


def part(shape, size, at=(0.0, 0.0, 0.0), **more):
    return Part(shape, size, at, UPRIGHT, **more)


def in_the_middle(*parts, elevation=0.0, azimuth=0.0):
    """Stretches (k, 2) in the middle of the image, of an object at whose origin the camera looks from 0.7 m."""
    camera = Camera(KINECT, look_at(HERE[:3, 3], azimuth, elevation, 0.7))
    return stretches(parts, HERE, camera, MIDDLE)[0]


def test_of_a_ball_it_is_the_diameter_from_everywhere():
    ball = part("ellipsoid", (0.03, 0.03, 0.03))
    for elevation in (0.2, 0.9, np.pi / 2):
        np.testing.assert_allclose(in_the_middle(ball, elevation=elevation)[0], [0, 0.06], atol=1e-9)


def test_of_a_box_it_is_the_side_over_the_cosine():
    corners = np.stack(np.meshgrid(*[[-0.02, 0.02], [-0.05, 0.05], [-0.3, 0.3]]), axis=-1).reshape(-1, 3)
    for box in (part("box", (0.02, 0.05, 0.3)), part("hull", (), vertices=corners)):
        np.testing.assert_allclose(in_the_middle(box)[0], [0, 0.04], atol=1e-9)
        np.testing.assert_allclose(in_the_middle(box, elevation=0.5)[0], [0, 0.04 / np.cos(0.5)], atol=1e-9)


def test_along_and_across_what_is_round():
    for shape, height in (("cylinder", 0.1), ("capsule", 0.14)):
        thing = part(shape, (0.02, 0.05))
        np.testing.assert_allclose(in_the_middle(thing, elevation=np.pi / 2)[0], [0, height], atol=1e-9)
        np.testing.assert_allclose(in_the_middle(thing, azimuth=1.0)[0], [0, 0.04], atol=1e-9)


def test_parts_that_touch_are_one_stretch_and_others_are_not():
    first, second = (part("box", (0.01, 0.05, 0.05), (x, 0.0, 0.0)) for x in (0.02, 0.0))
    apart = part("box", (0.01, 0.05, 0.05), (-0.05, 0.0, 0.0))
    found = in_the_middle(apart, second, first)  # seen along -x
    np.testing.assert_allclose(found, [[0, 0.04], [0.07, 0.09], [np.nan, np.nan]], atol=1e-9)
    unseen = part("box", (0.05, 0.05, 0.05), meets=TABLE)
    np.testing.assert_array_equal(in_the_middle(apart, unseen, second, first), found)


def test_beside_the_object_there_is_none():
    camera = Camera(KINECT, look_at(HERE[:3, 3], 0.0, 0.8, 0.7))
    found = stretches([part("box", (0.02,) * 3)], HERE, camera, np.array([[5.0, 5.0], MIDDLE[0]]))
    assert np.isnan(found[0]).all() and found[1, 0, 1] > 0.02


@pytest.mark.parametrize("name", ["mug_0", "goblet_1", "hammer_0", "random_17", "assorted_5"])
def test_rays_of_mujoco_enter_first_and_leave_last_where_these_do(name):
    cell = Cell(find_object(name), None)
    cell.reset(HERE)
    camera = Camera(KINECT, look_at(HERE[:3, 3], 0.7, 0.6, 0.7))
    pixels = MIDDLE + np.stack(np.meshgrid(*[np.linspace(-60, 60, 15)] * 2), axis=-1).reshape(-1, 2)
    found = stretches(cell.object_model.parts, HERE, camera, pixels, most=9)
    rays = KINECT.deproject(pixels, np.ones(len(pixels))) @ camera.world_from_camera[:3, :3].T
    eye, geom, seen = camera.world_from_camera[:3, 3], np.zeros(1, np.int32), np.array([0, 1, 0, 0, 0, 0], np.uint8)

    def ray(start, way):
        return mujoco.mj_ray(cell.model, cell.data, start, way, seen, 1, -1, geom)

    for of_ray, inside in zip(rays, found, strict=True):
        enters, leaves = ray(eye, of_ray), 3.0 - ray(eye + 3.0 * of_ray, -of_ray)
        if enters < 0:
            assert np.isnan(inside).all()
        else:
            assert abs(np.nanmax(inside) - (leaves - enters)) < 1e-3
