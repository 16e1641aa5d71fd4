"""What the phases of a grasp are made of: moving, closing, waiting, each a generator that goes on with every tick."""

from collections.abc import Callable, Iterator

import numpy as np

from gmi_ros.bridge.drivers import TOLERANCE, Arm, Hand, HandState, MotionFault, Task
from gmi_ros.bridge.fingers import StallWatch, at_stop, bend, everything, motors, tip_force
from gmi_ros.bridge.plan import MotionSettings
from gmi_ros.bridge.ways import angle, distance
from gmi_ros.core.errors import ErrorCode
from gmi_ros.hand.barrett import BarrettHand

_UNSEEN = 1.0  # [s] more of patience with joints whose motors are not told
# [rad] that a motor is ahead of its inner joint after breakaway (never behind: a finger that is pushed gives way so). The
# gears couple both before; what is less is a joint that lags.
_BROKEN_AWAY = 0.03
_SLACK = 4.0  # [s] that a straight way back may take beyond what its speed says

Steps = Iterator[None]


class Moves:
    """A hand and an arm through their drivers. now: [s], of whatever clock the drivers' states carry; set every tick.

    Its generators raise MotionFault where a driver fails, or joints or mount do not come where they are sent.
    """

    def __init__(self, hand: Hand, arm: Arm, figures: BarrettHand, settings: MotionSettings):
        self.hand, self.arm, self.figures, self.settings = hand, arm, figures, settings
        self.now = 0.0

    def stop(self) -> None:
        """Both, now."""
        self.hand.stop()
        self.arm.stop()

    def state(self) -> HandState:
        """The hand's newest. Raises MotionFault where it has told nothing yet."""
        state = self.hand.state()
        if state is None:
            raise MotionFault(ErrorCode.ACTION_SERVER_LOST, "hand_silent", "the hand has not told where its joints are")
        return state

    def wait(self, time: float, check: Callable[[], None] = lambda: None) -> Steps:
        """For this time [s], with a look at `check` every tick."""
        end = self.now + time
        while self.now < end:
            check()
            yield

    def go(self, target: np.ndarray, speed: np.ndarray) -> Steps:
        """Move the hand until its joints are there; what stays short of it and rests is blocked."""
        s = self.settings
        first, task = self.state(), self.hand.move(target, speed)
        watch = StallWatch(everything(first), first.heard + s.response_time, s.stall_angle)
        # A motor that is ahead of its inner joint (breakaway) comes back first, unseen where the outer one is unknown.
        patience = s.stall_time if first.outer is not None else s.stall_time + _UNSEEN
        while True:
            state = self.state()
            away = np.abs(state.joints - target) > s.joint_tolerance
            watch.update(everything(state), state.heard)
            if not away.any() and (task.ended or watch.stalled(state.heard, s.stall_time).all()):
                return
            if task.fault and task.fault.reason != TOLERANCE:  # that a joint stays short is seen, and which
                raise task.fault
            if away.any() and watch.stalled(state.heard, patience).all():
                self._raise_blocked(away, watch.moved[:4], state.joints, target)
            yield

    def travel(self, command: Callable[[np.ndarray, float], Task], pose: np.ndarray, speed: float) -> Steps:
        """Move the arm until its driver says so, and hold it to where it says it is."""
        task = command(pose, speed)
        while not task.ended:
            yield
        if task.fault:
            raise task.fault
        s, patience = self.settings, self.now + self.settings.response_time  # what it tells comes after its answer
        while (arm := self.arm.state()) is not None:
            off, turn = distance(pose, arm.base_from_mount), angle(pose, arm.base_from_mount)
            if off <= s.position_tolerance and turn <= s.angle_tolerance:
                return
            if self.now > patience:
                missed = f"the arm says that it arrived, {1e3 * off:.0f} mm and {turn:.2f} rad from where it was sent"
                raise MotionFault(ErrorCode.EXECUTION_FAILED, "arm_missed", missed)
            yield

    def straight(self, pose: np.ndarray, speed: float, start: np.ndarray) -> Steps:
        """On a straight line to a pose (4, 4) of the mount, in good time. start: (4, 4), where the arm tells no pose."""
        arm = self.arm.state()
        way = distance(pose, start if arm is None else arm.base_from_mount)
        end = self.now + way / speed + self.settings.response_time + _SLACK
        for _ in self.travel(self.arm.straight, pose, speed):
            if self.now > end:
                raise MotionFault(ErrorCode.EXECUTION_TIMEOUT, "arm_timeout", "the arm takes too long")
            yield

    def press(self, start: np.ndarray, speed: np.ndarray, force_limit: float, most: np.ndarray | None = None) -> Steps:
        """Close until no finger moves any more; one that presses hard enough is held where it is.

        After breakaway, where the outer joint tells of it, a motor goes on by the hand's `curl` at most: a fingertip that
        slides on does not leave the object. Not where `most` is given.

        start: (3,) [s] from now. speed: (3,) [rad/s]. force_limit: [N]. most: (3,) [rad] how far the motors go, where
        nothing stops them; None: to their limits.
        """
        s, f = self.settings, self.figures
        limit = f.limits[1:, 1].copy() if most is None else most
        target, state, began = limit.copy(), self.state(), self.now
        task = self.hand.close(start, speed, target)
        watch = StallWatch(bend(state), state.heard + start + s.response_time, s.stall_angle)
        held, curls = np.zeros(3, bool), np.full(3, most is not None)
        while True:
            yield
            if task.fault and task.fault.reason != TOLERANCE:
                raise task.fault
            state = self.state()
            watch.update(bend(state), state.heard)
            started = self.now - began >= start
            stopped = watch.stalled(state.heard, s.stall_time) | at_stop(state, f, s.joint_tolerance)
            if (started & stopped).all():
                return
            at, inner = motors(state, f)[1:], state.joints[1:]
            hard = (tip_force(state, f) > force_limit) & ~held
            gone = (at - inner > _BROKEN_AWAY) & ~curls & ~hard & ~held
            held, curls = held | hard, curls | gone
            if (hard | gone).any():
                target = np.where(hard, at, np.where(gone, np.minimum(inner + f.coupling.curl, limit), target))
                task = self.hand.close(np.maximum(start - (self.now - began), 0.0), speed, target)

    def keep_force(self, force_limit: float) -> Callable[[], None]:
        """Called again and again: stops the hand once, where a fingertip presses harder than it may [N]."""
        stopped = False

        def check() -> None:
            nonlocal stopped
            if not stopped and (tip_force(self.state(), self.figures) > force_limit).any():
                self.hand.stop()
                stopped = True

        return check

    def _raise_blocked(self, away: np.ndarray, moved: np.ndarray, joints: np.ndarray, target: np.ndarray) -> None:
        fingers = tuple(i for i in range(3) if away[i + 1])
        names = [f"F{i + 1}" for i in fingers] + (["the spread"] if away[0] else [])
        at, wanted = np.round(joints[away], 2).tolist(), np.round(target[away], 2).tolist()
        text = f"{', '.join(names)} stopped at {at} rad on the way to {wanted} rad"
        if not moved.any() and away.sum() > 1:
            raise MotionFault(
                ErrorCode.EXECUTION_FAILED, "hand_does_not_move", f"{text}: is the hand initialised, is it powered?"
            )
        raise MotionFault(ErrorCode.EXECUTION_FAILED, "finger_blocked" if fingers else "spread_blocked", text, fingers)
