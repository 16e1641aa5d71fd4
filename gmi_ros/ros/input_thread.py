"""A thread that takes in the images, past the executor."""

import threading
import traceback
from collections.abc import Sequence
from contextlib import ExitStack

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.subscription import Subscription

_WAKE_NS = 200_000_000  # after which a quiet thread looks whether its context is still there
_CLOSE_WAIT = 5.0  # [s]


class _PastTheExecutor(ReentrantCallbackGroup):
    """Subscriptions in this group are left out when an executor looks for work; their events are not."""

    def can_execute(self, entity) -> bool:
        return not isinstance(entity, Subscription) and super().can_execute(entity)


class InputThread:
    """Calls the callbacks of a few subscriptions, one after the other, in a thread of its own.

    rclpy's executors go over everything that a node has, in Python, for every message that comes: 120 times a second
    for four inputs at 30 Hz, which takes a third of a core and holds up whoever computes. This one waits for the
    inputs alone, with the wait set that executors use. Images also never wait behind an executor whose threads are all
    taken.
    """

    def __init__(self, node: Node, name: str):
        """Make the subscriptions with `callback_group=group`, then `start` it with them."""
        self.group = _PastTheExecutor()
        self._logger, self._context = node.get_logger(), node.context
        self._closed = threading.Event()
        self._guard = GuardCondition(lambda: None, self.group, context=node.context)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._subscriptions: list[Subscription] = []

    def start(self, subscriptions: Sequence[Subscription]) -> None:
        """Take in their messages from now on."""
        self._subscriptions = list(subscriptions)
        self._thread.start()

    def close(self) -> None:
        """End the thread; afterwards the subscriptions may be destroyed."""
        self._closed.set()
        if self._context.ok():
            self._guard.trigger()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_WAIT)

    def _run(self) -> None:
        try:
            while not self._closed.is_set() and self._context.ok():
                self._take_what_comes()
        except (InvalidHandle, _rclpy.RCLError):
            if not self._closed.is_set() and self._context.ok():  # else the context went away while it waited
                self._logger.error(f"no more images are taken in: {traceback.format_exc()}")

    def _take_what_comes(self) -> None:
        handles = [subscription.handle for subscription in self._subscriptions]
        with ExitStack() as held:  # what is waited for must not be destroyed meanwhile
            for handle in (self._context.handle, self._guard.handle, *handles):
                held.enter_context(handle)
            wait_set = _rclpy.WaitSet(len(handles), 1, 0, 0, 0, 0, self._context.handle)
            held.enter_context(wait_set)
            wait_set.clear_entities()
            wait_set.add_guard_condition(self._guard.handle)
            for handle in handles:
                wait_set.add_subscription(handle)
            wait_set.wait(_WAKE_NS)
            ready = wait_set.get_ready_entities("subscription")
        for subscription in self._subscriptions:
            if subscription.handle.pointer in ready and not self._closed.is_set():
                self._take(subscription)

    def _take(self, subscription: Subscription) -> None:
        with subscription.handle:
            taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
        if taken is None:
            return
        try:
            subscription.callback(taken[0])
        except Exception:  # whatever it is, images must go on coming in
            self._logger.error(f"a message of {subscription.topic_name} was lost: {traceback.format_exc()}")
