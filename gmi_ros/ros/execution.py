"""One grasp at a time through the action execute_grasp; whatever happens to it, its end is told once."""

import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action.client import ClientGoalHandle
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from unique_identifier_msgs.msg import UUID

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros.action_client import OrderedActionClient
from gmi_ros.ros.worker import Deadline

ACTION = "execute_grasp"
_WATCH_PERIOD = 0.25  # [s]
_SERVER_WAIT = 1.0  # [s] for an action server to be found
_CANCEL_WAIT = 1.0  # [s] for the answer to a cancel
_POLL = 0.01  # [s]

Ended = Callable[[ExecuteGrasp.Goal, ExecuteGrasp.Result | None, ErrorCode | int, str], None]


@dataclass(eq=False)
class _Running:
    """A goal that was sent. Times are of the monotonic clock [s]; last_sign: when the server last showed life."""

    goal: ExecuteGrasp.Goal
    sent: float
    last_sign: float
    asked: float = 0.0  # for the result, the last time
    handle: ClientGoalHandle | None = None
    phase: str = "sent"
    probe: Future | None = None
    answers_probes: bool = False
    answered: threading.Event = field(default_factory=threading.Event)  # by the server, or by who abandons
    abandoned: bool = False  # before the server answered: it has no outcome, and is cancelled if accepted later
    cancelling: Future | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the server has answered all that it was asked."""
        if self.handle is None:
            return False
        return not self.handle.accepted or (self.cancelling is not None and self.cancelling.done())


class Execution:
    """Sends goals and watches them. `ended` is called once for every accepted goal, from some thread.

    Its node needs several threads, since `start` and `cancel` wait for answers that other threads bring.

    A server that is shut down leaves the graph, which the watch sees at once. One that is killed stays in the graph
    for its lease (20 s by default), so that the watch also asks it after a goal that it cannot know; every action
    server answers that with `unknown`. Feedback counts as life too, and a server that never answered such a
    question is not declared dead for its silence.

    execution_timeout: after which a goal is cancelled and ends as EXECUTION_TIMEOUT [s]. server_timeout: silence after
    which the server counts as lost [s]. Both may be set at any time.
    """

    def __init__(self, node: Node, callback_group: CallbackGroup, ended: Ended):
        self._logger, self._ended = node.get_logger(), ended
        self.execution_timeout, self.server_timeout = 60.0, 2.0
        self._lock = threading.Lock()
        self._stopped = ""  # why nothing may be started
        self._running: _Running | None = None
        self._stopping: _Running | None = None  # what the last stop met
        self._client = OrderedActionClient(node, ExecuteGrasp, ACTION, callback_group=callback_group)
        probe_name = f"{node.resolve_service_name(ACTION)}/_action/get_result"
        self._prober = node.create_client(ExecuteGrasp.Impl.GetResultService, probe_name, callback_group=callback_group)
        # Not the node's clock: simulated time may stand still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_WATCH_PERIOD, self._watch, callback_group, clock=steady)

    @property
    def status(self) -> str:
        """`idle`, or the execution and its phase."""
        running = self._running
        return "idle" if running is None else f"{running.goal.execution_id} {running.phase}"

    def start(self, goal: ExecuteGrasp.Goal, deadline: Deadline) -> None:
        """Send the goal; returns once it is accepted.

        Raises:
            GmiError: NOT_ACTIVE after `stop`, BUSY, ACTION_SERVER_ABSENT, GOAL_REJECTED, CANCELLED by `stop` before the
                server answered, or TIMEOUT where it does not answer in time (a goal that it accepts later is
                cancelled).
        """
        now = time.monotonic()
        running = _Running(goal, now, now)
        with self._lock:
            if self._stopped:
                raise GmiError(ErrorCode.NOT_ACTIVE, f"nothing is executed: {self._stopped}")
            if self._running is not None:
                raise GmiError(
                    ErrorCode.BUSY, f"execution {self.status} still runs, at most 1 may: wait for it or cancel it"
                )
            self._running = running
        try:
            self._send(running, deadline)
        except BaseException:
            self._release(running)
            raise

    def cancel(self) -> tuple[bool, str]:
        """Ask the server to stop; whether it agreed, and one sentence. The end comes as every end does."""
        running = self._running
        if running is None or running.handle is None:
            return False, "nothing is being executed"
        answered = threading.Event()
        future = running.handle.cancel_goal_async()
        future.add_done_callback(lambda _: answered.set())
        execution = f"execution {running.goal.execution_id}"
        if not answered.wait(_CANCEL_WAIT):
            return False, f"{ACTION} did not answer the cancel of {execution} within {_CANCEL_WAIT} s"
        if not future.result().goals_canceling:
            return False, f"{ACTION} refused to cancel {execution} (return code {future.result().return_code})"
        return True, f"{execution} is being cancelled"

    def allow(self) -> None:
        """Goals may be started again after a `stop`."""
        with self._lock:
            self._stopped = ""

    def stop(self, reason: str) -> None:
        """Cancel without waiting, end what runs as CANCELLED, and start nothing until `allow`.

        A goal that the server has not accepted yet has no outcome; `start` raises instead.
        """
        with self._lock:
            self._stopped = reason
            running = self._running
            if running is None:
                return
            self._stopping = running
            if running.handle is None:
                running.abandoned, self._running = True, None
                running.answered.set()
                return
        if running.handle.accepted:
            running.cancelling = running.handle.cancel_goal_async()
            self._finish(running, None, ErrorCode.CANCELLED, f"cancelled: {reason}")

    def settle(self, timeout: float) -> None:
        """Wait until the server has heard of a `stop`, at most `timeout` [s]: before the process ends.

        A goal that was on its way when the stop came is cancelled as soon as the server has taken it.
        """
        running, end = self._stopping, time.monotonic() + timeout
        while running is not None and not running.is_settled and time.monotonic() < end:
            time.sleep(_POLL)

    def _send(self, running: _Running, deadline: Deadline) -> None:
        patience = min(_SERVER_WAIT, deadline.left)
        if not self._client.wait_for_server(timeout_sec=patience):
            raise GmiError(
                ErrorCode.ACTION_SERVER_ABSENT,
                f"nobody serves {ACTION}: no action server was found within {patience:.2f} s; start one, or remap",
            )
        self._check_wanted(running)
        goal_id = UUID(uuid=list(uuid.UUID(running.goal.execution_id).bytes))
        future = self._client.send_goal_async(
            running.goal, lambda feedback: self._on_feedback(running, feedback), goal_id
        )
        future.add_done_callback(lambda answered: self._on_answer(running, answered))
        if not running.answered.wait(deadline.left):
            with self._lock:
                late = not running.answered.is_set()
                running.abandoned |= late
            if late:
                raise GmiError(
                    ErrorCode.TIMEOUT,
                    f"{ACTION} neither accepted nor rejected the goal within request_timeout, "
                    f"{deadline.timeout_s:.2f} s; if it accepts later, the goal is cancelled",
                )
        self._check_wanted(running)
        if not running.handle.accepted:
            raise GmiError(
                ErrorCode.GOAL_REJECTED, f"{ACTION} rejected execution {running.goal.execution_id}; its log says why"
            )
        self._ask_result(running)

    @staticmethod
    def _check_wanted(running: _Running) -> None:
        """Raises GmiError CANCELLED where `stop` came before the server's answer."""
        if running.abandoned:
            raise GmiError(
                ErrorCode.CANCELLED,
                f"execution {running.goal.execution_id} was cancelled before {ACTION} had accepted it: "
                "the node is being deactivated",
            )

    def _ask_result(self, running: _Running) -> None:
        running.asked = time.monotonic()
        running.handle.get_result_async().add_done_callback(lambda done: self._on_result(running, done))

    def _on_answer(self, running: _Running, answered: Future) -> None:
        with self._lock:
            running.handle = answered.result()
            running.last_sign = time.monotonic()
            running.phase = "accepted"
            running.answered.set()
        if running.abandoned and running.handle.accepted:
            self._logger.warning(f"execution {running.goal.execution_id} was accepted too late and is cancelled")
            running.cancelling = running.handle.cancel_goal_async()

    def _on_feedback(self, running: _Running, feedback: Any) -> None:
        running.last_sign = time.monotonic()
        running.phase = feedback.feedback.phase_name

    def _on_result(self, running: _Running, done: Future) -> None:
        status, result = done.result().status, done.result().result
        if status == GoalStatus.STATUS_UNKNOWN:
            execution = f"execution {running.goal.execution_id} ({running.phase})"
            message = f"{ACTION} knows nothing of {execution}: it was started anew"
            self._finish(running, None, ErrorCode.ACTION_SERVER_LOST, message)
            return
        code, message = result.error_code, result.message
        if status == GoalStatus.STATUS_CANCELED:
            code, message = code or ErrorCode.CANCELLED, message or "cancelled"
        elif status != GoalStatus.STATUS_SUCCEEDED:
            code = code or ErrorCode.EXECUTION_FAILED
            message = message or f"{ACTION} ended the goal with status {status}"
        self._finish(running, result, code, message)

    def _watch(self) -> None:
        running = self._running
        if running is None or running.handle is None or not running.handle.accepted:
            return
        now, execution = time.monotonic(), f"execution {running.goal.execution_id} ({running.phase})"
        if running.probe is not None and running.probe.done():
            running.probe, running.answers_probes, running.last_sign = None, True, now
        silence = now - running.last_sign
        if not self._client.server_is_ready():
            self._finish(running, None, ErrorCode.ACTION_SERVER_LOST, f"{ACTION} left the graph during {execution}")
        elif running.answers_probes and silence > self.server_timeout:
            running.handle.cancel_goal_async()  # should it come back, the hand must not go on
            self._finish(
                running,
                None,
                ErrorCode.ACTION_SERVER_LOST,
                f"{ACTION} gave no sign of life for {silence:.1f} s during {execution}, "
                f"at most {self.server_timeout:.1f} s allowed (server_timeout)",
            )
        elif now - running.sent > self.execution_timeout:
            running.handle.cancel_goal_async()
            self._finish(
                running,
                None,
                ErrorCode.EXECUTION_TIMEOUT,
                f"{execution} was cancelled after {now - running.sent:.1f} s, "
                f"at most {self.execution_timeout:.1f} s allowed (execution_timeout)",
            )
        elif running.asked and now - running.asked > self.server_timeout:
            self._ask_result(running)  # a server that was started anew does not know the goal
        elif running.probe is None:
            running.probe = self._prober.call_async(
                ExecuteGrasp.Impl.GetResultService.Request(goal_id=UUID(uuid=list(uuid.uuid4().bytes)))
            )

    def _finish(self, running: _Running, result: ExecuteGrasp.Result | None, code: int, message: str) -> None:
        """Tell the end, unless it was told already: a lost server may come back with a result."""
        if not self._release(running):
            return
        if running.probe is not None:
            self._prober.remove_pending_request(running.probe)
        try:
            self._ended(running.goal, result, code, message)
        except Exception:  # a defect of ours, or a result beyond all rules, must not take the node down
            execution = running.goal.execution_id
            self._logger.error(f"the end of execution {execution} could not be told: {traceback.format_exc()}")

    def _release(self, running: _Running) -> bool:
        with self._lock:
            if self._running is not running:
                return False
            self._running = None
            return True
