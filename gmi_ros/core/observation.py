"""The observation: what the network sees, 64x64x5 (paper, section IV-A1)."""

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from gmi_ros.core.frame import Frame, measured
from gmi_ros.core.object_frame import ObjectFrame

SIZE = 64  # cells on a side (paper, IV-A1)
WINDOW_M = 0.32  # side of the window at the object's depth [m]: the largest household object and the hand beside it
FINE = 96, 0.288  # cells on a side and side [m] of the finer window in which hidden sides are guessed
DEPTH_CLIP_M = 0.25  # depth farther from the object than this carries nothing about it [m]


@dataclass(frozen=True)
class Observation:
    """A metric window on the object, aligned with {O}: row 0 lies towards +O_z, column 0 towards +O_y.

    The paper takes 64x64 RGB, depth and mask with a simulated Kinect that points at the object, the image's y-axis
    upwards, at a distance which its simulator fixes. A real camera stands anywhere, so the window's side is fixed in
    metres at the object's depth (the same object is the same size whatever the camera), its centre is the object's
    centroid, its up is O_z (a camera rolled about its axis sees the same), and depth is relative to the object's.

    rgb: (64, 64, 3) uint8, black outside the image. depth: (64, 64) float32 [m] minus the object's median depth,
    clipped to +-DEPTH_CLIP_M, holes filled with the nearest measured cell. mask: (64, 64) bool.
    n_holes: cells inside the image without a depth, before filling. object_frame: the {O} the window is aligned with.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    n_holes: int
    object_frame: ObjectFrame

    @property
    def image(self) -> np.ndarray:
        """(64, 64, 5) float32: red, green, blue in [0, 1], relative depth [m], mask 0 or 1."""
        depth, mask = self.depth[..., None], self.mask[..., None]
        return np.concatenate([self.rgb / np.float32(255), depth, mask.astype(np.float32)], axis=-1)

    @property
    def digest(self) -> str:
        """8 hex digits of what was seen: under simulated time, and from files, stamps come again."""
        digest = hashlib.blake2s(digest_size=4)
        for array in (self.rgb, self.depth, self.mask, self.object_frame.camera_from_object):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def window_rays(object_frame: ObjectFrame, size: int = SIZE, side: float = WINDOW_M) -> np.ndarray:
    """Where the centres of the cells lie in the camera's frame: (size, size, 3) [m], on the plane of the object's depth.

    side: of the window [m].
    """
    offsets = ((size - 1) / 2 - np.arange(size)) * (side / size)  # (size,) [m]
    y_axis, z_axis = object_frame.camera_from_object[:3, 1], object_frame.camera_from_object[:3, 2]
    origin = object_frame.camera_from_object[:3, 3]
    return origin + offsets[:, None, None] * z_axis + offsets[None, :, None] * y_axis


def observe(frame: Frame, object_frame: ObjectFrame, size: int = SIZE, side: float = WINDOW_M) -> Observation:
    """Sample the window from the image: the pixel nearest to each cell's centre, as a ray caster would.

    size, side [m]: of another window than the one that grasps are made from.
    """
    pixels = np.rint(frame.intrinsics.project(window_rays(object_frame, size, side))).astype(int)  # (size, size, 2)
    u, v = pixels[..., 0], pixels[..., 1]
    inside = (u >= 0) & (v >= 0) & (u < frame.intrinsics.width) & (v < frame.intrinsics.height)
    u, v = np.where(inside, u, 0), np.where(inside, v, 0)

    depth = frame.depth[v, u]
    known = measured(depth) & inside
    return compose(
        rgb=np.where(inside[..., None], frame.rgb[v, u], 0).astype(np.uint8),
        depth=depth,
        known=known,
        mask=inside & (frame.mask[v, u] == object_frame.label),
        n_holes=int((inside & ~known).sum()),
        object_frame=object_frame,
    )


def compose(rgb, depth, known, mask, n_holes: int, object_frame: ObjectFrame) -> Observation:
    """Make the observation from sampled cells: depth (size, size) [m] along the optical axis, used where `known`."""
    relative = np.where(known, depth, 0).astype(np.float32) - np.float32(object_frame.depth)
    if known.any() and not known.all():
        rows, columns = distance_transform_edt(~known, return_distances=False, return_indices=True)
        relative = relative[rows, columns]
    relative = np.clip(relative, -DEPTH_CLIP_M, DEPTH_CLIP_M).astype(np.float32)
    return Observation(rgb, relative, mask, n_holes, object_frame)
