"""The picking cell as a plant: hand and arm follow set points, and physics says what comes of it."""

import numpy as np

from gmi_ros.bridge.plant import PlantState
from gmi_ros.core import poses
from gmi_ros.sim.cell import PARKED, Cell
from gmi_ros.sim.closing import CONTROL_PERIOD
from gmi_ros.sim.trial import judge

_TURNED = 1e-6  # of a rotation matrix: beyond this the hand is turned, not only moved
_TURNED_HOLDING = 0.01  # the same while it touches the object, which a hand that is put elsewhere would lose
_STILL = 5e-3  # speed of an object that stands [m/s, rad/s]
_STEP = 1e-4  # [rad] of a set point that asks a motor to move


class LiveCell:
    """A Plant in a Cell. Poses are of the palm {P} in the frame `world_from_base`; the mount is the palm.

    The drives are those of sim.closing (TorqueSwitch breakaway, torque limit, not backdrivable), here in both
    directions. The arm is ideal: where it only moves, it is the servo of three slides, as in a trial; where it turns,
    the hand is taken along as it is. pinned: hold the object while the fingers close, as a trial does.
    """

    def __init__(self, cell: Cell, world_from_base: np.ndarray, pinned: bool = True):
        self.cell, self.hand, self.pinned = cell, cell.hand, pinned
        self._world_from_base = world_from_base
        self.stuck: set[int] = set()
        self._n_steps = round(CONTROL_PERIOD / cell.model.opt.timestep)
        self._actuators = np.concatenate([cell.inner_ctrl, cell.outer_ctrl])
        self._max_outer = float(self.hand.limits_by_joint.outer_hard[1])
        self._max_inner = float(self.hand.limits[1:, 1].min())
        self._left = 0.0  # of time that was asked for [s]
        self._is_pinned = False
        self.park()

    def park(self) -> None:
        """The hand at rest, open and out of the way; the object stays."""
        self._let_go()
        self._motor = np.zeros(4)
        self._wanted = np.zeros(4)
        self._lock: list[float | None] = [None] * 3
        self._stalled = [False] * 3
        self._closing = [False] * 3  # the way that the motor turned last
        self._anchor = PARKED.copy()
        self._mount = PARKED.copy()
        self.cell.place_hand(PARKED, np.zeros(4))

    def command_hand(self, motor: np.ndarray) -> None:
        """As Plant. A set point that falls back begins another motion: a motor that had stalled presses anew."""
        wanted = np.clip(motor, *self.hand.hard_limits.T)
        for i in np.flatnonzero(wanted[1:] < self._wanted[1:] - _STEP):
            self._stalled[i] = False
        self._wanted = wanted

    def command_arm(self, base_from_mount: np.ndarray) -> None:
        """As Plant."""
        wanted = self._world_from_base @ base_from_mount
        if np.abs(wanted - self._mount).max() > 1e-7:
            self._let_go()
        self._mount = wanted
        turned = np.abs(wanted[:3, :3] - self._anchor[:3, :3]).max()
        if turned > _TURNED_HOLDING or (turned > _TURNED and not self.cell.touching_links()):
            self._anchor = wanted.copy()
            self._place(wanted)
        else:
            self.cell.command_wrist(wanted[:3, 3] - self._anchor[:3, 3])

    def advance(self, time: float) -> None:
        """As Plant, in whole control periods; what is left over comes next time.

        Raises:
            GmiError: INTERNAL where the simulation diverges.
        """
        self._left += time
        while self._left >= CONTROL_PERIOD:
            self._left -= CONTROL_PERIOD
            self._control()
            self.cell.step(self._n_steps)
            self._feel()

    def read(self) -> PlantState:
        """As Plant. tactile: sum of the forces between a fingertip's link and the object."""
        cell, data = self.cell, self.cell.data
        tactile = np.zeros(3)
        for body, _, _, force in cell.hand_contacts():
            tactile[cell.distal_bodies == body] += force
        palm = poses.inverse(self._world_from_base) @ cell.world_from_palm
        return PlantState(
            self._motor.copy(),
            cell.joints.copy(),
            data.qpos[cell.outer_qpos].copy(),
            data.actuator_force[cell.inner_ctrl].copy(),
            tactile,
            palm,
        )

    @property
    def verdict(self) -> str:
        """What the paper's rule says of the object now: one of sim.trial.REASONS."""
        return judge(self.cell)

    @property
    def is_near(self) -> bool:
        """Whether the hand is where it may be touching the object."""
        away = self.cell.world_from_palm[:3, 3] - self.cell.world_from_object[:3, 3]
        return bool(np.linalg.norm(away) < 0.4)

    @property
    def is_at_rest(self) -> bool:
        """Whether the object stands still."""
        return self.cell.object_speed() < _STILL

    def _control(self) -> None:
        """The next command to each drive: see sim.closing.FingerDrives, whose law this is."""
        hand, most = self.hand, self.hand.max_speed * CONTROL_PERIOD
        closing = False
        step = np.clip(self._wanted - self._motor, -most, most)
        self._motor[0] += step[0]
        for i in range(3):
            way = float(step[i + 1])
            if i in self.stuck:
                continue
            if way < -1e-9:
                self._stalled[i] = False
            elif self._stalled[i]:
                continue
            if abs(way) > 1e-9:
                self._closing[i] = way > 0
            closing |= self._closing[i]
            self._motor[i + 1] += way
            lock = self._lock[i]
            if lock is not None and self._motor[i + 1] <= lock:
                self._lock[i] = None
        if closing and self.pinned and not self._is_pinned and self._rests():
            self.cell.pin(True)
            self._is_pinned = True
        inner, outer = [], []
        for motor, lock in zip(self._motor[1:], self._lock):
            inner.append(motor if lock is None else lock)
            outer.append(hand.coupled_outer(motor) if lock is None else hand.outer_after_breakaway(motor, lock))
        data = self.cell.data
        data.ctrl[self.cell._spread_ctrl] = self._motor[0]
        data.ctrl[self._actuators] = inner + [min(angle, self._max_outer) for angle in outer]

    def _feel(self) -> None:
        """What the drives notice: breakaway, the torque limit, the stops."""
        hand, motor = self.hand, self._motor[1:]
        torque = self.cell.data.actuator_force[self._actuators]
        for i in range(3):
            closing = self._closing[i]
            if closing and self._lock[i] is None and torque[i] > hand.coupling.breakaway_torque:
                self._lock[i] = float(motor[i])
            if self._lock[i] is None:
                self._stalled[i] |= motor[i] >= self._max_inner
            elif closing:
                outer = hand.outer_after_breakaway(motor[i], self._lock[i])
                self._stalled[i] |= outer >= self._max_outer or torque[3 + i] > hand.forces.outer_torque_grasp
        if self._is_pinned and not self._is_closing():
            self._let_go()

    def _is_closing(self) -> bool:
        return any(closes and not stalled for closes, stalled in zip(self._closing, self._stalled))

    def _rests(self) -> bool:
        """Whether the arm has arrived and the object stands on the table."""
        off = np.linalg.norm(self.cell.world_from_palm[:3, 3] - self._mount[:3, 3])
        centre, extent = self.cell.object_bounds()
        return bool(off < 0.005 and centre[2] - extent[2] < 0.01)

    def _let_go(self) -> None:
        if self._is_pinned:
            self.cell.pin(False)
        self._is_pinned = False

    def _place(self, world_from_palm: np.ndarray) -> None:
        """Put the hand there as it is bent, without stopping its joints."""
        cell, data = self.cell, self.cell.data
        kept = data.qpos.copy(), data.qvel.copy(), data.ctrl.copy()
        cell.place_hand(world_from_palm, self._motor)
        hand_only = np.ones(len(kept[0]), bool)
        hand_only[cell._wrist_qpos] = False
        data.qpos[hand_only] = kept[0][hand_only]
        data.qvel[:] = kept[1]
        ctrl = np.ones(len(kept[2]), bool)
        ctrl[cell._wrist_ctrl] = False
        data.ctrl[ctrl] = kept[2][ctrl]
