"""The node grasp_synthesizer: images in, ranked grasps out on request, the best one executed where that is allowed."""

import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings, SynthesisSettings
from gmi_ros.core.version import version
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros import compat, diagnostics
from gmi_ros.ros.answer import Answer, answer_request, request_settings
from gmi_ros.ros.configuration import Configuration, Weights, bounded_motion, make_configuration
from gmi_ros.ros.convert_outcome import code_name, outcome_message
from gmi_ros.ros.execution import Execution
from gmi_ros.ros.frame_source import FrameSource
from gmi_ros.ros.health import report
from gmi_ros.ros.lifecycle import ACTIVE, UNCONFIGURED, ManagedNode
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.new_weights import NewWeights
from gmi_ros.ros.outputs import Outputs
from gmi_ros.ros.parameters import LiveSettings
from gmi_ros.ros.response import fill_answer, new_execution_id, refuse
from gmi_ros.ros.settings import NodeSettings
from gmi_ros.ros.worker import Deadline, Worker
from gmi_ros.srv import SynthesizeGrasp


_FAREWELL = 2.0  # [s] for the action server to hear that its goal is cancelled


class GraspSynthesizer(ManagedNode):
    """Serves synthesize_grasp. Needs an executor with several threads: a request waits in one of them for the worker.

    A managed node: weights load when it is configured, images are taken in while it is active. The services are there
    from the start and say what state the node is in. Images are only stored when they come. A request that cannot be
    met is answered with its error code and a message, counted in /diagnostics, and leaves the node as it was.

    Raises:
        GmiError: BAD_SETTING where a parameter is out of its bounds.
    """

    def __init__(
        self, *, context: Context | None = None, parameter_overrides: Sequence[Parameter] | None = None, **node_options
    ):
        super().__init__(
            "grasp_synthesizer", context=context, parameter_overrides=list(parameter_overrides or ()), **node_options
        )
        self._configuration: Configuration | None = None
        self._new_weights = NewWeights()
        self._live = LiveSettings(
            self, (NodeSettings, SynthesisSettings), self._why_fixed, self._check_settings, self._on_settings
        )
        self.statistics = diagnostics.Statistics()
        self._source: FrameSource | None = None
        self._refusal = _not_active("it was not configured yet")
        self._sent: dict[str, Answer] = {}  # by execution_id, until its outcome is published
        self._worker = Worker("synthesis")
        self._outputs = Outputs(self)
        requests = ReentrantCallbackGroup()
        self._execution = Execution(self, requests, self._on_execution_ended)
        self._on_settings()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.create_service(Trigger, "~/cancel", self._on_cancel, callback_group=requests)
        loads = MutuallyExclusiveCallbackGroup()
        self.create_service(Trigger, "~/load_model", self._on_load_model, callback_group=loads)
        self.create_service(SynthesizeGrasp, "synthesize_grasp", self._on_request, callback_group=requests)
        compat.log_missing(self)
        if self.settings.autostart:
            self.start()

    @property
    def settings(self) -> NodeSettings:
        """Of the node, as they are now."""
        return self._live[NodeSettings]

    @property
    def synthesis_settings(self) -> SynthesisSettings:
        """Of the synthesis, as they are now."""
        return self._live[SynthesisSettings]

    # Life cycle.

    def configure(self) -> None:
        """Load hand and weights."""
        self._configuration = made = make_configuration(self, self.settings, self.synthesis_settings)
        self._refusal = _not_active("it is inactive: activate it")
        self.get_logger().info(f"weights {made.model.hash} from {made.folder}, hand {made.hand.name}")

    def activate(self) -> None:
        """Take in images and answer requests from now on."""
        self._source = FrameSource(self, self.settings)
        self._source.on_set = self._on_set
        self._execution.allow()

    def deactivate(self) -> None:
        """Refuse requests from now on, end what is being worked on, and cancel what is being executed."""
        self._refusal = _not_active("it was deactivated")
        source, self._source = self._source, None
        self._worker.call_off(self._refusal)
        self._execution.stop("the node was deactivated")
        if source is not None:
            source.close()

    def clean_up(self) -> None:
        """Let go of the weights."""
        self._refusal = _not_active("it was cleaned up: configure and activate it")
        configuration, self._configuration = self._configuration, None
        if configuration is not None:
            configuration.close()

    def on_failure(self, error: GmiError) -> None:
        """Requests are told why the node is not active."""
        self._refusal = error

    def finish(self) -> None:
        """Stop working, for good, and see to it that the hand hears of it."""
        super().finish()
        self._execution.settle(_FAREWELL)

    def destroy_node(self) -> None:
        """Cancel, end the worker, and take the node down."""
        self.finish()
        self._worker.close()
        super().destroy_node()

    # Parameters.

    def _why_fixed(self) -> str:
        """Why a parameter that is read on configuring cannot be set now."""
        return "" if self.state == UNCONFIGURED else f"the node is {self.state}; deactivate it and clean it up first"

    def _check_settings(self, values: dict[type, Settings]) -> None:
        bounded_motion(values[NodeSettings], load_hand(values[NodeSettings].hand))
        # Another folder: loaded here, in the thread that sets parameters, while requests are served with the old weights.
        self._new_weights.prepare(values[NodeSettings], values[SynthesisSettings], self._configuration)

    def _on_settings(self) -> None:
        s = self.settings
        self._take_weights(self._new_weights.prepared(s))
        self._execution.execution_timeout, self._execution.server_timeout = s.execution_timeout, s.server_timeout
        if self._source is not None:
            self._source.settings = s

    def _on_load_model(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Load what the folder of parameter `model` holds now; in a thread of its own."""
        try:
            if self._configuration is None:
                raise self._refusal
            self._take_weights(self._new_weights.load(self.settings, self.synthesis_settings))
        except GmiError as error:
            self.get_logger().error(f"the weights at work stay: {error.code.name}: {error.message}")
            response.message = f"the weights at work stay: {error.message}"
            return response
        made = self._configuration
        response.success = made is not None
        response.message = self._refusal.message if made is None else f"weights {made.model.hash} from {made.folder}"
        return response

    def _take_weights(self, new: Weights | None) -> None:
        """Requests that begin from now on are served with these; those under way end with the old."""
        made = self._configuration
        if new is None or made is None:
            return
        self._configuration = replace(made, model=new.model, folder=new.folder)
        self.statistics.count("weights_loaded")
        self.get_logger().info(f"weights {new.model.hash} from {new.folder} instead of {made.model.hash}")

    # Requests.

    def _on_request(
        self, request: SynthesizeGrasp.Request, response: SynthesizeGrasp.Response
    ) -> SynthesizeGrasp.Response:
        start = time.perf_counter()
        deadline = Deadline(self.settings.request_timeout)
        source = self._source
        response.seed, response.software_version = request.seed, version()
        response.age = float("nan") if source is None else source.age()
        self.statistics.count("requests")
        try:
            self._serve(request, response, deadline)
        except GmiError as error:
            refuse(response, error)
        except Exception as error:  # a defect of ours must not take the node down
            self.get_logger().error(f"INTERNAL: {traceback.format_exc()}")
            refuse(response, GmiError(ErrorCode.INTERNAL, f"internal error: {error!r}; the log has the details"))
        code = ErrorCode(response.error_code)
        self.statistics.latency("request", (time.perf_counter() - start) * 1e3)
        self.statistics.count("answered" if code == ErrorCode.OK else f"refused.{code.name}")
        if code != ErrorCode.OK:
            self.get_logger().warning(f"{code.name}: {response.message}")
        return response

    def _serve(self, request: SynthesizeGrasp.Request, response: SynthesizeGrasp.Response, deadline: Deadline) -> None:
        source, made = self._working()
        settings = request_settings(request, self.synthesis_settings)
        if request.execute and not self.settings.allow_execution:
            raise GmiError(
                ErrorCode.EXECUTION_NOT_ALLOWED,
                "execute is true and the parameter allow_execution is false: start the node with allow_execution true",
            )
        answer = self._worker.do(lambda d: self._synthesize(request, settings, source, made, d), deadline)
        fill_answer(response, answer, bounded_motion(self.settings, made.hand), self.settings.target_frame)
        self._tell(response, answer, made)
        if request.execute and response.error_code == ErrorCode.OK:
            response.success = False
            self._execute(response, answer, deadline)
            response.success = True

    def _working(self) -> tuple[FrameSource, Configuration]:
        """What requests are served with. Raises GmiError NOT_ACTIVE, or why the node could not be made active."""
        source, made = self._source, self._configuration
        if source is None or made is None:
            raise self._refusal
        return source, made

    def _synthesize(
        self,
        request: SynthesizeGrasp.Request,
        settings: SynthesisSettings,
        source: FrameSource,
        made: Configuration,
        deadline: Deadline,
    ) -> Answer:
        """What the worker does: the newest frame, and grasps for it."""
        if source is not self._source:  # deactivated since it was asked; from here on the worker is called off
            raise self._refusal
        # A request may raise the parameter to look, never to execute.
        max_age = min(request.max_age, self.settings.max_age) if request.execute else request.max_age
        frame, age = source.newest(max_age)
        patience = min(self.settings.tf_timeout, deadline.left)
        output_from_camera = made.transforms.output_from_camera(frame.frame_id, frame.stamp_ns, patience)
        return answer_request(request, frame, age, made.model, made.hand, settings, output_from_camera, deadline)

    def _tell(self, response: SynthesizeGrasp.Response, answer: Answer, made: Configuration) -> None:
        """On the topics, and in the statistics."""
        for stage, milliseconds in zip(response.stage_names, response.stage_ms):
            self.statistics.latency(stage, milliseconds)
        for reason, count in zip(response.rejected_names, response.rejected_counts):
            self.statistics.count(f"rejected.{reason}", count)
        self.statistics.count("sampled", response.n_sampled)
        s = self.settings
        self._outputs.publish(list(response.grasps), answer, made.hand, s.joint_name_map, s.camera)

    def _on_set(self) -> None:
        """Every n-th set of images is answered unasked, where that is wanted and nobody is being served."""
        every, source = self.settings.answer_every, self._source
        if every and source is not None and source.sets % every == 0:
            if not self._worker.offer(self._answer_unasked, Deadline(self.settings.request_timeout)):
                self.statistics.count("unasked.skipped")

    def _answer_unasked(self, deadline: Deadline) -> None:
        request, response = SynthesizeGrasp.Request(seed=self.settings.answer_seed), SynthesizeGrasp.Response()
        try:
            source, made = self._working()
            answer = self._synthesize(request, self.synthesis_settings, source, made, deadline)
            fill_answer(response, answer, bounded_motion(self.settings, made.hand), self.settings.target_frame)
            self._tell(response, answer, made)
            self.statistics.count("unasked.answered")
        except GmiError as error:
            self.statistics.count(f"unasked.refused.{error.code.name}")
            self.get_logger().warning(f"{error.code.name}: {error.message}", throttle_duration_sec=5.0)
        except Exception:  # a defect of ours must not take the worker down
            self.statistics.count("unasked.refused.INTERNAL")
            self.get_logger().error(f"INTERNAL: {traceback.format_exc()}", throttle_duration_sec=5.0)

    # Execution.

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
        answer, camera = self._sent.pop(goal.execution_id), self.settings.camera
        now, model = self.get_clock().now().to_msg(), answer.first.model_hash
        outcome = outcome_message(goal, result, code, message, now, answer.seed, camera, model)
        self.statistics.count("successes" if outcome.success else "failures")
        self.statistics.count(f"ended.{code_name(code)}")
        self._outputs.publish_outcome(outcome, answer, camera)
        self.get_logger().info(f"execution {outcome.execution_id}: {outcome.reason} {outcome.message}".rstrip())

    def _on_cancel(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._execution.cancel()
        return response

    def _report(self) -> None:
        """Once a second, whether images come or not."""
        name = self.get_fully_qualified_name().lstrip("/")
        refusal = None if self.state == ACTIVE else self._refusal
        self._diagnostics.publish(
            report(
                self.get_clock().now().to_msg(),
                name,
                self.state,
                refusal,
                self._configuration,
                self._source,
                self.settings.max_age,
                self._execution.status,
                self.statistics,
            )
        )


def _not_active(why: str) -> GmiError:
    return GmiError(ErrorCode.NOT_ACTIVE, f"the node is not active: {why}")


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run_node(GraspSynthesizer))
