"""The newest synchronised set of images, kept unconverted until somebody asks."""

import threading
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.ros import qos
from gmi_ros.ros.compat import Synchronizer
from gmi_ros.ros.convert import frame_from_messages, nanoseconds
from gmi_ros.ros.settings import NodeSettings

TOPICS = (
    (Image, "rgb/image"),
    (Image, "depth/image"),
    (CameraInfo, "rgb/camera_info"),
    (Image, "segmentation/mask"),
)


class FrameSource:
    """Subscribes to the four inputs; `newest` judges the age on the node's clock and converts."""

    def __init__(self, node: Node, settings: NodeSettings, callback_group: CallbackGroup):
        self._clock, self._settings = node.get_clock(), settings
        self._lock = threading.Lock()
        self._newest: tuple[Any, ...] | None = None
        self._sets = 0
        self._synchronizer = Synchronizer(
            node,
            TOPICS,
            qos.inputs(settings.input_reliability),
            settings.queue_size,
            settings.slop_s,
            self._store,
            callback_group,
        )
        # After a jump back (a bag that starts again) what was seen lies in the future.
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump = self._clock.create_jump_callback(threshold, post_callback=lambda _: self._forget())

    @property
    def sets(self) -> int:
        """How many complete sets have come."""
        return self._sets

    @property
    def received(self) -> dict[str, int]:
        """Messages of each input so far."""
        return self._synchronizer.received

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
                f"a set's stamps lie within {self._settings.slop_s} s (slop_s)",
            )
        age = self._age_of(newest)
        self._check_age(age, max_age)
        return frame_from_messages(*newest), age

    def _check_age(self, age: float, max_age: float) -> None:
        """Raises GmiError STALE_FRAME or FUTURE_FRAME for an age [s] outside the limits."""
        limit, ahead = max_age if max_age > 0 else self._settings.max_age, self._settings.max_future
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

    def _forget(self) -> None:
        self._synchronizer.clear()
        with self._lock:
            self._newest = None
