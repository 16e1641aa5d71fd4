"""The ROS side of mock drivers: topics, services and actions as the documented drivers have them, over a plant."""

import threading
import time

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, Header, Int32
from std_srvs.srv import Empty, Trigger

from gmi_ros.bridge.barrett import ticks_per_rad
from gmi_ros.bridge.chain import Chain
from gmi_ros.bridge.drivers import TOLERANCE, Task
from gmi_ros.bridge.plant import Plant
from gmi_ros.bridge.pose_stream import PoseStream
from gmi_ros.bridge.simulated import Fault, SimulatedArm, SimulatedHand
from gmi_ros.core.resources import resource
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.ros.bridge.arms import MOCK_ARM
from gmi_ros.ros.bridge.mock_settings import MockSettings
from gmi_ros.ros.bridge.trajectory_client import trajectory_arrays
from gmi_ros.ros.compat import interface
from gmi_ros.ros.convert import nanoseconds, pose_matrix, pose_stamped, stamp_message
from gmi_ros.ros.joint_names import OUTER, PRESETS

_STEP, _STATES = 0.01, 0.02  # [s] between two steps of the plant, and two messages of states
_POLL = 0.005  # [s]
_BURST = 0.3  # [s] without a pose, after which the next one begins another motion
_DELAY = 2  # periods of an arm's commands by which they are followed later
_PATIENCE = 0.3  # [s] that the plant waits for the next pose, after which no more come
_LAG = 0.25  # [s] between the step that is due and now that is made up for; beyond it the plant runs late
_READY, _INIT = 300, 100  # of config/drivers/barrett.yaml
HOME = (3.1416, -1.0892, -2.3782, -3.1417, 2.8158, 0.0)  # joints of the mock arm at the start: beside its base [rad]


