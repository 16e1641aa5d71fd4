"""control_msgs/FollowJointTrajectory as tasks, for hands and for arms."""

import threading

import numpy as np
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from gmi_ros.bridge.drivers import TOLERANCE, Task
from gmi_ros.core.errors import ErrorCode
from gmi_ros.ros.action_client import OrderedActionClient
from gmi_ros.ros.compat import interface

NO_LIMIT = -1.0  # of a JointTolerance


class ActionTasks:
    """An action's goals as tasks: a new one replaces the one before. result: what an ended goal means to its task."""

    def __init__(self, node: Node, kind: type, name: str):
        self.name, self._lock = name, threading.Lock()
        self._client = OrderedActionClient(node, kind, name, callback_group=ReentrantCallbackGroup())
        self._task: Task | None = None
        self._handle = None

    def is_there(self) -> bool:
        """Whether somebody serves the action."""
        return self._client.server_is_ready()

    def send(self, goal) -> Task:
        """Send a goal; its task ends with it."""
        task = Task()
        with self._lock:
            if self._task is not None:
                self._task.fail(ErrorCode.CANCELLED, "replaced", "another command came")
            self._task, self._handle = task, None
        if not self.is_there():
            task.fail(ErrorCode.ACTION_SERVER_LOST, "driver_absent", f"nobody serves {self.name} any more")
            return task
        self._client.send_goal_async(goal).add_done_callback(lambda done: self._on_answer(task, done))
        return task

    def stop(self) -> None:
        """Cancel what runs; a goal that is not answered yet is cancelled once it is."""
        with self._lock:
            task, handle, self._task, self._handle = self._task, self._handle, None, None
        if task is not None:
            task.fail(ErrorCode.CANCELLED, "stopped", "stopped")
        if handle is not None:
            handle.cancel_goal_async()

    def _on_answer(self, task: Task, done: Future) -> None:
        handle = done.result()
        if handle is None or not handle.accepted:
            task.fail(ErrorCode.EXECUTION_FAILED, "goal_rejected", f"{self.name} rejected the goal; its log says why")
            return
        with self._lock:
            current = task is self._task
            if current:
                self._handle = handle
        # A controller drops what it did for a new goal by itself; only a stop has to be sent after.
        if not current and task.fault is not None and task.fault.reason == "stopped":
            handle.cancel_goal_async()
        handle.get_result_async().add_done_callback(lambda ended: self._on_result(task, ended))

    def _on_result(self, task: Task, ended: Future) -> None:
        status, result = ended.result().status, ended.result().result
        if status == GoalStatus.STATUS_CANCELED:
            task.fail(ErrorCode.CANCELLED, "goal_cancelled", f"{self.name} cancelled the goal")
            return
        failed = self.failure(status, result)
        if failed is None:
            task.finish()
        else:
            task.fail(ErrorCode.EXECUTION_FAILED, *failed)

    def failure(self, status: int, result) -> tuple[str, str] | None:
        """Reason and message of an ended goal; None where it has succeeded."""
        if status == GoalStatus.STATUS_SUCCEEDED:
            return None
        return "goal_aborted", f"{self.name} ended the goal with status {status}"


class TrajectoryClient(ActionTasks):
    """Goals of a joint trajectory controller. Needs control_msgs.

    Raises:
        GmiError: BAD_SETTING where control_msgs is not installed.
    """

    def __init__(self, node: Node, name: str, wanted_by: str):
        self._action = interface("control_msgs", "action", "FollowJointTrajectory", wanted_by)
        self._tolerance = interface("control_msgs", "msg", "JointTolerance", wanted_by)
        super().__init__(node, self._action, name)

    def follow(self, names: tuple[str, ...], times: np.ndarray, points: np.ndarray, tolerance: float | None) -> Task:
        """Points (n, k) at times (n,) [s]. tolerance: of the end; NO_LIMIT: none; None: the controller's own."""
        goal = self._action.Goal()
        goal.trajectory = trajectory_message(names, times, points)
        if tolerance is not None:
            goal.goal_tolerance = [
                self._tolerance(name=name, position=tolerance, velocity=NO_LIMIT, acceleration=NO_LIMIT)
                for name in names
            ]
            if tolerance == NO_LIMIT:
                goal.path_tolerance = goal.goal_tolerance
        return self.send(goal)

    def failure(self, status: int, result) -> tuple[str, str] | None:
        """As ActionTasks; a missed goal tolerance is told apart, since closing on an object misses it."""
        codes = self._action.Result
        if status == GoalStatus.STATUS_SUCCEEDED and result.error_code == codes.SUCCESSFUL:
            return None
        missed = result.error_code == codes.GOAL_TOLERANCE_VIOLATED
        text = f"{self.name} ended the goal with error {result.error_code}: {result.error_string or 'no reason given'}"
        return TOLERANCE if missed else "goal_aborted", text


def trajectory_message(names: tuple[str, ...], times: np.ndarray, points: np.ndarray) -> JointTrajectory:
    """Points (n, k) at times (n,) [s] of k named joints."""
    message = JointTrajectory(joint_names=list(names))
    for time, point in zip(times, points):
        whole = int(time)
        after = Duration(sec=whole, nanosec=int((time - whole) * 1e9))
        message.points.append(JointTrajectoryPoint(positions=[float(p) for p in point], time_from_start=after))
    return message


def trajectory_arrays(message: JointTrajectory, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Times (n,) [s] and points (n, k) in the order of `names`; None where the joints are not exactly these."""
    if sorted(message.joint_names) != sorted(names) or not message.points:
        return None
    order = [message.joint_names.index(name) for name in names]
    times = np.array([p.time_from_start.sec + p.time_from_start.nanosec / 1e9 for p in message.points])
    return times, np.array([list(p.positions) for p in message.points])[:, order]
