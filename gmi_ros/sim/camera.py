"""A Kinect-like camera by ray casting: no OpenGL, the same picture on every machine."""

from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import Observation, compose, observe, window_rays
from gmi_ros.sim.noise import KinectNoise
from gmi_ros.sim.scene import OBJECT_GROUP, TABLE_GROUP

KINECT = Intrinsics(640, 480, 525.0, 525.0, 319.5, 239.5)
_VISIBLE = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # geom groups: table and objects, not the parked hand
_WITH_HAND = np.array([1, 1, 1, 1, 0, 0], np.uint8)
_AMBIENT = 0.4
_BACKGROUND = (40, 44, 52)
_FAR = 5.0  # [m]


@dataclass(frozen=True)
class Camera:
    """Where a camera stands, and in what light: intrinsics and its pose (4, 4) in the world.

    look: the number that light and colours are drawn from; None = light from straight above, the model's colours.
    noise: the number that a Kinect's noise is drawn from; None = a perfect camera.
    """

    intrinsics: Intrinsics
    world_from_camera: np.ndarray
    look: int | None = None
    noise: int | None = None


class Look(NamedTuple):
    """to_light: (3,) unit vector in the world. table_rgb, object_rgb: in [0, 1]; None = those of the model."""

    to_light: np.ndarray
    table_rgb: np.ndarray | None
    object_rgb: np.ndarray | None


def look_of(number: int | None) -> Look:
    """Light and colours of this number, the same each time."""
    if number is None:
        return Look(np.array([0.0, 0.0, 1.0]), None, None)
    rng = np.random.default_rng(number)
    light = np.array([*rng.uniform(-0.6, 0.6, 2), 1.0])
    return Look(light / np.linalg.norm(light), rng.uniform(0.1, 1.0, 3), rng.uniform(0.05, 1.0, 3))


def look_at(target: np.ndarray, azimuth: float, elevation: float, distance: float, roll: float = 0.0) -> np.ndarray:
    """World pose (4, 4) of a camera `distance` [m] from `target` (3,), its image's y-axis pointing down [rad]."""
    direction = np.array(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
    )  # from the target to the camera
    x_axis = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])  # horizontal, also when looking straight down
    z_axis = -direction
    y_axis = np.cross(z_axis, x_axis)
    cosine, sine = np.cos(roll), np.sin(roll)
    rotation = np.stack([cosine * x_axis + sine * y_axis, cosine * y_axis - sine * x_axis, z_axis], axis=1)
    return poses.make(rotation, target + distance * direction)


def render(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    camera: Camera,
    labels: dict[int, int],
    only_objects: bool = False,
    hand: bool = False,
    stamp_ns: int = 0,
    frame_id: str = "camera",
) -> Frame:
    """The image set seen by the camera.

    Args:
        labels: mask label of each body id; bodies that are not listed are background.
        only_objects: cast only the rays that can meet an object (enough for {O}, of a camera without noise); the rest
            has no colour nor depth.
        hand: show the hand too.
    """
    k = camera.intrinsics
    rows, columns = _object_pixels(model, data, camera) if only_objects else (slice(0, k.height), slice(0, k.width))
    u, v = np.meshgrid(np.arange(k.width)[columns], np.arange(k.height)[rows])
    rays = k.deproject(np.stack([u, v], axis=-1), np.ones(u.shape))  # (h, w, 3), z = 1
    cast_depth, cast_rgb, body = _cast(model, data, camera, rays, _WITH_HAND if hand else _VISIBLE)
    rgb = np.zeros((k.height, k.width, 3), np.uint8)
    depth = np.zeros((k.height, k.width), np.float32)
    mask = np.zeros((k.height, k.width), np.uint16)
    rgb[rows, columns], depth[rows, columns] = cast_rgb, cast_depth
    for body_id, label in labels.items():
        mask[rows, columns][body == body_id] = label
    frame = Frame(rgb, depth, mask, k, stamp_ns, frame_id)
    return frame if camera.noise is None else KinectNoise().apply(frame, camera.noise)


