"""Adapter to MoveIt 2: pose goals of the mount through moveit_msgs/action/MoveGroup."""

import numpy as np
from rclpy.node import Node

from gmi_ros.bridge.drivers import ArmState, Task
from gmi_ros.ros.bridge.arms import PoseListener
from gmi_ros.ros.bridge.settings import BridgeSettings
from gmi_ros.ros.bridge.tasks import Waiting, absent
from gmi_ros.ros.bridge.trajectory_client import ActionTasks
from gmi_ros.ros.compat import interface
from gmi_ros.ros.convert import pose_message

WANTED_BY = "arm_driver move_group"
_NEAR, _NEAR_ANGLE = 0.001, 0.005  # what a goal's pose may be missed by [m], [rad]


class MoveGroupArm(ActionTasks):
    """Straight ways by a planner that can (Pilz' LIN by default), at a Cartesian speed; the others as MoveIt likes.

    Raises:
        GmiError: BAD_SETTING where moveit_msgs is not installed.
    """

    def __init__(self, node: Node, settings: BridgeSettings):
        self._settings, self.frame = settings, settings.base_frame
        self._action = interface("moveit_msgs", "action", "MoveGroup", WANTED_BY)
        self._codes = interface("moveit_msgs", "msg", "MoveItErrorCodes", WANTED_BY)
        self._listener = PoseListener(node, settings.arm_pose)
        super().__init__(node, self._action, settings.move_group_action)

    def prepare(self) -> Task:
        """As Arm."""
        s = self._settings
        return Waiting(self.is_there, s.driver_timeout, lambda: absent("action", self.name, s.driver_timeout))

    def state(self) -> ArmState | None:
        """As Arm."""
        return self._listener.state(self.frame)

    def move(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm."""
        s = self._settings
        return self.send(self._goal(base_from_mount, speed, s.travel_pipeline, s.travel_planner))

    def straight(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm."""
        s = self._settings
        return self.send(self._goal(base_from_mount, speed, s.straight_pipeline, s.straight_planner))

    def failure(self, status: int, result) -> tuple[str, str] | None:
        """As ActionTasks, by MoveIt's own code."""
        code = result.error_code.val
        if code == self._codes.SUCCESS:
            return None
        values = {n: getattr(self._codes, n) for n in dir(self._codes) if n.isupper()}
        names = {value: n for n, value in values.items() if isinstance(value, int)}  # a message has more in capitals
        unplanned = code in (self._codes.PLANNING_FAILED, self._codes.NO_IK_SOLUTION, self._codes.INVALID_MOTION_PLAN)
        text = f"{self.name} ended the goal with {names.get(code, 'code')} ({code})"
        return "unreachable" if unplanned else "goal_aborted", text

    def _goal(self, base_from_mount: np.ndarray, speed: float, pipeline: str, planner: str):
        s = self._settings
        goal = self._action.Goal()
        request = goal.request
        request.group_name = s.planning_group
        request.pipeline_id, request.planner_id = pipeline, planner
        request.num_planning_attempts, request.allowed_planning_time = 1, s.planning_time
        request.max_velocity_scaling_factor = request.max_acceleration_scaling_factor = s.arm_speed_scale
        request.cartesian_speed_limited_link, request.max_cartesian_speed = s.mount_link, speed
        request.start_state.is_diff = True
        request.goal_constraints = [pose_constraints(self.frame, s.mount_link, base_from_mount)]
        goal.planning_options.planning_scene_diff.is_diff = True
        goal.planning_options.planning_scene_diff.robot_state.is_diff = True
        return goal


def pose_constraints(frame: str, link: str, pose: np.ndarray):
    """moveit_msgs/Constraints: this link (nearly) at this pose (4, 4) of the frame."""
    constraints = interface("moveit_msgs", "msg", "Constraints", WANTED_BY)()
    position = interface("moveit_msgs", "msg", "PositionConstraint", WANTED_BY)()
    turned = interface("moveit_msgs", "msg", "OrientationConstraint", WANTED_BY)()
    ball = interface("shape_msgs", "msg", "SolidPrimitive", WANTED_BY)()
    message = pose_message(pose)
    position.header.frame_id = turned.header.frame_id = frame
    position.link_name = turned.link_name = link
    ball.type, ball.dimensions = ball.SPHERE, [_NEAR]
    position.constraint_region.primitives = [ball]
    position.constraint_region.primitive_poses = [message]
    turned.orientation = message.orientation
    turned.absolute_x_axis_tolerance = turned.absolute_y_axis_tolerance = turned.absolute_z_axis_tolerance = _NEAR_ANGLE
    position.weight = turned.weight = 1.0
    constraints.position_constraints, constraints.orientation_constraints = [position], [turned]
    return constraints
