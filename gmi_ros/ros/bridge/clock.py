"""The clock of motions: monotonic, or simulated time where the node follows /clock."""

import time

from rclpy.node import Node


def now_of(node: Node) -> float:
    """Now [s]. With use_sim_time the time of /clock, so that a slow simulation is not asked for more than it can."""
    clock = node.get_clock()
    # Not the system's time otherwise: it may be set while a hand moves.
    return clock.now().nanoseconds / 1e9 if clock.ros_time_is_active else time.monotonic()
