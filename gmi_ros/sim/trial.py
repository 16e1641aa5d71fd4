"""A picking trial under the paper's rule (V-B), protocol `lift`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import CONTROL_STEPS, ClosingPlan, FingerDrives, closing_time

APPROACH_CHECKS = 6  # poses between pre-grasp and grasp that must be free of collision
SQUEEZE_TIME = 0.2  # [s]
LIFT_HEIGHT, LIFT_SPEED, HOLD_TIME = 0.2, 0.2, 1.0  # [m], [m/s], [s]
_WATCH_STEPS = 25  # simulation steps between two looks at a lifted object
REASONS = ("held", "collided_on_approach", "no_contact", "wrong_link", "slipped", "diverged")


@dataclass(frozen=True)
class GraspPlan:
    """What the hand is to do: poses of {P} in the world, joints [rad] before closing, and the closing."""

    world_from_pregrasp: np.ndarray
    world_from_palm: np.ndarray
    joints_open: np.ndarray
    closing: ClosingPlan


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
    for share in np.linspace(1.0, 0.0, APPROACH_CHECKS):
        position = start[:3, 3] + share * (end[:3, 3] - start[:3, 3])
        cell.place_hand(poses.make(end[:3, :3], position), plan.joints_open)
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
    start_height = cell.world_from_object[2, 3]
    squeezed: list[tuple[np.ndarray, np.ndarray]] = []
    on_phase("approach")
    free = approach_is_free(cell, plan)
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    if not free:
        return _result(cell, False, "collided_on_approach", start_height, None)

    try:
        cell.pin(pinned)
        on_phase("closing")
        drives = FingerDrives(cell, plan.closing)
        drives.close(closing_time(cell.hand, plan.closing), cancelled)
        touch = _touch(cell)
        reason = _judge(cell)
        if reason != "held" or cancelled():
            return _result(cell, False, "cancelled" if cancelled() else reason, start_height, touch)
        on_phase("squeeze")
        cell.pin(False)
        for _ in range(int(SQUEEZE_TIME / cell.model.opt.timestep / CONTROL_STEPS)):
            drives.advance()
        squeezed.append((cell.joints, cell.world_from_palm))
        on_phase("lift")
        reason = _lift_and_hold(cell, on_phase, cancelled)
    except GmiError:
        return _result(cell, False, "diverged", start_height, None)
    finally:
        cell.pin(False)
    return _result(cell, reason == "held", reason, start_height, touch, *squeezed)


def _lift_and_hold(cell: Cell, on_phase: Callable[[str], None], cancelled: Callable[[], bool]) -> str:
    """Raise the wrist at LIFT_SPEED, hold, and judge; ends early when nothing touches the object any more."""
    dt = cell.model.opt.timestep
    rising, holding = int(LIFT_HEIGHT / LIFT_SPEED / dt), int(HOLD_TIME / dt)
    for i in range(0, rising + holding, _WATCH_STEPS):
        if i == rising:
            on_phase("hold")
        if cancelled():
            return "cancelled"
        for k in range(0, _WATCH_STEPS, 5):
            cell.command_wrist(np.array([0.0, 0.0, min((i + k) * dt * LIFT_SPEED, LIFT_HEIGHT)]))
            cell.step(5)
        if not cell.hand_contacts():
            return "slipped"
    verdict = _judge(cell)
    return "slipped" if verdict == "no_contact" else verdict


def _judge(cell: Cell) -> str:
    """The paper's rule: all three distal links touch the object, and no other link of the hand does."""
    touching = {body for body, *_ in cell.hand_contacts()}
    if not set(cell.distal_bodies.tolist()) <= touching:
        return "no_contact"
    return "held" if touching == set(cell.distal_bodies.tolist()) else "wrong_link"


def _touch(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _result(cell: Cell, success: bool, reason: str, start_height: float, touch, squeezed=None) -> TrialResult:
    joints, world_from_palm = squeezed or (cell.joints, cell.world_from_palm)
    points, normals, in_contact = touch if touch is not None else (None, None, np.zeros(3, bool))
    whole = in_contact.all()
    return TrialResult(
        success,
        reason,
        points if whole else None,
        normals if whole else None,
        joints,
        in_contact,
        world_from_palm,
        float(cell.world_from_object[2, 3] - start_height),
    )
