"""One ROS node of a command that is no node itself: waits with a cap, and says what it waited for."""

import os
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from gmi_ros.core.errors import ErrorCode, GmiError

T = TypeVar("T")
_TICK_S = 0.05


def own_domain() -> int:
    """Keep to this machine, and to a domain of our own unless ROS_DOMAIN_ID names one; children inherit both."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if not os.environ.get("ROS_DOMAIN_ID"):
        # Seeded by the system, not by the command's seed: two demos with one seed must not meet.
        os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randint(1, 101))
    return int(os.environ["ROS_DOMAIN_ID"])


class Session:
    """A node with its own context and executor, spun only while something is waited for."""

    def __init__(self, name: str, check: Callable[[], None] = lambda: None):
        """Args:
        check: called again and again while waiting; raises to end the wait, as when a child process has died.
        """
        self._check = check
        self._context = Context()
        # Ctrl-C stays Python's, so that `with` blocks end as they should.
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def spin_for(self, seconds: float) -> None:
        """Serve callbacks for this time [s]."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(left, _TICK_S))
            self._check()

    def spin_until(self, found: Callable[[], T], timeout_s: float, what: str) -> T:
        """Serve callbacks until `found()` is true and return what it gave.

        Raises:
            GmiError: TIMEOUT, saying what was waited for and how long; or what `check` raises.
        """
        end = time.monotonic() + timeout_s
        while not (value := found()):
            self._check()
            if time.monotonic() > end:
                raise GmiError(ErrorCode.TIMEOUT, f"waited {timeout_s:g} s for {what}")
            self._executor.spin_once(timeout_sec=_TICK_S)
        return value

    def call(self, client: Client, request: Any, timeout_s: float) -> Any:
        """The answer of a service. Raises GmiError TIMEOUT."""
        future = client.call_async(request)
        try:
            self.spin_until(future.done, timeout_s, f"an answer of {client.srv_name}")
        finally:
            client.remove_pending_request(future)
        return future.result()
