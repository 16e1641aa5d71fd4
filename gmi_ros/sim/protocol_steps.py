"""What the protocols beside the lift are made of: closing with limited force, pushes without weight, a watch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import CONTROL_PERIOD, FingerDrives, closing_time
from gmi_ros.sim.scene import HAND_GROUP
from gmi_ros.sim.trial import HOLD_TIME, LIFT_HEIGHT, LIFT_TIME, SQUEEZE_TIME, WRIST_PERIOD, GraspPlan, lift_profile

PUSHES = {  # in this order (D(R,O)): name -> direction in the world
    **{f"+{axis}": way for axis, way in zip("xyz", np.eye(3), strict=True)},
    **{f"-{axis}": -way for axis, way in zip("xyz", np.eye(3), strict=True)},
}
_EASE_EVERY = 5  # commands between two looks at the tips' forces
_EASE_MARGIN = 0.97  # of the force allowed that a finger eases to
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class Motion(NamedTuple):
    """How far an object's centre of mass has moved [m] and the object has turned [rad]."""

    moved: float
    turned: float


class Watch:
    """Measures the object's motion from where it was when the watch was made. most: the largest of all looks."""

    def __init__(self, cell: Cell):
        self._cell, self._before = cell, cell.world_from_object
        self._centre = cell.model.body_ipos[cell.object_body].copy()  # (3,) [m] in the object
        self.most = Motion(0.0, 0.0)

    def look(self, raised: float = 0.0) -> Motion:
        """The motion until now, less `raised` [m] by which the object should have risen."""
        before, now = self._before, self._cell.world_from_object
        way = poses.transform_points(now, self._centre[None])[0] - poses.transform_points(before, self._centre[None])[0]
        turn = Rotation.from_matrix(before[:3, :3].T @ now[:3, :3]).magnitude()
        seen = Motion(float(np.linalg.norm(way - [0.0, 0.0, raised])), float(turn))
        self.most = Motion(*map(max, self.most, seen))
        return seen


@contextmanager
def floating(cell: Cell) -> Iterator[None]:
    """Take gravity and the table away; both are back afterwards."""
    model, table = cell.model, cell.model.geom("table").id
    gravity, bits = model.opt.gravity.copy(), (int(model.geom_contype[table]), int(model.geom_conaffinity[table]))
    model.opt.gravity[:] = 0.0
    model.geom_contype[table] = model.geom_conaffinity[table] = 0
    try:
        yield
    finally:
        model.opt.gravity[:] = gravity
        model.geom_contype[table], model.geom_conaffinity[table] = bits


def push(cell: Cell, acceleration: np.ndarray, seconds: float) -> None:
    """Push the object at its centre of mass with its mass times `acceleration` (3,) [m/s2, world], then let go."""
    force = cell.data.xfrc_applied[cell.object_body]
    force[:3] = cell.model.body_mass[cell.object_body] * acceleration
    cell.step(round(seconds / cell.model.opt.timestep))
    force[:] = 0.0


def close_and_squeeze(cell: Cell, plan: GraspPlan, tip_force: float = np.inf) -> None:
    """From the grasp pose, close as in `lift`, then hold for SQUEEZE_TIME.

    Meanwhile a finger whose tip presses on the object with more than `tip_force` [N] eases.
    """
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    drives = FingerDrives(cell, plan.closing)
    drives.close(closing_time(cell.hand, plan.closing))
    n_steps = round(CONTROL_PERIOD / cell.model.opt.timestep)
    for i in range(round(SQUEEZE_TIME / CONTROL_PERIOD)):
        if i % _EASE_EVERY == 0:
            _ease(cell, tip_force)
        cell.step(n_steps)


def tip_forces(cell: Cell) -> np.ndarray:
    """(3,) [N] with which each distal link presses on the object: the sum of its contacts' normal forces."""
    force = np.zeros(3)
    for body, _, _, normal_force in cell.hand_contacts():
        force[cell.distal_bodies == body] += normal_force
    return force


def penetration(cell: Cell) -> np.ndarray:
    """(n,) [m] how deep hand and object are in each other at each of their contacts, as of the last step."""
    contact, model = cell.data.contact, cell.model
    mixed = (model.geom_group[contact.geom] == HAND_GROUP).any(axis=1)
    mixed &= (model.geom_bodyid[contact.geom] == cell.object_body).any(axis=1)
    return np.maximum(-contact.dist[mixed], 0.0)


def _ease(cell: Cell, tip_force: float) -> None:
    """Scale the torques of fingers that press too hard: statically, the force at the tip goes with them."""
    data, model = cell.data, cell.model
    for finger in np.flatnonzero((force := tip_forces(cell)) > tip_force):
        share = _EASE_MARGIN * tip_force / force[finger]
        for joint, drive in ((cell.inner_qpos, cell.inner_ctrl), (cell.outer_qpos, cell.outer_ctrl)):
            angle, servo = data.qpos[joint[finger]], drive[finger]
            data.ctrl[servo] = angle + share * data.actuator_force[servo] / model.actuator_gainprm[servo, 0]


def raise_wrist(cell: Cell, height: float) -> bool:
    """Raise the wrist by `height` [m] in the time of a lift, and hold; False once nothing touches the object."""
    rising, n_steps = round(LIFT_TIME / WRIST_PERIOD), round(WRIST_PERIOD / cell.model.opt.timestep)
    for i in range(1, rising + round(HOLD_TIME / WRIST_PERIOD) + 1):
        cell.command_wrist(np.array([0.0, 0.0, height / LIFT_HEIGHT * lift_profile(i * WRIST_PERIOD)]))
        cell.step(n_steps)
        if not cell.touching_links():
            return False
    return True


def snapshot(cell: Cell) -> np.ndarray:
    """Everything that the next step depends on, but for the model."""
    state = np.empty(mujoco.mj_stateSize(cell.model, _STATE))
    mujoco.mj_getState(cell.model, cell.data, state, _STATE)
    return state


def restore(cell: Cell, state: np.ndarray) -> None:
    """Go back to a snapshot of this cell."""
    mujoco.mj_setState(cell.model, cell.data, state, _STATE)
