"""The motion of a grasp as a state machine: phase after phase, and from each a defined way back."""

from collections.abc import Callable

import numpy as np

from gmi_ros.bridge.drivers import Arm, Hand, HandState, MotionFault
from gmi_ros.bridge.fingers import at_stop, bend, finger_states, motors, tip_force
from gmi_ros.bridge.guard import Guard
from gmi_ros.bridge.moves import Moves, Steps
from gmi_ros.bridge.plan import FingerState, MotionPlan, MotionSettings, Outcome, Phase
from gmi_ros.bridge.ways import behind, distance, moved
from gmi_ros.core.errors import ErrorCode
from gmi_ros.hand.barrett import BarrettHand

_RETRY = 0.5  # [s] between two attempts on the way back
_PROBE_SPEED = 0.5  # of the fingers that press again before the verdict [rad/s]
_PROBE = 1.5  # how far they go then, in slip_angle


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
        self._moves = Moves(hand, arm, figures, settings)
        self._guard = Guard(hand, arm, figures, settings)
        self._now = self._began = self._expected = 0.0
        self._deadline = float("inf")
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
        self._now = self._moves.now = now  # [s]
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
            yield from self._moves.travel(self._arm.move, behind(plan, back), s.travel_speed)
        way = distance(plan.base_from_pregrasp, plan.base_from_grasp)
        self._enter(Phase.APPROACH, s.approach_timeout, way / plan.approach_speed)
        yield from self._moves.travel(self._arm.straight, plan.base_from_grasp, plan.approach_speed)
        yield from self._close()
        self._enter(Phase.LIFT, s.lift_timeout, float(np.linalg.norm(plan.lift)) / plan.lift_speed)
        yield from self._moves.travel(self._arm.straight, moved(plan.base_from_grasp, plan.lift), plan.lift_speed)
        self._enter(Phase.HOLD, s.hold_time + 1.0, s.hold_time)
        yield from self._moves.wait(s.hold_time)
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
        joints = self._moves.state().joints
        if abs(joints[0] - plan.joints_open[0]) > s.spread_tolerance:
            if (joints[1:] > s.fingers_open).any():
                yield from self._moves.go(np.append(joints[0], np.minimum(joints[1:], 0.0)), speed)
            joints = self._moves.state().joints
            yield from self._moves.go(np.append(plan.joints_open[0], np.minimum(joints[1:], s.fingers_open)), speed)
        yield from self._moves.go(plan.joints_open, speed)

    def _close(self) -> Steps:
        """Each finger to its own contact, then all press; the states of the fingers are those after closing."""
        plan, s, f = self.plan, self.settings, self._figures
        way = f.limits[1:, 1] - self._moves.state().joints[1:]
        last = float(plan.finger_start.max())
        self._enter(Phase.CLOSING, last + s.closing_timeout, float((plan.finger_start + way / plan.finger_speed).max()))
        begin = self._moves.state().joints[1:].copy()
        yield from self._moves.press(plan.finger_start, plan.finger_speed, plan.tip_force_limit)
        state = self._moves.state()
        self.outcome.states = finger_states(state, begin, plan.joints_closed[1:], f, s)
        self._note(state)
        self._demand_contacts()
        self._enter(Phase.SQUEEZE, s.squeeze_time + s.closing_timeout, s.squeeze_time)
        if s.squeeze_angle:
            target = motors(state, f) + s.squeeze_angle * np.append(0.0, self._contacts())
            self._hand.move(np.minimum(target, f.limits[:, 1]), f.normal_speed)
        yield from self._moves.wait(s.squeeze_time, self._moves.keep_force(plan.tip_force_limit))
        self._note(self._moves.state())

    def _judge(self) -> Steps:
        """Whether the fingers that held it still do: felt, or else they press again, a little.

        A finger may come further, pushing the object against another one; where all of them do, nothing is between. One
        that is at its stop could not, and says nothing.
        """
        yield  # so that the phase is seen
        s, f, outcome = self.settings, self._figures, self.outcome
        state = self._moves.state()
        if state.tactile is not None:
            outcome.judged_by = "sensor"
            lost = state.tactile < s.contact_force
        else:
            outcome.judged_by = "lift"
            before = bend(state)
            target = np.minimum(motors(state, f)[1:] + _PROBE * s.slip_angle, f.limits[1:, 1])
            yield from self._moves.press(np.zeros(3), np.full(3, _PROBE_SPEED), self.plan.tip_force_limit, target)
            state = self._moves.state()
            went_on = (bend(state) - before > s.slip_angle) | at_stop(state, f, s.joint_tolerance)
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
        self._moves.stop()
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

        def straight(pose: np.ndarray, speed: float) -> Callable[[], Steps]:
            return lambda: self._moves.straight(pose, speed, plan.base_from_grasp)

        undone = []
        if phase in (Phase.LIFT, Phase.HOLD, Phase.VERDICT):
            down = yield from self._insist(straight(plan.base_from_grasp, plan.lift_speed), 0.5)
            undone += [] if down else ["the object could not be put down"]
        opened = True
        if phase >= Phase.CLOSING:
            opened = yield from self._insist(self._let_go, 0.8)
            undone += [] if opened else ["the hand could not be opened"]
        if phase >= Phase.APPROACH and opened:  # a hand that still holds must not pull
            away = yield from self._insist(straight(plan.base_from_pregrasp, s.travel_speed), 1.0)
            undone += [] if away else ["the arm could not be moved away"]
        self.outcome.open_and_away = not undone
        if undone:
            self._moves.stop()
            self.outcome.message += f"; on the way back within {s.retreat_timeout:g} s: {', '.join(undone)}"

    def _insist(self, attempt: Callable[[], Steps], share: float):
        """Try again and again until it is done; False when this share of the time for the way back is over."""
        end = self._began + share * (self._deadline - self._began)
        while self._now < end:
            if self._guard.is_heard(self._now):
                try:
                    for _ in attempt():
                        if self._now >= end or not self._guard.is_heard(self._now):
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
        f, joints = self._figures, self._moves.state().joints
        target = np.append(joints[0], np.minimum(self.plan.joints_open[1:], joints[1:]))
        try:
            yield from self._moves.go(target, f.normal_speed)
        except MotionFault as fault:
            if not fault.fingers or len(fault.fingers) == 3:
                raise

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
        self._guard.check(self._now)

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
