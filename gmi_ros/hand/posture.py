"""The hand before it closes: how far to open each grasp so that the way in is free, and when each finger starts."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand


@dataclass(frozen=True)
class Posture:
    """For n grasps.

    joints_open: (n, 4) [rad] before closing. finger_start: (n, 3) [s], finger_speed: (n, 3) [rad/s]: all three fingers
    arrive at their contacts together. tip_height: (n,) lowest fingertip (DH tip
    point or apex) at contact, hand_height: (n,) lowest part
    of the open hand, above the table [m] (inf where no table was seen). palm_gap: (n,) from the palm to the nearest
    observed point [m]. fingers_clear: (n,) whether the open fingers stay out of the observed cloud.
    """

    joints_open: np.ndarray
    finger_start: np.ndarray
    finger_speed: np.ndarray
    tip_height: np.ndarray
    hand_height: np.ndarray
    palm_gap: np.ndarray
    fingers_clear: np.ndarray


def clear_posture(
    hand: BarrettHand,
    camera_from_palm: np.ndarray,
    joints: np.ndarray,
    cloud: np.ndarray,
    table: Table | None,
    settings: SynthesisSettings,
) -> Posture:
    """Open each hand as wide as its surroundings allow: the first of `opening_margins` that touches nothing observed.

    Args:
        camera_from_palm: (n, 4, 4). joints: (n, 4) at contact. cloud: (m, 3) [m] observed points of the object and of
            what else stands around it, in the camera's frame.
    """
    palm_from_camera = poses.inverse(camera_from_palm)
    points = poses.transform_points(palm_from_camera[:, None], cloud[None, None])[:, 0]  # (n, m, 3)
    n_palm = len(hand.links.palm.envelope)
    joints_open = np.empty_like(joints)
    gap = np.empty(len(joints))
    finger_gap, hand_height = np.full(len(joints), -np.inf), np.full(len(joints), -np.inf)
    undecided = np.arange(len(joints))
    for margin in settings.opening_margins:
        if not undecided.size:
            break
        opened = _opened(joints[undecided], margin, hand)
        segments, radii = hand.link_segments(opened)  # (u, k, 2, 3), (k,)
        distance = _capsule_distance(points[undecided], segments, radii)  # (u, k)
        height = _lowest(camera_from_palm[undecided], segments, radii, table)
        joints_open[undecided] = opened
        gap[undecided] = distance[:, :n_palm].min(axis=1)
        finger_gap[undecided], hand_height[undecided] = distance[:, n_palm:].min(axis=1), height
        clear = (finger_gap[undecided] > settings.finger_clearance) & (height > settings.table_clearance)
        undecided = undecided[~clear]

    travel = np.maximum(joints[:, 1:] - joints_open[:, 1:], 0.0)  # (n, 3)
    speed = np.full_like(travel, hand.normal_speed[1])
    start = (travel.max(axis=1, keepdims=True) - travel) / speed
    apexes = hand.pad_point(joints, hand.kinematics.apex_reach, 0.0)
    tips = poses.transform_points(camera_from_palm, np.concatenate([hand.tips(joints), apexes], axis=1))  # (n, 6, 3)
    tip_height = np.full(len(joints), np.inf) if table is None else table.height(tips).min(axis=1)
    return Posture(joints_open, start, speed, tip_height, hand_height, gap, finger_gap > settings.finger_clearance)


def _opened(joints: np.ndarray, margin: float, hand: BarrettHand) -> np.ndarray:
    """The same spread, the fingers opened by `margin` [rad] within the limits."""
    opened = joints.copy()
    opened[:, 1:] = np.maximum(joints[:, 1:] - margin, hand.limits[1:, 0])
    return opened


def _capsule_distance(points: np.ndarray, segments: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Least distance [m] of points (n, m, 3) to each capsule (n, k, 2, 3), (n, k); negative inside."""
    start, along = segments[:, :, 0], segments[:, :, 1] - segments[:, :, 0]  # (n, k, 3)
    length2 = np.einsum("nki,nki->nk", along, along)
    dot = np.einsum("nmi,nki->nkm", points, along) - np.einsum("nki,nki->nk", start, along)[..., None]
    share = np.clip(dot / np.maximum(length2, 1e-12)[..., None], 0.0, 1.0)  # (n, k, m)
    # |p - s - t a|^2 = |p - s|^2 - 2 t (p - s).a + t^2 |a|^2, without an array of vectors
    to_start = (
        np.einsum("nmi,nmi->nm", points, points)[:, None]
        - 2 * np.einsum("nmi,nki->nkm", points, start)
        + np.einsum("nki,nki->nk", start, start)[..., None]
    )
    squared = to_start - 2 * share * dot + share**2 * length2[..., None]
    return np.sqrt(np.maximum(squared.min(axis=2), 0.0)) - radii


def _lowest(camera_from_palm: np.ndarray, segments: np.ndarray, radii: np.ndarray, table: Table | None) -> np.ndarray:
    """Height [m] of the lowest part of each hand above the table (n,), inf without a table."""
    if table is None:
        return np.full(len(segments), np.inf)
    ends = segments.reshape(len(segments), -1, 3)  # (n, 2 k, 3)
    heights = table.height(poses.transform_points(camera_from_palm, ends)) - np.repeat(radii, 2)
    return heights.min(axis=1)
