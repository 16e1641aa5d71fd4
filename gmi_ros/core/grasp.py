"""The grasp, as it leaves the pipeline."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

FINGERS = ("F1", "F2", "F3")
JOINTS = ("spread", "f1", "f2", "f3")


class WristStatus(IntEnum):
    """How Eq. 7 ended for one sample."""

    SOLVED = 0
    AT_LIMIT = 1
    UNREACHABLE = 2


@dataclass(frozen=True)
class Grasp:
    """One grasp of one object.

    contacts, normals: (3, 3), [m] and unit outward, in {O}; row i is finger F(i+1).
    camera_from_palm, camera_from_pregrasp: (4, 4) poses of {P} in the camera's optical frame.
    joints: (4,) [rad] spread, f1, f2, f3 at contact. joints_open: (4,) at the pre-grasp.
    finger_start: (3,) [s] after the closing begins. finger_speed: (3,) [rad/s] of the inner joints.
    residual: (3,) [m] of Eq. 7 per finger, from the centre of the fingertip's rounded end (BarrettHand.touching) to
    where it must be to touch: contact + its radius along the normal.
    log_density: nats, standardised units; NaN where an evaluator ranks instead.
    hold_probability: that the grasp holds, by the evaluator; NaN without one. score: what grasps are ranked by, larger
    is better: with an evaluator from its probabilities (pipeline.ranking), without one the weighted log density and
    residual of the settings; after rehearsals hold_probability, by both. rehearsed: whether it held in each of its trials in
    simulation, in the order of sim.rehearsal.KINDS.
    """

    grasp_id: str
    label: int
    contacts: np.ndarray
    normals: np.ndarray
    camera_from_palm: np.ndarray
    camera_from_pregrasp: np.ndarray
    joints: np.ndarray
    joints_open: np.ndarray
    finger_start: np.ndarray
    finger_speed: np.ndarray
    residual: np.ndarray
    status: WristStatus
    log_density: float
    hold_probability: float
    score: float
    rehearsed: tuple[bool, ...] = ()
