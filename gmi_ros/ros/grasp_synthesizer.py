"""The node grasp_synthesizer: images in, ranked grasps out on request, the best one executed where that is allowed."""

import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from gmi_ros import msg
from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.core.version import version
from gmi_ros.hand.barrett import BarrettHand, load_hand
from gmi_ros.learning.checkpoint import GraspModel, load
from gmi_ros.ros import compat, diagnostics, parameters, qos
from gmi_ros.ros.answer import Answer, answer_request, request_settings
from gmi_ros.ros.convert import (
    Motion,
    contact_targets,
    header_message,
    network_view,
    observation_message,
    pose_stamped,
)
from gmi_ros.ros.convert_outcome import code_name, outcome_message
from gmi_ros.ros.execution import Execution
from gmi_ros.ros.frame_source import FrameSource
from gmi_ros.ros.joint_names import PRESETS
from gmi_ros.ros.markers import grasp_markers
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.response import fill_answer, new_execution_id, refuse
from gmi_ros.ros.settings import NO_POSE, NodeSettings, pose_of
from gmi_ros.ros.transforms import Transforms
from gmi_ros.ros.worker import Deadline, Worker
from gmi_ros.srv import SynthesizeGrasp

MODEL = "models/r_cvae"


class GraspSynthesizer(Node):
    """Serves synthesize_grasp. Needs an executor with several threads: a request waits in one of them for the worker.

    Images are only stored when they come. A request that cannot be met is answered with its error code and a message,
    counted in /diagnostics, and leaves the node as it was; so do weights that are missing, which are looked for again
    with every request.

    Raises:
        GmiError: BAD_SETTING where a parameter is out of its bounds.
    """

    def __init__(
        self, *, context: Context | None = None, parameter_overrides: Sequence[Parameter] | None = None, **node_options
    ):
        super().__init__(
            "grasp_synthesizer", context=context, parameter_overrides=list(parameter_overrides or ()), **node_options
        )
        self.settings = parameters.declare(self, NodeSettings)
        self.synthesis_settings = parameters.declare(self, SynthesisSettings)
        self.statistics = diagnostics.Statistics()
        self._active = False
        self._model: GraspModel | None = None
        self._sent: dict[str, Answer] = {}  # by execution_id, until its outcome is published
        self.configure()
        self.activate()

    def configure(self) -> None:
        """Load hand and weights, and make everything that the node talks through."""
        settings = self.settings
        compat.log_missing(self)
        self.hand = load_hand(settings.hand)
        self._motion = bounded_motion(settings, self.hand)
        given = None if settings.camera_pose == NO_POSE else pose_of("camera_pose", settings.camera_pose)
        self._transforms = Transforms(self, settings.target_frame, given)
        self._worker = Worker("synthesis")
        self._source = FrameSource(self, settings, MutuallyExclusiveCallbackGroup())
        requests = ReentrantCallbackGroup()
        self._execution = Execution(
            self, requests, self._on_execution_ended, settings.execution_timeout, settings.server_timeout
        )
        self._targets = self.create_publisher(msg.ContactTargets, "~/contact_targets", 1)
        self._wrist_pose = self.create_publisher(PoseStamped, "~/wrist_pose", 1)
        self._markers = self.create_publisher(MarkerArray, "~/markers", 1)
        self._view = self.create_publisher(Image, "~/network_view", 1)
        self._observations = self.create_publisher(
            msg.Observation, "~/observation", qos.retained(qos.OBSERVATIONS_KEPT)
        )
        self._outcomes = self.create_publisher(msg.GraspOutcome, "grasp_outcome", qos.retained(qos.OUTCOMES_KEPT))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        try:
            self._load_model()
        except GmiError as error:
            self.get_logger().error(f"{error.code.name}: {error.message}; every request looks again")
        self.create_service(Trigger, "~/cancel", self._on_cancel, callback_group=requests)
        self.create_service(SynthesizeGrasp, "synthesize_grasp", self._on_request, callback_group=requests)

    def activate(self) -> None:
        """Answer requests from now on."""
        self._active = True

    def deactivate(self) -> None:
        """Refuse requests from now on, and cancel what is being executed."""
        self._active = False
        self._execution.stop("the node was deactivated")

    def destroy_node(self) -> None:
        """Cancel, end the worker, and take the node down."""
        self.deactivate()
        self._worker.close()
        super().destroy_node()

    def _load_model(self) -> GraspModel:
        if self._model is None:
            folder = Path(self.settings.model).expanduser() if self.settings.model else _shipped_model()
            torch.set_num_threads(self.synthesis_settings.inference_threads)
            model = load(folder)
            # The first call takes longer than all that follow, and would find out about weights that do not fit.
            model.sample(np.zeros((64, 64, 5), np.float32), self.synthesis_settings.n_samples, 1)
            self._model = model
            self.get_logger().info(f"weights {model.hash} from {folder}, hand {self.hand.name}")
        return self._model

    def _on_request(
        self, request: SynthesizeGrasp.Request, response: SynthesizeGrasp.Response
    ) -> SynthesizeGrasp.Response:
        start = time.perf_counter()
        deadline = Deadline(self.settings.request_timeout)
        response.seed, response.age, response.software_version = request.seed, self._source.age(), version()
        self.statistics.count("requests")
        try:
            self._serve(request, response, deadline)
        except GmiError as error:
            refuse(response, error)
        except Exception as error:  # a defect of ours must not take the node down
            self.get_logger().error(f"INTERNAL: {traceback.format_exc()}")
            refuse(response, GmiError(ErrorCode.INTERNAL, f"internal error: {error!r}; the log has the details"))
        code = ErrorCode(response.error_code)
        self.statistics.latency((time.perf_counter() - start) * 1e3)
        self.statistics.count("answered" if code == ErrorCode.OK else f"refused.{code.name}")
        if code != ErrorCode.OK:
            self.get_logger().warning(f"{code.name}: {response.message}")
        return response

    def _serve(
        self, request: SynthesizeGrasp.Request, response: SynthesizeGrasp.Response, deadline: Deadline
    ) -> None:
        if not self._active:
            raise GmiError(ErrorCode.NOT_ACTIVE, "the node is not active: activate it first")
        settings = request_settings(request, self.synthesis_settings)
        if request.execute and not self.settings.allow_execution:
            raise GmiError(
                ErrorCode.EXECUTION_NOT_ALLOWED,
                "execute is true and the parameter allow_execution is false: start the node with allow_execution true",
            )
        answer = self._worker.do(lambda deadline: self._synthesize(request, settings, deadline), deadline)
        fill_answer(response, answer, self._motion, self.settings.target_frame)
        self._publish(response, answer)
        if request.execute and response.error_code == ErrorCode.OK:
            response.success = False
            self._execute(response, answer, deadline)
            response.success = True

    def _synthesize(
        self, request: SynthesizeGrasp.Request, settings: SynthesisSettings, deadline: Deadline
    ) -> Answer:
        """What the worker does: the newest frame, and grasps for it."""
        model = self._load_model()
        # A request may raise the parameter to look, never to execute.
        max_age = min(request.max_age, self.settings.max_age) if request.execute else request.max_age
        frame, age = self._source.newest(max_age)
        output_from_camera = self._transforms.output_from_camera(frame.frame_id, frame.stamp_ns)
        return answer_request(request, frame, age, model, self.hand, settings, output_from_camera, deadline)

    def _execute(self, response: SynthesizeGrasp.Response, answer: Answer, deadline: Deadline) -> None:
        """Send the best grasp; the outcome is published when the server has ended it.

        The frame was not stale when the work began, and the deadline bounds what has passed since.
        """
        found = answer.first.object_frame
        if found.degenerate:
            raise GmiError(
                ErrorCode.DEGENERATE_FRAME,
                f"the object frame is degenerate: lambda2/lambda1 is {found.eigenvalue_ratio:.3f}, at most "
                f"{self.synthesis_settings.degenerate_ratio} may be executed",
            )
        goal = ExecuteGrasp.Goal(grasp=response.grasps[0], execution_id=new_execution_id())
        self._sent[goal.execution_id] = answer
        try:
            self._execution.start(goal, deadline)
        except BaseException:
            self._sent.pop(goal.execution_id, None)
            raise
        response.goal_accepted, response.execution_id = True, goal.execution_id
        self.statistics.count("executions")

    def _on_execution_ended(
        self, goal: ExecuteGrasp.Goal, result: ExecuteGrasp.Result | None, code: ErrorCode | int, message: str
    ) -> None:
        answer = self._sent.pop(goal.execution_id)
        outcome = outcome_message(
            goal,
            result,
            code,
            message,
            self.get_clock().now().to_msg(),
            answer.seed,
            self.settings.camera,
            answer.first.model_hash,
        )
        self.statistics.count("successes" if outcome.success else "failures")
        self.statistics.count(f"ended.{code_name(code)}")
        # Once more: a recorder that began or was flooded since the answer could not pair the outcome.
        self._observations.publish(observation_message(answer.first, answer.frame, self.settings.camera))
        self._outcomes.publish(outcome)
        self.get_logger().info(f"execution {outcome.execution_id}: {outcome.reason} {outcome.message}".rstrip())

    def _publish(self, response: SynthesizeGrasp.Response, answer: Answer) -> None:
        """The best grasp for controllers and eyes, and what the network saw for the recorder."""
        for report in answer.objects:
            if report.synthesis is not None:
                self._observations.publish(observation_message(report.synthesis, answer.frame, self.settings.camera))
        if response.grasps:
            best = response.grasps[0]
            self._targets.publish(contact_targets(best, PRESETS[self.settings.joint_name_map]))
            self._wrist_pose.publish(pose_stamped(best.wrist_pose, best.header))
        if self._markers.get_subscription_count():
            self._markers.publish(grasp_markers(list(response.grasps), self.hand))
        if answer.first is not None and self._view.get_subscription_count():
            self._view.publish(network_view(answer.first.observation, header_message(answer.frame)))

    def _on_cancel(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._execution.cancel()
        return response

    def _report(self) -> None:
        """Once a second, whether images come or not."""
        age, level, summary = self._source.age(), diagnostics.OK, "ready"
        if self._model is None:
            level, summary = diagnostics.ERROR, "no weights"
        elif self._source.sets == 0:
            level, summary = diagnostics.WARN, "no complete set of images yet"
        elif age > self.settings.max_age:
            level, summary = diagnostics.WARN, f"the newest set of images is {age:.1f} s old"
        values = {
            "active": str(self._active).lower(),
            "sets": str(self._source.sets),
            "set_age_s": f"{age:.3f}",
            "execution": self._execution.status,
            **{f"received{topic}": str(count) for topic, count in self._source.received.items()},
            **self.statistics.values(),
        }
        stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name().lstrip("/")
        self._diagnostics.publish(
            diagnostics.diagnostic_array(stamp, name, self.hand.name, level, summary, values)
        )


def bounded_motion(settings: NodeSettings, hand: BarrettHand) -> Motion:
    """What every goal carries, once it is within the hand's own limits.

    Raises:
        GmiError: BAD_SETTING naming the parameter, its value and the hand's bound.
    """
    bounds = {
        "tip_force_limit": (hand.active_tip_force, "N"),
        "finger_speed_limit": (float(hand.max_speed[1:].min()), "rad/s"),
        "spread_speed": (float(hand.max_speed[0]), "rad/s"),
    }
    for name, (bound, unit) in bounds.items():
        if getattr(settings, name) > bound:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{name} must be at most {bound} {unit} for the {hand.name}, got {getattr(settings, name)}",
            )
    return Motion(
        hand=hand.name,
        hand_mount_from_palm=pose_of("hand_mount_from_palm", settings.hand_mount_from_palm),
        tip_force_limit=settings.tip_force_limit,
        finger_speed_limit=settings.finger_speed_limit,
        spread_speed=settings.spread_speed,
        approach_speed=settings.approach_speed,
        lift_speed=settings.lift_speed,
        lift_height=settings.lift_height,
    )


def _shipped_model() -> Path:
    try:
        return resource(MODEL)
    except GmiError as error:
        raise GmiError(ErrorCode.WEIGHTS_MISSING, f"the package has no weights: {error.message}") from error


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run_node(GraspSynthesizer))
