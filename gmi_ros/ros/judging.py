"""A person's verdict on an outcome, from the service to the thread that writes the store, and its answer back."""

import threading
from collections.abc import Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from gmi_ros.core.errors import ErrorCode, GmiError, shortened
from gmi_ros.ros.convert_outcome import LONGEST_NAME
from gmi_ros.srv import JudgeGrasp

LONGEST_NOTE = 1000  # characters
_AT_ONCE = 2  # verdicts that are waited for; each takes a thread of the executor


class Judgement:
    """What a person says, and what they are told; the first answer counts."""

    def __init__(self, outcome_id: str, success: bool, note: str = ""):
        self.outcome_id, self.success, self.note = outcome_id, success, note
        self._told = threading.Event()
        self._code, self._message = ErrorCode.TIMEOUT, ""

    def tell(self, code: ErrorCode, message: str) -> None:
        """What has become of it: OK once it is committed, a refusal, or a fault while it is kept."""
        if not self._told.is_set():
            self._code, self._message = code, message
            self._told.set()

    @property
    def is_told(self) -> bool:
        """Whether there has been an answer."""
        return self._told.is_set()

    def answer(self, timeout: float) -> tuple[ErrorCode, str]:
        """Wait at most so long [s]."""
        if self._told.wait(timeout):
            return self._code, self._message
        return ErrorCode.TIMEOUT, (
            f"the verdict on {self.outcome_id!r} is not committed after {timeout:g} s (judge_timeout); it is kept, and "
            "committed once the outcome is stored, unless the recorder ends before: judge again to be sure"
        )


class JudgeService:
    """Serves `~/judge`: checks a request, hands it on and waits for the answer."""

    def __init__(self, node: Node, timeout: float, hand_on: Callable[[Judgement], None]):
        self._timeout, self._hand_on = timeout, hand_on
        self._places = threading.Semaphore(_AT_ONCE)
        node.create_service(JudgeGrasp, "~/judge", self._serve, callback_group=ReentrantCallbackGroup())

    def _serve(self, request: JudgeGrasp.Request, response: JudgeGrasp.Response) -> JudgeGrasp.Response:
        try:
            code, response.message = self._judge(request)
        except GmiError as error:
            code, response.message = error.code, error.message
        response.accepted, response.error_code = code == ErrorCode.OK, int(code)
        return response

    def _judge(self, request: JudgeGrasp.Request) -> tuple[ErrorCode, str]:
        if not 0 < len(request.outcome_id) <= LONGEST_NAME:
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"outcome_id must have 1 to {LONGEST_NAME} characters, got {len(request.outcome_id)}: "
                f"{shortened(request.outcome_id, 60)!r}; valid is that of a GraspOutcome or Recorded",
            )
        if len(request.note) > LONGEST_NOTE:
            raise GmiError(
                ErrorCode.BAD_REQUEST, f"note must have at most {LONGEST_NOTE} characters, got {len(request.note)}"
            )
        if not self._places.acquire(blocking=False):
            raise GmiError(ErrorCode.BUSY, f"{_AT_ONCE} verdicts are being committed: judge again in a moment")
        try:
            judgement = Judgement(request.outcome_id, request.success, request.note)
            self._hand_on(judgement)
            return judgement.answer(self._timeout)
        finally:
            self._places.release()
