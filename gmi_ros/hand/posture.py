"""The hand before it closes: how far to open each grasp so that the way in is free, and when each finger starts."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.solids import signed_distance


_AT_ONCE = 60_000  # distances from points to capsules: what stays in the cache, and wakes none of BLAS's threads


@dataclass(frozen=True)
class Posture:
    """For n grasps.

    joints_open: (n, 4) [rad] before closing. finger_start: (n, 3) [s], finger_speed: (n, 3) [rad/s]: all three fingers
    arrive at their contacts together. hand_height: (n,) lowest part of the open hand above the table [m], inf where no
    table was seen. palm_gap, finger_gap: (n,) from the palm and from the open fingers to the nearest observed point
    [m], negative inside; that of the palm at most its clearance, or 0. Where no opening keeps both clearances, height and
    finger gap are the best that one gives which keeps the other: how far the clearance would have to come down.
    """

    joints_open: np.ndarray
    finger_start: np.ndarray
    finger_speed: np.ndarray
    hand_height: np.ndarray
    palm_gap: np.ndarray
    finger_gap: np.ndarray


def tip_height(hand: BarrettHand, camera_from_palm: np.ndarray, joints: np.ndarray, table: Table | None) -> np.ndarray:
    """Height (n,) [m] of the lowest fingertip (DH tip point or apex) at contact above the table; inf without one."""
    if table is None:
        return np.full(len(joints), np.inf)
    apexes = hand.pad_point(joints, hand.kinematics.apex_reach, 0.0)
    tips = poses.transform_points(camera_from_palm, np.concatenate([hand.tips(joints), apexes], axis=1))  # (n, 6, 3)
    return table.height(tips).min(axis=1)


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
    n, n_palm = len(joints), len(hand.links.palm.envelope)
    opened = _opened(joints, settings.opening_margins, hand)  # (n, g, 4)
    segments, radii = hand.link_segments(opened)  # (n, g, k, 2, 3), (k,)
    segments = _turned(camera_from_palm, segments)
    height = np.full(segments.shape[:2], np.inf) if table is None else _lowest(segments, radii, table)  # (n, g)
    palm_gap = _palm_gap(hand, camera_from_palm, cloud, max(settings.palm_clearance, 0.0))

    choice = np.zeros(n, int)
    hand_height, finger_gap = np.full((2, n), -np.inf)
    undecided = np.arange(n)
    for margin in range(opened.shape[1]):
        choice[undecided] = margin
        gap, high = _gap(cloud, segments[undecided, margin, n_palm:], radii[n_palm:]), height[undecided, margin]
        free, above = gap >= settings.finger_clearance, high >= settings.table_clearance
        finger_gap[undecided] = np.maximum(finger_gap[undecided], np.where(above, gap, -np.inf))
        hand_height[undecided] = np.maximum(hand_height[undecided], np.where(free, high, -np.inf))
        undecided = undecided[~(free & above)]
        if not undecided.size:
            break
    hand_height[undecided] = np.maximum(hand_height[undecided], height[undecided, -1])
    joints_open = opened[np.arange(n), choice]

    travel = np.maximum(joints[:, 1:] - joints_open[:, 1:], 0.0)  # (n, 3)
    speed = np.full_like(travel, hand.normal_speed[1])
    start = (travel.max(axis=1, keepdims=True) - travel) / speed
    return Posture(joints_open, start, speed, hand_height, palm_gap, finger_gap)


def _opened(joints: np.ndarray, margins: tuple[float, ...], hand: BarrettHand) -> np.ndarray:
    """The same spread, the fingers opened by each of the margins [rad] within the limits, (n, g, 4)."""
    opened = np.repeat(joints[:, None], len(margins), axis=1)
    opened[..., 1:] = np.maximum(opened[..., 1:] - np.array(margins)[:, None], hand.limits[1:, 0])
    return opened


def _turned(camera_from_palm: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Segments (n, g, k, 2, 3) from {P} to the camera's frame."""
    n, g, k, ends, _ = segments.shape
    points = segments.reshape(n, g * k * ends, 3) @ np.swapaxes(camera_from_palm[:, :3, :3], 1, 2)
    return (points + camera_from_palm[:, None, :3, 3]).reshape(segments.shape)


def _palm_gap(hand: BarrettHand, camera_from_palm: np.ndarray, cloud: np.ndarray, enough: float) -> np.ndarray:
    """Least distance (n,) [m] of points (m, 3) to the palm's shapes, negative inside one; `enough` for all that is further."""
    shapes = hand.links.palm.primitives
    low, high = np.array([primitive.bounds for primitive in shapes]).T  # (3, k) each
    points = (cloud - camera_from_palm[:, None, :3, 3]) @ camera_from_palm[:, :3, :3]  # (n, m, 3) in {P}
    near = ((points > low.min(axis=1) - enough) & (points < high.max(axis=1) + enough)).all(axis=2)
    grasp, points = np.nonzero(near)[0], points[near]
    gap = np.full(len(camera_from_palm), enough)
    for primitive in shapes:
        np.minimum.at(gap, grasp, signed_distance(primitive, points))
    return gap


def _gap(cloud: np.ndarray, segments: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Least distance (n,) [m] of points (m, 3) to capsules (n, k, 2, 3); negative inside one."""
    centre = cloud.mean(axis=0)  # the products below lose digits far from the origin
    points = np.concatenate([cloud - centre, np.ones((len(cloud), 2))], axis=1).T  # (5, m)
    points[4] = (points[:3] ** 2).sum(axis=0)
    starts = segments[:, :, 0] - centre
    along = segments[:, :, 1] - segments[:, :, 0]
    lengths = np.linalg.norm(along, axis=-1, keepdims=True)  # (n, k, 1)
    along = along / np.maximum(lengths, 1e-9)
    project, square = np.zeros((2, *starts.shape[:2], 5))  # what makes of a point its way along, its |p - start|^2
    project[..., :3], project[..., 3] = along, -(starts * along).sum(axis=-1)
    square[..., :3], square[..., 3], square[..., 4] = -2 * starts, (starts**2).sum(axis=-1), 1.0

    squared = np.empty(starts.shape[:2])
    step = max(1, _AT_ONCE // (points.shape[1] * starts.shape[1]))
    for first in range(0, len(starts), step):
        rows = slice(first, first + step)
        way = project[rows] @ points  # (rows, k, m)
        nearest = np.minimum(np.maximum(way, 0.0), lengths[rows])
        # |p - start - t a|^2 = |p - start|^2 - t (2 (p - start) a - t)
        way *= 2
        way -= nearest
        way *= nearest
        distance = square[rows] @ points
        distance -= way
        squared[rows] = distance.min(axis=2)
    return (np.sqrt(np.maximum(squared, 0.0)) - radii).min(axis=1)


def _lowest(segments: np.ndarray, radii: np.ndarray, table: Table) -> np.ndarray:
    """Height [m] of the lowest part of each hand (..., k, 2, 3) above the table."""
    return (table.height(segments).min(axis=-1) - radii).min(axis=-1)
