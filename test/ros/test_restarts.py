"""Camera and hand may be killed or restarted in the middle of anything: the node stays, and what follows is good."""

import signal
import sys
import time

import pytest
from std_srvs.srv import Trigger

from gmi_ros.core.errors import ErrorCode
from gmi_ros.msg import GraspOutcome
from gmi_ros.ros.children import Children
from gmi_ros.ros.processes import SIM_CELL, NodeStart
from gmi_ros.srv import SynthesizeGrasp

pytestmark = [pytest.mark.ros, pytest.mark.soak]
START_S, HEAL_S = 120.0, 60.0  # on a machine with other things to do
REQUEST_S = 4.0  # request_timeout
SERVER_S = 2.0  # server_timeout
KILL, ORDERLY = signal.SIGKILL, signal.SIGINT
LOOSE = {
    "max_residual": 1.0,
    "max_surface_distance": 10.0,
    "table_clearance": -0.1,
    "palm_clearance": -0.1,
    "finger_clearance": -0.1,
}  # fmt: skip  the untrained network's grasps of the simulated objects count too


class Peer:
    """The process that is restarted: the mock hand, or the simulated cell that is camera and hand in one."""

    def __init__(self, live, robot, children: Children):
        self.live, self.robot, self._children = live, robot, children
        self.outcomes = robot.heard(GraspOutcome, "/grasp_outcome", retained=True)
        self._cancel = robot.user.create_client(Trigger, "/grasp_synthesizer/cancel")
        self.start()

    def stop(self, number: int) -> None:
        """A signal, and the end of the process."""
        self._child.signal(number)
        if number != KILL:
            self._child.signal(signal.SIGCONT)  # it may be frozen; what is killed must not wake up to the goal
        self.live.until(lambda: self._child.process.poll() is not None, "the end of the process", START_S)
        self._children.children.remove(self._child)

    def freeze(self) -> None:
        """The process answers nothing any more, and is still there."""
        self._child.signal(signal.SIGSTOP)

    def request(self):
        """An answer that will come: to a request to execute."""
        return self.robot.client.call_async(SynthesizeGrasp.Request(seed=1, execute=True))

    def executing(self) -> str:
        """The execution that has been accepted and goes on, once there is one; until then, new attempts."""

        def accepted():
            self.see()
            answer = self.robot.ask(execute=True)
            return answer.execution_id if answer.goal_accepted else None

        return self.live.until(accepted, "an execution", HEAL_S)

    def in_the_middle(self) -> str:
        """An execution whose server has shown life, so that its silence will count; it may have ended just now."""
        execution = self.executing()
        node = self.robot.node._execution
        self.live.until(lambda: node._running is None or node._running.answers_probes, "a sign of life", HEAL_S)
        return execution

    def outcome(self, execution_id: str) -> GraspOutcome:
        def found():
            return [o for o in self.outcomes if o.execution_id == execution_id]

        return self.live.until(found, f"the outcome of {execution_id}", HEAL_S)[0]

    def works(self) -> None:
        """Images come, a grasp is executed, its end is told, and nothing is left over."""
        execution = self.executing()
        self.live.call(self._cancel, Trigger.Request())  # so as not to wait
        assert self.outcome(execution).error_code in (ErrorCode.OK, ErrorCode.CANCELLED)
        assert len([o for o in self.outcomes if o.execution_id == execution]) == 1
        assert self.robot.node._execution.status == "idle" and not self.robot.node._sent


class Hand(Peer):
    """The mock hand; the images come from the test."""

    def start(self) -> None:
        self._child = self._children.start("mock_hand", [sys.executable, "-m", "gmi_ros.ros.mock_hand", "slow"])

    def see(self) -> None:
        self.robot.show()


class Cell(Peer):
    """The simulated cell."""

    def start(self) -> None:
        self._child = self._children.start_node(NodeStart(SIM_CELL, (), {"objects": "carton_0", "rate": 5.0}))

    def see(self) -> None:
        sets = self.robot.node._source.sets
        self.live.until(lambda: self.robot.node._source.sets > sets, "a set of images", START_S)


@pytest.fixture
def make_peer(live, make_robot, soak_scale):
    settings = {"request_timeout": REQUEST_S, "server_timeout": SERVER_S, "n_samples": 4, **LOOSE}
    with Children() as children:

        def make(kind, **more):
            if kind is Hand and soak_scale < 1:
                pytest.skip("the cell is a hand too; the mock hand's turn comes under `make soak`")
            return kind(live, make_robot(allow_execution=True, **settings, **more), children)

        yield make


@pytest.mark.parametrize("kind", [Hand, Cell])
def test_a_restart_in_the_middle_of_anything_heals(make_peer, kind, soak_scale):
    peer = make_peer(kind)
    peer.works()

    if soak_scale == 1:  # while nothing happens
        peer.stop(KILL)
        peer.start()
        peer.works()

    # In the middle of a request: the goal is sent and not answered yet.
    peer.see()
    peer.freeze()
    sent, future = time.monotonic(), peer.request()
    peer.live.until(lambda: peer.robot.node._execution.status != "idle", "the goal")
    peer.stop(KILL)
    peer.live.until(future.done, "the answer")
    assert future.result().error_code == ErrorCode.TIMEOUT and not future.result().goal_accepted
    assert time.monotonic() - sent < REQUEST_S + 2.0
    peer.start()
    peer.works()

    # In the middle of an execution, killed and in order. (test_execution.py loses servers too.)
    for how in (KILL, ORDERLY) if soak_scale == 1 else ():
        execution = peer.in_the_middle()
        peer.stop(how)
        # LOST, unless it could still say how it ended.
        assert peer.outcome(execution).error_code in (
            ErrorCode.ACTION_SERVER_LOST,
            *(
                (ErrorCode.OK, ErrorCode.EXECUTION_FAILED, ErrorCode.CANCELLED)
                if kind is Cell or how == ORDERLY
                else ()
            ),
        )
        peer.start()
        peer.works()


def test_a_hand_that_ends_in_order_before_it_has_answered_is_answered_for(make_peer):
    peer = make_peer(Hand)
    peer.works()
    peer.see()
    peer.freeze()
    future = peer.request()
    peer.live.until(lambda: peer.robot.node._execution.status != "idle", "the goal")
    peer.stop(ORDERLY)  # it wakes up to the goal and to its end
    answer = peer.live.until(lambda: future.done() and future.result(), "the answer")
    if answer.goal_accepted:
        assert not peer.outcome(answer.execution_id).success
    else:
        assert answer.error_code in (ErrorCode.TIMEOUT, ErrorCode.ACTION_SERVER_ABSENT, ErrorCode.GOAL_REJECTED)
    peer.start()
    peer.works()


def test_a_hand_that_is_back_at_once_does_not_hide_that_the_execution_is_lost(make_peer):
    """The new process answers for the old one, so that only the execution's own time limit ends it."""
    peer = make_peer(Hand, execution_timeout=6.0)
    execution = peer.executing()
    peer.stop(KILL)
    peer.start()
    outcome = peer.outcome(execution)
    assert outcome.error_code in (ErrorCode.ACTION_SERVER_LOST, ErrorCode.EXECUTION_TIMEOUT)
    peer.works()
