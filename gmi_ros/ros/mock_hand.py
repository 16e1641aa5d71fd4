"""A stand-in for hand and arm: serves execute_grasp without moving anything, for tests and dry runs.

    python -m gmi_ros.ros.mock_hand [BEHAVIOUR] [--ros-args ...]

runs it as a node beside a grasp_synthesizer with allow_execution; BEHAVIOUR is one of BEHAVIOURS, `succeed` unless
given.
"""

import sys
import threading
import time
from collections.abc import Sequence

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.utilities import remove_ros_args

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.msg import Contact
from gmi_ros.ros.convert import pose_stamped, unknown_contacts
from gmi_ros.ros.node_main import run_node

BEHAVIOURS = ("succeed", "fail", "abort", "reject", "slow", "vanish")
_PHASES = ("OPENING", "PREGRASP", "APPROACH", "CLOSING", "SQUEEZE", "LIFT", "HOLD", "VERDICT")
_SLOW_PHASE = 5.0  # [s]


class MockHand(Node):
    """behaviour: `succeed` and `fail` report an object that was held or slipped; `abort` reports broken hardware;
    `reject` takes no goal; `slow` takes 5 s for every phase and obeys cancel; `vanish` accepts a goal and then stops
    serving. What ends without the object in the hand ends with the phase `retreat`.

    Needs an executor with several threads, since a slow goal occupies one. `goals` are those that came.

    Raises:
        GmiError: BAD_SETTING for another behaviour.
    """

    def __init__(
        self,
        behaviour: str = "succeed",
        *,
        context: Context | None = None,
        parameter_overrides: Sequence[Parameter] | None = None,
        **node_options,
    ):
        if behaviour not in BEHAVIOURS:
            raise GmiError(
                ErrorCode.BAD_SETTING, f"behaviour must be one of {', '.join(BEHAVIOURS)}, got {behaviour!r}"
            )
        super().__init__(
            "mock_hand", context=context, parameter_overrides=list(parameter_overrides or ()), **node_options
        )
        self.behaviour = behaviour
        self.goals: list[ExecuteGrasp.Goal] = []
        self._stopping = threading.Event()
        self._server: ActionServer | None = ActionServer(
            self,
            ExecuteGrasp,
            "execute_grasp",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def destroy_node(self) -> None:
        """End what runs and take the node down."""
        self._stopping.set()
        self._stop_serving()
        super().destroy_node()

    def _on_goal(self, goal: ExecuteGrasp.Goal) -> GoalResponse:
        self.goals.append(goal)
        return GoalResponse.REJECT if self.behaviour == "reject" else GoalResponse.ACCEPT

    def _execute(self, handle: ServerGoalHandle) -> ExecuteGrasp.Result:
        start = time.monotonic()

        def tell(name: str) -> None:
            number = getattr(ExecuteGrasp.Feedback, name)
            handle.publish_feedback(
                ExecuteGrasp.Feedback(phase=number, phase_name=name.lower(), elapsed=time.monotonic() - start)
            )

        for name in _PHASES:
            if self.behaviour == "vanish" and name == "CLOSING":
                self._stop_serving()
                return ExecuteGrasp.Result()
            tell(name)
            if self._cancelled_in_phase(handle):
                tell("RETREAT")
                handle.canceled()
                return execution_result(handle.request, "cancelled", ErrorCode.CANCELLED, "cancelled on request")
        if self.behaviour in ("abort", "fail"):
            tell("RETREAT")
        if self.behaviour == "abort":
            handle.abort()
            return execution_result(handle.request, "hardware", ErrorCode.EXECUTION_FAILED, "finger F2 reports a fault")
        handle.succeed()
        return execution_result(handle.request, "slipped" if self.behaviour == "fail" else "held")

    def _cancelled_in_phase(self, handle: ServerGoalHandle) -> bool:
        end = time.monotonic() + (_SLOW_PHASE if self.behaviour == "slow" else 0.0)
        while not handle.is_cancel_requested:
            if self._stopping.wait(min(0.02, max(0.0, end - time.monotonic()))) or time.monotonic() >= end:
                return False
        return True

    def _stop_serving(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.destroy()


def execution_result(
    goal: ExecuteGrasp.Goal, reason: str, code: ErrorCode = ErrorCode.OK, message: str = ""
) -> ExecuteGrasp.Result:
    """As the mock gives it: contacts exactly where they were predicted, unless it did not come to that."""
    grasp, closed = goal.grasp, code == ErrorCode.OK
    contacts = [
        Contact(
            finger=contact.finger,
            position=contact.position,
            normal=contact.normal,
            residual=contact.residual,
            state=Contact.IN_CONTACT,
            force=min(5.0, grasp.tip_force_limit),
        )
        for contact in grasp.contacts
    ]
    return ExecuteGrasp.Result(
        success=reason == "held",
        error_code=int(code),
        message=message,
        reason=reason,
        judged_by="sensor",
        contacts_reached=contacts if closed else unknown_contacts(),
        joints_reached=grasp.joints_closed,
        wrist_pose_reached=pose_stamped(grasp.wrist_pose, grasp.header),
        height_lifted=grasp.lift_height if reason == "held" else 0.0,
    )


def main() -> None:
    """Run it as a process until it is told to stop."""
    behaviour = (remove_ros_args(sys.argv)[1:] or ["succeed"])[0]
    sys.exit(run_node(lambda: MockHand(behaviour)))


if __name__ == "__main__":
    main()
