"""The qualities of service of our topics, by name."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

INPUT_DEPTH = 3  # messages; each is taken at once, and the middleware keeps as many of the largest ever seen
OUTCOMES_KEPT = 100  # a recorder that starts late gets this many
OBSERVATIONS_KEPT = 20


def inputs(reliability: str) -> QoSProfile:
    """Images as they come: only the newest count. reliability: best_effort or reliable."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=INPUT_DEPTH, reliability=ReliabilityPolicy[reliability.upper()]
    )


def retained(depth: int) -> QoSProfile:
    """Reliable, and the last `depth` messages are there for who subscribes later."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
