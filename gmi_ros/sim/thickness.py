"""How deep simulated objects are behind what a camera sees of them."""

import mujoco
import numpy as np

from gmi_ros.sim.camera import Camera
from gmi_ros.sim.scene import OBJECT_GROUP

_OBJECTS = (np.arange(mujoco.mjNGROUP) == OBJECT_GROUP).astype(np.uint8)
_BEYOND = 3.0  # depth from which rays come back [m]


def thickness(model: mujoco.MjModel, data: mujoco.MjData, camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """From where the ray of each pixel (n, 2) enters an object to where it leaves it for the last time, along the optical
    axis, (n,) [m]; NaN where it meets none. What is hollow counts as full."""
    rays = camera.intrinsics.deproject(pixels, np.ones(len(pixels))) @ camera.world_from_camera[:3, :3].T  # z = 1
    eye, geom = camera.world_from_camera[:3, 3], np.zeros(1, np.int32)
    found = np.full(len(pixels), np.nan)
    for i, ray in enumerate(rays):
        enters = mujoco.mj_ray(model, data, eye, ray, _OBJECTS, 1, -1, geom)
        if enters >= 0:
            leaves = _BEYOND - mujoco.mj_ray(model, data, eye + _BEYOND * ray, -ray, _OBJECTS, 1, -1, geom)
            found[i] = max(leaves - enters, 0.0)
    return found
