"""The motion of a grasp as a state machine: phase after phase, and from each a defined way back."""

from collections.abc import Callable, Iterator

import numpy as np

from gmi_ros.bridge.drivers import Arm, ArmState, Hand, HandState, MotionFault, Task
from gmi_ros.bridge.fingers import StallWatch, bend, everything, finger_states, motors, tip_force
from gmi_ros.bridge.plan import FingerState, MotionPlan, MotionSettings, Outcome, Phase
from gmi_ros.bridge.ways import angle, behind, distance, moved
from gmi_ros.core.errors import ErrorCode
from gmi_ros.hand.barrett import BarrettHand

TOLERANCE = "tolerance"  # reason of a task that missed its goal
_RETRY = 0.5  # [s] between two attempts on the way back
_SLACK = 4.0  # [s] that an attempt on the way back may take beyond what its speed says
_UNSEEN = 1.0  # [s]
_SPIKE = 0.2  # [s] of force beyond the hand's that is an impact, not a squeeze
_PROBE_SPEED = 0.5  # of the fingers that press again before the verdict [rad/s]
_PROBE = 1.5  # how far they go then, in slip_angle

Steps = Iterator[None]


class GraspMotion:
    """Call `tick` every few milliseconds until it returns True; `outcome` then holds what came of it.

    Opens and spreads, goes to the pre-grasp, straight to the grasp, closes each finger to its contact, squeezes, lifts,
    holds and judges. Whatever fails or is cancelled stops hand and arm within the same tick, and then goes back: down
    with what was lifted, open, and straight away from the object. Nothing here waits, and no time is read: `now` is
    whatever monotonic clock [s] the drivers' states carry.
    """

    def __init__(self, plan: MotionPlan, hand: Hand, arm: Arm, figures: BarrettHand, settings: MotionSettings):
        self.plan, self.settings, self.outcome = plan, settings, Outcome()
        self.phase = Phase.OPENING
        self.stopped_at = float("nan")  # when a fault or a cancel stopped it, by `now` [s]
        self._hand, self._arm, self._figures = hand, arm, figures
        self._now = self._began = self._expected = 0.0
        self._deadline = float("inf")
        self._bearable = 0.0  # when no fingertip pressed too hard, last [s]
        self._cancelled = ""
        self._failing = self._done = False
        self._steps: Steps = self._forward()

    @property
    def progress(self) -> float:
        """Share of the phase that is done, by its time: 0 to 1."""
        return float(np.clip((self._now - self._began) / max(self._expected, 1e-3), 0.0, 1.0))

    def cancel(self, why: str) -> None:
        """Stop with the next tick and go back; from any thread. On the way back it changes nothing."""
        self._cancelled = why or "cancelled"

    def tick(self, now: float) -> bool:
        """Go on; whether the motion has ended."""
        self._now = now
        if self._done:
            return True
        try:
            if not self._failing:
                if self._cancelled:
                    raise MotionFault(ErrorCode.CANCELLED, "cancelled", self._cancelled)
                self._watch()
            next(self._steps)
        except StopIteration:
            self._done = True
        except MotionFault as fault:
            self._fail(fault)
        return self._done

    # The phases.

    def _forward(self) -> Steps:
        plan, s = self.plan, self.settings
        self._enter(Phase.OPENING, s.opening_timeout, 2.0)
        yield from self._ready()
        yield from self._open_and_spread()
        self._enter(Phase.PREGRASP, s.travel_timeout, 3.0)
        for back in (s.standoff, 0.0) if s.standoff else (0.0,):
            yield from self._travel(self._arm.move, behind(plan, back), s.travel_speed)
        way = distance(plan.base_from_pregrasp, plan.base_from_grasp)
        self._enter(Phase.APPROACH, s.approach_timeout, way / plan.approach_speed)
        yield from self._travel(self._arm.straight, plan.base_from_grasp, plan.approach_speed)
        yield from self._close()
        self._enter(Phase.LIFT, s.lift_timeout, float(np.linalg.norm(plan.lift)) / plan.lift_speed)
        yield from self._travel(self._arm.straight, moved(plan.base_from_grasp, plan.lift), plan.lift_speed)
        self._enter(Phase.HOLD, s.hold_time + 1.0, s.hold_time)
        yield from self._wait(s.hold_time)
        self._enter(Phase.VERDICT, s.closing_timeout, 1.0)
        yield from self._judge()
        if s.put_down:
            self._enter(Phase.RETREAT, s.retreat_timeout, 5.0)
            yield from self._back(Phase.VERDICT)

    def _ready(self) -> Steps:
        """Both drivers are there, initialised, and told where they are."""
        for driver in (self._hand, self._arm):
            task = driver.prepare()
            while not task.ended:
                yield
            if task.fault:
                raise task.fault
        while self._hand.state() is None:
            yield

    def _open_and_spread(self) -> Steps:
        """Spread only with open fingers: a closed one would be torn over what it holds, or over another finger."""
        plan, s, f = self.plan, self.settings, self._figures
        speed = np.minimum(f.normal_speed, [plan.spread_speed, *f.normal_speed[1:]])
        joints = self._state().joints
        if abs(joints[0] - plan.joints_open[0]) > s.spread_tolerance:
            if (joints[1:] > s.fingers_open).any():
                yield from self._go(np.append(joints[0], np.minimum(joints[1:], 0.0)), speed)
            joints = self._state().joints
            yield from self._go(np.append(plan.joints_open[0], np.minimum(joints[1:], s.fingers_open)), speed)
        yield from self._go(plan.joints_open, speed)

    def _close(self) -> Steps:
        """Each finger to its own contact, then all press; the states of the fingers are those after closing."""
        plan, s, f = self.plan, self.settings, self._figures
        way = f.limits[1:, 1] - self._state().joints[1:]
        last = float(plan.finger_start.max())
        self._enter(Phase.CLOSING, last + s.closing_timeout, float((plan.finger_start + way / plan.finger_speed).max()))
        begin = self._state().joints[1:].copy()
        yield from self._press(plan.finger_start, plan.finger_speed)
        state = self._state()
        self.outcome.states = finger_states(state, begin, plan.joints_closed[1:], f, s)
        self._note(state)
        self._demand_contacts()
        self._enter(Phase.SQUEEZE, s.squeeze_time + s.closing_timeout, s.squeeze_time)
        if s.squeeze_angle:
            target = motors(state, f) + s.squeeze_angle * np.append(0.0, self._contacts())
            self._hand.move(np.minimum(target, f.limits[:, 1]), f.normal_speed)
        yield from self._wait(s.squeeze_time, self._keep_force())
        self._note(self._state())

    def _press(self, start: np.ndarray, speed: np.ndarray, most: np.ndarray | None = None) -> Steps:
        """Close until no finger moves any more; one that presses hard enough is held where it is.

        most: (3,) [rad] how far the motors go, where nothing stops them; None: to their limits.
        """
        s, f = self.settings, self._figures
        limit = f.limits[1:, 1].copy() if most is None else most
        target, state, began = limit.copy(), self._state(), self._now
        task = self._hand.close(start, speed, target)
        watch = StallWatch(bend(state), state.heard + start + s.response_time, s.stall_angle)
        while True:
            yield
            if task.fault and task.fault.reason != TOLERANCE:
                raise task.fault
            state = self._state()
            watch.update(bend(state), state.heard)
            started = self._now - began >= start
            empty = state.joints[1:] >= f.limits[1:, 1] - s.joint_tolerance
            stopped = watch.stalled(state.heard, s.stall_time) | empty
            if (started & stopped).all():
                return
            hard = (tip_force(state, f) > self.plan.tip_force_limit) & (target == limit)
            if hard.any():
                target = np.where(hard, motors(state, f)[1:], target)
                task = self._hand.close(np.maximum(start - (self._now - began), 0.0), speed, target)

    def _keep_force(self) -> Callable[[], None]:
        """Called again and again: stops the hand once, where a fingertip presses harder than it may."""
        stopped = False

        def check() -> None:
            nonlocal stopped
            if not stopped and (tip_force(self._state(), self._figures) > self.plan.tip_force_limit).any():
                self._hand.stop()
                stopped = True

        return check

    def _judge(self) -> Steps:
        """Whether the fingers that held it still do: felt, or else they press again, a little.

        A finger may come further, pushing the object against another one; where all of them do, nothing is between.
        """
        yield  # so that the phase is seen
        s, f, outcome = self.settings, self._figures, self.outcome
        state = self._state()
        if state.tactile is not None:
            outcome.judged_by = "sensor"
            lost = state.tactile < s.contact_force
        else:
            outcome.judged_by = "lift"
            before = bend(state)
            target = np.minimum(motors(state, f)[1:] + _PROBE * s.slip_angle, f.limits[1:, 1])
            yield from self._press(np.zeros(3), np.full(3, _PROBE_SPEED), target)
            state = self._state()
            went_on = (bend(state) - before > s.slip_angle) | (state.joints[1:] >= f.limits[1:, 1] - s.joint_tolerance)
            lost = went_on if went_on[self._contacts()].all() else np.zeros(3, bool)
        holding = int((self._contacts() & ~lost).sum())
        if holding < s.fingers_needed:
            fingers = f"{holding} of {s.fingers_needed} fingers still hold something after the lift"
            raise MotionFault(ErrorCode.OK, "slipped", fingers)
        outcome.held, outcome.reason = True, "held"
        outcome.message = f"{holding} fingers hold the object"
        arm = self._arm.state()
        lifted = self.plan.lift if arm is None else arm.base_from_mount[:3, 3] - self.plan.base_from_grasp[:3, 3]
        outcome.lifted = float(lifted @ self.plan.lift / max(float(np.linalg.norm(self.plan.lift)), 1e-9))

    # The way back.

    def _fail(self, fault: MotionFault) -> None:
        self._hand.stop()
        self._arm.stop()
        outcome, phase = self.outcome, self.phase
        outcome.code, outcome.reason, outcome.held = int(fault.code), fault.reason, False
        outcome.message = f"{fault.message} (in phase {phase.name.lower()})"
        if fault.code is ErrorCode.OK:
            outcome.judged_by = outcome.judged_by or "sensor"
        for finger in fault.fingers:
            outcome.states[finger] = FingerState.BLOCKED
        if outcome.joints is None and (state := self._hand.state()) is not None:
            self._note(state)
        self._failing, self.stopped_at = True, self._now
        self._enter(Phase.RETREAT, self.settings.retreat_timeout, 5.0)
        self._steps = self._back(phase)

    def _back(self, phase: Phase) -> Steps:
        """Down where something is lifted, open, straight away; each as often as it takes until the time is over."""
        plan, s = self.plan, self.settings
        undone = []
        if phase in (Phase.LIFT, Phase.HOLD, Phase.VERDICT):
            down = yield from self._insist(lambda: self._go_straight(plan.base_from_grasp, plan.lift_speed), 0.5)
            undone += [] if down else ["the object could not be put down"]
        opened = True
        if phase >= Phase.CLOSING:
            opened = yield from self._insist(self._let_go, 0.8)
            undone += [] if opened else ["the hand could not be opened"]
        if phase >= Phase.APPROACH and opened:  # a hand that still holds must not pull
            away = yield from self._insist(lambda: self._go_straight(plan.base_from_pregrasp, s.travel_speed), 1.0)
            undone += [] if away else ["the arm could not be moved away"]
        self.outcome.open_and_away = not undone
        if undone:
            self._hand.stop()
            self._arm.stop()
            self.outcome.message += f"; on the way back within {s.retreat_timeout:g} s: {', '.join(undone)}"

    def _insist(self, attempt: Callable[[], Steps], share: float):
        """Try again and again until it is done; False when this share of the time for the way back is over."""
        end = self._began + share * (self._deadline - self._began)
        while self._now < end:
            if self._is_heard():
                try:
                    for _ in attempt():
                        if self._now >= end or not self._is_heard():
                            break
                        yield
                    else:
                        return True
                except MotionFault:
                    pass  # the reason is told already; this is about the way back
            again = self._now + _RETRY
            while self._now < min(again, end):
                yield
        return False

    def _let_go(self) -> Steps:
        """Open all fingers that can be opened; one that is stuck must not keep the others closed."""
        f, joints = self._figures, self._state().joints
        target = np.append(joints[0], np.minimum(self.plan.joints_open[1:], joints[1:]))
        try:
            yield from self._go(target, f.normal_speed)
        except MotionFault as fault:
            if not fault.fingers or len(fault.fingers) == 3:
                raise

    def _go_straight(self, pose: np.ndarray, speed: float) -> Steps:
        arm = self._arm.state()
        way = distance(pose, self.plan.base_from_grasp if arm is None else arm.base_from_mount)
        end = self._now + way / speed + self.settings.response_time + _SLACK
        for _ in self._travel(self._arm.straight, pose, speed):
            if self._now > end:
                raise MotionFault(ErrorCode.EXECUTION_TIMEOUT, "arm_timeout", "the arm takes too long")
            yield

    # What phases are made of.

    def _enter(self, phase: Phase, timeout: float, expected: float) -> None:
        """expected: how long it takes where nothing is in the way [s]."""
        self.phase, self._began, self._deadline, self._expected = phase, self._now, self._now + timeout, expected

    def _watch(self) -> None:
        """What must hold in every phase."""
        name = self.phase.name.lower()
        if self._now > self._deadline and self.phase is not Phase.RETREAT:
            given = self._deadline - self._began
            raise MotionFault(
                ErrorCode.EXECUTION_TIMEOUT, f"{name}_timeout", f"phase {name} took longer than {given:g} s"
            )
        s, hand, arm = self.settings, self._hand.state(), self._arm.state()
        for what, state in (("hand", hand), ("arm", arm)):
            if state is not None and self._now - state.heard > s.silence_timeout:
                silence = f"the {what}'s driver has been silent for {self._now - state.heard:.1f} s"
                raise MotionFault(
                    ErrorCode.ACTION_SERVER_LOST, f"{what}_silent", f"{silence}, at most {s.silence_timeout:g} s"
                )
        if hand is None:
            return
        stop = self._figures.temperature.stop
        if hand.temperature is not None and hand.temperature >= stop:
            hot = f"a motor of the hand has {hand.temperature:.0f} degrees Celsius, at most {stop:g}"
            raise MotionFault(ErrorCode.EXECUTION_FAILED, "too_hot", hot)
        force, most = tip_force(hand, self._figures), self._figures.max_tip_force
        if not (force > most).any():
            self._bearable = self._now
        elif self._now - self._bearable > _SPIKE:
            hard = f"a fingertip presses with {np.nanmax(force):.0f} N, the hand bears {most:g} N"
            raise MotionFault(ErrorCode.EXECUTION_FAILED, "force_limit", hard)

    def _is_heard(self) -> bool:
        """Whether neither driver is silent."""
        states: list[HandState | ArmState | None] = [self._hand.state(), self._arm.state()]
        return all(state is None or self._now - state.heard <= self.settings.silence_timeout for state in states)

    def _state(self) -> HandState:
        state = self._hand.state()
        if state is None:
            raise MotionFault(ErrorCode.ACTION_SERVER_LOST, "hand_silent", "the hand has not told where its joints are")
        return state

    def _wait(self, time: float, check: Callable[[], None] = lambda: None) -> Steps:
        end = self._now + time
        while self._now < end:
            check()
            yield

    def _go(self, target: np.ndarray, speed: np.ndarray) -> Steps:
        """Move the hand until its joints are there; what stays short of it and rests is blocked."""
        s = self.settings
        first, task = self._state(), self._hand.move(target, speed)
        watch = StallWatch(everything(first), first.heard + s.response_time, s.stall_angle)
        # A motor that is ahead of its inner joint (breakaway) comes back first, unseen where the outer one is unknown.
        patience = s.stall_time if first.outer is not None else s.stall_time + _UNSEEN
        while True:
            state = self._state()
            away = np.abs(state.joints - target) > s.joint_tolerance
            watch.update(everything(state), state.heard)
            if not away.any() and (task.ended or watch.stalled(state.heard, s.stall_time).all()):
                return
            if task.fault:
                raise task.fault
            if away.any() and watch.stalled(state.heard, patience).all():
                self._raise_blocked(away, watch.moved[:4], state.joints, target)
            yield

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

    def _travel(self, command: Callable[[np.ndarray, float], Task], pose: np.ndarray, speed: float) -> Steps:
        """Move the arm until its driver says so, and hold it to where it says it is."""
        task = command(pose, speed)
        while not task.ended:
            yield
        if task.fault:
            raise task.fault
        s, patience = self.settings, self._now + self.settings.response_time  # what it tells comes after its answer
        while (arm := self._arm.state()) is not None:
            off, turn = distance(pose, arm.base_from_mount), angle(pose, arm.base_from_mount)
            if off <= s.position_tolerance and turn <= s.angle_tolerance:
                return
            if self._now > patience:
                missed = f"the arm says that it arrived, {1e3 * off:.0f} mm and {turn:.2f} rad from where it was sent"
                raise MotionFault(ErrorCode.EXECUTION_FAILED, "arm_missed", missed)
            yield

    def _contacts(self) -> np.ndarray:
        """(3,) bool."""
        return np.array([state is FingerState.IN_CONTACT for state in self.outcome.states])

    def _demand_contacts(self) -> None:
        """Raises MotionFault where too few fingers have met something: with an error only where one is blocked."""
        states = self.outcome.states
        if self._contacts().sum() >= self.settings.fingers_needed:
            return
        told = ", ".join(f"F{i + 1} {state.name.lower()}" for i, state in enumerate(states))
        if FingerState.BLOCKED in states:
            raise MotionFault(ErrorCode.EXECUTION_FAILED, "finger_blocked", told)
        raise MotionFault(ErrorCode.OK, "closed_empty", told)

    def _note(self, state: HandState) -> None:
        """Where hand and arm are now."""
        self.outcome.joints, self.outcome.outer = state.joints.copy(), state.outer
        self.outcome.force = tip_force(state, self._figures)
        arm = self._arm.state()
        mount = self.plan.base_from_grasp if arm is None else arm.base_from_mount
        self.outcome.base_from_palm = mount @ self.plan.mount_from_palm
