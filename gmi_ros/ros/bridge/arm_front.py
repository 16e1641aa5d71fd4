"""The ROS side of a mock arm: topics and actions as the documented drivers have them."""

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from gmi_ros.bridge.chain import Chain
from gmi_ros.bridge.drivers import Task
from gmi_ros.bridge.pose_stream import PoseStream
from gmi_ros.bridge.simulated import SimulatedArm
from gmi_ros.bridge.ways import distance
from gmi_ros.core.resources import resource
from gmi_ros.ros.bridge.arms import MOCK_ARM
from gmi_ros.ros.bridge.mock_settings import MockSettings
from gmi_ros.ros.bridge.task_actions import TaskActions
from gmi_ros.ros.bridge.trajectory_client import trajectory_arrays
from gmi_ros.ros.compat import interface
from gmi_ros.ros.convert import nanoseconds, pose_matrix, pose_stamped

HOME = (3.1416, -1.0892, -2.3782, -3.1417, 2.8158, 0.0)  # joints of the mock arm at the start: beside its base [rad]
_BURST = 0.3  # [s] without a pose, after which the next one begins another motion
_DELAY = 2  # periods of an arm's commands by which they are followed later
_NEAR = 0.01  # [m] from where the arm is


class ArmFront:
    """Serves the style of arm that the settings name, and tells what the arm does. Poses are in `arm.frame`.

    stream: the poses that a style without goals is sent along. joints: (n,) [rad] of a style that has joints.
    """

    def __init__(
        self,
        actions: TaskActions,
        arm: SimulatedArm,
        settings: MockSettings,
    ):
        self._actions, self._node, self._group, self._lock = actions, actions.node, actions.group, actions.lock
        self._arm, self._settings = arm, settings
        self._states, self._poses, self._chain = None, None, None
        self.joints = np.zeros(0)
        self.stream = PoseStream(_DELAY / settings.pose_rate)
        self._last_pose, self._burst_ignored = -np.inf, False
        styles = {"follow_joint_trajectory": self._trajectory, "move_group": self._move_group, "pose": self._pose}
        styles[settings.arm_driver]()

    def place(self) -> None:
        """Put a plant that the arm was given where its joints are."""
        if self._chain is not None:
            self._arm.plant.command_arm(self._chain.pose(self.joints))

    def advance(self) -> None:
        """Give the plant the set point of now, where poses are streamed."""
        pose = self.stream.pose_at(self._arm.now)
        if pose is not None and not self._arm.is_silent:
            self._arm.plant.command_arm(pose)

    def tell(self, header: Header) -> None:
        """What a driver publishes again and again."""
        if self._arm.is_silent:
            return
        if self._states is not None:
            names = list(self._chain.names)
            self._states.publish(JointState(header=header, name=names, position=self.joints.tolist()))
        if self._poses is not None:
            header.frame_id = self._arm.frame
            self._poses.publish(pose_stamped(self._arm.plant.read().base_from_mount, header))

    def _trajectory(self) -> None:
        s = self._settings
        self._chain = Chain.load(s.arm_urdf or str(resource(MOCK_ARM)), s.arm_base_link, s.mount_link)
        self.joints = np.array(HOME) if len(self._chain.names) == len(HOME) else np.zeros(len(self._chain.names))
        self.place()
        self._states = self._node.create_publisher(JointState, s.arm_states, 10)

        def follow(goal) -> Task | None:
            arrays = trajectory_arrays(goal.trajectory, self._chain.names)
            if arrays is None:
                self._node.get_logger().warning(f"the trajectory must have joints {', '.join(self._chain.names)}")
                return None
            times, points = np.append(0.0, arrays[0]), np.vstack([self.joints, arrays[1]])

            def pose_at(elapsed: float) -> np.ndarray:
                self.joints = np.array([np.interp(elapsed, times, column) for column in points.T])
                return self._chain.pose(self.joints)

            return self._arm.follow(float(times[-1]), pose_at)

        self._actions.serve_trajectories(s.arm_action, follow, self._arm)

    def _move_group(self) -> None:
        s, wanted = self._settings, "arm_driver move_group"
        action = interface("moveit_msgs", "action", "MoveGroup", wanted)
        codes = interface("moveit_msgs", "msg", "MoveItErrorCodes", wanted)
        self._tell_poses()

        def start(goal) -> Task | None:
            request = goal.request
            if not request.goal_constraints or not request.goal_constraints[0].position_constraints:
                return None
            position = request.goal_constraints[0].position_constraints[0]
            turned = request.goal_constraints[0].orientation_constraints[0]
            if position.header.frame_id != self._arm.frame:
                return Task()  # below: it fails as move_group does, after it was accepted
            pose = position.constraint_region.primitive_poses[0]
            pose.orientation = turned.orientation
            return self._arm.straight(pose_matrix(pose), request.max_cartesian_speed or 0.25)

        def answer(task: Task | None):
            result = action.Result()
            fault = None if task is None else task.fault
            result.error_code.val = codes.SUCCESS if fault is None else codes.CONTROL_FAILED
            return result, fault is not None

        self._actions.serve(action, s.move_group_action, start, self._arm, answer)

    def _pose(self) -> None:
        self._tell_poses()
        command = self._settings.pose_command
        self._node.create_subscription(PoseStamped, command, self._on_pose, 10, callback_group=self._group)

    def _tell_poses(self) -> None:
        if self._settings.arm_pose:
            self._poses = self._node.create_publisher(PoseStamped, self._settings.arm_pose, 10)

    def _on_pose(self, message: PoseStamped) -> None:
        """A Cartesian controller: goes where it is sent, evenly. Faults count motions, not poses."""
        if message.header.frame_id != self._arm.frame:
            self._node.get_logger().warning(f"poses must be in frame {self._arm.frame!r}: ignored")
            return
        with self._lock:
            now = self._arm.now
            if now - self._last_pose > _BURST and not (self._burst_ignored and self._is_far(message.pose)):
                self._burst_ignored = self._arm.refusal() is not None
            self._last_pose = now
            if not self._burst_ignored and not self._arm.is_silent:
                here = self.stream.pose_at(now)
                here = self._arm.plant.read().base_from_mount if here is None else here
                self.stream.add(nanoseconds(message.header.stamp) / 1e9, pose_matrix(message.pose), now, here)

    def _is_far(self, pose: Pose) -> bool:
        """As real controllers, one that broke off a motion takes up no pose that it would have to leap to."""
        return distance(pose_matrix(pose), self._arm.plant.read().base_from_mount) > _NEAR
