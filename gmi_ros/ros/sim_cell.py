"""The node sim_cell: a simulated camera and a simulated hand that stand in for real ones, topic for topic."""

import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings, setting
from gmi_ros.hand.barrett import load_hand
from gmi_ros.msg import Contact, GraspOutcome
from gmi_ros.ros import parameters
from gmi_ros.ros.convert import (
    contact_messages,
    frame_messages,
    joints_array,
    joints_message,
    nanoseconds,
    pose_matrix,
    pose_stamped,
)
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.processes import SIM_CELL, use_image_profile
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.trial import CANCELLED, COLLIDED, DIVERGED, GraspPlan
from gmi_ros.sim.world import Pick, World

_Feedback = ExecuteGrasp.Feedback
_PHASES = {
    "approach": _Feedback.APPROACH,
    "closing": _Feedback.CLOSING,
    "squeeze": _Feedback.SQUEEZE,
    "lift": _Feedback.LIFT,
    "hold": _Feedback.HOLD,
    "verdict": _Feedback.VERDICT,
}
_UNTOUCHED = (COLLIDED, DIVERGED, CANCELLED)  # reasons for which the fingers' contacts are not known


@dataclass(frozen=True)
class SimCellSettings(Settings):
    """What is on the table, and how often it is seen."""

    seed: int = setting(1, "seed of the objects' order, their poses and the camera's", 0, 2**63 - 1)
    objects: str = setting("", "names of the objects such as `mug_0 carton_2`, apart by spaces; empty: all")
    mass: float = setting(1.0, "mass of every object [kg]", 0.01, 10.0)
    rate: float = setting(10.0, "image sets per second [Hz]", 0.1, 60.0)
    frame_id: str = setting("camera_rgb_optical_frame", "the camera's optical frame")
    hand: str = setting("bh280", "model of the hand", choices=("bh262", "bh280", "bh282"))


