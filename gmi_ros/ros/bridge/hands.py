"""Adapters to drivers of hands: trajectories, JointState commands, the services of the WAM lineage."""

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Empty

from gmi_ros.bridge.drivers import HandState, MotionFault, Task
from gmi_ros.bridge.fingers import motors
from gmi_ros.bridge.simulated import closing_points
from gmi_ros.core.errors import ErrorCode
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros.bridge.clock import now_of
from gmi_ros.ros.bridge.hand_listener import HandListener
from gmi_ros.ros.bridge.settings import BridgeSettings
from gmi_ros.ros.bridge.tasks import Waiting
from gmi_ros.ros.bridge.trajectory_client import NO_LIMIT, TrajectoryClient
from gmi_ros.ros.compat import interface

_REPEAT = 0.05  # [s] between two looks whether a finger is to start
_AGAIN = 0.5  # [s] between two equal commands: one that was lost must not leave the hand where it is
_NOT_INITIALISED = MotionFault(
    ErrorCode.EXECUTION_FAILED, "not_initialised", "the hand did not end its initialisation in time"
)


class _Told:
    """What all hands have in common: a listener, and where the motors stand."""

    def __init__(self, node: Node, hand: BarrettHand, settings: BridgeSettings):
        self._node = node
        self.listener = HandListener(node, hand, settings)
        self._hand, self._settings = hand, settings

    def state(self) -> HandState | None:
        """As Hand."""
        return self.listener.state

    def _motors(self) -> np.ndarray:
        state = self.listener.state
        return np.zeros(4) if state is None else motors(state, self._hand)


class TrajectoryHand(_Told):
    """control_msgs/FollowJointTrajectory on the four independent joints; closing has no tolerance."""

    def __init__(self, node: Node, hand: BarrettHand, settings: BridgeSettings):
        super().__init__(node, hand, settings)
        self._client = TrajectoryClient(node, settings.hand_action, "hand_driver follow_joint_trajectory")

    def prepare(self) -> Task:
        """As Hand."""
        return self.listener.ready(self._client.is_there, "action", self._settings.hand_action)

    def move(self, joints: np.ndarray, speed: np.ndarray) -> Task:
        """As Hand."""
        longest = float(np.max(np.abs(joints - self._motors()) / np.maximum(speed, 1e-6)))
        times, tolerance = np.array([max(longest, 0.05)]), self._settings.joint_tolerance
        return self._client.follow(self.listener.names, times, joints[None], tolerance)

    def close(self, start: np.ndarray, speed: np.ndarray, target: np.ndarray) -> Task:
        """As Hand."""
        times, points = closing_points(self._motors(), start, speed, target)
        return self._client.follow(self.listener.names, times, points, NO_LIMIT)

    def stop(self) -> None:
        """As Hand: the controller holds where it is once its goal is cancelled."""
        self._client.stop()


class _Streamed(_Told):
    """A hand that is told set points and answers nothing: positions decide, and commands are sent as their time comes."""

    def __init__(self, node: Node, hand: BarrettHand, settings: BridgeSettings):
        super().__init__(node, hand, settings)
        self._closing: tuple[float, np.ndarray, np.ndarray, np.ndarray] | None = None
        self._started = np.zeros(3, bool)
        self._last: tuple[float, np.ndarray, np.ndarray] | None = None  # when and what was commanded
        self._group = ReentrantCallbackGroup()
        self._timer = node.create_timer(_REPEAT, self._again, self._group)

    def move(self, joints: np.ndarray, speed: np.ndarray) -> Task:
        """As Hand; its task never ends by itself."""
        self._closing = None
        self._send(np.asarray(joints, float), np.asarray(speed, float))
        return Task()

    def close(self, start: np.ndarray, speed: np.ndarray, target: np.ndarray) -> Task:
        """As Hand; its task never ends by itself."""
        self._started = np.zeros(3, bool)
        self._held = self._motors()
        self._closing = now_of(self._node), start, speed, target
        self._again()
        return Task()

    def stop(self) -> None:
        """As Hand: sent to where it is."""
        self._closing, self._last = None, None
        if self.listener.state is not None:
            self._command(self._motors(), self._hand.normal_speed)

    def _send(self, motor: np.ndarray, speed: np.ndarray) -> None:
        self._last = now_of(self._node), motor, speed
        self._command(motor, speed)

    def _again(self) -> None:
        """Send the fingers whose time to start has come, and the last command once more."""
        closing, last = self._closing, self._last
        if closing is None:
            if last is not None and now_of(self._node) - last[0] > _AGAIN:
                self._send(last[1], last[2])
            return
        begin, start, speed, target = closing
        started = now_of(self._node) - begin >= start - 1e-6
        if (started & ~self._started).any():
            self._started = started
            goal = np.append(self._held[0], np.where(started, target, self._held[1:]))
            self._send(goal, np.append(self._hand.normal_speed[0], speed))
        if started.all():
            self._closing = None

    def _command(self, motor: np.ndarray, speed: np.ndarray) -> None:
        raise NotImplementedError


