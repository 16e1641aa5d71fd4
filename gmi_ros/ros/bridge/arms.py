"""Adapters to drivers of arms: joint trajectories, MoveIt 2, plain pose commands. All move the hand's mount."""

import threading

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from gmi_ros.bridge.chain import Chain
from gmi_ros.bridge.drivers import ArmState, MotionFault, Task
from gmi_ros.bridge.ways import along, ramped_share, ramped_time, straight_way
from gmi_ros.core.errors import ErrorCode
from gmi_ros.core.resources import resource
from gmi_ros.ros.bridge.clock import now_of
from gmi_ros.ros.bridge.settings import BridgeSettings
from gmi_ros.ros.bridge.tasks import Waiting, absent
from gmi_ros.ros.bridge.trajectory_client import TrajectoryClient
from gmi_ros.ros.convert import pose_matrix, pose_stamped

MOCK_ARM = "models/arm/six_axis.urdf"
_TURN_SPEED = 1.0  # of the mount [rad/s]
_STEP = 0.04  # [s] between the points of a straight way
_JUMP = 0.5  # of a joint between two points of a straight way that no arm goes along [rad]
_TOLERANCE = 0.01  # of a joint at the end of a trajectory [rad]
_LEAP = 2  # periods of the commands that one of them may make up for
_ARRIVED, _SETTLE = 0.003, 3.0  # [m] from the pose and [s] after the last command


