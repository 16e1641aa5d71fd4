"""bag_replay: what was recorded comes again, byte for byte, in order and on its clock."""

import time

import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.msg import ContactTargets
from gmi_ros.ros import qos
from gmi_ros.ros.bag_replay import BagReplay
from gmi_ros.ros.convert import frame_messages
from gmi_ros.ros.frame_source import TOPICS

pytestmark = pytest.mark.ros
BEGIN = 1_700_000_000_000_000_000  # [ns]
MS = 1_000_000
N_SETS = 6
INPUTS = " ".join(f"/{name}" for _, name in TOPICS)


def write_bag(path, draw, storage="mcap", extra=()):
    """N_SETS sets, 100 ms apart and stamped as received, and what else there is."""
    with BagWriter(path, storage) as bag:
        for kind, name in TOPICS:
            bag.add_topic(f"/{name}", f"sensor_msgs/msg/{kind.__name__}")
        bag.add_topic("/told", "std_msgs/msg/String", latched=True)
        bag.add_topic("/grasp_synthesizer/contact_targets", "gmi_ros/msg/ContactTargets")
        bag.write("/told", serialize_message(String(data="once")), BEGIN)
        bag.write("/grasp_synthesizer/contact_targets", serialize_message(ContactTargets()), BEGIN)
        for i in range(N_SETS):
            stamp = BEGIN + i * 100 * MS
            frame = draw(boxes=((40 + 8 * i, 45, 12, 24, 1),), stamp_ns=stamp)
            for (_, name), message in zip(TOPICS, frame_messages(frame), strict=True):
                bag.write(f"/{name}", serialize_message(message), stamp)
        for topic, kind, cdr in extra:
            if topic not in ("/told",):
                bag.add_topic(topic, kind)
            bag.write(topic, cdr, BEGIN + 50 * MS)
    return path


@pytest.fixture
def replaying(live):
    """Starts a bag_replay with these parameters."""

    def start(**settings):
        overrides = [Parameter(name, value=value) for name, value in settings.items()]
        return live.spin(BagReplay(context=live.context, parameter_overrides=overrides))

    return start


def heard(live, node, kind, topic, profile=20):
    found = []
    node.create_subscription(kind, topic, found.append, profile)
    return found


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_everything_comes_again_in_order_and_on_time(live, draw, replaying, tmp_path, storage):
    user = live.node("user")
    images = heard(live, user, Image, "/depth/image")
    infos = heard(live, user, CameraInfo, "/rgb/camera_info")
    clock = heard(live, user, Clock, "/clock", QoSProfile(depth=2000))
    contacts = heard(live, user, ContactTargets, "/grasp_synthesizer/contact_targets")
    bag = write_bag(tmp_path / "bag", draw, storage)
    node = replaying(bag=str(bag), rate=2.0, wait_for="/depth/image rgb/camera_info")
    live.until(lambda: len(images) == len(infos) == N_SETS, "all images")
    expected = [draw(boxes=((40 + 8 * i, 45, 12, 24, 1),), stamp_ns=BEGIN + i * 100 * MS) for i in range(N_SETS)]
    for message, frame in zip(images, expected, strict=True):
        assert message == frame_messages(frame)[1]  # not its CDR, whose padding is whatever was in memory
    live.until(lambda: node.timeline.paused, "the end")
    times = [c.clock.sec * 10**9 + c.clock.nanosec for c in clock]
    assert times == sorted(times) and times[0] >= BEGIN and times[-1] <= BEGIN + 3_000 * MS
    assert contacts == []  # the running node says its own
    assert node.published == 4 * N_SETS + 1 and node.unreadable == 0
    told = heard(live, user, String, "/told", qos.retained(1))
    live.until(lambda: [m.data for m in told] == ["once"], "what was latched")


def test_it_pauses_and_loops(live, draw, replaying, tmp_path):
    user = live.node("user")
    infos = heard(live, user, CameraInfo, "/rgb/camera_info")
    clock = heard(live, user, Clock, "/clock", 10)
    node = replaying(
        bag=str(write_bag(tmp_path / "bag", draw)), start_paused=True, loop=True, topics="rgb/camera_info /told"
    )
    client = user.create_client(SetBool, "/bag_replay/pause")
    live.until(lambda: clock, "the clock, which stands")
    first = clock[-1]
    time.sleep(0.3)
    assert clock[-1] == first and len(infos) <= 1  # the first one is due at once
    assert live.call(client, SetBool.Request(data=False)).success
    live.until(lambda: len(infos) >= 2 * N_SETS, "the second time round")
    assert live.call(client, SetBool.Request(data=True)).message == "paused"
    n = len(infos)
    time.sleep(0.4)
    assert len(infos) <= n + 1
    assert [m.header.stamp for m in infos[:N_SETS]] == [m.header.stamp for m in infos[N_SETS : 2 * N_SETS]]
    assert user.count_publishers("/depth/image") == 0 and node.published > 2 * N_SETS


