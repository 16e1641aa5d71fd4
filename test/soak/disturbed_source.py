"""A camera that drops, delays, swaps and damages its image sets: the process that feeds the soak.

    python test/soak/disturbed_source.py RING.npz STAMPS --seed S [--rate HZ]

Every complete set that was sent adds its number and its stamp [ns] to the file STAMPS, before its last message.
"""

import argparse
import copy
import sys
import time
from collections import defaultdict
from pathlib import Path

from rclpy.qos import QoSProfile

sys.path.insert(0, str(Path(__file__).parent))
from disturbances import GAP_S, SLOP_S, Ring, fate  # noqa: E402

from gmi_ros.ros.convert import nanoseconds  # noqa: E402
from gmi_ros.ros.frame_source import TOPICS  # noqa: E402
from gmi_ros.ros.processes import use_image_profile  # noqa: E402
from gmi_ros.ros.session import Session  # noqa: E402

_WAIT_S = 120.0  # for a subscriber of every topic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ring", type=Path)
    parser.add_argument("stamps", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rate", type=float, default=30.0, help="sets per second [Hz]")
    args = parser.parse_args()
    use_image_profile()
    ring = Ring.load(args.ring)
    with Session("disturbed_source") as session, args.stamps.open("a", buffering=1) as stamps:
        try:
            _publish(session, ring, stamps, args.seed, args.rate)
        except KeyboardInterrupt:
            pass  # the ordinary end


def _publish(session: Session, ring: Ring, stamps, seed: int, rate: float) -> None:
    publishers = [session.node.create_publisher(kind, name, QoSProfile(depth=5)) for kind, name in TOPICS]
    session.spin_until(
        lambda: all(p.get_subscription_count() for p in publishers), _WAIT_S, "a subscriber of every topic"
    )
    delayed = defaultdict(list)  # (publisher, message) by the number of the set after which they are sent
    next_time, number = time.monotonic(), 0
    while True:
        what = fate(seed, number)
        if what.gap:
            time.sleep(GAP_S)
        stamp = session.node.get_clock().now().to_msg()
        messages = ring.messages(seed, number, stamp) if what.kind != "dropped" else []
        if what.complete:
            print(number, nanoseconds(stamp), file=stamps)
        for index, message in enumerate(messages):
            mine = index == what.part or what.kind == "swapped"  # a whole set changes places with the next
            if what.delay and mine:
                # A copy: the ring's messages get the next stamp meanwhile.
                delayed[number + what.delay].append((publishers[index], copy.deepcopy(message)))
            elif what.kind != "part dropped" or not mine:
                publishers[index].publish(message)
        for publisher, message in delayed.pop(number, ()):
            publisher.publish(message)
        number += 1
        # What was missed is not made up for: sets within the slop of each other would rightly be mixed.
        next_time = max(next_time + 1 / rate, time.monotonic() + 2 * SLOP_S)
        time.sleep(max(0.0, next_time - time.monotonic()))


if __name__ == "__main__":
    main()
