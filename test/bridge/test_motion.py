"""Laws of the motion: order of the phases, limits, what it tells, and the way back from every fault."""

from dataclasses import replace

import numpy as np
import pytest
from simulation import CONTACTS, GRASP, HAND, PREGRASP, Simulation, make_plan

from gmi_ros.bridge.plan import FingerState, Phase
from gmi_ros.bridge.simulated import FAULTS, Fault
from gmi_ros.core.errors import ErrorCode, GmiError

FORWARD = list(Phase)[:8]


@pytest.mark.parametrize("tells", [("outer", "tactile"), ("outer", "effort"), ("outer",), ()])
def test_an_object_is_held_whatever_the_driver_tells(tells):
    simulation = Simulation(tells=tells)
    outcome = simulation.run()
    assert outcome.held and outcome.reason == "held" and outcome.code == 0, outcome.message
    assert simulation.phases == FORWARD and outcome.open_and_away is None
    assert outcome.states == [FingerState.IN_CONTACT] * 3
    assert outcome.judged_by == ("sensor" if "tactile" in tells else "lift")
    np.testing.assert_allclose(outcome.joints[1:], CONTACTS, atol=0.02)
    assert outcome.lifted == pytest.approx(0.2, abs=1e-6) and simulation.plant.held
    np.testing.assert_allclose(outcome.base_from_palm, GRASP)


def test_approach_and_lift_are_straight_and_no_faster_than_they_may_be():
    simulation = Simulation()
    simulation.run()
    for phase, way, speed in ((Phase.APPROACH, 0.1, 0.1), (Phase.LIFT, 0.2, 0.2)):
        at = np.array([position for _, p, _, position in simulation.trace if p is phase])
        np.testing.assert_allclose(at[:, :2], GRASP[:2, 3] * np.ones((len(at), 1)), atol=1e-9)
        steps = np.abs(np.diff(at[:, 2])) / 0.01
        assert steps.max() < 1.02 * speed and np.ptp(at[:, 2]) == pytest.approx(way, abs=1e-3)


def test_the_way_to_the_pregrasp_leads_over_a_point_behind_it():
    simulation = Simulation()
    simulation.run(lambda: simulation.motion.phase is Phase.APPROACH)
    on_axis = [z for _, p, _, (x, y, z) in simulation.trace if p is Phase.PREGRASP and abs(x - 0.1) < 1e-6]
    assert max(on_axis) == pytest.approx(PREGRASP[2, 3] + 0.15, abs=1e-4)


@pytest.mark.parametrize("begin", [[2.0, 0.0, 0.0, 0.0], [2.0, 1.5, 0.2, 1.0], [0.0, 2.3, 2.3, 2.3]])
def test_the_spread_moves_only_while_all_fingers_are_open(begin):
    simulation = Simulation(contact=np.full(3, np.inf))
    simulation.plant.motor = np.array(begin)
    simulation.run()
    motors = np.array([m for _, _, m, _ in simulation.trace])
    moving = np.abs(np.diff(motors[:, 0])) > 1e-9
    assert moving.any() and (motors[:-1][moving][:, 1:] <= simulation.settings.fingers_open + 0.051).all()


def test_each_finger_starts_at_its_time_and_keeps_its_speed():
    plan = make_plan(finger_start=np.array([0.0, 0.3, 0.6]), finger_speed=np.array([0.5, 1.0, 2.0]))
    simulation = Simulation(plan=plan)
    simulation.run()
    closing = [(t, m) for t, p, m, _ in simulation.trace if p is Phase.CLOSING]
    times, motors = np.array([t for t, _ in closing]), np.array([m for _, m in closing])
    for i in range(3):
        moving = np.flatnonzero(np.diff(motors[:, i + 1]) > 1e-6)
        assert times[moving[0]] - times[0] == pytest.approx(plan.finger_start[i], abs=0.03)
        assert np.diff(motors[:, i + 1]).max() / 0.01 <= 1.02 * plan.finger_speed[i]


def test_a_hand_that_meets_nothing_is_empty_and_is_not_lifted():
    simulation = Simulation(contact=np.full(3, np.inf), plan=make_plan(joints_open=np.array([0.0, 0.6, 0.6, 0.6])))
    outcome = simulation.run()
    assert not outcome.held and outcome.code == 0 and outcome.reason == "closed_empty"
    assert outcome.states == [FingerState.CLOSED_EMPTY] * 3
    assert Phase.LIFT not in simulation.phases and outcome.open_and_away and simulation.is_open_and_away


