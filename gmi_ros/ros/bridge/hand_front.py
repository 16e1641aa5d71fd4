"""The ROS side of a mock hand: topics, services and actions as the documented drivers have them."""

import numpy as np
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header, Int32
from std_srvs.srv import Empty, Trigger

from gmi_ros.bridge.barrett import ticks_per_rad
from gmi_ros.bridge.drivers import Task
from gmi_ros.bridge.simulated import SimulatedHand
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros.bridge.mock_settings import MockSettings
from gmi_ros.ros.bridge.task_actions import TaskActions
from gmi_ros.ros.bridge.trajectory_client import trajectory_arrays
from gmi_ros.ros.compat import interface
from gmi_ros.ros.joint_names import OUTER, PRESETS

_READY, _INIT = 300, 100  # of config/drivers/barrett.yaml


class HandFront:
    """Serves the style of hand that the settings name, and tells what the hand does."""

    def __init__(
        self,
        actions: TaskActions,
        hand: SimulatedHand,
        figures: BarrettHand,
        settings: MockSettings,
    ):
        s = settings
        self._actions, self._node, self._group, self._lock = actions, actions.node, actions.group, actions.lock
        self._hand, self._figures, self._settings = hand, figures, s
        self._names, self._outer_names = PRESETS[s.joint_name_map], OUTER[s.joint_name_map]
        self._scale = np.ones(4) if s.hand_unit == "rad" else ticks_per_rad(figures.name)
        self._states = self._node.create_publisher(JointState, s.hand_states, 10)
        self._status = self._node.create_publisher(Int32, s.hand_status, 10) if s.hand_status else None
        self._tactile = self._node.create_publisher(Float64MultiArray, s.hand_tactile, 10) if s.hand_tactile else None
        if s.hand_initialise:
            self._node.create_service(Trigger, s.hand_initialise, self._initialise, callback_group=self._group)
        styles = {"follow_joint_trajectory": self._trajectory, "joint_state": self._joint_state, "wam": self._wam}
        styles[s.hand_driver]()

    def tell(self, header: Header) -> None:
        """What a driver publishes again and again."""
        if self._hand.is_silent:
            return
        read = self._hand.plant.read()
        angles = np.concatenate([read.joints * self._scale, read.outer * self._scale[1]])
        message = JointState(header=header, name=[*self._names, *self._outer_names], position=angles.tolist())
        message.effort = [0.0, *read.effort.tolist(), 0.0, 0.0, 0.0]
        self._states.publish(message)
        if self._status is not None:
            self._status.publish(Int32(data=_READY if self._hand.initialised else _INIT))
        if self._tactile is not None:
            self._tactile.publish(Float64MultiArray(data=read.tactile.tolist()))

    def _trajectory(self) -> None:
        def follow(goal) -> Task | None:
            arrays = trajectory_arrays(goal.trajectory, self._names)
            if arrays is None:
                self._node.get_logger().warning(f"the trajectory must have joints {', '.join(self._names)}")
                return None
            # -1: no limit; 0 in a goal is the controller's own tolerance.
            strict = not any(tolerance.position < 0 for tolerance in goal.goal_tolerance)
            return self._hand.follow(arrays[0], arrays[1], strict)

        self._actions.serve_trajectories(self._settings.hand_action, follow, self._hand)

    def _joint_state(self) -> None:
        self._last_command: tuple[float, ...] = ()
        command = self._settings.hand_command
        self._node.create_subscription(JointState, command, self._on_command, 10, callback_group=self._group)

    def _on_command(self, message: JointState) -> None:
        position, velocity = dict(zip(message.name, message.position)), dict(zip(message.name, message.velocity))
        if not set(self._names) <= set(position) or not set(self._names) <= set(velocity):
            self._node.get_logger().warning("a command needs position and velocity of all four joints: ignored")
            return
        told = (*message.position, *message.velocity)
        if told == self._last_command:  # the same once more: it is under way
            return
        self._last_command = told
        target = np.array([position[n] for n in self._names]) / self._scale
        speed = np.maximum(np.array([velocity[n] for n in self._names]) / self._scale, 1e-3)
        with self._lock:
            self._go(target, speed)

    def _wam(self) -> None:
        s = self._settings
        self._wam_goal: np.ndarray | None = None  # (4,) [rad]
        fingers = interface(s.wam_package, "srv", "BHandFingerPos", "hand_driver wam")
        spread = interface(s.wam_package, "srv", "BHandSpreadPos", "hand_driver wam")

        def go(wanted: np.ndarray, drives: slice) -> None:
            """The driver's own speeds; the drives that are not meant go on with what they do."""
            with self._lock:
                if self._wam_goal is None:
                    self._wam_goal = self._hand.plant.read().motor
                self._wam_goal[drives] = wanted
                self._go(self._wam_goal, self._figures.normal_speed)

        def on_fingers(request, response):
            go(np.array(request.radians, float), slice(1, 4))
            return response

        def on_spread(request, response):
            go(np.array([request.radians], float), slice(0, 1))
            return response

        def on_initialize(request, response):
            with self._lock:
                self._hand.initialise()
            return response

        for kind, name, callback in (
            (fingers, "finger_pos", on_fingers),
            (spread, "spread_pos", on_spread),
            (Empty, "initialize", on_initialize),
        ):
            self._node.create_service(kind, f"{s.wam_namespace}/{name}", callback, callback_group=self._group)

    def _go(self, target: np.ndarray, speed: np.ndarray) -> None:
        """Every drive at its own speed (4,) [rad/s] to its target (4,) [rad]."""
        now = self._hand.plant.read().motor
        arrive = np.abs(target - now) / speed
        times = np.unique(np.maximum(arrive, 0.01))
        share = np.clip(times[:, None] / np.maximum(arrive, 0.01), 0.0, 1.0)
        self._hand.follow(times, now + share * (target - now), strict=False)

    def _initialise(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._lock:
            self._hand.initialise()
        response.success = True
        return response
