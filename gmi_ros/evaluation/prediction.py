"""From a network's one prediction to a plan (Table III): the same planner for every network, however blurred the answer.

The paper's camera stands on the axis of the palm ("primary axis pointing towards the object, along the negative
z-direction of the manipulator's palm", IV-A1), so that the approach is known and a prediction tells the rest. A single
prediction of a multimodal distribution is a blur: its contacts lie close together, and a wrist that is free to turn (Eq. 7
as the pipeline solves it) follows their noise, often to the far side of the object.
"""

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.cloud import fit_table, object_points
from gmi_ros.core.frame import Frame
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import observe
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.posture import clear_posture
from gmi_ros.learning.model import GraspModel
from gmi_ros.sim.candidates import APPROACH_DISTANCE
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.trial import GraspPlan

PRESHAPE = (
    0.6,
    1.25,
    1.25,
    1.1,
)  # [rad] of the hand that is brought to the contacts: about the mean of those that held
_NORMALS = 0.05  # metres that a unit of normal error counts
_O_FROM_LEVEL = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # of a palm that looks along O_x


def plan_along_view(
    frame: Frame, model: GraspModel, world_from_camera: np.ndarray, hand: BarrettHand, settings: SynthesisSettings
) -> GraspPlan:
    """The plan for the network's one prediction: Eq. 7 in closed form for a hand of PRESHAPE whose palm looks along the
    view, its fingers opened as wide as there is room.

    Raises:
        GmiError: the refusals of `object_frame()`.
    """
    found = object_frame(frame, 0, settings)
    predicted = model.predict(observe(frame, found).image)
    centres = predicted.contacts[0] + hand.touch.radius * predicted.normals[0]
    joints = np.array([PRESHAPE])
    o_from_palm = level_wrist(
        hand.touching.tips(joints)[0], hand.touching.pad_normals(joints)[0], centres, predicted.normals[0]
    )
    camera_from_palm = found.camera_from_object @ o_from_palm
    posture = clear_posture(
        hand, camera_from_palm[None], joints, object_points(frame, found), fit_table(frame, found), settings
    )
    world_from_palm = world_from_camera @ camera_from_palm
    pregrasp = world_from_palm.copy()
    pregrasp[:3, 3] -= APPROACH_DISTANCE * world_from_palm[:3, 2]
    closing = ClosingPlan(posture.finger_start[0], posture.finger_speed[0])
    return GraspPlan(pregrasp, world_from_palm, posture.joints_open[0], closing)


def level_wrist(tips: np.ndarray, pads: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """o_from_palm (4, 4) with palm z along O_x that brings tips (3, 3) [m] onto points and pad normals onto -normals, each
    weighted as the squares of Eq. 7: a turn about one axis and a shift, in closed form."""
    level = _O_FROM_LEVEL
    ours = np.concatenate([tips - tips.mean(axis=0), _NORMALS * pads])
    wanted = np.concatenate([points - points.mean(axis=0), -_NORMALS * normals]) @ level
    across = ours[:, 0] * wanted[:, 1] - ours[:, 1] * wanted[:, 0]
    along = ours[:, 0] * wanted[:, 0] + ours[:, 1] * wanted[:, 1]
    angle = np.arctan2(across.sum(), along.sum())
    turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    rotation = level @ turn
    return poses.make(rotation, points.mean(axis=0) - rotation @ tips.mean(axis=0))
