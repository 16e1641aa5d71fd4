"""What a grasp needs of a hand's driver and of an arm's: two small interfaces that every adapter implements."""

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError

TOLERANCE = "tolerance"  # reason of a task that missed its goal


class MotionFault(GmiError):
    """Why a motion cannot go on: besides code and message one or two lower_case words, as in GraspOutcome.reason.

    fingers: indices of the fingers it is about.
    """

    def __init__(self, code: ErrorCode, reason: str, message: str, fingers: tuple[int, ...] = ()):
        super().__init__(code, message)
        self.reason, self.fingers = reason, fingers

    def __reduce__(self):
        return type(self), (self.code, self.reason, self.message, self.fingers)


class Task:
    """A command that a driver has taken; whoever executes it ends it once, from any thread.

    reached: the driver says that it ended where it should. A driver that tells nothing leaves it unended: then the
    joints' positions decide.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.fault: MotionFault | None = None

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not."""
        return self._ended.is_set()

    def finish(self) -> None:
        """It has arrived."""
        self._ended.set()

    def fail(self, code: ErrorCode, reason: str, message: str) -> None:
        """It will not arrive. What comes after the end is not heard."""
        if not self._ended.is_set():
            self.fault = MotionFault(code, reason, message)
            self._ended.set()

    @classmethod
    def finished(cls) -> "Task":
        """One with nothing left to do."""
        task = cls()
        task.finish()
        return task

    @classmethod
    def failed(cls, code: ErrorCode, reason: str, message: str) -> "Task":
        """One that was refused at once."""
        task = cls()
        task.fail(code, reason, message)
        return task


@dataclass(frozen=True)
class HandState:
    """What was heard of the hand last. heard: on the monotonic clock [s].

    joints: (4,) [rad] spread, f1, f2, f3 (inner). outer: (3,) [rad] outer joints relative to the inner links. effort:
    (3,) [N m] torque of the inner joints, positive closing. tactile: (3,) [N] force on the fingertips. temperature: of
    the hottest motor [degrees Celsius]. None: the driver does not tell.
    """

    heard: float
    joints: np.ndarray
    outer: np.ndarray | None = None
    effort: np.ndarray | None = None
    tactile: np.ndarray | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class ArmState:
    """What was heard of the arm last. heard: on the monotonic clock [s]. base_from_mount: (4, 4)."""

    heard: float
    base_from_mount: np.ndarray


class Hand(Protocol):
    """A hand's driver. No method waits."""

    def prepare(self) -> Task:
        """Make it ready to move: initialise it where it needs that. Fails as `not_initialised`, `driver_absent` ..."""

    def state(self) -> HandState | None:
        """What was heard last, None where nothing was."""

    def move(self, joints: np.ndarray, speed: np.ndarray) -> Task:
        """Go to joints (4,) [rad], each at most at its speed (4,) [rad/s]. It may miss nothing."""

    def close(self, start: np.ndarray, speed: np.ndarray, target: np.ndarray) -> Task:
        """Close the fingers towards target (3,) [rad], each `start` (3,) [s] from now at its speed (3,) [rad/s].

        Missing the target is no fault: a finger that meets something stays there and presses.
        """

    def stop(self) -> None:
        """Stop now, and hold."""


class Arm(Protocol):
    """An arm's driver; it moves the hand's mount. No method waits. frame: name of the base frame of all poses."""

    frame: str

    def prepare(self) -> Task:
        """Make it ready to move; fails as `driver_absent` ..."""

    def state(self) -> ArmState | None:
        """What was heard last; None where nothing is told."""

    def move(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """Go there as the driver likes, no faster than `speed` [m/s] where it can be told."""

    def straight(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """Go there on a straight line, no faster than `speed` [m/s]."""

    def stop(self) -> None:
        """Stop now, and hold."""
