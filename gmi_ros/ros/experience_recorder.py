"""The node experience_recorder: every outcome, success or failure, into the store, and a word when it is in."""

import queue
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros import diagnostics, parameters, qos
from gmi_ros.ros.convert_outcome import UNPAIRED, check_outcome, episode_from_messages
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.pairing import Pairing
from gmi_ros.ros.settings import RecorderSettings

_TICK = 0.1  # [s] between two looks at what waits
_STORE_FAULTS = (ErrorCode.STORE_UNWRITABLE, ErrorCode.STORE_CORRUPT, ErrorCode.FILE_NOT_FOUND)


class ExperienceRecorder(Node):
    """Writes in a thread of its own; what the store refuses is kept and tried again, so that nothing is acknowledged
    before it is on the disk. After a restart the outcomes that are still retained come again, as duplicates if stored.
    """

    def __init__(
        self, *, context: Context | None = None, parameter_overrides: Sequence[Parameter] | None = None, **node_options
    ):
        super().__init__(
            "experience_recorder", context=context, parameter_overrides=list(parameter_overrides or ()), **node_options
        )
        self.settings = parameters.declare(self, RecorderSettings)
        self.path = Path(self.settings.store).expanduser()
        self.statistics = diagnostics.Statistics()
        self._store: Store | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the open file
        self._fault = ""
        self._next_try = 0.0
        self._pairing = Pairing(self.settings.pair_timeout, self.settings.most_waiting)
        self._inbox: queue.SimpleQueue[GraspOutcome | Observation | None] = queue.SimpleQueue()
        self._recorded = self.create_publisher(Recorded, "~/recorded", qos.retained(qos.OUTCOMES_KEPT))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()
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
        super().destroy_node()

    def _work(self) -> None:
        """The thread: sort in what came, write what is ready."""
        while True:
            try:
                message = self._inbox.get(timeout=_TICK if len(self._pairing) else None)
            except queue.Empty:
                message = ()
            if message is None:
                self._next_try = 0.0
                self._write_ready()
                self._close()
                return
            if isinstance(message, Observation):
                self._pairing.observed(message)
            elif isinstance(message, GraspOutcome):
                self._take(message)
            self._write_ready()

    def _take(self, outcome: GraspOutcome) -> None:
        self.statistics.count("outcomes")
        try:
            check_outcome(outcome)
        except GmiError as error:
            self._drop(outcome, error)
            return
        lost = self._pairing.came(outcome, time.monotonic())
        if lost is not None:
            self._drop(lost, GmiError(ErrorCode.STORE_UNWRITABLE, f"more than {self.settings.most_waiting} wait"))

    def _write_ready(self) -> None:
        for outcome, observation in self._pairing.ready(time.monotonic()):
            if time.monotonic() < self._next_try:
                return
            try:
                self._write(outcome, observation)
            except GmiError as error:
                if error.code in _STORE_FAULTS:
                    self._refused(error)
                    return
                self._drop(outcome, error)
            except Exception as error:  # a defect of ours must not end the thread
                self.get_logger().error(f"INTERNAL: {traceback.format_exc()}")
                self._drop(outcome, GmiError(ErrorCode.INTERNAL, repr(error)))
            else:
                self._pairing.done(outcome)

    def _write(self, outcome: GraspOutcome, observation: Observation | None) -> None:
        episode = episode_from_messages(outcome, observation)
        store = self._open()
        added = store.add(episode)
        if self._fault:
            self.get_logger().info(f"{self.path} can be written again")
            self._fault = ""
        self.statistics.count("stored" if added else "duplicates")
        if observation is None:
            self.statistics.count("unpaired")
            self.get_logger().warning(
                f"outcome {outcome.outcome_id}: observation {outcome.observation_id!r} did not come within "
                f"{self.settings.pair_timeout} s (pair_timeout); stored without it, so not for training"
            )
        recorded = Recorded(
            outcome_id=outcome.outcome_id,
            success=outcome.success,
            duplicate=not added,
            paired=observation is not None,
            stored=store.count(),
            recorded=store.count(success=True) - store.count(success=True, split=UNPAIRED),
        )
        recorded.header.stamp = self.get_clock().now().to_msg()
        self._recorded.publish(recorded)

    def _open(self) -> Store:
        """The store, opened again where another file (or none) is at its path by now."""
        if self._store is not None and self._identity != _identity(self.path):
            self._close()
        if self._store is None:
            self._store = Store(self.path, "rw")
            self._identity = _identity(self.path)
            self.get_logger().info(f"records into {self.path}, which holds {len(self._store)} outcomes")
        return self._store

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _refused(self, error: GmiError) -> None:
        """Keep the outcome and try again later; said once per kind of trouble."""
        self._close()
        self._next_try = time.monotonic() + self.settings.retry_period
        self.statistics.count(f"refused.{error.code.name}")
        text = f"{error.code.name}: {error.message}"
        if text != self._fault:
            self.get_logger().error(
                f"{text}; {len(self._pairing)} outcomes wait, "
                f"tried again every {self.settings.retry_period} s (retry_period)"
            )
        self._fault = text

    def _drop(self, outcome: GraspOutcome, error: GmiError) -> None:
        self._pairing.done(outcome)
        self.statistics.count(f"dropped.{error.code.name}")
        self.get_logger().error(f"outcome {outcome.outcome_id!r} is not stored: {error.code.name}: {error.message}")

    def _report(self) -> None:
        level = diagnostics.ERROR if self._fault else diagnostics.OK
        values = {"store": str(self.path), "waiting": str(len(self._pairing)), **self.statistics.values()}
        name = self.get_fully_qualified_name().lstrip("/")
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(
            diagnostics.diagnostic_array(stamp, diagnostics.status(name, "", level, self._fault or "recording", values))
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run_node(ExperienceRecorder))
