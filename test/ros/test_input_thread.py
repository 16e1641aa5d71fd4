"""Messages past the executor: each is handed on once, whatever a callback does and whoever is taken down meanwhile."""

import gc
import threading

import pytest
import rclpy
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from gmi_ros.ros.convert import stamp_message
from gmi_ros.ros.input_thread import InputThread

pytestmark = pytest.mark.ros


@pytest.fixture
def listen(live):
    """Makes a node of `live` that nobody spins, listening to `header` with this callback past the executor."""

    def make(callback):
        node = rclpy.create_node("listener", context=live.context)
        thread = InputThread(node, "inputs")
        thread.start(
            [node.create_subscription(Header, "header", callback, QoSProfile(depth=50), callback_group=thread.group)]
        )
        return node, thread

    return make


def publisher(live):
    sender = live.node("sender").create_publisher(Header, "header", QoSProfile(depth=50))
    live.until(sender.get_subscription_count, "the subscription")
    return sender


def test_every_message_comes_once_in_order_and_in_one_thread_that_outlives_what_a_callback_raises(live, listen):
    heard, threads = [], set()

    def callback(message):
        heard.append(message.stamp.sec)
        threads.add(threading.current_thread().name)
        if message.stamp.sec == 3:
            raise ValueError("made by the test")

    node, thread = listen(callback)
    sender = publisher(live)
    for second in range(20):
        sender.publish(Header(stamp=stamp_message(second * 10**9)))
    live.until(lambda: len(heard) == 20, "twenty messages")
    assert heard == list(range(20)) and threads == {"inputs"}
    thread.close()
    assert not thread._thread.is_alive()
    sender.publish(Header())
    node.destroy_node()
    assert len(heard) == 20


def test_an_executor_leaves_them_alone(live, listen):
    threads = set()
    node, thread = listen(lambda _: threads.add(threading.current_thread().name))
    live.spin(node)
    sender = publisher(live)
    for _ in range(20):
        sender.publish(Header())
    live.until(lambda: threads, "a message")
    thread.close()
    assert threads == {"inputs"}


@pytest.mark.parametrize("what", ["node", "context", "both"])
def test_it_ends_when_its_node_or_context_goes(what):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    thread = InputThread(node, "inputs")
    thread.start([node.create_subscription(Header, "header", lambda _: None, 1, callback_group=thread.group)])
    if what != "context":
        node.destroy_node()
    if what != "node":
        rclpy.shutdown(context=context)
    gc.collect()
    thread._thread.join(5.0)
    assert not thread._thread.is_alive()
    thread.close()
    if what == "node":
        rclpy.shutdown(context=context)
