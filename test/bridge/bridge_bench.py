"""hand_bridge beside mock drivers over the middleware, in the simulated cell or in free space, and somebody who asks."""

from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.parameter import Parameter

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core import poses
from gmi_ros.core.grasp import JOINTS
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros.bridge.hand_bridge import HandBridge
from gmi_ros.ros.bridge.mock_cell import MockCell
from gmi_ros.ros.bridge.mock_drivers import MockDrivers
from gmi_ros.ros.convert import pose_matrix, pose_message
from gmi_ros.sim.candidates import sample_plan
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.trial import GraspPlan, run
from gmi_ros.sim.world import World

FRAME = "camera_rgb_optical_frame"
NEEDS = {"follow_joint_trajectory": "control_msgs", "move_group": "moveit_msgs", "wam": "wam_srvs"}
FAST = {
    "travel_speed": 1.0,
    "hold_time": 0.2,
    "squeeze_time": 0.1,
    "response_time": 0.5,
    "stall_time": 0.2,
    "driver_timeout": 20.0,
}


def needs(*drivers: str) -> None:
    """Skip, saying so, where the messages of a driver are not installed."""
    for package in {NEEDS.get(driver) for driver in drivers} - {None}:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def settings(**given) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in given.items()]


@cache
def easy_pick(seed: int = 5, objects: str = "fruit_5") -> tuple[GraspPlan, np.ndarray]:
    """The first plan drawn for this scene that holds directly, also a little off; and the scene's world_from_camera."""
    world = World(load_hand(), seed, objects.split())
    rng, before = np.random.default_rng(seed), world.cell.world_from_object
    for _ in range(50):
        plan = sample_plan(world.cell, rng)
        world.cell.reset(before)
        held = True
        for off in ([0, 0, 0], [0.004, 0, 0], [0, 0.004, 0], [0, 0, 0.004]):
            moved = replace(plan, world_from_palm=plan.world_from_palm.copy())
            moved.world_from_palm[:3, 3] += off
            held = held and run(world.cell, moved).success
            world.cell.reset(before)
        if held:
            return plan, world.world_from_camera
    raise AssertionError("no plan holds")


def plain_goal(name: str = "one", **changes) -> ExecuteGrasp.Goal:
    """From above, 0.75 m before the camera, for the free mock."""
    there, before = poses.make(np.eye(3), np.array([0.3, 0.0, 0.75])), poses.make(np.eye(3), np.array([0.3, 0.0, 0.65]))
    plan = GraspPlan(before, there, np.array([0.5, 0.4, 0.4, 0.4]), ClosingPlan.together(1.0))
    goal = make_goal(plan, np.eye(4), name, **changes)
    goal.grasp.lift_direction.z = -1.0  # back towards the camera
    return goal


def make_goal(
    plan: GraspPlan, world_from_camera: np.ndarray, name: str = "one", closed: np.ndarray | None = None, **changes
) -> ExecuteGrasp.Goal:
    """A plan in the world as a goal in the camera's frame. closed: (4,) [rad] at the contacts; None: a guess."""
    camera_from_world = poses.inverse(world_from_camera)
    goal = ExecuteGrasp.Goal(execution_id=name)
    grasp = goal.grasp
    grasp.header.frame_id, grasp.hand = FRAME, "bh280"
    grasp.wrist_pose = grasp.mount_pose = pose_message(camera_from_world @ plan.world_from_palm)
    pregrasp = pose_message(camera_from_world @ plan.world_from_pregrasp)
    grasp.pregrasp_wrist_pose = grasp.pregrasp_mount_pose = pregrasp
    if closed is None:
        closed = np.append(plan.joints_open[0], np.maximum(plan.joints_open[1:], 1.2))
    grasp.joints_open.name = grasp.joints_closed.name = list(JOINTS)
    grasp.joints_open.position, grasp.joints_closed.position = plan.joints_open.tolist(), closed.tolist()
    grasp.finger_start, grasp.finger_speed = plan.closing.start, plan.closing.speed
    grasp.spread_speed, grasp.approach_speed, grasp.lift_speed, grasp.lift_height = 1.5, 0.2, 0.2, 0.2
    up = camera_from_world[:3, :3] @ [0.0, 0.0, 1.0]
    grasp.lift_direction.x, grasp.lift_direction.y, grasp.lift_direction.z = map(float, up)
    grasp.tip_force_limit = 15.0
    for field, value in changes.items():
        setattr(grasp, field, value)
    return goal


class Bench:
    """hand_bridge and mock drivers of these styles. cell: in the simulated cell, else free."""

    def __init__(self, live, hand="joint_state", arm="pose", cell=False, mock=None, seed=5, objects="fruit_5", **given):
        self.live = live
        # The free mock is five times as fast as the clock, and so must be whoever is waited for.
        patient = {} if cell else {"response_time": 2.0}
        shared = {"hand_driver": hand, "arm_driver": arm, "joint_name_map": "", **patient, **given}
        # On the plant's time: a busy machine makes everything slower, and nothing else.
        only_mock = {"publish_clock": True, "time_factor": 1.0 if cell else 5.0}
        only_mock |= {"rate": 0.2, "seed": seed, "objects": objects} if cell else {}
        kind = MockCell if cell else MockDrivers
        overrides = settings(**{**shared, **only_mock, **(mock or {})})
        self.mock = live.spin(kind(context=live.context, parameter_overrides=overrides), 16)
        self.bridge = live.spin(
            HandBridge(context=live.context, parameter_overrides=settings(use_sim_time=True, **{**FAST, **shared})), 10
        )
        self.user = live.node("user")
        self.action = ActionClient(self.user, ExecuteGrasp, "execute_grasp")
        assert self.action.wait_for_server(timeout_sec=10)
        self.phases = []

    def lay_object(self, contact=(1.2, 1.25, 1.3)) -> None:
        """Of the free mock: something that the fingers meet at these inner angles [rad]."""
        with self.mock.fronts.lock:
            self.mock.plant.contact = np.array(contact)

    @property
    def is_open_and_away(self) -> bool:
        """Of the free mock: fingers off the object, the mount back at the pre-grasp."""
        with self.mock.fronts.lock:
            read = self.mock.plant.read()
        back = np.linalg.norm(read.base_from_mount[:3, 3] - pose_matrix(self.goal.grasp.pregrasp_mount_pose)[:3, 3])
        return bool((read.motor[1:] < self.mock.plant.contact - 0.2).all() and back < 0.02)

    def send(self, goal):
        self.goal = goal
        self.phases.clear()

        def on_feedback(message):
            if not self.phases or self.phases[-1] != message.feedback.phase_name:
                self.phases.append(message.feedback.phase_name)

        future = self.action.send_goal_async(goal, feedback_callback=on_feedback)
        self.live.until(future.done, "the goal's answer", 20)
        return future.result()

    def result(self, handle, timeout: float = 90.0):
        future = handle.get_result_async()
        self.live.until(future.done, "the result", timeout)
        return future.result()

    def execute(self, goal, timeout: float = 400.0):
        handle = self.send(goal)
        assert handle.accepted
        return self.result(handle, timeout)


__all__ = ["Bench", "FRAME", "GoalStatus", "easy_pick", "make_goal", "needs", "plain_goal", "settings"]
