"""Something to drive: what stands behind mock drivers, and the simplest of it, a hand and an arm without physics."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from gmi_ros.core import poses
from gmi_ros.hand.barrett import BarrettHand

HOME = poses.make(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 0.6]))  # base_from_mount of a new FreePlant


@dataclass(frozen=True)
class PlantState:
    """What sensors see. motor: (4,) [rad] of the drives, as angles of spread and inner joints; the rest as HandState."""

    motor: np.ndarray
    joints: np.ndarray
    outer: np.ndarray
    effort: np.ndarray
    tactile: np.ndarray
    base_from_mount: np.ndarray


class Plant(Protocol):
    """A hand on an arm that follows set points."""

    stuck: set[int]  # fingers (0 to 2) whose motor does not turn

    def command_hand(self, motor: np.ndarray) -> None:
        """Set point of the drives (4,) [rad], as angles of spread and inner joints."""

    def command_arm(self, base_from_mount: np.ndarray) -> None:
        """Set point of the mount (4, 4)."""

    def advance(self, time: float) -> None:
        """Let this time [s] go by."""

    def read(self) -> PlantState:
        """What the sensors see now."""


@dataclass
class FreePlant:
    """Hand and arm follow at once; fingers meet an object, where there is one, at given inner angles.

    contact: (3,) [rad], inf where a finger meets nothing. slips: the object is lost as soon as it is lifted, whereupon
    nothing stops the fingers. give: how far a finger's outer link goes on after its contact [rad of the motor].
    """

    hand: BarrettHand
    contact: np.ndarray = field(default_factory=lambda: np.full(3, np.inf))
    slips: bool = False
    give: float = 0.15
    stuck: set[int] = field(default_factory=set)
    base_from_mount: np.ndarray = field(default_factory=HOME.copy)
    motor: np.ndarray = field(default_factory=lambda: np.zeros(4))
    lost: bool = False
    held: bool = False  # all fingers press on the object

    def command_hand(self, motor: np.ndarray) -> None:
        """As Plant."""
        wanted = np.clip(motor, *self.hand.hard_limits.T)
        for i in self.stuck:
            wanted[i + 1] = self.motor[i + 1]
        wanted[1:] = np.minimum(wanted[1:], self._stop())
        self.motor = wanted
        self.held = bool((self.motor[1:] >= self.contact - 1e-9).all()) and not self.lost

    def command_arm(self, base_from_mount: np.ndarray) -> None:
        """As Plant."""
        rising = base_from_mount[2, 3] > self.base_from_mount[2, 3] + 1e-9
        self.base_from_mount = base_from_mount.copy()
        self.lost |= self.slips and self.held and rising

    def advance(self, time: float) -> None:
        """As Plant; nothing moves by itself."""

    def read(self) -> PlantState:
        """As Plant."""
        inner = np.minimum(self.motor[1:], np.inf if self.lost else self.contact)
        broken = self.motor[1:] > inner
        outer = np.where(
            broken, self.hand.outer_after_breakaway(self.motor[1:], inner), self.hand.coupled_outer(self.motor[1:])
        )
        pressing = (self.motor[1:] >= self._stop() - 1e-6) & np.isfinite(self.contact) & (not self.lost)
        tactile = np.where(pressing, 5.0, np.where(broken, 2.0, 0.0))
        effort = tactile * self.hand.forces.inner_torque_max / self.hand.forces.tip_max
        joints = np.append(self.motor[0], inner)
        return PlantState(self.motor.copy(), joints, outer, effort, tactile, self.base_from_mount.copy())

    def _stop(self) -> np.ndarray:
        """(3,) [rad] where the motors can go no further."""
        return np.minimum(self.hand.limits[1:, 1], np.inf if self.lost else self.contact + self.give)
