"""Objects at rest as a camera sees them, with what only the simulation knows of them."""

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.cloud import fit_table
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import observe, window_rays
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.thickness import thickness


def resting(cell):
    """Where `view` has the cell's object stand."""
    centre, extent = cell.object_bounds()
    return poses.make(np.eye(3), np.array([0.02, -0.01, extent[2] - centre[2] + 0.0005]))


def view(name, azimuth=0.4, elevation=0.9):
    """A resting object as a camera sees it: its frame, {O}, table and true thickness, and the camera."""
    cell = Cell(find_object(name), None)
    cell.reset(resting(cell))
    camera = Camera(KINECT, look_at(np.array([0.0, 0.0, 0.04]), azimuth, elevation, 0.7))
    frame = render(cell.model, cell.data, camera, {cell.object_body: 1})
    found = object_frame(frame)
    mask = observe(frame, found).mask
    deep = np.zeros(mask.shape)
    pixels = np.rint(KINECT.project(window_rays(found)))[mask]
    deep[mask] = np.nan_to_num(thickness(cell.model, cell.data, camera, pixels))
    return frame, found, fit_table(frame, found), deep, camera
