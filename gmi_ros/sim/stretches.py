"""Where simulated objects are behind what a camera sees of them."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.sim.camera import Camera
from gmi_ros.sim.shapes import TABLE, Part

_TOUCHING = 5e-4  # gap between two parts that counts as none [m]


def stretches(
    parts: Sequence[Part], world_from_object: np.ndarray, camera: Camera, pixels: np.ndarray, most: int = 3
) -> np.ndarray:
    """Where the rays of pixels (n, 2) are inside an object: (n, most, 2) [m] along the optical axis, from where each enters
    and to where it leaves, behind where it first enters; NaN where it is inside fewer times."""
    rays = camera.intrinsics.deproject(pixels, np.ones(len(pixels)))  # z = 1
    object_from_camera = poses.inverse(world_from_object) @ camera.world_from_camera
    rays, eye = poses.rotate(object_from_camera, rays), object_from_camera[:3, 3]
    within = np.array([_within(part, eye, rays) for part in parts if part.meets != TABLE])  # (p, 2, n)
    order = within[:, 0].argsort(axis=0)
    enters, leaves = np.moveaxis(np.take_along_axis(within, order[:, None], axis=0), 1, 0)  # (p, n), nearest first
    found = np.full((len(pixels), most, 2), np.nan)
    number, which = np.full(len(pixels), -1), np.arange(len(pixels))
    end = np.full(len(pixels), -np.inf)
    for start, stop in zip(enters, leaves, strict=True):
        met = np.isfinite(start)
        number += met & (start > end + _TOUCHING)
        end = np.where(met, np.maximum(end, stop), end)
        kept = met & (number < most)
        at = which[kept], number[kept]
        found[*at, 0] = np.fmin(found[*at, 0], start[kept])
        found[*at, 1] = end[kept]
    return found - found[:, :1, :1]


def _within(part: Part, eye: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """(2, n): where the rays eye + t ray, in the object's frame, enter a part and leave it; infinite where they miss it."""
    turn = Rotation.from_quat(part.xyzw).inv()
    eye, rays = turn.apply(eye - np.array(part.position)), turn.apply(rays)
    match part.shape:
        case "box":
            return _slabs(np.vstack([np.eye(3), -np.eye(3)]), np.tile(part.size, 2), eye, rays)
        case "ellipsoid":
            return _ball(eye / part.size, rays / part.size, 1.0)
        case "cylinder":
            side = _ball(eye[:2], rays[:, :2], part.size[0])
            return _both(side, _slabs(np.array([[0, 0, 1.0], [0, 0, -1.0]]), np.tile(part.size[1], 2), eye, rays))
        case "capsule":
            radius, half = part.size
            trunk = _within(Part("cylinder", part.size, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)), eye, rays)
            ends = [_ball(eye - [0, 0, z], rays, radius) for z in (-half, half)]
            enters, leaves = np.moveaxis([trunk, *ends], 1, 0)
            return np.array([enters.min(axis=0), np.where(np.isfinite(leaves), leaves, -np.inf).max(axis=0)])
    faces = ConvexHull(part.vertices).equations
    return _slabs(faces[:, :3], -faces[:, 3], eye, rays)


def _slabs(normals: np.ndarray, offsets: np.ndarray, eye: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Of what is behind all planes, normals (f, 3) and offsets (f,)."""
    room, towards = offsets - normals @ eye, rays @ normals.T  # (f,), (n, f)
    with np.errstate(divide="ignore", invalid="ignore"):
        met = room / towards
    enters = np.where(towards < 0, met, np.where((towards == 0) & (room < 0), np.inf, -np.inf)).max(axis=1)
    leaves = np.where(towards > 0, met, np.inf).min(axis=1)
    return _met(enters, leaves)


def _ball(eye: np.ndarray, rays: np.ndarray, radius: float) -> np.ndarray:
    """Of a ball about the origin, of a circle's cylinder where eye (2,) and rays (n, 2) are its plane's."""
    a, b, c = (rays**2).sum(axis=1), rays @ eye, eye @ eye - radius**2
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b**2 - a * c)
        enters, leaves = (-b - root) / a, (-b + root) / a
    along = a == 0  # the cylinder's axis
    enters, leaves = (np.where(along, end if c <= 0 else np.nan, t) for end, t in ((-np.inf, enters), (np.inf, leaves)))
    return _met(enters, leaves)


def _both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return _met(np.maximum(first[0], second[0]), np.minimum(first[1], second[1]))


def _met(enters: np.ndarray, leaves: np.ndarray) -> np.ndarray:
    """What is not met is entered never."""
    met = enters < leaves  # false for NaN
    return np.array([np.where(met, enters, np.inf), np.where(met, leaves, np.inf)])
