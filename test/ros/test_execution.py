"""A grasp that is executed has one end, and it is told: as grasp_outcome, under the execution's own name."""

import threading
import time
import uuid

import pytest
from std_srvs.srv import Trigger

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode
from gmi_ros.msg import Contact, GraspOutcome, Observation
from gmi_ros.ros import mock_hand
from gmi_ros.ros.convert_outcome import episode_from_messages
from gmi_ros.ros.mock_hand import MockHand
from gmi_ros.srv import SynthesizeGrasp

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


def test_a_code_that_is_not_ours_is_told_as_a_number(bench, monkeypatch):
    b = bench("fail")
    with monkeypatch.context() as patch:
        patch.setattr(mock_hand, "execution_result", lambda *_: ExecuteGrasp.Result(error_code=7))
        outcome = b.outcome(b.execute().execution_id)
    assert outcome.reason == "error_7" and outcome.error_code == 7 and not outcome.success
    assert b.robot.node.statistics["ended.error_7"] == 1
    b.hand.behaviour = "succeed"
    assert b.outcome(b.execute().execution_id).success
    assert b.robot.node.statistics["ended.OK"] == 1


def test_an_end_that_cannot_be_told_leaves_the_node_alive(bench, monkeypatch):
    b = bench("succeed")
    execution = b.robot.node._execution
    told = threading.Event()

    def broken(*_):
        told.set()
        raise RuntimeError("no words")

    with monkeypatch.context() as patch:
        patch.setattr(execution, "_ended", broken)
        assert b.execute().goal_accepted and told.wait(10.0)
    b.live.until(lambda: execution.status == "idle", "the end")
    assert b.outcome(b.execute().execution_id).success


def test_the_observation_comes_once_more_before_its_outcome(bench):
    b = bench("succeed")
    observations = b.robot.heard(Observation, "/grasp_synthesizer/observation", retained=True)
    answer = b.execute()
    b.outcome(answer.execution_id)
    b.live.until(lambda: [o.id for o in observations] == [answer.observation_id] * 2, "the observation, twice")
    assert str(observations[0]) == str(observations[1])


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
    assert outcome.wrist_pose_reached.header.frame_id == ""  # nobody knows
    assert episode_from_messages(outcome, None).camera_from_palm is not None  # the planned one
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
    b.robot.node.trigger_deactivate()
    outcome = b.outcome(answer.execution_id)
    assert outcome.error_code == ErrorCode.CANCELLED and "deactivated" in outcome.message
    b.live.until(lambda: b.robot.node._execution.status == "idle", "the end")


def serve_slow_to_decide(b, monkeypatch):
    """A hand that takes a goal only once the second event is set, and sets the first when it is asked."""
    deciding, gate, take = threading.Event(), threading.Event(), MockHand._on_goal

    def slow_to_decide(hand, goal):
        deciding.set()
        assert gate.wait(10.0)
        return take(hand, goal)

    b.live.stop(b.hand)
    monkeypatch.setattr(MockHand, "_on_goal", slow_to_decide)
    b.serve("slow")
    return deciding, gate


def test_deactivating_before_the_server_has_answered_cancels_without_an_outcome(bench, monkeypatch):
    b = bench("slow")
    deciding, gate = serve_slow_to_decide(b, monkeypatch)
    b.robot.show()
    future = b.robot.client.call_async(SynthesizeGrasp.Request(seed=1, execute=True))
    assert deciding.wait(10.0)
    b.robot.node.trigger_deactivate()
    b.live.until(future.done, "the answer")
    answer = future.result()
    assert answer.error_code == ErrorCode.CANCELLED and not answer.goal_accepted and "deactivated" in answer.message
    cancelled = threading.Event()
    monkeypatch.setattr(mock_hand, "execution_result", lambda *_: (cancelled.set(), ExecuteGrasp.Result())[1])
    gate.set()
    assert cancelled.wait(4.0)  # the server took it after all, and a phase takes 5 s
    assert not b.outcomes and b.robot.node._execution.status == "idle" and not b.robot.node._sent


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
    assert b.robot.ask(max_age=60.0).success  # to look at, not to execute
    answer = b.robot.ask(execute=True, max_age=60.0)
    assert answer.error_code == ErrorCode.STALE_FRAME and "at most 20.000 s" in answer.message and not b.hand.goals


def test_an_answer_that_comes_before_its_question_is_noted_is_not_lost(bench, monkeypatch):
    b = bench("succeed")
    client = b.robot.node._execution._client
    handle = client._client_handle

    class Late:
        """rclpy's handle, after whose sending time passes."""

        def __getattr__(self, name):
            if name not in ("send_goal_request", "send_result_request"):
                return getattr(handle, name)
            return lambda request: (getattr(handle, name)(request), time.sleep(0.3))[0]

        def __enter__(self):
            return handle.__enter__()

        def __exit__(self, *error):
            return handle.__exit__(*error)

    monkeypatch.setattr(client, "_client_handle", Late())
    answer = b.execute()
    assert answer.goal_accepted, answer.message
    assert b.outcome(answer.execution_id).success


def test_before_the_process_ends_a_goal_on_its_way_is_waited_for_and_cancelled(bench, monkeypatch):
    b = bench("slow")
    deciding, gate = serve_slow_to_decide(b, monkeypatch)
    b.robot.show()
    b.robot.client.call_async(SynthesizeGrasp.Request(seed=1, execute=True))
    assert deciding.wait(10.0)
    threading.Timer(0.2, gate.set).start()
    b.robot.node.finish()  # as on Ctrl-C; the executor still spins
    stopped = b.robot.node._execution._stopping
    assert stopped.is_settled and stopped.handle.accepted and stopped.cancelling.result().goals_canceling


def test_a_server_that_was_started_anew_knows_nothing_of_the_goal_and_that_is_told(bench):
    b = bench("slow", server_timeout=0.5, execution_timeout=60.0)
    answer = b.execute()
    b.live.stop(b.hand)
    b.serve("slow")  # at once: there is always somebody who answers
    outcome = b.outcome(answer.execution_id, timeout=8.0)
    assert outcome.error_code == ErrorCode.ACTION_SERVER_LOST and not outcome.success
    b.hand.behaviour = "succeed"
    assert b.outcome(b.execute().execution_id).success
