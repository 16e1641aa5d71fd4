"""Start the grasping nodes: `ros2 launch gmi_ros grasp.launch.py`, with `sim:=true` in a simulated cell.

Which nodes, with which names, parameters and remappings is in gmi_ros/ros/processes.py, which `gmi up` reads too.
`ros2 launch gmi_ros grasp.launch.py --show-args` lists the arguments.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from gmi_ros.ros.processes import ARGUMENTS, node_starts


def generate_launch_description() -> LaunchDescription:
    """What ros2 launch asks for."""
    declared = [
        DeclareLaunchArgument(a.name, default_value=a.default, description=a.help, choices=list(a.choices) or None)
        for a in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])


def start_nodes(context: LaunchContext) -> list[Node]:
    """The nodes that the arguments ask for."""
    values = {a.name: context.launch_configurations[a.name] for a in ARGUMENTS}
    return [
        Node(
            package=start.package,
            executable=start.name,
            name=start.name,
            namespace=start.namespace or None,
            parameters=[*start.parameter_files, dict(start.parameters)],
            remappings=list(start.remappings),
            arguments=[*start.arguments, "--ros-args", "--log-level", start.log_level],
            output="screen",
        )
        for start in node_starts(values)
    ]
