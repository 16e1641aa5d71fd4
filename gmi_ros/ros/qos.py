"""The qualities of service of our topics, by name."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# Only the newest count, and each is taken at once; for more the middleware keeps buffers as large as the largest ever.
INPUT_DEPTH = 2
OUTCOMES_KEPT = 100  # a recorder that starts late gets this many
OBSERVATIONS_KEPT = 100  # as many as outcomes: an outcome that is taken up again has its observation


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