def test_fingertips_that_meet_each_other_hold_nothing():
    meet = np.full(3, 1.7)  # F1 and F2 to the sides, each stopped by F3's tip
    simulation = Simulation(contact=meet, plan=make_plan(joints_open=np.array([np.pi / 2, 0.6, 0.6, 0.6])), tells=())
    assert simulation.run().states == [FingerState.CLOSED_EMPTY] * 3


@pytest.mark.parametrize("tells", [("outer", "tactile"), ("outer",), ()])
def test_an_object_that_slips_is_told(tells):
    simulation = Simulation(slips=True, tells=tells)
    outcome = simulation.run()
    assert not outcome.held and outcome.code == 0 and outcome.reason == "slipped"
    assert simulation.phases == [*FORWARD, Phase.RETREAT] and outcome.open_and_away and simulation.is_open_and_away


def test_a_finger_at_the_stop_of_its_outer_joint_holds_nothing():
    """It broke away and went on to its stop: that it comes no further when it presses again is no sign of an object."""
    simulation = Simulation(slips=True, tells=("outer",))
    simulation.run(lambda: simulation.motion.phase is Phase.LIFT)
    read, inner = simulation.plant.read, simulation.plant.read().joints[1]

    def stopped():
        state = read()
        joints, outer = state.joints.copy(), state.outer.copy()
        joints[1], outer[0] = inner, HAND.limits_by_joint.outer_hard[1]
        return replace(state, joints=joints, outer=outer)

    simulation.plant.read = stopped
    outcome = simulation.run()
    assert not outcome.held and outcome.reason == "slipped", outcome.message


def test_put_down_brings_it_back_and_stays_a_success():
    simulation = Simulation(put_down=True)
    outcome = simulation.run()
    assert outcome.held and outcome.code == 0 and outcome.open_and_away and simulation.is_open_and_away
    lowered = [z for _, p, m, (_, _, z) in simulation.trace if p is Phase.RETREAT and (m[1:] >= CONTACTS).all()]
    assert min(lowered) == pytest.approx(GRASP[2, 3], abs=1e-6)  # it was let go where it stood


def test_a_force_beyond_the_limit_stops_the_fingers_and_one_beyond_the_hand_the_motion():
    curling = replace(HAND, coupling=replace(HAND.coupling, curl=1.0))
    simulation = Simulation(plan=make_plan(tip_force_limit=3.0), figures=curling)
    outcome = simulation.run()
    assert outcome.held and (simulation.plant.motor[1:] < CONTACTS + 0.16).all()
    too_hard = Simulation()
    too_hard.run(lambda: too_hard.motion.phase is Phase.SQUEEZE)
    read = too_hard.plant.read
    too_hard.plant.read = lambda: replace(read(), tactile=np.full(3, 25.0))
    outcome = too_hard.run()
    assert outcome.reason == "force_limit" and outcome.code == ErrorCode.EXECUTION_FAILED and outcome.open_and_away


@pytest.mark.parametrize("tells, goes_on", [(("outer", "effort"), False), (("outer",), False), ((), True)])
def test_after_breakaway_a_finger_curls_on_as_far_as_its_hand_lets_it(tells, goes_on):
    hand = replace(HAND, coupling=replace(HAND.coupling, curl=0.08))
    simulation = Simulation(tells=tells, plan=make_plan(tip_force_limit=1000.0), figures=hand)
    simulation.run(lambda: simulation.motion.phase is Phase.LIFT)
    beyond = simulation.plant.motor[1:] - CONTACTS
    assert (beyond > 0.1).all() if goes_on else ((beyond > 0) & (beyond <= 0.08 + 1e-9)).all()
    assert simulation.motion.outcome.states == [FingerState.IN_CONTACT] * 3


def test_a_hot_motor_ends_it():
    simulation = Simulation()
    simulation.run(lambda: simulation.motion.phase is Phase.CLOSING)
    simulation.hand.temperature = HAND.temperature.stop
    outcome = simulation.run()
    assert outcome.reason == "too_hot" and "65" in outcome.message and simulation.is_open_and_away


HAND_FAULTS = {  # the hand's commands: spread, open, close
    ("not_initialised", 0): ("not_initialised", ErrorCode.EXECUTION_FAILED),
    ("rejected", 0): ("goal_rejected", ErrorCode.EXECUTION_FAILED),
    ("rejected", 2): ("goal_rejected", ErrorCode.EXECUTION_FAILED),
    ("aborted", 1): ("goal_aborted", ErrorCode.EXECUTION_FAILED),
    ("aborted", 2): ("goal_aborted", ErrorCode.EXECUTION_FAILED),
    ("finger_stuck", 0): ("finger_blocked", ErrorCode.EXECUTION_FAILED),
    ("finger_stuck", 2): ("finger_blocked", ErrorCode.EXECUTION_FAILED),
    ("silent", 0): ("hand_silent", ErrorCode.ACTION_SERVER_LOST),
    ("silent_5s", 2): ("hand_silent", ErrorCode.ACTION_SERVER_LOST),
}


