"""A picking trial under the paper's rule (V-B), protocol `lift`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.core.grasp import Grasp
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import CONTROL_PERIOD, ClosingPlan, FingerDrives, closing_time

APPROACH_CHECKS = 6  # poses between pre-grasp and grasp that must be free of collision
SQUEEZE_TIME = 0.2  # [s]
LIFT_HEIGHT, LIFT_SPEED, HOLD_TIME = 0.2, 0.2, 1.0  # [m], [m/s], [s]
RAMP_TIME = 0.1  # in which the lift gathers speed, and loses it at its end [s]: no arm starts at once
LIFT_TIME = LIFT_HEIGHT / LIFT_SPEED + RAMP_TIME
WRIST_PERIOD = 0.01  # between two commands to the lifting wrist [s]
_WATCH_EVERY = 5  # commands between two looks at a lifted object
HELD, COLLIDED, NO_CONTACT, WRONG_LINK, SLIPPED = "held", "collided_on_approach", "no_contact", "wrong_link", "slipped"
KNOCKED_OVER, DIVERGED, CANCELLED = "knocked_over", "diverged", "cancelled"
REASONS = (HELD, COLLIDED, NO_CONTACT, WRONG_LINK, SLIPPED, KNOCKED_OVER, DIVERGED, CANCELLED)
TOPPLED = np.radians(30)  # tilt while the hand closed from which an object counts as knocked over


@dataclass(frozen=True)
class GraspPlan:
    """What the hand is to do: poses of {P} in the world, joints [rad] before closing, and the closing."""

    world_from_pregrasp: np.ndarray
    world_from_palm: np.ndarray
    joints_open: np.ndarray
    closing: ClosingPlan


def plan_of(grasp: Grasp, world_from_camera: np.ndarray, hand: BarrettHand) -> GraspPlan:
    """What a simulated hand is to do for a grasp seen by this camera."""
    return GraspPlan(
        world_from_camera @ grasp.camera_from_pregrasp,
        world_from_camera @ grasp.camera_from_palm,
        grasp.joints_open,
        ClosingPlan(grasp.finger_start, grasp.finger_speed, hand.coupling.curl),
    )


@dataclass(frozen=True)
class TrialResult:
    """What came of it.

    contacts, normals: (3, 3) in the object's body frame, [m] and unit outward, at the end of closing; None where not
    all three distal links touched. in_contact: (3,) bool then. joints: (4,) [rad] and world_from_palm: (4, 4) when the
    fingers had squeezed, or when the trial ended before. height_lifted: of the object's origin [m].
    """

    success: bool
    reason: str
    contacts: np.ndarray | None
    normals: np.ndarray | None
    joints: np.ndarray
    in_contact: np.ndarray
    world_from_palm: np.ndarray
    height_lifted: float


def approach_is_free(cell: Cell, plan: GraspPlan) -> bool:
    """Whether the open hand reaches the grasp pose on a straight line without touching anything.

    Looked at from the grasp backwards, where collisions are likeliest.
    """
    start, end = plan.world_from_pregrasp, plan.world_from_palm
    cell.place_hand(end, plan.joints_open)
    for share in np.linspace(1.0, 0.0, APPROACH_CHECKS):
        cell.place_wrist((1 - share) * (start[:3, 3] - end[:3, 3]))
        if cell.collides():
            return False
    return True


def run(
    cell: Cell,
    plan: GraspPlan,
    pinned: bool = True,
    on_phase: Callable[[str], None] = lambda phase: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TrialResult:
    """Approach, close, squeeze, lift and hold the object that rests in the cell.

    Args:
        pinned: hold the object while the hand closes, as the authors' simulator does; released before the squeeze.
        on_phase: told each phase as it begins (`approach`, `closing`, `squeeze`, `lift`, `hold`).
        cancelled: asked every few steps of closing and lift; True ends the trial as `cancelled`.
    """
    before = cell.world_from_object
    squeezed: list[tuple[np.ndarray, np.ndarray]] = []
    on_phase("approach")
    free = approach_is_free(cell, plan)
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    if not free:
        return _result(cell, COLLIDED, before, None)

    try:
        cell.pin(pinned)
        on_phase("closing")
        drives = FingerDrives(cell, plan.closing)
        drives.close(closing_time(cell.hand, plan.closing), cancelled)
        touch = touch_of(cell)
        reason = judge(cell)
        if reason != HELD or cancelled():
            reason = KNOCKED_OVER if _tilt(before, cell.world_from_object) > TOPPLED else reason
            return _result(cell, CANCELLED if cancelled() else reason, before, touch)
        on_phase("squeeze")
        cell.pin(False)
        for _ in range(round(SQUEEZE_TIME / CONTROL_PERIOD)):
            drives.advance()
        squeezed.append((cell.joints, cell.world_from_palm))
        on_phase("lift")
        reason = _lift_and_hold(cell, on_phase, cancelled)
    except GmiError:
        return _result(cell, DIVERGED, before, None)
    finally:
        cell.pin(False)
    return _result(cell, reason, before, touch, *squeezed)


def _tilt(world_from_a: np.ndarray, world_from_b: np.ndarray) -> float:
    """Angle [rad] between the vertical before and after, as seen from the object."""
    return float(np.arccos(np.clip(world_from_a[2, :3] @ world_from_b[2, :3], -1, 1)))


def lift_profile(time: float) -> float:
    """Height [m] of the wrist `time` [s] after the lift began: LIFT_SPEED, reached and left within RAMP_TIME."""
    time = min(max(time, 0.0), LIFT_TIME)
    ramped = min(time, RAMP_TIME) ** 2 - max(time - LIFT_TIME + RAMP_TIME, 0.0) ** 2
    return LIFT_SPEED * (ramped / (2 * RAMP_TIME) + max(time - RAMP_TIME, 0.0))


def _lift_and_hold(cell: Cell, on_phase: Callable[[str], None], cancelled: Callable[[], bool]) -> str:
    """Raise the wrist at LIFT_SPEED, hold, and judge; ends early when nothing touches the object any more."""
    rising, holding = round(LIFT_TIME / WRIST_PERIOD), round(HOLD_TIME / WRIST_PERIOD)
    steps = WRIST_PERIOD / cell.model.opt.timestep  # between two commands; not always a whole number
    for i in range(rising + holding):
        if i == rising:
            on_phase("hold")
        if i <= rising:
            cell.command_wrist(np.array([0.0, 0.0, lift_profile(i * WRIST_PERIOD)]))
        cell.step(round((i + 1) * steps) - round(i * steps))
        if i % _WATCH_EVERY == 0:
            if cancelled():
                return CANCELLED
            if not cell.touching_links():
                return SLIPPED
    verdict = judge(cell)
    return SLIPPED if verdict == NO_CONTACT else verdict


def judge(cell: Cell) -> str:
    """The paper's rule: all three distal links touch the object, and no other link of the hand does."""
    touching = cell.touching_links()
    if not set(cell.distal_bodies.tolist()) <= touching:
        return NO_CONTACT
    return HELD if touching == set(cell.distal_bodies.tolist()) else WRONG_LINK


