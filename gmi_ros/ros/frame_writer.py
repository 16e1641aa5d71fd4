"""Whole images of executed grasps onto the disk, in a thread of its own: a record never waits for them."""

import queue
import threading
import time
import traceback
from collections import deque

from rclpy.node import Node

from gmi_ros.core.errors import GmiError
from gmi_ros.experience.full_frames import FullFrames
from gmi_ros.msg import Observation
from gmi_ros.ros import qos
from gmi_ros.ros.compat import Synchronizer
from gmi_ros.ros.convert import frame_from_messages
from gmi_ros.ros.diagnostics import Statistics
from gmi_ros.ros.frame_ring import FrameRing, ImageSet
from gmi_ros.ros.frame_source import input_topics
from gmi_ros.ros.input_thread import InputThread
from gmi_ros.ros.live_store import GB
from gmi_ros.ros.settings import RecorderSettings

_QUEUE = 8  # sets that wait to be written; with frame_memory they bound the memory
_REMEMBERED = 200  # observations whose images were asked for: several grasps may be of one
_CLOSE_WAIT = 5.0  # [s]


class FrameWriter:
    """Subscribes to the four inputs and keeps the images that outcomes are stored for.

    Counts `frames.written`, `.missed` (not in memory any more, or never seen), `.dropped` (the disk is slower than the
    grasps, or has no room) and `.refused.<code>`.
    """

    def __init__(self, node: Node, settings: RecorderSettings, frames: FullFrames, statistics: Statistics):
        self._frames, self._statistics, self._logger = frames, statistics, node.get_logger()
        self._ring = FrameRing(settings.frame_memory * GB)
        self._kept: deque[str] = deque(maxlen=_REMEMBERED)
        self._queue: queue.Queue[tuple[str, ImageSet] | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._work, name="full frames", daemon=True)
        self._thread.start()
        self._inputs = InputThread(node, "inputs")
        self._synchronizer = Synchronizer(
            node,
            input_topics(node, settings),
            qos.inputs(settings.input_reliability),
            settings.queue_size,
            settings.slop_s,
            self._ring.came,
            self._inputs.group,
        )
        self._inputs.start(self._synchronizer.subscriptions)

    def observed(self, observation: Observation) -> None:
        """A grasp may be made from it."""
        self._ring.observed(observation)

    def keep(self, observation_id: str) -> None:
        """An outcome of this observation is stored: write its images, once. Never waits."""
        if observation_id in self._kept or observation_id in self._frames:
            return
        messages = self._ring.take(observation_id)
        if messages is None:
            self._statistics.count("frames.missed")
            self._logger.warning(
                f"no full frame of observation {observation_id}: its images never came here, or had to give way to "
                "later ones (frame_memory)"
            )
            return
        self._kept.append(observation_id)
        try:
            self._queue.put_nowait((observation_id, messages))
        except queue.Full:
            self._statistics.count("frames.dropped")
            self._logger.warning(f"the full frame of observation {observation_id} is dropped: {_QUEUE} wait already")

    def close(self) -> None:
        """Take the subscriptions down and write what waits, for a while."""
        self._inputs.close()
        self._synchronizer.close()
        end = time.monotonic() + _CLOSE_WAIT
        try:
            self._queue.put(None, timeout=_CLOSE_WAIT)
        except queue.Full:
            return
        self._thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (waiting := self._queue.get()) is not None:
            observation_id, messages = waiting
            try:
                written = self._frames.write(observation_id, frame_from_messages(*messages))
            except GmiError as error:
                self._lost(observation_id, f"{error.code.name}: {error.message}", error.code.name)
            except Exception:  # a defect of ours must not end the thread
                self._lost(observation_id, f"INTERNAL: {traceback.format_exc()}", "INTERNAL")
            else:
                self._statistics.count("frames.written" if written else "frames.dropped")
                if not written:
                    self._logger.warning(
                        f"the full frame of observation {observation_id} is dropped: no room (disk_budget)"
                    )

    def _lost(self, observation_id: str, text: str, code: str) -> None:
        self._statistics.count(f"frames.refused.{code}")
        self._logger.error(f"the full frame of observation {observation_id} is not stored: {text}")
