"""A process that publishes image sets as a camera does, to measure the middleware and the nodes."""

import argparse
import time

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.ros.convert import frame_messages
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.processes import use_image_profile
from gmi_ros.ros.session import Session

READY = "ready to send"
KINECT = Intrinsics(640, 480, 525.0, 525.0, 319.5, 239.5)
_WAIT_S = 60.0  # for a subscriber of every topic
_LINGER_S = 1.0  # after the last set, so that it is delivered


def main() -> None:
    """`python -m gmi_ros.ros.image_source`: see --help."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", default="", help="of the four topics")
    parser.add_argument("--rate", type=float, default=30.0, help="sets per second [Hz]")
    parser.add_argument("--sets", type=int, default=0, help="end after so many; 0 = never")
    parser.add_argument("--scenes", type=int, default=0, help="rendered scenes to show in turn; 0 = one drawn by hand")
    parser.add_argument("--seed", type=int, default=1, help="of the scenes")
    args = parser.parse_args()
    use_image_profile()
    with Session("image_source") as session:
        try:
            _publish(session, args)
        except KeyboardInterrupt:
            pass  # the ordinary end


def _publish(session: Session, args: argparse.Namespace) -> None:
    """Wait for subscribers, then publish at the rate."""
    prefix = f"{args.namespace}/" if args.namespace else ""
    publishers = [session.node.create_publisher(kind, prefix + name, QoSProfile(depth=5)) for kind, name in TOPICS]
    ring = [frame_messages(frame) for frame in _frames(args.scenes, args.seed)]
    session.node.get_logger().info(READY)
    session.spin_until(
        lambda: all(p.get_subscription_count() for p in publishers), _WAIT_S, "a subscriber of every topic"
    )
    next_time, sent = time.monotonic(), 0
    while not args.sets or sent < args.sets:
        _send(session, publishers, ring[sent % len(ring)])
        sent += 1
        next_time = max(next_time + 1 / args.rate, time.monotonic() - 1.0)
        time.sleep(max(0.0, next_time - time.monotonic()))
    session.spin_for(_LINGER_S)
    session.node.get_logger().info(f"{sent} sets sent")


def _send(session: Session, publishers: list, messages: tuple[Image, Image, CameraInfo, Image]) -> None:
    stamp = session.node.get_clock().now().to_msg()
    for publisher, message in zip(publishers, messages, strict=True):
        message.header.stamp = stamp
        publisher.publish(message)


def _frames(scenes: int, seed: int) -> list[Frame]:
    """Rendered scenes, or one plain picture: a plate on a table."""
    if scenes:
        from gmi_ros.evaluation.bench import frame_ring
        from gmi_ros.hand.barrett import load_hand

        return frame_ring(load_hand(), seed, scenes)
    v, u = np.mgrid[: KINECT.height, : KINECT.width]
    inside = ((u - 320) / 60) ** 2 + ((v - 240) / 40) ** 2 < 1
    rgb = np.stack([u % 256, v % 256, np.where(inside, 220, 60)], axis=-1).astype(np.uint8)
    depth = np.where(inside, 0.75, 0.80).astype(np.float32)
    return [Frame(rgb, depth, inside.astype(np.uint16), KINECT)]


if __name__ == "__main__":
    main()