def touch_of(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Contact point and normal per finger, (3, 3) each in the object's frame (NaN without), and which touch (3,).

    One contact per finger: the force-weighted mean of its distal link's contacts, the normal renormalised.
    """
    points, normals = np.full((3, 3), np.nan), np.full((3, 3), np.nan)
    contacts = cell.hand_contacts()
    object_from_world = poses.inverse(cell.world_from_object)
    for finger, body in enumerate(cell.distal_bodies):
        mine = [(point, normal, max(force, 1e-9)) for b, point, normal, force in contacts if b == body]
        if not mine:
            continue
        weight = np.array([force for *_, force in mine])
        point = np.average([p for p, *_ in mine], axis=0, weights=weight)
        normal = np.average([n for _, n, _ in mine], axis=0, weights=weight)
        points[finger] = poses.transform_points(object_from_world, point[None])[0]
        normals[finger] = poses.rotate(object_from_world, normal[None])[0] / max(np.linalg.norm(normal), 1e-9)
    return points, normals, np.isfinite(points[:, 0])


def _result(cell: Cell, reason: str, before: np.ndarray, touch, squeezed=None) -> TrialResult:
    joints, world_from_palm = squeezed or (cell.joints, cell.world_from_palm)
    points, normals, in_contact = touch if touch is not None else (None, None, np.zeros(3, bool))
    whole = in_contact.all()
    return TrialResult(
        reason == HELD,
        reason,
        points if whole else None,
        normals if whole else None,
        joints,
        in_contact,
        world_from_palm,
        float(cell.world_from_object[2, 3] - before[2, 3]),
    )
