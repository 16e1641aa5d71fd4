"""What a hand's driver tells, whatever commands it: joints, and where there are such topics force, heat and state."""

from collections.abc import Callable

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState, Temperature
from std_msgs.msg import Float64MultiArray, Int32
from std_srvs.srv import Trigger

from gmi_ros.bridge.barrett import knowledge, ticks_per_rad
from gmi_ros.bridge.drivers import HandState, MotionFault, Task
from gmi_ros.core.errors import ErrorCode
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros.bridge.clock import now_of
from gmi_ros.ros.bridge.settings import BridgeSettings
from gmi_ros.ros.bridge.tasks import Waiting, absent
from gmi_ros.ros.joint_names import OUTER, PRESETS

_FRESH = 0.5  # [s]: forces older than this are not told


class HandListener:
    """Keeps the newest state. names: of spread, f1, f2, f3 at the driver."""

    def __init__(self, node: Node, hand: BarrettHand, settings: BridgeSettings):
        self.names, self._outer_names = PRESETS[settings.joint_name_map], OUTER[settings.joint_name_map]
        self._node, self._hand, self._settings = node, hand, settings
        self._scale = np.ones(4) if settings.hand_unit == "rad" else 1 / ticks_per_rad(hand.name)
        self._state: HandState | None = None
        self._status: int | None = None
        self._tactile: tuple[float, np.ndarray] | None = None
        self._temperature: float | None = None
        group = ReentrantCallbackGroup()
        s = settings

        def listen(kind: type, topic: str, callback: Callable) -> None:
            if topic:
                node.create_subscription(kind, topic, callback, 10, callback_group=group)

        listen(JointState, s.hand_states, self._hear)
        listen(Int32, s.hand_status, self._hear_status)
        listen(Float64MultiArray, s.hand_tactile, self._hear_tactile)
        listen(Temperature, s.hand_temperature, self._hear_temperature)
        self._initialiser = None
        if s.hand_initialise:
            self._initialiser = node.create_client(Trigger, s.hand_initialise, callback_group=group)

    @property
    def state(self) -> HandState | None:
        """The newest, None before the first."""
        return self._state

    def ready(self, there: Callable[[], bool], what: str, name: str) -> Task:
        """Ends once the driver is there, tells its joints, and is initialised as far as it tells."""
        s = self._settings
        if self._is_uninitialised() and s.initialise and self._initialiser is not None:
            self._initialiser.call_async(Trigger.Request())

        def is_ready() -> bool:
            return there() and self._state is not None and not self._is_uninitialised()

        return Waiting(is_ready, s.driver_timeout, lambda: self._why_not(there, what, name))

    def to_driver(self, joints: np.ndarray) -> list[float]:
        """(4,) [rad] in the driver's unit."""
        return [float(value) for value in np.asarray(joints) / self._scale]

    def _is_uninitialised(self) -> bool:
        return self._status is not None and self._status not in knowledge().ready_states

    def _why_not(self, there: Callable[[], bool], what: str, name: str) -> MotionFault:
        """What is missing, once the time is over."""
        s = self._settings
        if not there():
            return absent(what, name, s.driver_timeout)
        if self._state is None:
            told = f"{s.hand_states!r} tells nothing of {', '.join(self.names)} within {s.driver_timeout:g} s"
            return MotionFault(ErrorCode.ACTION_SERVER_ABSENT, "hand_silent", told)
        state = f"{self._status} ({knowledge().states.get(self._status, 'unknown')})"
        return MotionFault(
            ErrorCode.EXECUTION_FAILED,
            "not_initialised",
            f"the hand is not initialised: its driver is in state {state}",
        )

    def _hear(self, message: JointState) -> None:
        position = dict(zip(message.name, message.position))
        if not set(self.names) <= set(position):
            return  # of another part of the robot
        joints = np.array([position[name] for name in self.names]) * self._scale
        outer = effort = None
        if set(self._outer_names) <= set(position):
            outer = np.array([position[name] for name in self._outer_names]) * self._scale[1]
        torque = dict(zip(message.name, message.effort))
        if self._settings.hand_effort and set(self.names) <= set(torque):
            effort = np.array([torque[name] for name in self.names[1:]])
        now = now_of(self._node)
        tactile = self._tactile
        felt = tactile[1] if tactile is not None and now - tactile[0] < _FRESH else None
        self._state = HandState(now, joints, outer, effort, felt, self._temperature)

    def _hear_status(self, message: Int32) -> None:
        self._status = message.data

    def _hear_tactile(self, message: Float64MultiArray) -> None:
        if len(message.data) == 3:
            self._tactile = now_of(self._node), np.array(message.data)

    def _hear_temperature(self, message: Temperature) -> None:
        self._temperature = message.temperature
