"""The newest synchronised set of images, kept unconverted until somebody asks."""

import threading
import traceback
from collections.abc import Callable
from typing import Any

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.experience.topics import SUFFIXES
from gmi_ros.ros import qos
from gmi_ros.ros.compat import Synchronizer
from gmi_ros.ros.convert import frame_from_messages, nanoseconds
from gmi_ros.ros.input_thread import InputThread
from gmi_ros.ros.intake import InputStatistics, Rate
from gmi_ros.ros.settings import InputSettings, NodeSettings

TOPICS = (
    (Image, "rgb/image"),
    (Image, "depth/image"),
    (CameraInfo, "rgb/camera_info"),
    (Image, "segmentation/mask"),
)


def input_topics(node: Node, settings: InputSettings) -> list[tuple[type, str]]:
    """Type and name of the four inputs: what image_transport appends is appended to the remapped name."""
    transports = (settings.rgb_transport, settings.depth_transport, "raw", settings.mask_transport)
    return [
        (kind, name) if transport == "raw" else (CompressedImage, node.resolve_topic_name(name) + SUFFIXES[transport])
        for (kind, name), transport in zip(TOPICS, transports, strict=True)
    ]


class FrameSource:
    """Subscribes to the four inputs; `newest` judges the age on the node's clock and converts.

    on_set: called after each complete set was stored, in the thread of the inputs and outside all locks, so it must be
    quick; what it raises is logged.
    """

    def __init__(self, node: Node, settings: NodeSettings):
        self.settings = settings  # max_age and max_future of newer ones are taken at once
        self.on_set: Callable[[], None] | None = None
        self._clock, self._logger = node.get_clock(), node.get_logger()
        self._lock = threading.Lock()
        self._newest: tuple[Any, ...] | None = None
        self._sets, self._rate = 0, Rate()
        self._thread = InputThread(node, "inputs")
        self._synchronizer = Synchronizer(
            node,
            input_topics(node, settings),
            qos.inputs(settings.input_reliability),
            settings.queue_size,
            settings.slop_s,
            self._store,
            self._thread.group,
        )
        # After a jump back (a bag that starts again) what was seen lies in the future.
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump = self._clock.create_jump_callback(threshold, post_callback=lambda _: self._forget())
        self._thread.start(self._synchronizer.subscriptions)

    @property
    def sets(self) -> int:
        """How many complete sets have come."""
        return self._sets

    @property
    def sets_per_s(self) -> float:
        """Complete sets in the last seconds [Hz]."""
        return self._rate.per_second

    @property
    def received(self) -> dict[str, int]:
        """Messages of each input so far."""
        return self._synchronizer.received

    def statistics(self) -> dict[str, InputStatistics]:
        """Of each input, by the full name of its topic."""
        return self._synchronizer.statistics(self._clock.now().nanoseconds)

    def close(self) -> None:
        """Take the subscriptions down and forget what came."""
        self._jump.unregister()
        self._thread.close()
        self._synchronizer.close()
        self._forget()

    def age(self) -> float:
        """Age [s] of the newest set on the node's clock; NaN without one."""
        with self._lock:
            newest = self._newest
        return float("nan") if newest is None else self._age_of(newest)

    def newest(self, max_age: float = 0.0) -> tuple[Frame, float]:
        """The newest set as a frame, and its age [s].

        Args:
            max_age: oldest that may be used [s]; <= 0 = the parameter.

        Raises:
            GmiError: NO_FRAME, STALE_FRAME, FUTURE_FRAME, or what frame_from_messages refuses.
        """
        with self._lock:
            newest = self._newest
        if newest is None:
            raise GmiError(
                ErrorCode.NO_FRAME,
                f"0 complete sets of images have come, 1 is needed; messages so far: {self._listed()}; "
                f"a set's stamps lie within {self.settings.slop_s} s (slop_s)",
            )
        age = self._age_of(newest)
        self._check_age(age, max_age)
        return frame_from_messages(*newest), age

    def _check_age(self, age: float, max_age: float) -> None:
        """Raises GmiError STALE_FRAME or FUTURE_FRAME for an age [s] outside the limits."""
        limit, ahead = max_age if max_age > 0 else self.settings.max_age, self.settings.max_future
        if age > limit:
            raise GmiError(
                ErrorCode.STALE_FRAME,
                f"the newest set of images is {age:.3f} s old, at most {limit:.3f} s allowed (max_age); "
                f"messages so far: {self._listed()}",
            )
        if age < -ahead:
            raise GmiError(
                ErrorCode.FUTURE_FRAME,
                f"the newest set of images is stamped {-age:.3f} s in the future, at most {ahead:.3f} s allowed "
                "(max_future): are the clocks synchronised, and is use_sim_time right?",
            )

    def _age_of(self, messages: tuple[Any, ...]) -> float:
        return (self._clock.now().nanoseconds - nanoseconds(messages[0].header.stamp)) / 1e9

    def _listed(self) -> str:
        return ", ".join(f"{topic} {count}" for topic, count in self.received.items())

    def _store(self, *messages: Any) -> None:
        with self._lock:
            self._newest = messages
            self._sets += 1
        self._rate.count()
        if self.on_set is None:
            return
        try:
            self.on_set()
        except Exception:  # whatever it is, images must go on coming in
            self._logger.error(f"a complete set of images was stored, and then: {traceback.format_exc()}")

    def _forget(self) -> None:
        self._synchronizer.clear()
        with self._lock:
            self._newest = None
