"""Objects at rest as a camera sees them, with what only the simulation knows of them."""

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.cloud import fit_table
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import FINE, observe, window_rays
from gmi_ros.core.solid import LAYER_M, LAYERS
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.stretches import stretches


def resting(cell):
    """Where `view` has the cell's object stand."""
    centre, extent = cell.object_bounds()
    return poses.make(np.eye(3), np.array([0.02, -0.01, extent[2] - centre[2] + 0.0005]))


def view(name, azimuth=0.4, elevation=0.9):
    """A resting object as a camera sees it: its frame, {O}, table and what is solid behind it, and the camera."""
    cell = Cell(find_object(name), None)
    cell.reset(resting(cell))
    camera = Camera(KINECT, look_at(np.array([0.0, 0.0, 0.04]), azimuth, elevation, 0.7))
    frame = render(cell.model, cell.data, camera, {cell.object_body: 1})
    found = object_frame(frame)
    mask = observe(frame, found, *FINE).mask
    solid = np.zeros((*mask.shape, LAYERS))
    pixels = np.rint(KINECT.project(window_rays(found, *FINE)))[mask]
    solid[mask] = filled(stretches(cell.object_model.parts, cell.world_from_object, camera, pixels))
    return frame, found, fit_table(frame, found), solid, camera


def filled(inside):
    """The part of each layer (n, LAYERS) that stretches (n, k, 2) fill."""
    layers = LAYER_M * np.arange(LAYERS)
    over = np.nan_to_num(inside)[..., None, :]  # (n, k, 1, 2)
    return (
        np.clip(np.minimum(over[..., 1], layers + LAYER_M) - np.maximum(over[..., 0], layers), 0, None).sum(axis=1)
        / LAYER_M
    )
