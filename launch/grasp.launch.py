"""Start the grasping nodes: `ros2 launch gmi_ros grasp.launch.py`, with `sim:=true` in a simulated cell.

Which nodes, with which names, parameters and remappings is in gmi_ros/ros/processes.py, which `gmi up` reads too.
`ros2 launch gmi_ros grasp.launch.py --show-args` lists the arguments.
"""

from launch import LaunchDescription

from gmi_ros.ros.launching import launch_description
from gmi_ros.ros.processes import ARGUMENTS, node_starts


def generate_launch_description() -> LaunchDescription:
    """What ros2 launch asks for."""
    return launch_description(ARGUMENTS, node_starts)