class JointStateHand(_Streamed):
    """sensor_msgs/JointState commands as the controllers of the Robotnik lineage take them: position and velocity."""

    def __init__(self, node: Node, hand: BarrettHand, settings: BridgeSettings):
        super().__init__(node, hand, settings)
        self._publisher = node.create_publisher(JointState, settings.hand_command, 10)

    def prepare(self) -> Task:
        """As Hand."""
        there = lambda: self._publisher.get_subscription_count() > 0  # noqa: E731
        return self.listener.ready(there, "a subscriber of", self._settings.hand_command)

    def _command(self, motor: np.ndarray, speed: np.ndarray) -> None:
        message = JointState(name=list(self.listener.names), position=self.listener.to_driver(motor))
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.velocity = self.listener.to_driver(speed)  # that driver reads it for every joint
        self._publisher.publish(message)


class WamHand(_Streamed):
    """The services of the WAM lineage: finger_pos, spread_pos, initialize. They return at once and tell nothing.

    Speeds are the driver's own.

    Raises:
        GmiError: BAD_SETTING where the package of the services is not installed.
    """

    def __init__(self, node: Node, hand: BarrettHand, settings: BridgeSettings):
        super().__init__(node, hand, settings)
        s, wanted = settings, "hand_driver wam"
        self._fingers_type = interface(s.wam_package, "srv", "BHandFingerPos", wanted)
        self._spread_type = interface(s.wam_package, "srv", "BHandSpreadPos", wanted)
        group = ReentrantCallbackGroup()

        def client(kind: type, name: str):
            return node.create_client(kind, f"{s.wam_namespace}/{name}", callback_group=group)

        self._fingers, self._spread = client(self._fingers_type, "finger_pos"), client(self._spread_type, "spread_pos")
        self._initialize = client(Empty, "initialize")
        self._last_spread: float | None = None

    def prepare(self) -> Task:
        """As Hand; where `initialise` is set, the driver's own service is called."""
        services = (self._fingers, self._spread)
        there = lambda: all(service.service_is_ready() for service in services)  # noqa: E731
        name = f"{self._settings.wam_namespace}/finger_pos"
        ready = self.listener.ready(there, "service", name)
        if not self._settings.initialise:
            return ready
        called: list = []

        def initialised() -> bool:
            if ready.ended and not called:
                called.append(self._initialize.call_async(Empty.Request()))
            return bool(called) and called[0].done()

        return Waiting(initialised, 10 * self._settings.driver_timeout, lambda: ready.fault or _NOT_INITIALISED)

    def _command(self, motor: np.ndarray, speed: np.ndarray) -> None:
        self._fingers.call_async(self._fingers_type.Request(radians=[float(m) for m in motor[1:]]))
        if self._last_spread is None or abs(motor[0] - self._last_spread) > 1e-3:
            self._spread.call_async(self._spread_type.Request(radians=float(motor[0])))
            self._last_spread = float(motor[0])