class SimCell(Node):
    """Publishes the four camera topics, serves execute_grasp by physics, and ~/reset for the next object.

    A scene is rendered once and stamped anew with every publication. While a grasp is tried nothing is published: the
    last picture would be a false one. A success is lifted by the protocol's own height and speed (sim.trial).

    Needs an executor with several threads: a goal keeps one of them busy.
    """

    NAME, SETTINGS = SIM_CELL, SimCellSettings

    def __init__(self, **node_options):
        super().__init__(self.NAME, **node_options)
        self._settings = parameters.declare(self, self.SETTINGS)
        s = self._settings
        self._world = World(load_hand(s.hand), s.seed, s.objects.split(), s.mass)
        self._scene = threading.Lock()  # held by whoever changes or shows the scene
        self._images: tuple[Image, Image, CameraInfo, Image] | None = None
        self._scene_since_ns = 0  # stamp of the first picture of the scene; grasps seen before are not of it
        self._goal_taken = threading.Lock()  # one goal at a time
        self._stopping = threading.Event()

        qos = QoSProfile(depth=5)  # reliable: best effort loses large images between processes
        topics = (
            (Image, "rgb/image"),
            (Image, "depth/image"),
            (CameraInfo, "rgb/camera_info"),
            (Image, "segmentation/mask"),
        )
        self._publishers_of_set = [self.create_publisher(kind, name, qos) for kind, name in topics]
        self.create_timer(1 / s.rate, self._publish, MutuallyExclusiveCallbackGroup())
        self.create_service(Trigger, "~/reset", self._reset, callback_group=MutuallyExclusiveCallbackGroup())
        with self._scene:
            self._render()
        self._serve()
        self.get_logger().info(f"{self._world.object_name} is on the table; seed {s.seed}, {s.rate:g} Hz")

    def _serve(self) -> None:
        """What can be done in the cell: here, grasps by physics."""
        self._server = ActionServer(
            self,
            ExecuteGrasp,
            "execute_grasp",
            self._execute,
            goal_callback=self._judge_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )

    def finish(self) -> None:
        """Cancel what is being tried: the node is about to go."""
        self._stopping.set()

    def destroy_node(self) -> None:
        """Also the action server, which a node does not know of."""
        self._server.destroy()
        super().destroy_node()

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _render(self) -> None:
        """New messages of the scene; the caller holds it."""
        self._scene_since_ns = self._now_ns()
        self._images = frame_messages(self._world.frame(self._scene_since_ns, self._settings.frame_id))

    def _publish(self) -> None:
        if not self._scene.acquire(blocking=False):
            return
        try:
            if self._images is None:
                self._render()
            stamp = self.get_clock().now().to_msg()
            for publisher, message in zip(self._publishers_of_set, self._images, strict=True):
                message.header.stamp = stamp
                publisher.publish(message)
        finally:
            self._scene.release()

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The next object; the answer's message is its name."""
        if not self._goal_taken.acquire(blocking=False):
            response.message = "a grasp is being tried: wait for its result, or cancel it"
            return response
        try:
            with self._scene:
                self._world.reset()
                self._render()
        finally:
            self._goal_taken.release()
        response.success, response.message = True, self._world.object_name
        self.get_logger().info(f"{self._world.object_name} is on the table")
        return response

    def _judge_goal(self, goal: ExecuteGrasp.Goal) -> GoalResponse:
        if not self._goal_taken.acquire(blocking=False):
            self.get_logger().warning(f"goal {goal.execution_id} rejected: another grasp is being tried")
            return GoalResponse.REJECT
        try:
            self._plan(goal)
        except GmiError as error:
            self._goal_taken.release()
            self.get_logger().warning(f"goal {goal.execution_id} rejected: {error.message}")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT  # _execute gives the goal's place back

    def _plan(self, goal: ExecuteGrasp.Goal) -> GraspPlan:
        """The grasp as a plan in the world.

        Raises:
            GmiError: BAD_REQUEST for another frame than the camera's, an image from before the scene, or what the hand
                cannot do.
        """
        grasp, frame_id = goal.grasp, self._settings.frame_id
        if grasp.header.frame_id != frame_id:
            raise GmiError(
                ErrorCode.BAD_REQUEST, f"the grasp must be in frame {frame_id!r}, got {grasp.header.frame_id!r}"
            )
        early = self._scene_since_ns - nanoseconds(grasp.header.stamp)
        if early > 0:
            raise GmiError(
                ErrorCode.BAD_REQUEST, f"the grasp's image is {early / 1e9:.3f} s older than what is on the table now"
            )
        if grasp.hand and grasp.hand != self._settings.hand:
            raise GmiError(
                ErrorCode.BAD_REQUEST, f"the grasp is for hand {grasp.hand!r}, this one is {self._settings.hand!r}"
            )
        limit = self._world.hand.max_tip_force
        if not 0 < grasp.tip_force_limit <= limit:
            raise GmiError(
                ErrorCode.BAD_REQUEST, f"tip_force_limit must be in (0, {limit:g}] N, got {grasp.tip_force_limit}"
            )
        joints = joints_array(grasp.joints_open)
        if joints is None:
            raise GmiError(ErrorCode.BAD_REQUEST, f"joints_open lacks joints, it has {list(grasp.joints_open.name)}")
        return self._world.plan(
            pose_matrix(grasp.pregrasp_wrist_pose),
            pose_matrix(grasp.wrist_pose),
            joints,
            ClosingPlan(np.array(grasp.finger_start), np.array(grasp.finger_speed), self._world.hand.coupling.curl),
        )

    def _execute(self, handle: ServerGoalHandle) -> ExecuteGrasp.Result:
        started = time.monotonic()
        goal = handle.request

        def tell(phase: str) -> None:  # as it begins, so that none of it is done
            handle.publish_feedback(
                _Feedback(phase=_PHASES[phase], phase_name=phase, progress=0.0, elapsed=time.monotonic() - started)
            )

        def cancelled() -> bool:
            return handle.is_cancel_requested or self._stopping.is_set()

        try:
            with self._scene:
                plan = self._plan(goal)
                try:
                    pick = self._world.pick(plan, tell, cancelled)
                finally:
                    # The object has moved: the next publication renders, and grasps seen before are refused.
                    self._images, self._scene_since_ns = None, self._now_ns()
            tell("verdict")
            result = self._result(goal, pick)
            # By what came of it: a cancel that comes after the end changes nothing.
            if pick.reason == CANCELLED and handle.is_cancel_requested:
                handle.canceled()
            elif pick.reason in (DIVERGED, CANCELLED):
                handle.abort()
            else:
                handle.succeed()
        finally:
            self._goal_taken.release()
        self.get_logger().info(f"goal {goal.execution_id}: {pick.reason}, lifted {pick.height_lifted:.3f} m")
        return result

    def _result(self, goal: ExecuteGrasp.Goal, pick: Pick) -> ExecuteGrasp.Result:
        header = Header(stamp=goal.grasp.header.stamp, frame_id=goal.grasp.header.frame_id)
        code = {CANCELLED: ErrorCode.CANCELLED, DIVERGED: ErrorCode.EXECUTION_FAILED}.get(pick.reason, ErrorCode.OK)
        states = [Contact.IN_CONTACT if touched else Contact.CLOSED_EMPTY for touched in pick.touched]
        if pick.reason in _UNTOUCHED:
            states = [Contact.UNKNOWN] * 3
        return ExecuteGrasp.Result(
            success=pick.success,
            error_code=int(code),
            message=f"{self._world.object_name}: {pick.reason.replace('_', ' ')}",
            reason=pick.reason,
            judged_by=GraspOutcome.JUDGED_BY_SIMULATION,
            contacts_reached=contact_messages(pick.contacts, pick.normals, states=states),
            joints_reached=joints_message(pick.joints, header),
            wrist_pose_reached=pose_stamped(pick.camera_from_palm, header),
            height_lifted=pick.height_lifted,
        )


def main() -> None:
    """Entry point of the executable."""
    use_image_profile()
    sys.exit(run_node(SimCell))
