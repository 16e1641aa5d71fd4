"""Closing the hand as the real one does: one motor per finger, TorqueSwitch breakaway, not backdrivable."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell

CONTROL_PERIOD = 0.004  # between two commands to the finger drives [s]
_SKIPPED = 5  # commands that are skipped together where nothing is touched
_ASK_EVERY = 25  # commands between two questions whether to stop


@dataclass(frozen=True)
class ClosingPlan:
    """When each finger starts [s] after the closing begins, and how fast its inner joint moves [rad/s]: (3,) each.

    curl: how far a motor goes on after breakaway [rad], where no torque stops it before.
    """

    start: np.ndarray
    speed: np.ndarray
    curl: float = math.inf

    @classmethod
    def together(cls, speed: float, curl: float = math.inf) -> "ClosingPlan":
        """All fingers at once at one speed."""
        return cls(np.zeros(3), np.full(3, speed), curl)


class FingerDrives:
    """The three finger motors. `motor` is each motor's angle in units of the inner joint (motor / 125) [rad].

    Until breakaway inner = motor and outer = motor / 3. When the torque on the inner link passes the threshold, the
    inner link locks at b = motor and outer = 4 motor / 3 - b, until the outer joint's torque reaches the active limit, or
    the motor has gone on as far as the plan lets it.
    After that the worm gears hold: the command stays, and the joint gives way only past the passive limit, which is
    the force range of its servo. (facts: couplings of the BH8-280; manual p. 68.)
    """

    def __init__(self, cell: Cell, plan: ClosingPlan):
        self.cell, self.hand = cell, cell.hand
        self.start, self.speed, self.curl = plan.start.tolist(), plan.speed.tolist(), plan.curl
        self.motor = cell.data.qpos[cell.inner_qpos].tolist()  # (3,) [rad]
        self.lock: list[float | None] = [None] * 3  # angle of the inner link at breakaway [rad]
        self.stalled = [False] * 3
        self._n_steps = round(CONTROL_PERIOD / cell.model.opt.timestep)
        self._actuators = np.concatenate([cell.inner_ctrl, cell.outer_ctrl])
        self._max_outer = float(self.hand.limits_by_joint.outer_hard[1])  # [rad]
        self._max_inner = float(self.hand.limits[1:, 1].min())
        self._elapsed = 0.0

    def advance(self) -> None:
        """One command to each finger, and the simulation steps until the next.

        Plain numbers, not arrays: this runs between every two steps of every trial.
        """
        data, hand = self.cell.data, self.hand
        self._elapsed += CONTROL_PERIOD
        inner, outer = [0.0] * 3, [0.0] * 3
        for i in range(3):
            if not self.stalled[i] and self._elapsed >= self.start[i]:
                self.motor[i] += self.speed[i] * CONTROL_PERIOD
            motor, lock = self.motor[i], self.lock[i]
            inner[i] = motor if lock is None else lock
            outer[i] = hand.coupled_outer(motor) if lock is None else hand.outer_after_breakaway(motor, lock)
        data.ctrl[self._actuators] = inner + [min(angle, self._max_outer) for angle in outer]
        self.cell.step(self._n_steps)

        torque = data.actuator_force[self._actuators].tolist()
        for i in range(3):
            if self.lock[i] is None and torque[i] > hand.coupling.breakaway_torque:
                self.lock[i] = self.motor[i]
            if self.lock[i] is None:
                self.stalled[i] |= self.motor[i] >= self._max_inner
            else:
                curled = self.motor[i] - self.lock[i] >= self.curl or outer[i] >= self._max_outer
                self.stalled[i] |= curled or torque[3 + i] > hand.forces.outer_torque_grasp

    def skip_free(self) -> None:
        """Run the motors on, without dynamics, to shortly before the hand touches anything: nothing else happens until then."""
        spread, begin, since = self.cell.joints[0], list(self.motor), self._elapsed
        motor, elapsed = begin, since
        while True:
            further = elapsed + _SKIPPED * CONTROL_PERIOD
            times = [max(0.0, further - max(start, since)) for start in self.start]
            there = [angle + speed * time for angle, speed, time in zip(begin, self.speed, times, strict=True)]
            self.cell.place_joints(np.array([spread, *there]))
            if max(there) >= self._max_inner or self.cell.collides():
                break
            motor, elapsed = there, further
        self.motor, self._elapsed = motor, elapsed
        self.cell.place_joints(np.array([spread, *motor]))

    def close(self, max_time: float, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Advance until every finger has stalled, at most `max_time` [s], or until `cancelled`."""
        for i in range(int(max_time / CONTROL_PERIOD)):
            if all(self.stalled) or (i % _ASK_EVERY == 0 and cancelled()):
                return
            self.advance()


def closing_time(hand: BarrettHand, plan: ClosingPlan) -> float:
    """Time [s] in which every finger of the plan surely has stalled."""
    return float((plan.start + 1.6 * hand.hard_limits[1:, 1] / plan.speed).max())
