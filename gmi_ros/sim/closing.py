"""Closing the hand as the real one does: one motor per finger, TorqueSwitch breakaway, not backdrivable."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell

CONTROL_STEPS = 2  # simulation steps between two commands to the finger drives
_ASK_EVERY = 25  # commands between two questions whether to stop


@dataclass(frozen=True)
class ClosingPlan:
    """When each finger starts [s] after the closing begins, and how fast its inner joint moves [rad/s]: (3,) each."""

    start: np.ndarray
    speed: np.ndarray

    @classmethod
    def together(cls, speed: float) -> "ClosingPlan":
        """All fingers at once at one speed."""
        return cls(np.zeros(3), np.full(3, speed))


class FingerDrives:
    """The three finger motors. `motor` is each motor's angle in units of the inner joint (motor / 125) [rad].

    Until breakaway inner = motor and outer = motor / 3. When the torque on the inner link passes the threshold, the
    inner link locks at b = motor and outer = 4 motor / 3 - b, until the outer joint's torque reaches the active limit.
    After that the worm gears hold: the command stays, and the joint gives way only past the passive limit, which is
    the force range of its servo. (facts: couplings of the BH8-280; manual p. 68.)
    """

    def __init__(self, cell: Cell, plan: ClosingPlan):
        self.cell, self.hand, self.plan = cell, cell.hand, plan
        self.motor = cell.data.qpos[cell.inner_qpos].copy()  # (3,) [rad]
        self.locked = np.zeros(3, bool)
        self.stalled = np.zeros(3, bool)
        self.lock = np.zeros(3)
        self.max_outer = self.hand.limits_by_joint.outer_hard[1]  # [rad]
        self._elapsed = 0.0

    def advance(self) -> None:
        """One command to each finger, and the simulation steps until the next."""
        hand, cell = self.hand, self.cell
        dt = CONTROL_STEPS * cell.model.opt.timestep
        self._elapsed += dt
        moving = ~self.stalled & (self._elapsed >= self.plan.start)
        self.motor = np.where(moving, self.motor + self.plan.speed * dt, self.motor)
        outer = np.where(self.locked, hand.outer_after_breakaway(self.motor, self.lock), hand.coupled_outer(self.motor))
        cell.data.ctrl[cell.inner_ctrl] = np.where(self.locked, self.lock, self.motor)
        cell.data.ctrl[cell.outer_ctrl] = np.minimum(outer, self.max_outer)
        cell.step(CONTROL_STEPS)

        torque_inner = cell.data.actuator_force[cell.inner_ctrl]
        torque_outer = cell.data.actuator_force[cell.outer_ctrl]
        breaks = ~self.locked & (torque_inner > hand.coupling.breakaway_torque)
        self.lock = np.where(breaks, self.motor, self.lock)
        self.locked |= breaks
        at_end = np.where(self.locked, outer >= self.max_outer, self.motor >= hand.limits[1:, 1])
        self.stalled |= at_end | (self.locked & (torque_outer > hand.forces.outer_torque_grasp))

    def close(self, max_time: float, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Advance until every finger has stalled, at most `max_time` [s], or until `cancelled`."""
        for i in range(int(max_time / (CONTROL_STEPS * self.cell.model.opt.timestep))):
            if self.stalled.all() or (i % _ASK_EVERY == 0 and cancelled()):
                return
            self.advance()


def closing_time(hand: BarrettHand, plan: ClosingPlan) -> float:
    """Time [s] in which every finger of the plan surely has stalled."""
    return float((plan.start + 1.6 * hand.hard_limits[1:, 1] / plan.speed).max())
