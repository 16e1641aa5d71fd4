"""The node mock_drivers: stands in for the drivers of a hand and an arm, with their faults; nothing is in their way."""

import sys

from rclpy.node import Node

from gmi_ros.bridge.plant import FreePlant
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros import parameters
from gmi_ros.ros.bridge.fronts import Fronts
from gmi_ros.ros.bridge.mock_settings import MockSettings
from gmi_ros.ros.node_main import run_node

MOCK_DRIVERS = "mock_drivers"


class MockDrivers(Node):
    """Free motion: fingers close on nothing. For dry runs; plant.contact may be set to let them meet something.

    Raises:
        GmiError: BAD_SETTING for a parameter out of its range, or a driver whose messages are not installed.
    """

    def __init__(self, **node_options):
        super().__init__(MOCK_DRIVERS, **node_options)
        settings = parameters.declare(self, MockSettings)
        figures = load_hand(settings.hand)
        self.plant = FreePlant(figures)
        self.fronts = Fronts(self, self.plant, figures, settings, settings.base_frame or settings.frame_id)
        self.get_logger().info(f"mock of hand {settings.hand_driver} and arm {settings.arm_driver}")

    def destroy_node(self) -> None:
        """Also its servers and its thread."""
        self.fronts.close()
        super().destroy_node()


def main() -> None:
    """Entry point of the executable."""
    sys.exit(run_node(MockDrivers))
