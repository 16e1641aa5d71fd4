"""Does the middleware deliver? Image sets sent by one process and counted in another, as the node receives them."""

import sys
import time

from gmi_ros.ros import qos
from gmi_ros.ros.children import Children
from gmi_ros.ros.compat import Synchronizer
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.processes import use_image_profile
from gmi_ros.ros.session import Session, own_domain
from gmi_ros.ros.settings import NodeSettings

RATE = 30.0  # [Hz]
NAMESPACE = "gmi_delivery"
_START_S = 60.0


def measure_delivery(seconds: float = 6.0, settings: NodeSettings = NodeSettings()) -> tuple[int, int]:
    """Sets of 640x480 images sent at 30 Hz, and how many arrived complete with the node's own settings.

    Raises:
        GmiError: TIMEOUT where nothing arrives at all; INTERNAL where the sending process dies.
    """
    own_domain()
    use_image_profile()
    sent, received = round(RATE * seconds), []
    topics = [(kind, f"{NAMESPACE}/{name}") for kind, name in TOPICS]
    with Children() as children, Session("gmi_delivery") as session:
        Synchronizer(
            session.node,
            topics,
            qos.inputs(settings.input_reliability),
            settings.queue_size,
            settings.slop_s,
            lambda *messages: received.append(time.monotonic()),
        )
        source = children.start(
            "image_source",
            [sys.executable, "-m", "gmi_ros.ros.image_source", "--namespace", NAMESPACE, "--sets", str(sent)],
        )
        session.spin_until(lambda: received or source.process.poll(), _START_S, f"images on {NAMESPACE}")
        session.spin_until(
            lambda: source.process.poll() is not None, seconds + _START_S, "the last image set to be sent"
        )
        if source.process.returncode:
            children.check()
    return sent, len(received)
