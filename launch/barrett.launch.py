"""Start hand_bridge beside your drivers or mock ones: `ros2 launch gmi_ros barrett.launch.py drivers:=robotnik`.

`mock:=free` also starts mock drivers of that kind, `mock:=cell` the simulated cell behind them.
`ros2 launch gmi_ros barrett.launch.py --show-args` lists the arguments.
"""

from launch import LaunchDescription

from gmi_ros.ros.bridge.starts import ARGUMENTS, bridge_starts
from gmi_ros.ros.launching import launch_description


def generate_launch_description() -> LaunchDescription:
    """What ros2 launch asks for."""
    return launch_description(ARGUMENTS, bridge_starts)
