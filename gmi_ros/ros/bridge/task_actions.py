"""Actions whose goals are tasks of a simulated driver: accepted, carried out, cancelled and failed as the real ones are."""

import threading
import time
from collections.abc import Callable

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from gmi_ros.bridge.drivers import TOLERANCE, Task
from gmi_ros.bridge.simulated import SimulatedArm, SimulatedHand
from gmi_ros.ros.compat import interface

_POLL = 0.005  # [s]


class TaskActions:
    """Serves them until `close`. node, group: also of what else is served. lock: held while a driver is told something."""

    def __init__(self, node: Node, group: CallbackGroup, lock: threading.RLock):
        self.node, self.group, self.lock = node, group, lock
        self._stopping = threading.Event()
        self._servers: list[ActionServer] = []

    def close(self) -> None:
        """End what is under way, and the servers."""
        self._stopping.set()
        for server in self._servers:
            server.destroy()

    def serve_trajectories(
        self, name: str, follow: Callable[..., Task | None], driver: SimulatedHand | SimulatedArm
    ) -> None:
        """A control_msgs/FollowJointTrajectory at `name`; arguments as of `serve`."""
        action = interface("control_msgs", "action", "FollowJointTrajectory", f"the mock of {name}")

        def answer(task: Task | None):
            result = action.Result()
            fault = None if task is None else task.fault
            if fault is not None:
                missed = fault.reason == TOLERANCE
                result.error_code = (
                    action.Result.GOAL_TOLERANCE_VIOLATED if missed else action.Result.PATH_TOLERANCE_VIOLATED
                )
                result.error_string = fault.message
            return result, fault is not None

        self.serve(action, name, follow, driver, answer)

    def serve(
        self,
        action: type,
        name: str,
        start: Callable[..., Task | None],
        driver: SimulatedHand | SimulatedArm,
        answer: Callable[[Task | None], tuple],
    ) -> None:
        """A silent driver answers nothing until it is back.

        start: from a goal to the driver's task, None to reject it. answer: from an ended task to the result and whether it
        failed.
        """
        tasks: dict[int, Task] = {}

        def wait_until_heard() -> bool:
            while driver.is_silent:
                if self._stopping.wait(_POLL):
                    return False
            return True

        def judge(goal) -> GoalResponse:
            if not wait_until_heard():
                return GoalResponse.REJECT
            with self.lock:
                task = start(goal)
            if not wait_until_heard() or task is None:
                return GoalResponse.REJECT
            if task.fault is not None and task.fault.reason == "goal_rejected":
                return GoalResponse.REJECT
            tasks[id(goal)] = task
            return GoalResponse.ACCEPT

        def on_cancel(_) -> CancelResponse:
            return CancelResponse.ACCEPT if wait_until_heard() else CancelResponse.REJECT

        def execute(handle):
            task = tasks.pop(id(handle.request))
            while not task.ended and not self._stopping.is_set():
                if handle.is_cancel_requested and wait_until_heard():
                    with self.lock:
                        if not task.ended:
                            driver.stop()
                    handle.canceled()
                    return answer(task)[0]
                time.sleep(_POLL)
            wait_until_heard()
            result, failed = answer(task)
            (handle.abort if failed or not task.ended else handle.succeed)()
            return result

        callbacks = {"goal_callback": judge, "cancel_callback": on_cancel, "callback_group": self.group}
        self._servers.append(ActionServer(self.node, action, name, execute, **callbacks))