@pytest.mark.parametrize("fault", HAND_FAULTS, ids=str)
def test_every_fault_of_the_hand_is_told_and_left(fault):
    simulation = Simulation(hand_fault=fault)
    outcome = simulation.run()
    reason, code = HAND_FAULTS[fault]
    assert (outcome.reason, outcome.code, outcome.held) == (reason, code, False), outcome.message
    assert outcome.message and f"in phase {simulation.phases[-2].name.lower()}" in outcome.message
    if fault[0] == "finger_stuck":
        assert outcome.states[1] is FingerState.BLOCKED
    assert outcome.open_and_away
    if fault[1] == 2:
        assert simulation.is_open_and_away


@pytest.mark.parametrize("stall_time", [0.05, 0.25, 1.0])
def test_a_stuck_finger_is_named_whoever_is_first_to_give_up(stall_time):
    """The hand's driver, whose own tolerance is missed, or the motion, which sees that it rests."""
    simulation = Simulation(hand_fault=("finger_stuck", 1), stall_time=stall_time)
    outcome = simulation.run()
    assert outcome.reason == "finger_blocked" and outcome.message.startswith("F2 stopped at"), outcome.message


ARM_FAULTS = {  # the arm's commands: behind the pre-grasp, pre-grasp, approach, lift
    ("rejected", 0): "goal_rejected",
    ("rejected", 2): "goal_rejected",
    ("aborted", 3): "goal_aborted",
    ("silent_5s", 2): "arm_silent",
    ("silent_5s", 3): "arm_silent",
}


@pytest.mark.parametrize("fault", ARM_FAULTS, ids=str)
def test_every_fault_of_the_arm_is_told_and_left(fault):
    simulation = Simulation(arm_fault=fault)
    outcome = simulation.run()
    assert outcome.reason == ARM_FAULTS[fault] and outcome.code and outcome.open_and_away
    if fault[1] >= 2:
        assert simulation.is_open_and_away


def test_a_hand_that_stays_silent_is_not_pulled_and_that_is_told():
    simulation = Simulation(hand_fault=("silent", 2), retreat_timeout=4.0)
    outcome = simulation.run()
    assert outcome.reason == "hand_silent" and outcome.open_and_away is False
    assert "the hand could not be opened" in outcome.message
    np.testing.assert_allclose(simulation.plant.base_from_mount, GRASP)


@pytest.mark.parametrize("phase", FORWARD)
def test_a_cancel_in_any_phase_stops_at_once_and_goes_back(phase):
    simulation = Simulation(tells=())
    simulation.run(lambda: simulation.motion.phase is phase)
    simulation.motion.cancel("somebody said so")
    at = simulation.now
    outcome = simulation.run()
    assert (outcome.reason, outcome.code) == (
        "cancelled",
        ErrorCode.CANCELLED,
    ) and "somebody said so" in outcome.message
    assert simulation.motion.stopped_at - at < 0.011 and outcome.open_and_away
    if phase >= Phase.APPROACH:
        assert simulation.is_open_and_away


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("opening_timeout", "opening_timeout"), ("travel_timeout", "pregrasp_timeout"), ("lift_timeout", "lift_timeout")],
)
def test_every_phase_has_its_timeout(setting, reason):
    outcome = Simulation(**{setting: 0.15}).run()
    assert (outcome.reason, outcome.code) == (reason, ErrorCode.EXECUTION_TIMEOUT) and "0.15 s" in outcome.message


def test_an_arm_that_is_not_where_it_says_is_found_out():
    simulation = Simulation()
    go = simulation.arm.straight
    off = np.eye(4)
    off[0, 3] = 0.03
    simulation.arm.straight = lambda pose, speed: go(off @ pose, speed)
    assert simulation.run().reason == "arm_missed"


def test_progress_rises_from_0_to_1_within_every_phase():
    simulation, last, seen = Simulation(), {}, []
    while not simulation.step():
        phase, progress = simulation.motion.phase, simulation.motion.progress
        assert 0.0 <= last.get(phase, 0.0) <= progress <= 1.0
        last[phase] = progress
        seen.append(progress)
    assert max(seen) > 0.9


def test_a_fault_that_does_not_exist_is_named():
    with pytest.raises(GmiError, match=f"one of {FAULTS[0]}.*'gremlin'"):
        Fault("gremlin")
