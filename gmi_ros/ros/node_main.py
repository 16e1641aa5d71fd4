"""Run one node as a process: start, spin on several threads, and an orderly end on SIGINT and SIGTERM."""

import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from gmi_ros.core.errors import GmiError
from gmi_ros.ros.executor import ThreadsExecutor
from gmi_ros.ros.parameters import undeclared

# A request that runs, one that waits, one that is refused, cancel, and what brings their answers.
_THREADS = 6
_WAKE = 0.2  # [s] after which a quiet executor looks whether it is to stop
_STOP_WAIT = 5.0  # [s] for the executor's threads


def run_node(make_node: Callable[[], Node]) -> int:
    """Make the node, spin it until the process is told to stop, and return the exit status.

    A node may have a method `finish()`: it is called while it can still publish. A GmiError at the start is one
    line and status 1; what a callback raises ends the process with its traceback.
    """
    # rclpy's own handlers would take the context away before the node can tell anybody that it stops.
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        node = make_node()
        for told in undeclared(node):
            node.get_logger().warning(told)
        return _spin(node, stopping)
    except GmiError as error:
        logging.getLogger("gmi_ros").error("%s: %s", error.code.name, error.message)
        return 1
    finally:
        rclpy.try_shutdown()


def _spin(node: Node, stopping: threading.Event) -> int:
    executor = ThreadsExecutor(_THREADS)
    executor.add_node(node)
    failures: list[BaseException] = []
    finished = threading.Event()

    def spin() -> None:
        try:
            # Not spin(): its shutdown may hand out one more callback, whose node is being destroyed. And not until
            # `stopping`: what the node's last words wait for is brought by callbacks.
            while not finished.is_set():
                executor.spin_once(timeout_sec=_WAKE)
        except ExternalShutdownException:
            pass
        except BaseException as error:  # raised again below, in the main thread
            failures.append(error)
        finally:
            stopping.set()

    # What is there now stays: without it to go over, Python's collector no longer stops everything for a tenth of a
    # second now and then.
    gc.collect()
    gc.freeze()
    spinner = threading.Thread(target=spin, name="executor")
    spinner.start()
    try:
        while not stopping.wait(_WAKE):  # not for ever: a process that is stopped and continued would sleep on
            pass
        if hasattr(node, "finish") and not failures:
            node.finish()
    finally:
        finished.set()
        spinner.join(_STOP_WAIT)
        executor.shutdown(timeout_sec=_STOP_WAIT)
        node.destroy_node()
    if failures:
        raise failures[0]
    return 0
