"""The node experience_recorder: every outcome, success or failure, into the store, and a word when it is in."""

import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros import diagnostics, parameters, qos
from gmi_ros.ros.compat import log_missing
from gmi_ros.ros.frame_writer import FrameWriter
from gmi_ros.ros.ledger import Ledger
from gmi_ros.ros.live_store import GB, LiveStore
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.recorder_health import RecorderHealth
from gmi_ros.ros.settings import RecorderSettings
from gmi_ros.ros.judging import JudgeService, Judgement

_TICK = 0.1  # [s] between two looks at what waits


class ExperienceRecorder(Node):
    """Writes in a thread of its own; what the store refuses is kept and tried again, so that nothing is acknowledged
    before it is on the disk. After a restart the outcomes that are still retained come again, as duplicates if stored.

    Raises:
        GmiError: BAD_SETTING naming the parameter, its value and what would be valid.
    """

    def __init__(
        self, *, context: Context | None = None, parameter_overrides: Sequence[Parameter] | None = None, **node_options
    ):
        super().__init__(
            "experience_recorder", context=context, parameter_overrides=list(parameter_overrides or ()), **node_options
        )
        self.settings = parameters.declare(self, RecorderSettings)
        self.statistics = diagnostics.Statistics()
        path = Path(self.settings.store).expanduser()
        self.store = LiveStore(path, self.settings.disk_budget * GB)
        self.ledger = Ledger(self.settings, self.store, self.statistics, self.get_logger(), self._tell)
        self._health = RecorderHealth(
            self.get_fully_qualified_name().lstrip("/"), self.ledger, self.store, self.statistics
        )
        self._inbox: queue.SimpleQueue[GraspOutcome | Observation | Judgement | None] = queue.SimpleQueue()
        self._recorded = self.create_publisher(Recorded, "~/recorded", qos.retained(qos.OUTCOMES_KEPT))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._frames: FrameWriter | None = None
        if self.settings.store_full_frames:
            log_missing(self)
            self._frames = FrameWriter(self, self.settings, self.store.frames, self.statistics)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()
        JudgeService(self, self.settings.judge_timeout, self._inbox.put)
        # Observations first, so that what is retained finds its partner at once.
        self.create_subscription(
            Observation, "grasp_synthesizer/observation", self._inbox.put, qos.retained(qos.OBSERVATIONS_KEPT)
        )
        self.create_subscription(GraspOutcome, "grasp_outcome", self._inbox.put, qos.retained(qos.OUTCOMES_KEPT))
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def destroy_node(self) -> None:
        """Write what can be written, close the store, and take the node down."""
        self._inbox.put(None)
        self._thread.join(5.0)
        if self._frames is not None:
            self._frames.close()
        super().destroy_node()

    def _work(self) -> None:
        """The thread: sort in what came, write what is ready."""
        while True:
            try:
                message = self._inbox.get(timeout=_TICK if len(self.ledger) else None)
            except queue.Empty:
                pass
            else:
                if message is None:
                    self.ledger.close(time.monotonic())
                    return
                if self._frames is not None and isinstance(message, Observation):
                    self._frames.observed(message)
                self.ledger.take(message, time.monotonic())
            self.ledger.settle(time.monotonic())

    def _tell(self, recorded: Recorded, observation_id: str) -> None:
        """An outcome is committed."""
        recorded.header.stamp = self.get_clock().now().to_msg()
        self._recorded.publish(recorded)
        if self._frames is not None and observation_id:
            self._frames.keep(observation_id)

    def _report(self) -> None:
        self._diagnostics.publish(self._health.report(self.get_clock().now().to_msg()))


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run_node(ExperienceRecorder))
