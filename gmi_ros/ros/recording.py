"""Recording topics into a rosbag2, byte for byte as the middleware brought them."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.topics import slashed
from gmi_ros.ros.message_types import message_class
from gmi_ros.ros.processes import use_image_profile
from gmi_ros.ros.session import Session

CAMERA_TOPICS = ("/rgb/image", "/depth/image", "/rgb/camera_info", "/segmentation/mask")
OUTPUT_TOPICS = (
    "/grasp_synthesizer/contact_targets",
    "/grasp_synthesizer/wrist_pose",
    "/grasp_synthesizer/observation",
    "/grasp_outcome",
    "/experience_recorder/recorded",
)
FIRST_MESSAGE_S = 30.0
_DEPTH = 50  # messages of a topic that may wait for the disk
_LOOK_PERIOD_S = 0.2  # between two looks for topics that were not there yet


def record(
    out: Path,
    topics: Sequence[str] = (*CAMERA_TOPICS, *OUTPUT_TOPICS),
    storage: str = "mcap",
    duration_s: float | None = None,
    compress: bool = False,
    on_count: Callable[[int], None] = lambda n: None,
) -> dict:
    """Record until `duration_s` [s] after the first message, or SIGINT or SIGTERM; the bag is finished either way.

    Topics that are not there yet are taken up when they appear. With a duration, FIRST_MESSAGE_S is the longest wait
    for the first message.

    Args:
        compress: with zstd, message by message (sqlite3) or chunk by chunk (mcap).
        on_count: told the number of messages now and then.

    Returns:
        messages, per_topic, missing (topics that never appeared) and the bag's path.

    Raises:
        GmiError: BAD_REQUEST (the bag exists, a type is not installed), STORE_UNWRITABLE.
    """
    use_image_profile()
    with Session("gmi_record") as session, _StopOnSignal() as stopped, BagWriter(out, storage, compress) as bag:
        recorder = _Recorder(session.node, bag, [slashed(t) for t in topics])
        end = float("inf") if duration_s is None else time.monotonic() + FIRST_MESSAGE_S
        begun = False
        while time.monotonic() < end and not stopped.is_set():
            recorder.take_up()
            session.spin_for(min(_LOOK_PERIOD_S, max(end - time.monotonic(), 1e-3)))
            if bag.n_messages and not begun and duration_s is not None:
                end = time.monotonic() + duration_s
            begun = bag.n_messages > 0
            on_count(bag.n_messages)
        return {
            "messages": bag.n_messages,
            "per_topic": recorder.counts,
            "missing": sorted(recorder.wanted),
            "bag": str(out),
        }


class _Recorder:
    """Subscriptions that write; `wanted` are the topics that nobody publishes yet."""

    def __init__(self, node: Node, bag: BagWriter, topics: Sequence[str]):
        self._node, self._bag = node, bag
        self.wanted = set(topics)
        self.counts: dict[str, int] = {}

    def take_up(self) -> None:
        """Subscribe to what has appeared, with the best quality of service that its publishers offer."""
        types = dict(self._node.get_topic_names_and_types())
        for topic in sorted(self.wanted & set(types)):
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers:
                continue  # known by a subscriber only
            profiles = [p.qos_profile for p in publishers]
            reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in profiles)
            latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in profiles)
            kind = types[topic][0]
            self._bag.add_topic(topic, kind, latched=latched, reliable=reliable)
            qos = QoSProfile(
                depth=_DEPTH,
                reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
                durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
            )
            self._node.create_subscription(message_class(kind), topic, self._writer(topic), qos, raw=True)
            self.wanted.discard(topic)
            self.counts[topic] = 0

    def _writer(self, topic: str) -> Callable[[bytes], None]:
        def write(cdr: bytes) -> None:
            self._bag.write(topic, cdr, time.time_ns())
            self.counts[topic] += 1

        return write


class _StopOnSignal:
    """An event that SIGINT and SIGTERM set while the block runs: the bag must be finished, not cut off."""

    def __enter__(self) -> threading.Event:
        event = threading.Event()
        self._previous = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, lambda *_: event.set())
        return event

    def __exit__(self, *_) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