class TrajectoryArm:
    """control_msgs/FollowJointTrajectory; the inverse kinematics are ours, from the arm's URDF.

    Raises:
        GmiError: BAD_SETTING for a URDF without such links, or where control_msgs is not installed; FILE_NOT_FOUND.
    """

    def __init__(self, node: Node, settings: BridgeSettings):
        self._node, self._settings, self.frame = node, settings, settings.base_frame
        file = settings.arm_urdf or str(resource(MOCK_ARM))
        self._chain = Chain.load(file, settings.arm_base_link, settings.mount_link)
        self._client = TrajectoryClient(node, settings.arm_action, "arm_driver follow_joint_trajectory")
        self._joints: tuple[float, np.ndarray] | None = None
        node.create_subscription(
            JointState, settings.arm_states, self._hear, 10, callback_group=ReentrantCallbackGroup()
        )

    def prepare(self) -> Task:
        """As Arm."""
        s = self._settings
        there = lambda: self._client.is_there() and self._joints is not None  # noqa: E731
        what = "action or joint states of" if self._joints is None else "action"
        return Waiting(there, s.driver_timeout, lambda: absent(what, s.arm_action, s.driver_timeout))

    def state(self) -> ArmState | None:
        """As Arm."""
        heard = self._joints
        return None if heard is None else ArmState(heard[0], self._chain.pose(heard[1]))

    def move(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm: straight in the joints; the speed is that of the joints (arm_speed_scale)."""
        goal = self._chain.search(base_from_mount, self._now())
        if goal is None:
            return _unreachable(base_from_mount)
        now = self._now()
        total = ramped_time(float((np.abs(goal - now) / self._speeds()).max()), 1.0)
        times = np.append(np.arange(_STEP, total, _STEP), total)
        points = np.array([now + ramped_share(time, total) * (goal - now) for time in times])
        return self._client.follow(self._chain.names, times, points, _TOLERANCE)

    def straight(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm: points along the line, each solved from the one before."""
        now = self._now()
        times, poses = straight_way(self._chain.pose(now), base_from_mount, speed, _TURN_SPEED, _STEP)
        points = []
        for pose in poses:
            found = self._chain.solve(pose, points[-1] if points else now)
            if found is None or np.abs(found - (points[-1] if points else now)).max() > _JUMP:
                return _unreachable(pose)
            points.append(found)
        # Near a singularity joints are faster than the mount: then the whole way takes longer.
        steps = np.abs(np.diff(np.vstack([now, points]), axis=0)) / np.diff(np.append(0.0, times))[:, None]
        slower = max(1.0, float((steps / self._chain.speeds).max()))
        return self._client.follow(self._chain.names, slower * times, np.array(points), _TOLERANCE)

    def stop(self) -> None:
        """As Arm."""
        self._client.stop()

    def _now(self) -> np.ndarray:
        return np.zeros(len(self._chain.names)) if self._joints is None else self._joints[1]

    def _speeds(self) -> np.ndarray:
        return self._settings.arm_speed_scale * self._chain.speeds

    def _hear(self, message: JointState) -> None:
        position = dict(zip(message.name, message.position))
        if set(self._chain.names) <= set(position):
            self._joints = now_of(self._node), np.array([position[name] for name in self._chain.names])


class PoseListener:
    """The mount's pose as a topic tells it; empty topic: none."""

    def __init__(self, node: Node, topic: str):
        self._node, self.topic, self._heard, self._frame = node, topic, None, ""
        if topic:
            group = ReentrantCallbackGroup()
            node.create_subscription(PoseStamped, topic, self._hear, 10, callback_group=group)

    def state(self, frame: str) -> ArmState | None:
        """The newest, None where there is none in this frame."""
        return self._heard if self._frame == frame else None

    def is_heard(self, frame: str) -> bool:
        """Whether it tells, or is not expected to."""
        return not self.topic or self.state(frame) is not None

    def why_not(self, frame: str, timeout: float) -> MotionFault:
        """Why nothing is known of the mount."""
        told = f"tells in frame {self._frame!r}, grasps come in {frame!r}" if self._heard else "tells nothing"
        return MotionFault(
            ErrorCode.ACTION_SERVER_ABSENT, "arm_silent", f"{self.topic!r} {told} (waited {timeout:g} s)"
        )

    def _hear(self, message: PoseStamped) -> None:
        self._frame, self._heard = message.header.frame_id, ArmState(now_of(self._node), pose_matrix(message.pose))


class PoseArm:
    """geometry_msgs/PoseStamped commands, one after the other along a straight line: Cartesian controllers, servos."""

    def __init__(self, node: Node, settings: BridgeSettings):
        self._node, self._settings, self.frame = node, settings, settings.base_frame
        self._listener = PoseListener(node, settings.arm_pose)
        self._publisher = node.create_publisher(PoseStamped, settings.pose_command, 10)
        self._lock = threading.Lock()
        self._task: Task | None = None
        self._way: tuple[np.ndarray, list[np.ndarray]] | None = None  # times (n,) [s], poses
        self._sent = self._elapsed = 0.0  # when the last command was sent, and how far along the way it was [s]
        self._last: np.ndarray | None = None  # pose that was commanded
        node.create_timer(1 / settings.pose_rate, self._send, ReentrantCallbackGroup())

    def prepare(self) -> Task:
        """As Arm."""
        s, listener = self._settings, self._listener

        def there() -> bool:
            return self._publisher.get_subscription_count() > 0 and listener.is_heard(self.frame)

        def why_not() -> MotionFault:
            if listener.is_heard(self.frame):
                return absent("a subscriber of", s.pose_command, s.driver_timeout)
            return listener.why_not(self.frame, s.driver_timeout)

        return Waiting(there, s.driver_timeout, why_not)

    def state(self) -> ArmState | None:
        """As Arm."""
        return self._listener.state(self.frame)

    def move(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm: straight too, since nobody plans."""
        return self.straight(base_from_mount, speed)

    def straight(self, base_from_mount: np.ndarray, speed: float) -> Task:
        """As Arm. Without a topic that tells the mount's pose, the first way begins with a jump to its end."""
        told = self._listener.state(self.frame)
        begin = self._last if told is None else told.base_from_mount
        begin = base_from_mount if begin is None else begin
        task = Task()
        times, path = straight_way(begin, base_from_mount, speed, _TURN_SPEED, 1 / self._settings.pose_rate)
        with self._lock:
            if self._task is not None:
                self._task.fail(ErrorCode.CANCELLED, "replaced", "another command came")
            self._task, self._way = task, (np.append(0.0, times), [begin, *path])
            self._sent, self._elapsed = now_of(self._node), 0.0
        return task

    def stop(self) -> None:
        """As Arm: sent to where it is."""
        told = self._listener.state(self.frame)
        with self._lock:
            task, running, self._task, self._way = self._task, self._way, None, None
        if task is not None:
            task.fail(ErrorCode.CANCELLED, "stopped", "stopped")
        here = self._last if told is None else told.base_from_mount
        if running is not None and here is not None:
            self._command(here)

    def _send(self) -> None:
        with self._lock:
            task, way = self._task, self._way
            if way is None or task is None or task.ended:
                return
            now, (times, path) = now_of(self._node), way
            # When this process has been held up the way goes on from where it was: no arm is to leap after it.
            elapsed = self._elapsed + min(now - self._sent, _LEAP / self._settings.pose_rate)
            self._sent, self._elapsed = now, elapsed
            self._command(along(times, path, elapsed))
        told = self._listener.state(self.frame)
        if elapsed < times[-1] or task.ended:
            return
        off = 0.0 if told is None else float(np.linalg.norm(told.base_from_mount[:3, 3] - path[-1][:3, 3]))
        if off < _ARRIVED and (told is not None or elapsed > times[-1] + _SETTLE / 10):
            task.finish()
        elif elapsed > times[-1] + _SETTLE:
            task.fail(
                ErrorCode.EXECUTION_FAILED,
                "arm_missed",
                f"the arm is {1e3 * off:.0f} mm from where it was sent {_SETTLE:g} s ago",
            )

    def _command(self, base_from_mount: np.ndarray) -> None:
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id=self.frame)
        self._publisher.publish(pose_stamped(base_from_mount, header))
        self._last = base_from_mount


def _unreachable(pose: np.ndarray) -> Task:
    at = ", ".join(f"{x:.3f}" for x in pose[:3, 3])
    return Task.failed(ErrorCode.EXECUTION_FAILED, "unreachable", f"the arm cannot bring its mount to {at} m as asked")
