"""How deep simulated objects are along a camera's rays: closed forms."""

import numpy as np

from gmi_ros.core import poses
from gmi_ros.sim.camera import KINECT, Camera, look_at
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import Part
from gmi_ros.sim.thickness import thickness

UPRIGHT = (0.0, 0.0, 0.0, 1.0)
MIDDLE = np.array([[KINECT.cx, KINECT.cy]])


def along_the_axis(shape, size, elevation, vertices=None):
    """Thickness in the middle of the image of a part whose centre the camera looks at from 0.7 m."""
    cell = Cell(
        ObjectModel("thing", 0, (Part(shape, size, (0.0, 0.0, 0.0), UPRIGHT, vertices),), (0.5, 0.5, 0.5)), None
    )
    cell.reset(poses.make(np.eye(3), np.array([0.0, 0.0, 0.1])))
    camera = Camera(KINECT, look_at(np.array([0.0, 0.0, 0.1]), 0.0, elevation, 0.7))
    return thickness(cell.model, cell.data, camera, MIDDLE)[0]


def test_of_a_ball_it_is_the_diameter_from_everywhere():
    for elevation in (0.2, 0.9, np.pi / 2):
        assert abs(along_the_axis("ellipsoid", (0.03, 0.03, 0.03), elevation) - 0.06) < 1e-6


def test_of_a_box_it_is_the_side_over_the_cosine():
    assert abs(along_the_axis("box", (0.02, 0.05, 0.03), 0.0) - 0.04) < 1e-6
    assert abs(along_the_axis("box", (0.02, 0.05, 0.3), 0.5) - 0.04 / np.cos(0.5)) < 1e-6


def test_beside_the_object_there_is_none():
    cell = Cell(ObjectModel("thing", 0, (Part("box", (0.02,) * 3, (0.0,) * 3, UPRIGHT),), (0.5,) * 3), None)
    cell.reset(poses.make(np.eye(3), np.array([0.0, 0.0, 0.02])))
    camera = Camera(KINECT, look_at(np.array([0.0, 0.0, 0.02]), 0.0, 0.8, 0.7))
    found = thickness(cell.model, cell.data, camera, np.array([[5.0, 5.0], MIDDLE[0]]))
    assert np.isnan(found[0]) and found[1] > 0.02
