"""Drivers of a plant, with the faults of real ones: what mock drivers hand on to, and what the motion is tested with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gmi_ros.bridge.drivers import TOLERANCE, ArmState, HandState, Task
from gmi_ros.bridge.plant import Plant
from gmi_ros.bridge.ways import along, straight_way
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import BarrettHand

FAULTS = ("none", "not_initialised", "finger_stuck", "rejected", "aborted", "silent", "silent_5s")
_SILENCE = 5.0  # [s] of `silent_5s`
_STUCK_FINGER = 1  # F2
_SETTLE = 0.3  # [s] a trajectory's end is waited for before it counts as missed
_MISSED = 0.05  # [rad] from its goal
_STEP = 0.02  # [s] between the poses of a straight way


@dataclass
class Fault:
    """What goes wrong with one driver, from the command number `after` on (0: the first).

    `not_initialised`: refuses to move until it is initialised. `finger_stuck`: F2's motor does not turn. `rejected`:
    refuses the command, once. `aborted`: breaks it off as out of tolerance, once. `silent`: tells and does nothing any
    more; `silent_5s`: for 5 s.

    Raises:
        GmiError: BAD_SETTING for another kind.
    """

    kind: str = "none"
    after: int = 0

    def __post_init__(self):
        if self.kind not in FAULTS:
            raise GmiError(ErrorCode.BAD_SETTING, f"fault must be one of {', '.join(FAULTS)}, got {self.kind!r}")


class _Driver:
    """Counts commands, and lets the fault begin. plant: what it drives; may be exchanged at rest."""

    def __init__(self, plant: Plant, fault: Fault | None, clock: Callable[[], float]):
        self.plant, self._clock = plant, clock
        self.fault = fault or Fault()
        self.commands = 0
        self._silent_until = -np.inf
        self._task: Task | None = None

    @property
    def now(self) -> float:
        """The plant's time [s]."""
        return self._clock()

    @property
    def is_silent(self) -> bool:
        """Neither tells nor does anything now."""
        return self._clock() < self._silent_until

    def refusal(self) -> Task | None:
        """A task that does not come to anything, where the fault says so; None where the command is to be carried out."""
        due, self.commands = self.commands >= self.fault.after, self.commands + 1
        if self.is_silent:
            return Task()  # unheard
        if not due or self.fault.kind in ("none", "not_initialised"):
            return None
        if self.fault.kind == "finger_stuck":
            self.plant.stuck = {_STUCK_FINGER}
            return None
        kind, self.fault = self.fault.kind, Fault()
        if kind == "rejected":
            return Task.failed(ErrorCode.EXECUTION_FAILED, "goal_rejected", "the driver rejected the goal")
        if kind == "aborted":
            return Task.failed(
                ErrorCode.EXECUTION_FAILED, "goal_aborted", "the driver aborted: path tolerance violated"
            )
        self._silent_until = np.inf if kind == "silent" else self._clock() + _SILENCE
        return Task()

    def _replace(self, task: Task | None) -> None:
        if self._task is not None:
            self._task.fail(ErrorCode.CANCELLED, "replaced", "another command came")
        self._task = task


