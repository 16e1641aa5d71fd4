"""The one seam to packages that come with a ROS distribution but not from PyPI.

Where message_filters, cv_bridge or tf2_ros can be imported they are used; where not, ours serve: the synchroniser of
core, `experience.images.image_array`, and the parameter camera_pose in place of tf2.
"""

from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.synchronizer import ApproximateTimeSynchronizer
from gmi_ros.experience import images
from gmi_ros.ros.intake import Input, InputStatistics

_REPLACEMENTS = {
    "message_filters": "our own synchroniser",
    "cv_bridge": "our own image conversion",
    "tf2_ros": "the parameter camera_pose",
}


def _optional(name: str) -> ModuleType | None:
    """The module, or None; a build of it that does not fit this numpy counts as absent."""
    try:
        return import_module(name)
    except (ImportError, AttributeError, SystemError):
        return None


message_filters = _optional("message_filters")
cv_bridge = _optional("cv_bridge")
tf2_ros = _optional("tf2_ros")


def missing() -> dict[str, str]:
    """Optional packages that are not there, and what serves in their place."""
    present = {"message_filters": message_filters, "cv_bridge": cv_bridge, "tf2_ros": tf2_ros}
    return {name: _REPLACEMENTS[name] for name, module in present.items() if module is None}


def log_missing(node: Node) -> None:
    """One line in the log that names what is missing, none where nothing is."""
    gone = missing()
    if gone:
        uses = ", ".join(f"{name} ({replacement})" for name, replacement in gone.items())
        node.get_logger().info(f"not installed, so replaced: {uses}")


def interface(package: str, kind: str, name: str, wanted_by: str) -> Any:
    """A type of an interface package that not everybody has, such as control_msgs.action.FollowJointTrajectory.

    Args:
        wanted_by: what asks for it, as a person would set it.

    Raises:
        GmiError: BAD_SETTING naming the package and who wants it.
    """
    module = _optional(f"{package}.{kind}")
    if module is None or not hasattr(module, name):
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"{wanted_by} needs {package}/{kind}/{name}, and {package} is not installed: install it "
            f"(ros-$ROS_DISTRO-{package.replace('_', '-')}) or choose another driver",
        )
    return getattr(module, name)


class Synchronizer:
    """Subscribes to several topics and hands on sets of messages whose stamps lie close together.

    The callback runs in an executor's thread, outside the locks of the synchroniser, which outlives what it raises.
    """

    def __init__(
        self,
        node: Node,
        topics: Sequence[tuple[type, str]],
        qos: QoSProfile,
        queue_size: int,
        slop_s: float,
        callback: Callable[..., None],
        callback_group: CallbackGroup | None = None,
    ):
        """Args:
        topics: message type and name of each; sets come in this order.
        slop_s: largest spread of a set's stamps [s].
        """
        self._node, self._callback = node, callback
        self._complete: deque[tuple[Any, ...]] = deque()
        self._sets = 0
        self._inputs = [Input(node.resolve_topic_name(name)) for _, name in topics]
        options = {"callback_group": callback_group}
        if message_filters is not None:
            filters = [
                message_filters.Subscriber(node, kind, name, qos_profile=qos, **options) for kind, name in topics
            ]
            self.subscriptions = [source.sub for source in filters]
            # A filter calls in the order of registration. The genuine synchroniser calls back inside its lock, so that
            # its sets wait until it is done with the message.
            for index, source in enumerate(filters):
                source.registerCallback(self._count, index)
            self._synchronizer = message_filters.ApproximateTimeSynchronizer(filters, queue_size, slop_s)
            self._synchronizer.registerCallback(self._set_is_complete)
            for source in filters:
                source.registerCallback(self._hand_on)
        else:
            names = [name for _, name in topics]
            self._synchronizer = ApproximateTimeSynchronizer(names, queue_size, slop_s, self._set_is_complete)
            self.subscriptions = [
                node.create_subscription(kind, name, self._adder(index), qos, **options)
                for index, (kind, name) in enumerate(topics)
            ]

    @property
    def received(self) -> dict[str, int]:
        """Messages of each topic so far, by its full name."""
        return {source.topic: source.received for source in self._inputs}

    def statistics(self, now_ns: int) -> dict[str, InputStatistics]:
        """Of each topic by its full name, at the time `now_ns` [ns] of the node's clock."""
        waiting = [len(queue) for queue in self._synchronizer.queues]
        return {
            # A message on its way may be counted here and not there.
            source.topic: source.statistics(now_ns, max(0, source.received - self._sets - queued))
            for source, queued in zip(self._inputs, waiting, strict=True)
        }

    def clear(self) -> None:
        """Forget what waits for partners, as after a jump of the clock."""
        with self._synchronizer.lock:
            for queue in self._synchronizer.queues:
                queue.clear()

    def close(self) -> None:
        """Take the subscriptions down; nothing is handed on any more."""
        self._callback = lambda *_: None
        for subscription in self.subscriptions:
            self._node.destroy_subscription(subscription)
        self.subscriptions = []

    def _adder(self, index: int) -> Callable[[Any], None]:
        def add(message: Any) -> None:
            self._count(message, index)
            self._synchronizer.add(index, _stamp_ns(message), message)
            self._hand_on(message)

        return add

    def _count(self, message: Any, index: int) -> None:
        self._inputs[index].came(_stamp_ns(message))

    def _set_is_complete(self, *messages: Any) -> None:
        self._complete.append(messages)

    def _hand_on(self, _message: Any) -> None:
        while self._complete:
            self._sets += 1
            self._callback(*self._complete.popleft())


def _stamp_ns(message: Any) -> int:
    stamp = message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def image_array(message: Any) -> np.ndarray:
    """The pixels of a sensor_msgs/Image as they are: (h, w) or (h, w, channels), rows without padding.

    Raises:
        GmiError: UNKNOWN_ENCODING; SIZE_MISMATCH where the data are too short for the size.
    """
    # Empty or short images, and rows that are padded by part of a pixel, are beyond cv_bridge's Python.
    if cv_bridge is None or not message.data or not message.width or message.step % message.width:
        return images.image_array(message)
    if len(message.data) < message.height * message.step:
        return images.image_array(message)  # says what is wrong
    try:
        return cv_bridge.CvBridge().imgmsg_to_cv2(message, "passthrough")
    except (cv_bridge.CvBridgeError, KeyError) as error:
        raise GmiError(
            ErrorCode.UNKNOWN_ENCODING, f"image encoding {message.encoding!r} is not understood: {error}"
        ) from error
    except (TypeError, ValueError) as error:
        raise GmiError(
            ErrorCode.SIZE_MISMATCH,
            f"{message.encoding} image of {message.width}x{message.height} does not fit its {len(message.data)} bytes: "
            f"{error}",
        ) from error
