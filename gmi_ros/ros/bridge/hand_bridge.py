"""The node hand_bridge: serves execute_grasp by what a lab's drivers of hand and arm offer."""

import math
import sys
import threading
import time

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState

from gmi_ros.action import ExecuteGrasp
from gmi_ros.bridge.drivers import Arm, Hand
from gmi_ros.bridge.motion import GraspMotion
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.grasp import JOINTS
from gmi_ros.hand.barrett import BarrettHand, load_hand
from gmi_ros.ros import parameters
from gmi_ros.ros.bridge.arms import PoseArm, TrajectoryArm
from gmi_ros.ros.bridge.clock import now_of
from gmi_ros.ros.bridge.goals import motion_plan, result_message
from gmi_ros.ros.bridge.hands import JointStateHand, TrajectoryHand, WamHand
from gmi_ros.ros.bridge.move_group_arm import MoveGroupArm
from gmi_ros.ros.bridge.settings import BridgeSettings
from gmi_ros.ros.convert import nanoseconds
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.settings import IDENTITY, pose_of
from gmi_ros.ros.transforms import Transforms

HAND_BRIDGE = "hand_bridge"
TICK = 0.01  # [s]
_CLOCK_TIMEOUT = 5.0  # [s] that simulated time may stand still
_FEEDBACK = 0.2  # [s] between two reports within a phase
_HANDS = {"follow_joint_trajectory": TrajectoryHand, "joint_state": JointStateHand, "wam": WamHand}
_ARMS = {"follow_joint_trajectory": TrajectoryArm, "move_group": MoveGroupArm, "pose": PoseArm}


class HandBridge(Node):
    """One goal at a time; a second one is rejected. Needs an executor with several threads.

    Raises:
        GmiError: BAD_SETTING for a parameter out of its range, or a driver whose messages are not installed.
    """

    def __init__(self, **node_options):
        super().__init__(HAND_BRIDGE, **node_options)
        self._settings = parameters.declare(self, BridgeSettings)
        s = self._settings
        self._figures: BarrettHand = load_hand(s.hand)
        given = pose_of("base_from_grasp_frame", s.base_from_grasp_frame)
        fixed = s.base_from_grasp_frame != IDENTITY
        self._transforms = Transforms(self, s.base_frame, given if fixed else None) if s.base_frame else None
        self.hand: Hand = _HANDS[s.hand_driver](self, self._figures, s)
        self.arm: Arm = _ARMS[s.arm_driver](self, s)
        self._taken = threading.Lock()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self.motion: GraspMotion | None = None
        self.stopped: float | None = None  # when the last motion was stopped, monotonic [s]
        self._server = ActionServer(
            self,
            ExecuteGrasp,
            "execute_grasp",
            self._execute,
            goal_callback=self._judge_goal,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )
        self.get_logger().info(f"hand {s.hand} by {s.hand_driver}, arm by {s.arm_driver}")

    def finish(self) -> None:
        """Stop what runs and let it go back: the node is about to go."""
        self._stopping.set()
        self._ended.wait(self._settings.retreat_timeout)

    def destroy_node(self) -> None:
        """Also the action server, which a node does not know of."""
        self._stopping.set()
        self._server.destroy()
        super().destroy_node()

    def _judge_goal(self, goal: ExecuteGrasp.Goal) -> GoalResponse:
        if self._stopping.is_set() or not self._taken.acquire(blocking=False):
            self.get_logger().warning(f"goal {goal.execution_id} rejected: another grasp is being executed")
            return GoalResponse.REJECT
        try:
            motion_plan(goal.grasp, self._figures, np.eye(4))
        except GmiError as error:
            self._taken.release()
            self.get_logger().warning(f"goal {goal.execution_id} rejected: {error.message}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT  # _execute gives the place back

    def _execute(self, handle: ServerGoalHandle) -> ExecuteGrasp.Result:
        goal, started = handle.request, now_of(self)
        self._ended.clear()
        try:
            try:
                base_from_grasp = self._base_from(goal)
                plan = motion_plan(goal.grasp, self._figures, base_from_grasp)
            except GmiError as error:
                handle.abort()
                self.get_logger().warning(f"goal {goal.execution_id}: {error.message}")
                return ExecuteGrasp.Result(
                    error_code=int(error.code),
                    message=error.message,
                    reason=error.code.name.lower(),
                    height_lifted=float("nan"),
                )
            self.arm.frame = self._settings.base_frame or goal.grasp.header.frame_id
            motion = GraspMotion(plan, self.hand, self.arm, self._figures, self._settings)
            self.motion, self.stopped = motion, None
            self._run(motion, handle, started)
            result = result_message(motion.outcome, goal, self._figures, base_from_grasp)
            if motion.outcome.code == ErrorCode.CANCELLED and handle.is_cancel_requested:
                handle.canceled()
            elif motion.outcome.code:
                handle.abort()
            else:
                handle.succeed()
        finally:
            self._taken.release()
            self._ended.set()
        self.get_logger().info(f"goal {goal.execution_id}: {result.reason}; {result.message}")
        return result

    def _run(self, motion: GraspMotion, handle: ServerGoalHandle, started: float) -> None:
        told, at, moved, last = None, 0.0, time.monotonic(), -1.0
        while True:
            now = now_of(self)
            if now != last:
                last, moved = now, time.monotonic()
            elif time.monotonic() - moved > _CLOCK_TIMEOUT:
                now = last = last + _CLOCK_TIMEOUT  # so that everything counts as silent, and the way back ends
                moved = time.monotonic()
            if handle.is_cancel_requested:
                motion.cancel("cancelled on request")
            elif self._stopping.is_set():
                motion.cancel("hand_bridge is shut down")
            ended = motion.tick(now)
            if self.stopped is None and not math.isnan(motion.stopped_at):
                self.stopped = time.monotonic()
            if motion.phase is not told or now - at > _FEEDBACK:
                told, at = motion.phase, now
                handle.publish_feedback(self._feedback(motion, now - started))
            if ended:
                return
            time.sleep(TICK)

    def _feedback(self, motion: GraspMotion, elapsed: float) -> ExecuteGrasp.Feedback:
        state = self.hand.state()
        joints = JointState(name=list(JOINTS), position=[] if state is None else [float(j) for j in state.joints])
        return ExecuteGrasp.Feedback(
            phase=int(motion.phase),
            phase_name=motion.phase.name.lower(),
            progress=motion.progress,
            elapsed=elapsed,
            joints=joints,
        )

    def _base_from(self, goal: ExecuteGrasp.Goal) -> np.ndarray:
        """(4, 4) base_from_grasp_frame. Raises GmiError TRANSFORM_UNAVAILABLE."""
        if self._transforms is None:
            return np.eye(4)
        header = goal.grasp.header
        found = self._transforms.output_from_camera(
            header.frame_id, nanoseconds(header.stamp), self._settings.tf_timeout
        )
        return np.eye(4) if found is None else found


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run_node(HandBridge))
