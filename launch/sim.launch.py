"""Start the grasping nodes in a simulated cell: grasp.launch.py with sim:=true, and all its other arguments."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource


def generate_launch_description() -> LaunchDescription:
    """What ros2 launch asks for."""
    grasp = Path(__file__).with_name("grasp.launch.py")
    return LaunchDescription(
        [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(grasp)), launch_arguments=[("sim", "true")])]
    )