class SimulatedHand(_Driver):
    """Follows trajectories of its four drives. tells: what its states carry beside the joints.

    clock: the plant's time [s]. initialised: as the real one, it must be before it moves.
    """

    def __init__(
        self,
        plant: Plant,
        hand: BarrettHand,
        clock: Callable[[], float],
        fault: Fault | None = None,
        tells: tuple[str, ...] = ("outer", "effort", "tactile"),
    ):
        super().__init__(plant, fault, clock)
        self._hand, self.tells = hand, tells
        self.initialised = self.fault.kind != "not_initialised"
        self.temperature = 40.0
        self._follow: tuple[float, np.ndarray, np.ndarray] | None = None  # begin [s], times (n,), motors (n, 4)
        self._strict = False
        self._heard = self._read()

    def prepare(self) -> Task:
        """Fails where it is not initialised: only a person, or a driver that is asked to, moves an unknown hand."""
        if self.initialised:
            return Task.finished()
        return Task.failed(ErrorCode.EXECUTION_FAILED, "not_initialised", "the hand is not initialised")

    def initialise(self) -> None:
        """As the real one: fingers, then spread, to their stops."""
        self.initialised = True

    def state(self) -> HandState | None:
        """What it told last."""
        if not self.is_silent:
            self._heard = self._read()
        return self._heard

    def move(self, joints: np.ndarray, speed: np.ndarray) -> Task:
        """As Hand."""
        now = self.plant.read().motor
        time = float(np.max(np.abs(joints - now) / np.maximum(speed, 1e-6)))
        return self.follow(np.array([max(time, 0.01)]), np.atleast_2d(joints), strict=True)

    def close(self, start: np.ndarray, speed: np.ndarray, target: np.ndarray) -> Task:
        """As Hand."""
        now = self.plant.read().motor
        times, points = closing_points(now, start, speed, target)
        return self.follow(times, points, strict=False)

    def follow(self, times: np.ndarray, points: np.ndarray, strict: bool) -> Task:
        """A trajectory from where it is: points (n, 4) [rad] at times (n,) [s]. strict: missing its end is a fault."""
        refused = self.refusal()
        if refused is not None:
            return refused
        if not self.initialised:
            return Task.failed(ErrorCode.EXECUTION_FAILED, "goal_rejected", "the hand is not initialised")
        now = self.plant.read().motor
        self._follow = self._clock(), np.append(0.0, times), np.vstack([now, points])
        self._strict = strict
        self._replace(Task())
        return self._task

    def stop(self) -> None:
        """As Hand."""
        if not self.is_silent:
            self._follow = None
            self._replace(None)

    def advance(self) -> None:
        """Give the plant the set point of now; a silent driver leaves its motors where they are."""
        if self._follow is None or self.is_silent:
            return
        begin, times, points = self._follow
        elapsed = self._clock() - begin
        self.plant.command_hand(np.array([np.interp(elapsed, times, points[:, i]) for i in range(4)]))
        if self._task is None or elapsed < times[-1]:
            return
        missed = np.abs(self.plant.read().motor - points[-1]).max()
        if missed <= _MISSED:
            self._task.finish()
        elif elapsed > times[-1] + _SETTLE:
            if self._strict:
                self._task.fail(ErrorCode.EXECUTION_FAILED, TOLERANCE, f"missed the goal by {missed:.2f} rad")
            self._task.finish()

    def _read(self) -> HandState:
        read = self.plant.read()
        told = {name: getattr(read, name) for name in ("outer", "effort", "tactile") if name in self.tells}
        return HandState(self._clock(), read.joints, temperature=self.temperature, **told)


class SimulatedArm(_Driver):
    """Takes the mount along straight lines, or wherever a function of time says.

    turn_speed: of the mount [rad/s].
    """

    def __init__(
        self,
        plant: Plant,
        clock: Callable[[], float],
        fault: Fault | None = None,
        turn_speed: float = 1.5,
        frame: str = "base",
    ):
        super().__init__(plant, fault, clock)
        self._turn_speed, self.frame = turn_speed, frame
        self._path: tuple[float, float, Callable[[float], np.ndarray]] | None = None  # begin, length [s], set point
        self._heard = self._read()

    def prepare(self) -> Task:
        """It always is ready."""
        return Task.finished()

    def state(self) -> ArmState | None:
        """What it told last."""
        if not self.is_silent:
            self._heard = self._read()
        return self._heard

    def move(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm."""
        return self.straight(base_from_mount, speed)

    def straight(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm."""
        now = self.plant.read().base_from_mount
        times, path = straight_way(now, base_from_mount, speed, self._turn_speed, _STEP)
        times, path = np.append(0.0, times), [now, *path]
        return self.follow(float(times[-1]), lambda elapsed: along(times, path, elapsed))

    def follow(self, length: float, pose_at: Callable[[float], np.ndarray]) -> Task:
        """For `length` [s] the pose (4, 4) that `pose_at` gives for the time since its begin [s]."""
        refused = self.refusal()
        if refused is not None:
            return refused
        self._path = self._clock(), length, pose_at
        self._replace(Task())
        return self._task

    def stop(self) -> None:
        """As Arm."""
        if not self.is_silent:
            self._path = None
            self._replace(None)

    def advance(self) -> None:
        """Give the plant the set point of now; a silent driver leaves the arm where it is."""
        if self._path is None or self.is_silent:
            return
        begin, length, pose_at = self._path
        elapsed = self._clock() - begin
        self.plant.command_arm(pose_at(min(elapsed, length)))
        if self._task is not None and elapsed >= length + _SETTLE:
            self._task.finish()

    def _read(self) -> ArmState:
        return ArmState(self._clock(), self.plant.read().base_from_mount)


def closing_points(now: np.ndarray, start: np.ndarray, speed: np.ndarray, target: np.ndarray):
    """Times (n,) [s] and points (n, 4) [rad]: each finger starts and moves by itself; the spread stays."""
    arrive = start + np.maximum(target - now[1:], 0.0) / speed
    times = np.unique(np.concatenate([start, arrive]))
    times = times[times > 1e-3]
    if not times.size:
        times = np.array([0.01])
    share = np.clip((times[:, None] - start) / np.maximum(arrive - start, 1e-9), 0.0, 1.0)
    fingers = now[1:] + share * (target - now[1:])
    return times, np.column_stack([np.full(len(times), now[0]), fingers])
