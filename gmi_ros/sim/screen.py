"""Which candidates are worth a simulation: the hand closed by kinematics alone, without forces."""

import numpy as np

from gmi_ros.sim.cell import Cell
from gmi_ros.sim.trial import GraspPlan

STEP = 0.06  # of the inner joints [rad]
LEAST_PRESS = 0.05  # cosine between a fingertip's way about its outer joint and the surface's inward normal
MOST_UNBALANCED = 1.3  # length of the sum of the three unit normals; 3 = all on one side


def promising(cell: Cell, plan: GraspPlan) -> bool:
    """Whether the fingers of a hand at the grasp, closed step by step, each meet the object so that it may hold: as
    `meeting` asks, and not all from one side."""
    met = meeting(cell, plan)
    return met is not None and balanced(met[1])


def balanced(normals: np.ndarray) -> bool:
    """Whether fingers that press against these unit normals (3, 3) do not all press from one side."""
    return bool(np.linalg.norm(normals.sum(axis=0)) <= MOST_UNBALANCED)


def meeting(cell: Cell, plan: GraspPlan) -> tuple[np.ndarray, np.ndarray] | None:
    """Where F1, F2, F3 of a hand at the grasp meet the object when they are closed step by step: points and outward unit
    normals, (3, 3) each, in the world [m].

    None where a finger meets anything with another link than the distal one, or the table, or nothing, or does not press
    into the surface where it touches (a tip that goes on turning about its outer joint would slide off).
    """
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    joints, distal = plan.joints_open.copy(), cell.distal_bodies.tolist()
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    while len(found) < 3:
        closing = [finger for finger in range(3) if finger not in found]
        joints[1:][closing] += STEP
        if joints[1:].max() > cell.hand.limits[1:, 1].min():
            return None
        cell.place_joints(joints)
        met = cell.overlaps()
        if met.on_table or not set(met.on_object) <= set(distal):
            return None
        for finger in closing:
            if distal[finger] in met.on_object:
                point, normal = found[finger] = met.on_object[distal[finger]]
                if cell.tip_way(finger, point) @ -normal < LEAST_PRESS:
                    return None
    points, normals = zip(*(found[finger] for finger in range(3)), strict=True)
    return np.array(points), np.array(normals)