def render_observation(
    model: mujoco.MjModel, data: mujoco.MjData, camera: Camera, body_id: int, object_frame: ObjectFrame
) -> Observation:
    """The 64x64 window of one object, by casting its 4,096 rays only.

    Each ray goes through the pixel's centre that `core.observation.observe` would sample, so both give one picture.
    """
    if camera.noise is not None:  # noise depends on the pixels around
        return observe(render(model, data, camera, {body_id: object_frame.label}), object_frame)
    k = camera.intrinsics
    pixels = np.rint(k.project(window_rays(object_frame)))  # (64, 64, 2)
    inside = ((pixels >= 0) & (pixels < [k.width, k.height])).all(axis=-1)
    rays = k.deproject(pixels, np.ones(inside.shape))
    depth, rgb, body = _cast(model, data, camera, rays)
    known = inside & (depth > 0)
    rgb = np.where(inside[..., None], rgb, 0).astype(np.uint8)
    return compose(rgb, depth, known, inside & (body == body_id), int((inside & ~known).sum()), object_frame)


def _cast(
    model, data, camera: Camera, rays: np.ndarray, groups: np.ndarray = _VISIBLE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth (h, w) float32 [m] along the optical axis (0 = nothing hit), rgb (h, w, 3), body id (h, w; -1 = none)."""
    shape, n_rays = rays.shape[:2], rays.shape[0] * rays.shape[1]
    directions = (rays.reshape(-1, 3) @ camera.world_from_camera[:3, :3].T).copy()
    geom, distance = np.full(n_rays, -1, np.int32), np.zeros(n_rays)
    normal = np.zeros((n_rays, 3))
    mujoco.mj_multiRay(
        model, data, camera.world_from_camera[:3, 3].copy(), directions.ravel(), groups, 1, -1,
        geom, distance, normal.ravel(), n_rays, _FAR,
    )  # fmt: skip
    hit = geom >= 0
    # Rays have z = 1 in the camera's frame, so the distance in units of the ray is the depth.
    depth = np.where(hit, distance, 0.0).astype(np.float32).reshape(shape)
    look = look_of(camera.look)
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(normal @ look.to_light, 0, 1)  # (n,)
    colour = np.where(hit[:, None], _colours(model, look)[geom] * shade[:, None] * 255, _BACKGROUND)
    body = np.where(hit, model.geom_bodyid[geom], -1).reshape(shape)
    return depth, np.rint(colour).astype(np.uint8).reshape(*shape, 3), body


def _colours(model: mujoco.MjModel, look: Look) -> np.ndarray:
    """Colour (n_geoms, 3) in [0, 1] of every geom in this light; parts of an object differ a little."""
    colours = model.geom_rgba[:, :3].astype(float)
    if look.table_rgb is not None:
        colours[model.geom_group == TABLE_GROUP] = look.table_rgb
    if look.object_rgb is not None:
        parts = np.flatnonzero(model.geom_group == OBJECT_GROUP)
        brightness = 1.0 - 0.18 * (np.arange(len(parts)) % 3)
        colours[parts] = look.object_rgb * brightness[:, None]
    return colours


def _object_pixels(model, data, camera: Camera) -> tuple[slice, slice]:
    """Rows and columns of the image that can hold an object, from the bounding spheres of the objects' geoms."""
    k, camera_from_world = camera.intrinsics, poses.inverse(camera.world_from_camera)
    geoms = np.flatnonzero(model.geom_group == OBJECT_GROUP)
    centres = poses.transform_points(camera_from_world, data.geom_xpos[geoms])  # (g, 3)
    nearest = np.maximum(centres[:, 2] - model.geom_rbound[geoms], 0.05)
    margin = model.geom_rbound[geoms] * max(k.fx, k.fy) / nearest + 2  # [px]
    pixels = k.project(centres)  # (g, 2)
    low = np.floor((pixels - margin[:, None]).min(axis=0)).astype(int).clip(0)
    high = np.ceil((pixels + margin[:, None]).max(axis=0)).astype(int).clip(max=[k.width, k.height])
    return slice(int(low[1]), max(int(high[1]), int(low[1]))), slice(int(low[0]), max(int(high[0]), int(low[0])))
