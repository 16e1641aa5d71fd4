"""The node bag_replay: a rosbag2 and its clock into a live graph."""

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.time import Time
from rosgraph_msgs.msg import Clock as ClockMessage
from std_srvs.srv import SetBool

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bag import Bag
from gmi_ros.experience.bag_topics import BagMessage, BagTopic
from gmi_ros.experience.topics import slashed
from gmi_ros.ros import parameters
from gmi_ros.ros.message_types import message_class
from gmi_ros.ros.node_main import run_node
from gmi_ros.ros.processes import BAG_REPLAY, RECORDER, SYNTHESIZER, use_image_profile
from gmi_ros.ros.settings import BagReplaySettings
from gmi_ros.ros.timeline import Timeline

CLOCK = "/clock"
# What a running graph says by itself: a recorded one would contradict it.
_LIVE_TYPES = ("gmi_ros/msg/", "rcl_interfaces/msg/", "diagnostic_msgs/msg/", "lifecycle_msgs/msg/")
_LIVE_NODES = tuple(f"/{node}/" for node in (SYNTHESIZER, RECORDER, BAG_REPLAY))
_LOOK_S = 0.1  # longest wait between two looks whether to stop, to pause or to go on
_MOST_DEPTH = 1000


class BagReplay(Node):
    """Publishes the messages as they were recorded, byte for byte, reliably and in their order, and /clock with them.

    The clock is the time of receipt; where the bag holds /clock, that one is published instead. At the end the node
    stays, and with it what was published for late joiners. ~/pause (SetBool) pauses and goes on.

    Raises:
        GmiError: BAD_SETTING, or what Bag raises.
    """

    def __init__(
        self, *, context: Context | None = None, parameter_overrides: Sequence[Parameter] | None = None, **node_options
    ):
        super().__init__(
            BAG_REPLAY, context=context, parameter_overrides=list(parameter_overrides or ()), **node_options
        )
        self.settings = parameters.declare(self, BagReplaySettings)
        if not self.settings.bag:
            raise GmiError(ErrorCode.BAD_SETTING, "bag must name a rosbag2 (folder, .mcap or .db3), got ''")
        self.published = self.unreadable = 0
        self._bag = Bag(Path(self.settings.bag).expanduser())
        self._told = 0  # of the bag's problems
        try:
            self._window = self._bag.window(self.settings.start, self.settings.duration or None)
            self._publishers_by_topic = self._make_publishers()
        except GmiError:
            self._bag.close()
            raise
        begin = self._bag.span_ns[0] if self._bag.span_ns else 0
        self._begin_ns = max(self._window[0], begin)
        self.timeline = Timeline(self._begin_ns, self.settings.rate, time.monotonic)
        self._stopping = threading.Event()
        self._clock_publisher: Publisher | None = None
        if CLOCK not in self._publishers_by_topic:
            self._clock_publisher = self.create_publisher(ClockMessage, CLOCK, 10)
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self.create_timer(1 / self.settings.clock_rate, self._publish_clock, clock=steady)
        self.create_service(SetBool, "~/pause", self._pause)
        self._tell_problems()
        self._thread = threading.Thread(target=self._work, name=BAG_REPLAY, daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        """End the replay and close the bag."""
        self._stopping.set()
        self._thread.join(5.0)
        self._bag.close()
        super().destroy_node()

    def _make_publishers(self) -> dict[str, tuple[Publisher, type]]:
        """Publishers and classes by topic. Raises GmiError BAD_SETTING for a topic that the bag has not."""
        named = [slashed(name) for name in self.settings.topics.split()]
        for name in named:
            if name not in self._bag.topics:
                raise GmiError(
                    ErrorCode.BAD_SETTING, f"topics: {name} is not in the bag, which has {', '.join(self._bag.topics)}"
                )
        made = {}
        for topic in self._bag.topics.values():
            if topic.name not in named if named else _is_live(topic):
                continue
            try:
                kind = message_class(topic.type)
            except GmiError as error:
                self.get_logger().warning(f"{topic.name} is left out: {error.message}")
                continue
            made[topic.name] = self.create_publisher(kind, topic.name, _profile(topic)), kind
        return made

    def _work(self) -> None:
        if not self._wait_for_subscribers():
            return
        self.timeline.pause(self.settings.start_paused)
        self.get_logger().info(
            f"{self.settings.bag}: {len(self._publishers_by_topic)} topics at {self.settings.rate:g} times their speed"
            + (", paused" if self.settings.start_paused else "")
        )
        while True:
            for message in self._bag.messages(self._publishers_by_topic, *self._window):
                if not self._wait_until(message.time_ns):
                    return
                self._publish_clock()  # a message must not come from the future
                self._publish(message)
            self._tell_problems()
            if not self.settings.loop or not self.published:
                break
            self.timeline.go_to(self._begin_ns)
        self.timeline.pause(True)
        self.get_logger().info(f"the end of the bag: {self.published} messages published")

    def _wait_for_subscribers(self) -> bool:
        """False when the node is to stop."""
        wanted = [name for name in map(slashed, self.settings.wait_for.split()) if name in self._publishers_by_topic]
        end = time.monotonic() + self.settings.wait
        while lacking := [n for n in wanted if not self._publishers_by_topic[n][0].get_subscription_count()]:
            if self._stopping.wait(_LOOK_S):
                return False
            if time.monotonic() > end:
                self.get_logger().warning(
                    f"nobody subscribed to {', '.join(lacking)} in {self.settings.wait:g} s (wait): started without"
                )
                break
        return not self._stopping.is_set()

    def _wait_until(self, moment_ns: int) -> bool:
        """False when the node is to stop."""
        while (left := self.timeline.until(moment_ns)) > 0:
            if self._stopping.wait(min(left, _LOOK_S)):
                return False
        return not self._stopping.is_set()

    def _publish(self, message: BagMessage) -> None:
        publisher, kind = self._publishers_by_topic[message.topic]
        try:
            deserialize_message(message.cdr, kind)  # rubbish would end whoever receives it
        except Exception:  # as the middleware likes
            self.unreadable += 1
            return
        with suppress(Exception if self._stopping.is_set() else ()):  # the context may have gone
            publisher.publish(message.cdr)
            self.published += 1

    def _publish_clock(self) -> None:
        if self._clock_publisher is None or self._stopping.is_set():
            return
        self._clock_publisher.publish(ClockMessage(clock=Time(nanoseconds=self.timeline.now_ns()).to_msg()))

    def _pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.timeline.pause(request.data)
        response.success, response.message = True, "paused" if request.data else "it goes on"
        return response

    def _tell_problems(self) -> None:
        for problem in self._bag.problems[self._told :]:
            self.get_logger().warning(f"damage: {problem}")
        self._told = len(self._bag.problems)
        if self.unreadable:
            self.get_logger().warning(f"{self.unreadable} messages make no sense as their types and were left out")


def _is_live(topic: BagTopic) -> bool:
    return topic.type.startswith(_LIVE_TYPES) or topic.name.startswith(_LIVE_NODES)


def _profile(topic: BagTopic) -> QoSProfile:
    """Reliable, which serves every subscriber; for late joiners where it was so recorded."""
    latched = any(p.durability.name == "TRANSIENT_LOCAL" for p in topic.profiles)
    depth = max((p.depth for p in topic.profiles), default=0)
    return QoSProfile(
        depth=min(max(depth, 10), _MOST_DEPTH),
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def main() -> None:
    """Entry point of the executable."""
    use_image_profile()
    sys.exit(run_node(BagReplay))
