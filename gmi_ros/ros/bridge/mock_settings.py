"""What the mock drivers are asked: which drivers they stand for (hand_bridge's own names), and what goes wrong."""

from dataclasses import dataclass

from gmi_ros.bridge.simulated import FAULTS
from gmi_ros.core.settings import setting
from gmi_ros.ros.bridge.settings import BridgeSettings


@dataclass(frozen=True)
class MockSettings(BridgeSettings):
    """Mock drivers of a hand and an arm: the parameters of hand_bridge, so that one file serves both, and these."""

    hand_fault: str = setting("none", "what goes wrong with the hand's driver", choices=FAULTS)
    hand_fault_after: int = setting(0, "the hand's commands before it goes wrong", 0, 1000)
    arm_fault: str = setting("none", "what goes wrong with the arm's driver", choices=FAULTS)
    arm_fault_after: int = setting(0, "the arm's commands before it goes wrong", 0, 1000)
    time_factor: float = setting(1.0, "how much faster than real time everything moves", 0.1, 20.0)
    publish_clock: bool = setting(
        False,
        "publish the plant's time on /clock, for a hand_bridge with use_sim_time; a slow machine is no matter then",
    )
    frame_id: str = setting(
        "camera_rgb_optical_frame", "frame in which the arm tells and takes poses; in the cell: the camera's"
    )


@dataclass(frozen=True)
class MockCellSettings(MockSettings):
    """The mock drivers in the simulated cell: physics instead of free motion, and a camera."""

    seed: int = setting(1, "seed of the objects' order, their poses and the camera's", 0, 2**63 - 1)
    objects: str = setting("", "names of the objects such as `mug_0 carton_2`, apart by spaces; empty: all")
    mass: float = setting(1.0, "mass of every object [kg]", 0.01, 10.0)
    rate: float = setting(10.0, "image sets per second [Hz]", 0.1, 60.0)
