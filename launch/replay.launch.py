"""Start the grasping nodes on a bag: grasp.launch.py with bag:=BAG, and all its other arguments."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration


def generate_launch_description() -> LaunchDescription:
    """What ros2 launch asks for."""
    grasp = Path(__file__).with_name("grasp.launch.py")
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="rosbag2 to replay: folder, .mcap or .db3"),  # no default: needed
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(grasp)), launch_arguments=[("bag", LaunchConfiguration("bag"))]
            ),
        ]
    )
