"""A grasp that is executed has one end, and it is told: as grasp_outcome, under the execution's own name."""

import time
import uuid

import pytest
from std_srvs.srv import Trigger

from gmi_ros.core.errors import ErrorCode
from gmi_ros.msg import Contact, GraspOutcome
from gmi_ros.ros.mock_hand import MockHand

pytestmark = pytest.mark.ros


class Bench:
    """A robot that may execute, a mock hand, and the outcomes that are published."""

    def __init__(self, live, make_robot, behaviour: str | None, **settings):
        self.live = live
        self.robot = make_robot(allow_execution=True, **settings)
        self.outcomes = self.robot.heard(GraspOutcome, "/grasp_outcome", retained=True)
        if behaviour is not None:
            self.serve(behaviour)

    def serve(self, behaviour: str) -> MockHand:
        self.hand = self.live.spin(MockHand(behaviour, context=self.live.context))
        return self.hand

    def execute(self):
        self.robot.show()
        return self.robot.ask(execute=True)

    def outcome(self, execution_id: str, timeout: float = 10.0) -> GraspOutcome:
        def found():
            return [o for o in self.outcomes if o.execution_id == execution_id]

        return self.live.until(found, f"the outcome of {execution_id}", timeout)[0]


@pytest.fixture
def bench(live, make_robot):
    return lambda behaviour=None, **settings: Bench(live, make_robot, behaviour, **settings)


def test_success_and_failure_are_told_with_all_that_was_sent(bench):
    b = bench("succeed", tip_force_limit=12.0)
    answer = b.execute()
    assert answer.success and answer.goal_accepted and uuid.UUID(answer.execution_id).version == 4
    outcome = b.outcome(answer.execution_id)
    assert outcome.success and outcome.error_code == 0 and outcome.reason == "held" and outcome.judged_by == "sensor"
    assert outcome.outcome_id == answer.execution_id and outcome.grasp_id == answer.grasps[0].grasp_id
    assert outcome.observation_id == answer.observation_id and outcome.seed == answer.seed == 1
    assert outcome.model_hash == answer.model_hash and outcome.header == answer.grasps[0].header
    assert all(contact.state == Contact.IN_CONTACT for contact in outcome.contacts_reached)
    sent = b.hand.goals[0].grasp
    assert str(sent) == str(answer.grasps[0]) and sent.tip_force_limit == 12.0
    assert 0 < max(sent.finger_speed) <= 2.44 and sent.approach_speed == 0.1 and sent.spread_speed == 0.7

    b.hand.behaviour = "fail"
    failed = b.execute()
    outcome = b.outcome(failed.execution_id)
    assert not outcome.success and outcome.error_code == 0 and outcome.reason == "slipped"
    assert failed.execution_id != answer.execution_id


def test_a_hand_that_breaks_is_told_with_its_words(bench):
    b = bench("abort")
    outcome = b.outcome(b.execute().execution_id)
    assert outcome.error_code == ErrorCode.EXECUTION_FAILED and "finger F2" in outcome.message and not outcome.success


def test_nobody_to_execute(bench):
    b = bench()
    answer = b.execute()
    assert answer.error_code == ErrorCode.ACTION_SERVER_ABSENT and "execute_grasp" in answer.message
    assert "1.00 s" in answer.message and not answer.goal_accepted and answer.grasps
    b.serve("succeed")
    assert b.outcome(b.execute().execution_id).success
    assert len(b.outcomes) == 1  # what was never accepted has no outcome


def test_a_goal_that_is_rejected(bench):
    b = bench("reject")
    answer = b.execute()
    assert answer.error_code == ErrorCode.GOAL_REJECTED and "rejected" in answer.message and not answer.success
    b.hand.behaviour = "succeed"
    assert b.outcome(b.execute().execution_id).success


def test_a_server_that_leaves_in_the_middle_of_a_goal(bench):
    b = bench("vanish")
    answer = b.execute()
    assert answer.goal_accepted
    outcome = b.outcome(answer.execution_id, timeout=5.0)
    assert outcome.error_code == ErrorCode.ACTION_SERVER_LOST and "execute_grasp" in outcome.message
    assert not outcome.success and all(contact.state == Contact.UNKNOWN for contact in outcome.contacts_reached)
    b.live.stop(b.hand)
    b.serve("succeed")
    assert b.outcome(b.execute().execution_id).success


def test_a_server_that_falls_silent_in_the_middle_of_a_goal(bench):
    b = bench("slow")
    answer = b.execute()
    b.live.until(lambda: b.robot.node._execution._running.answers_probes, "a sign of life")
    b.live.stop(b.hand, destroy=False)  # as a process that was killed: still in the graph
    silent = time.monotonic()
    outcome = b.outcome(answer.execution_id)
    assert outcome.error_code == ErrorCode.ACTION_SERVER_LOST and "at most 2.0 s" in outcome.message
    assert time.monotonic() - silent < 6.0
    b.hand.destroy_node()
    b.serve("succeed")
    assert b.outcome(b.execute().execution_id).success


def test_an_execution_that_takes_too_long_is_cancelled(bench):
    b = bench("slow", execution_timeout=0.5)
    outcome = b.outcome(b.execute().execution_id)
    assert outcome.error_code == ErrorCode.EXECUTION_TIMEOUT and "at most 0.5 s" in outcome.message
    b.hand.behaviour = "succeed"
    assert b.outcome(b.execute().execution_id).success


def test_requests_are_answered_during_an_execution_and_a_second_execution_is_not_begun(bench):
    b = bench("slow")
    first = b.execute()
    b.robot.show()
    assert b.robot.ask().success
    second = b.execute()
    assert second.error_code == ErrorCode.BUSY and first.execution_id in second.message and second.grasps
    assert b.live.call(b.robot.user.create_client(Trigger, "/grasp_synthesizer/cancel"), Trigger.Request()).success
    assert b.outcome(first.execution_id).error_code == ErrorCode.CANCELLED
    assert len(b.hand.goals) == 1


def test_cancel_with_nothing_to_cancel(bench):
    b = bench()
    answer = b.live.call(b.robot.user.create_client(Trigger, "/grasp_synthesizer/cancel"), Trigger.Request())
    assert not answer.success and "nothing" in answer.message


def test_deactivating_cancels(bench):
    b = bench("slow")
    answer = b.execute()
    b.robot.node.deactivate()
    outcome = b.outcome(answer.execution_id)
    assert outcome.error_code == ErrorCode.CANCELLED and "deactivated" in outcome.message
    b.live.until(lambda: b.robot.node._execution.status == "idle", "the end")


def test_a_degenerate_frame_is_never_executed(bench, draw):
    b = bench("succeed")
    b.robot.show(draw(((70, 45, 16, 16, 1),)))
    answer = b.robot.ask(execute=True)
    assert answer.error_code == ErrorCode.DEGENERATE_FRAME and "1.000" in answer.message and "0.9" in answer.message
    assert answer.degenerate and answer.grasps and not b.hand.goals


def test_a_stale_frame_is_never_executed(bench):
    b = bench("succeed")
    b.robot.show(age=25.0)
    answer = b.robot.ask(execute=True)
    assert answer.error_code == ErrorCode.STALE_FRAME and "at most 20.000 s" in answer.message and not b.hand.goals