def test_a_clock_in_the_bag_is_the_clock(live, draw, replaying, tmp_path):
    user = live.node("user")
    clock = heard(live, user, Clock, "/clock")
    message = Clock()
    message.clock.sec = 77
    bag = write_bag(tmp_path / "bag", draw, extra=[("/clock", "rosgraph_msgs/msg/Clock", serialize_message(message))])
    replaying(bag=str(bag), wait_for="/clock")
    live.until(lambda: clock, "the clock")
    time.sleep(0.2)
    assert [c.clock.sec for c in clock] == [77]


def test_rubbish_and_unknown_types_are_left_out_and_named(live, draw, replaying, tmp_path):
    user = live.node("user")
    told = heard(live, user, String, "/told")
    from rosbags.rosbag2 import Writer

    path = tmp_path / "bag"
    with Writer(path, version=9) as writer:
        from rosbags.typesys import Stores, get_typestore

        store = get_typestore(Stores.ROS2_JAZZY)
        good = writer.add_connection("/told", "std_msgs/msg/String", typestore=store)
        strange = writer.add_connection("/strange", "nowhere/msg/Thing", msgdef="int32 a", rihs01="RIHS01_0")
        writer.write(good, BEGIN, b"\0\1\0\0\xff\xff\xff\x7frubbish")
        writer.write(strange, BEGIN, b"\0\1\0\0\0\0\0\0")
        writer.write(good, BEGIN + MS, serialize_message(String(data="fine")))
    node = replaying(bag=str(path), wait_for="/told")
    live.until(lambda: told, "the good one")
    live.until(lambda: node.timeline.paused, "the end")
    assert [m.data for m in told] == ["fine"] and (node.published, node.unreadable) == (1, 1)


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({}, ErrorCode.BAD_SETTING, "bag must name a rosbag2"),
        ({"bag": "/none"}, ErrorCode.FILE_NOT_FOUND, "no bag at /none"),
        ({"bag": "BAG", "topics": "/other"}, ErrorCode.BAD_SETTING, "/other is not in the bag"),
        ({"bag": "BAG", "start": 50.0}, ErrorCode.BAD_REQUEST, "start must be at most 0.500 s"),
        ({"bag": "BAG", "rate": 0.0}, ErrorCode.BAD_SETTING, "rate must be in"),
    ],
)
def test_what_cannot_be_replayed_is_said_at_the_start(draw, replaying, tmp_path, settings, code, told):
    bag = write_bag(tmp_path / "bag", draw)
    given = {name: str(bag) if value == "BAG" else value for name, value in settings.items()}
    with pytest.raises(GmiError) as error:
        replaying(**given)
    assert error.value.code == code and told in error.value.message


def test_a_node_fed_by_it_answers_as_the_replay_does(make_robot, draw, replaying, weights, tmp_path):
    """The road by the middleware and the one without end at the same grasps, on the clock of the bag."""
    from gmi_ros.core.settings import SynthesisSettings
    from gmi_ros.experience.bags import read_sets, set_to_frame
    from gmi_ros.hand.barrett import load_hand
    from gmi_ros.learning.checkpoint import load
    from gmi_ros.pipeline import synthesize

    bag = write_bag(tmp_path / "bag", draw)
    robot = make_robot(use_sim_time=True, max_age=1.0)
    replaying(bag=str(bag), wait_for=INPUTS, topics=INPUTS)
    robot.live.until(lambda: robot.node._source.sets == N_SETS, "all sets")
    answer = robot.ask(seed=9)
    assert answer.error_code == 0 and 0 <= answer.age < 1.0
    *_, last = read_sets(bag)
    offline = synthesize(set_to_frame(last), load(weights), load_hand(), SynthesisSettings(n_samples=8), 9)
    assert [g.grasp_id for g in answer.grasps] == [g.grasp_id for g in offline.grasps]
    assert [g.score for g in answer.grasps] == [g.score for g in offline.grasps]
