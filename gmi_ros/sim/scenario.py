"""What a trial starts from: an object at rest on the table and a camera that looks at it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.sim.camera import KINECT, Camera, look_at
from gmi_ros.sim.cell import Cell

UPRIGHT_SHARE = 0.6  # of the resting poses start from the object standing
AREA = 0.08  # objects rest within this distance of the middle of the table [m]
DISTANCE = (0.60, 0.85)  # camera to object [m]
ELEVATION = (np.radians(20), np.radians(90))  # of the camera above the object
LOWEST = np.radians(8)  # elevation of a camera along an approach that comes in level [rad]
_DROP = 0.002  # [m] above the table
_MAX_TRIES = 20


@dataclass(frozen=True)
class Scenario:
    """world_from_object: (4, 4), settled. camera: where the picture is taken from."""

    world_from_object: np.ndarray
    camera: Camera


def draw_scenario(cell: Cell, rng: np.random.Generator) -> Scenario:
    """Settle the cell's object in a pose drawn from `rng`, leave it there, and draw a camera."""
    world_from_object = settle_object(cell, rng)
    return Scenario(world_from_object, draw_camera(world_from_object, rng))


def settle_object(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    """Drop the object, standing or turned at random, and let physics bring it to rest on the table.

    Draws that roll away or do not come to rest are drawn again; the last of _MAX_TRIES stands upright as modelled.
    """
    for attempt in range(_MAX_TRIES):
        upright = rng.random() < UPRIGHT_SHARE or attempt == _MAX_TRIES - 1
        turn = Rotation.identity() if upright else Rotation.from_quat(rng.normal(size=4))
        turn = Rotation.from_euler("z", rng.uniform(-np.pi, np.pi)) * turn
        pose = poses.make(turn.as_matrix(), np.append(rng.uniform(-AREA, AREA, 2), 0.0))
        cell.reset(pose)
        centre, extent = cell.object_bounds()
        pose[2, 3] = _DROP - (centre[2] - extent[2])
        cell.reset(pose)
        settled = cell.settle()
        pose = storable(cell.world_from_object)
        cell.reset(pose)
        if settled and np.linalg.norm(pose[:2, 3]) < 2 * AREA:
            return pose
    return pose


def draw_camera(
    world_from_object: np.ndarray,
    rng: np.random.Generator,
    elevation: tuple[float, float] = ELEVATION,
    azimuth: tuple[float, float] = (-np.pi, np.pi),
) -> Camera:
    """A Kinect that looks at the object from within these bounds [rad], in a light and in colours of their own."""
    # The target is a little off the object's origin, so that it is not always in the middle of the image.
    target = world_from_object[:3, 3] * [1, 1, 0] + [*rng.uniform(-0.05, 0.05, 2), 0.05]
    return _camera(look_at(target, rng.uniform(*azimuth), rng.uniform(*elevation), rng.uniform(*DISTANCE)), rng)


def camera_along(approach: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> Camera:
    """A Kinect that looks at `target` (3,) along the palm's approach (3,), its image upright (paper, IV-A1).

    It stays above the table: an approach that comes in level or from below is seen from LOWEST above it.
    """
    azimuth = np.arctan2(-approach[1], -approach[0])
    elevation = max(np.arcsin(np.clip(-approach[2], -1, 1)), LOWEST)
    target = target + rng.uniform(-0.03, 0.03, 3) * [1, 1, 0]
    return _camera(look_at(target, azimuth, elevation, rng.uniform(*DISTANCE)), rng)


def _camera(world_from_camera: np.ndarray, rng: np.random.Generator) -> Camera:
    return Camera(KINECT, storable(world_from_camera), int(rng.integers(2**31)))


def storable(pose: np.ndarray) -> np.ndarray:
    """The rigid pose (4, 4) next to this one whose translation and quaternion are float32, as a recipe keeps them."""
    numbers = np.concatenate([pose[:3, 3], poses.to_xyzw(pose)]).astype(np.float32).astype(float)
    return poses.from_xyzw(numbers[:3], numbers[3:])
