"""Which candidates are worth a simulation: the hand closed by kinematics alone, without forces."""

import numpy as np

from gmi_ros.sim.cell import Cell
from gmi_ros.sim.trial import GraspPlan

STEP = 0.06  # of the inner joints [rad]
LEAST_PRESS = 0.05  # cosine between a fingertip's way about its outer joint and the surface's inward normal
MOST_UNBALANCED = 1.3  # length of the sum of the three unit normals; 3 = all on one side


def promising(cell: Cell, plan: GraspPlan) -> bool:
    """Whether the fingers of a hand at the grasp, closed step by step, each meet the object so that it may hold.

    That is: with the distal link first and nothing on the table, pressing into the surface where they touch (a tip
    that goes on turning about its outer joint would slide off otherwise), and not all from one side.
    """
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    joints, distal = plan.joints_open.copy(), cell.distal_bodies.tolist()
    normals: dict[int, np.ndarray] = {}
    while len(normals) < 3:
        closing = [finger for finger in range(3) if finger not in normals]
        joints[1:][closing] += STEP
        if joints[1:].max() > cell.hand.limits[1:, 1].min():
            return False
        cell.place_joints(joints)
        met = cell.overlaps()
        if met.on_table or not set(met.on_object) <= set(distal):
            return False
        for finger in closing:
            if distal[finger] in met.on_object:
                point, normals[finger] = met.on_object[distal[finger]]
                if cell.tip_way(finger, point) @ -normals[finger] < LEAST_PRESS:
                    return False
    return bool(np.linalg.norm(np.sum([*normals.values()], axis=0)) <= MOST_UNBALANCED)