class Fronts:
    """Serves one style of hand and one of arm, steps the plant in a thread of its own, and tells what it does.

    lock: held by whoever touches the plant or what is behind it. failure: what the plant raised, which ends it.
    """

    def __init__(self, node: Node, plant: Plant, figures: BarrettHand, settings: MockSettings, frame: str):
        self.node, self.lock, self.settings = node, threading.RLock(), settings
        self._plant, self._figures, self._frame, self._time = plant, figures, frame, 1.0
        self._stopping = threading.Event()
        self.failure: BaseException | None = None
        s = settings
        clock = lambda: self._time  # noqa: E731
        self.hand = SimulatedHand(plant, figures, clock, Fault(s.hand_fault, s.hand_fault_after))
        self.arm = SimulatedArm(plant, clock, Fault(s.arm_fault, s.arm_fault_after), frame=frame)
        self._group = ReentrantCallbackGroup()
        self._names, self._outer_names = PRESETS[s.joint_name_map], OUTER[s.joint_name_map]
        self._scale = np.ones(4) if s.hand_unit == "rad" else ticks_per_rad(figures.name)
        self._states = node.create_publisher(JointState, s.hand_states, 10)
        self._clock = node.create_publisher(Clock, "/clock", 1) if s.publish_clock else None
        self._status = node.create_publisher(Int32, s.hand_status, 10) if s.hand_status else None
        self._tactile = node.create_publisher(Float64MultiArray, s.hand_tactile, 10) if s.hand_tactile else None
        if s.hand_initialise:
            node.create_service(Trigger, s.hand_initialise, self._initialise, callback_group=self._group)
        self._servers: list[ActionServer] = []
        {
            "follow_joint_trajectory": self._trajectory_hand,
            "joint_state": self._joint_state_hand,
            "wam": self._wam_hand,
        }[s.hand_driver]()
        self._arm_states, self._poses, self._chain = None, None, None
        self._stream = PoseStream(_DELAY / s.pose_rate)
        {"follow_joint_trajectory": self._trajectory_arm, "move_group": self._move_group_arm, "pose": self._pose_arm}[
            s.arm_driver
        ]()
        self._thread = threading.Thread(target=self._run, name="plant", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the plant and the servers."""
        self._stopping.set()
        self._thread.join(5.0)
        for server in self._servers:
            server.destroy()

    def replace_plant(self, plant: Plant) -> None:
        """Go on with another plant, from rest."""
        with self.lock:
            self.hand.stop()
            self.arm.stop()
            self._stream.stop()
            self._plant = self.hand._plant = self.arm._plant = plant
            if self._chain is not None:
                plant.command_arm(self._chain.pose(self._joints))

    # The hand's drivers.

    def _trajectory_hand(self) -> None:
        def follow(goal) -> Task | None:
            arrays = trajectory_arrays(goal.trajectory, self._names)
            if arrays is None:
                self.node.get_logger().warning(f"the trajectory must have joints {', '.join(self._names)}")
                return None
            # -1: no limit; 0 in a goal is the controller's own tolerance.
            strict = not any(tolerance.position < 0 for tolerance in goal.goal_tolerance)
            return self.hand.follow(arrays[0], arrays[1], strict)

        self._serve_trajectories(self.settings.hand_action, follow, self.hand)

    def _joint_state_hand(self) -> None:
        self._last_command: tuple[float, ...] = ()
        self.node.create_subscription(
            JointState, self.settings.hand_command, self._on_command, 10, callback_group=self._group
        )

    def _on_command(self, message: JointState) -> None:
        position, velocity = dict(zip(message.name, message.position)), dict(zip(message.name, message.velocity))
        if not set(self._names) <= set(position) or not set(self._names) <= set(velocity):
            self.node.get_logger().warning("a command needs position and velocity of all four joints: ignored")
            return
        told = (*message.position, *message.velocity)
        if told == self._last_command:  # the same once more: it is under way
            return
        self._last_command = told
        target = np.array([position[n] for n in self._names]) / self._scale
        speed = np.maximum(np.array([velocity[n] for n in self._names]) / self._scale, 1e-3)
        with self.lock:
            now = self._plant.read().motor
            arrive = np.abs(target - now) / speed
            times = np.unique(np.maximum(arrive, 0.01))
            share = np.clip(times[:, None] / np.maximum(arrive, 0.01), 0.0, 1.0)
            self.hand.follow(times, now + share * (target - now), strict=False)

    def _wam_hand(self) -> None:
        s = self.settings
        fingers = interface(s.wam_package, "srv", "BHandFingerPos", "hand_driver wam")
        spread = interface(s.wam_package, "srv", "BHandSpreadPos", "hand_driver wam")

        def go(wanted: np.ndarray, index) -> None:
            """The driver's own speeds; the drives that are not meant go on with what they do."""
            with self.lock:
                if not hasattr(self, "_wam_goal"):
                    self._wam_goal = self._plant.read().motor
                self._wam_goal[index] = wanted
                now = self._plant.read().motor
                arrive = np.abs(self._wam_goal - now) / self._figures.normal_speed
                times = np.unique(np.maximum(arrive, 0.01))
                share = np.clip(times[:, None] / np.maximum(arrive, 0.01), 0.0, 1.0)
                self.hand.follow(times, now + share * (self._wam_goal - now), strict=False)

        def on_fingers(request, response):
            go(np.array(request.radians, float), slice(1, 4))
            return response

        def on_spread(request, response):
            go(np.array([request.radians], float), slice(0, 1))
            return response

        def on_initialize(request, response):
            with self.lock:
                self.hand.initialise()
            return response

        for kind, name, callback in (
            (fingers, "finger_pos", on_fingers),
            (spread, "spread_pos", on_spread),
            (Empty, "initialize", on_initialize),
        ):
            self.node.create_service(kind, f"{s.wam_namespace}/{name}", callback, callback_group=self._group)

    # The arm's drivers.

    def _trajectory_arm(self) -> None:
        s = self.settings
        self._chain = Chain.load(s.arm_urdf or str(resource(MOCK_ARM)), s.arm_base_link, s.mount_link)
        self._joints = np.array(HOME) if len(self._chain.names) == len(HOME) else np.zeros(len(self._chain.names))
        self._plant.command_arm(self._chain.pose(self._joints))
        self._arm_states = self.node.create_publisher(JointState, s.arm_states, 10)

        def follow(goal) -> Task | None:
            arrays = trajectory_arrays(goal.trajectory, self._chain.names)
            if arrays is None:
                self.node.get_logger().warning(f"the trajectory must have joints {', '.join(self._chain.names)}")
                return None
            times, points = np.append(0.0, arrays[0]), np.vstack([self._joints, arrays[1]])

            def pose_at(elapsed: float) -> np.ndarray:
                self._joints = np.array([np.interp(elapsed, times, column) for column in points.T])
                return self._chain.pose(self._joints)

            return self.arm.follow(float(times[-1]), pose_at)

        self._serve_trajectories(s.arm_action, follow, self.arm)

    def _move_group_arm(self) -> None:
        s, wanted = self.settings, "arm_driver move_group"
        action = interface("moveit_msgs", "action", "MoveGroup", wanted)
        codes = interface("moveit_msgs", "msg", "MoveItErrorCodes", wanted)
        self._pose_publisher()

        def start(goal) -> Task | None:
            request = goal.request
            if not request.goal_constraints or not request.goal_constraints[0].position_constraints:
                return None
            position = request.goal_constraints[0].position_constraints[0]
            turned = request.goal_constraints[0].orientation_constraints[0]
            if position.header.frame_id != self._frame:
                return Task()  # below: it fails as move_group does, after it was accepted
            pose = position.constraint_region.primitive_poses[0]
            pose.orientation = turned.orientation
            speed = request.max_cartesian_speed or 0.25
            return self.arm.straight(pose_matrix(pose), speed)

        def answer(handle, task: Task | None):
            result = action.Result()
            fault = None if task is None else task.fault
            result.error_code.val = codes.SUCCESS if fault is None else codes.CONTROL_FAILED
            return result, fault is not None

        self._serve(action, s.move_group_action, start, self.arm, answer)

    def _pose_arm(self) -> None:
        self._last_pose = -np.inf
        self._burst_ignored = False
        self._pose_publisher()
        self.node.create_subscription(
            PoseStamped, self.settings.pose_command, self._on_pose, 10, callback_group=self._group
        )

    def _pose_publisher(self) -> None:
        if self.settings.arm_pose:
            self._poses = self.node.create_publisher(PoseStamped, self.settings.arm_pose, 10)

    def _on_pose(self, message: PoseStamped) -> None:
        """A Cartesian controller: goes where it is sent, evenly. Faults count motions, not poses."""
        now = self._time
        if message.header.frame_id != self._frame:
            self.node.get_logger().warning(f"poses must be in frame {self._frame!r}: ignored")
            return
        with self.lock:
            if now - self._last_pose > _BURST:
                refused = self.arm._refusal()
                self._burst_ignored = refused is not None
            self._last_pose = now
            if not self._burst_ignored and not self.arm.is_silent:
                here = self._stream.pose_at(now)
                here = self._plant.read().base_from_mount if here is None else here
                self._stream.add(nanoseconds(message.header.stamp) / 1e9, pose_matrix(message.pose), now, here)

    # What both are made of.

    def _serve_trajectories(self, name: str, follow, driver) -> None:
        wanted = f"the mock of {name}"
        action = interface("control_msgs", "action", "FollowJointTrajectory", wanted)

        def answer(handle, task: Task | None):
            result = action.Result()
            fault = None if task is None else task.fault
            if fault is not None:
                missed = fault.reason == TOLERANCE
                result.error_code = (
                    action.Result.GOAL_TOLERANCE_VIOLATED if missed else action.Result.PATH_TOLERANCE_VIOLATED
                )
                result.error_string = fault.message
            return result, fault is not None

        self._serve(action, name, follow, driver, answer)

    def _serve(self, action: type, name: str, start, driver, answer) -> None:
        """An action whose goals are tasks of a driver; a silent driver answers nothing until it is back."""
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
                    return answer(handle, task)[0]
                time.sleep(_POLL)
            wait_until_heard()
            result, failed = answer(handle, task)
            (handle.abort if failed or not task.ended else handle.succeed)()
            return result

        self._servers.append(
            ActionServer(
                self.node,
                action,
                name,
                execute,
                goal_callback=judge,
                cancel_callback=on_cancel,
                callback_group=self._group,
            )
        )

    def _initialise(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self.lock:
            self.hand.initialise()
        response.success = True
        return response

    def _run(self) -> None:
        """Steps by the clock of the wall; when the machine is too slow for that, the plant's time runs slower.

        So it does where the poses of a stream come late: what they say is to happen then, not when they happen to come.
        """
        due, told = time.monotonic(), self._time
        while not self._stopping.is_set():
            due = max(due + _STEP, time.monotonic() - _LAG)
            try:
                self._wait_for_poses()
                with self.lock:
                    self.hand.advance()
                    self.arm.advance()
                    self._follow_poses()
                    self._plant.advance(_STEP * self.settings.time_factor)
                    self._time += _STEP * self.settings.time_factor
                    if self._clock is not None:
                        self._clock.publish(Clock(clock=stamp_message(int(self._time * 1e9))))
                    if self._time - told >= _STATES:
                        told = self._time
                        self._tell()
            except Exception as error:  # the publishers are gone with the node, or the physics diverged
                self.failure = error
                return
            time.sleep(max(0.0, due - time.monotonic()))

    def _wait_for_poses(self) -> None:
        """Until the stream of poses reaches up to now, or has ended."""
        end = time.monotonic() + _PATIENCE
        while True:
            with self.lock:
                if self.arm.is_silent or not self._stream.lacks(self._time):
                    return
                if time.monotonic() > end:
                    self._stream.end()
                    return
            if self._stopping.wait(_STEP / 10):
                return

    def _follow_poses(self) -> None:
        pose = self._stream.pose_at(self._time)
        if pose is not None and not self.arm.is_silent:
            self._plant.command_arm(pose)

    def _tell(self) -> None:
        header = Header(stamp=self.node.get_clock().now().to_msg())
        if not self.hand.is_silent:
            read = self._plant.read()
            angles = np.concatenate([read.joints * self._scale, read.outer * self._scale[1]])
            effort = [0.0, *read.effort.tolist(), 0.0, 0.0, 0.0]
            message = JointState(header=header, name=[*self._names, *self._outer_names], position=angles.tolist())
            message.effort = effort
            self._states.publish(message)
            if self._status is not None:
                self._status.publish(Int32(data=_READY if self.hand.initialised else _INIT))
            if self._tactile is not None:
                self._tactile.publish(Float64MultiArray(data=read.tactile.tolist()))
        if not self.arm.is_silent:
            if self._arm_states is not None:
                names = list(self._chain.names)
                self._arm_states.publish(JointState(header=header, name=names, position=self._joints.tolist()))
            if self._poses is not None:
                header.frame_id = self._frame
                self._poses.publish(pose_stamped(self._plant.read().base_from_mount, header))
