"""Arguments and the nodes that they ask for, as a launch file hands them to `ros2 launch`. Needs launch_ros."""

from collections.abc import Callable, Mapping, Sequence

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from gmi_ros.ros.processes import Argument, NodeStart


def launch_description(
    arguments: Sequence[Argument], starts: Callable[[Mapping[str, str]], list[NodeStart]]
) -> LaunchDescription:
    """Declares the arguments, and starts what `starts` makes of their values once these are known."""
    declared = [
        DeclareLaunchArgument(a.name, default_value=a.default, description=a.help, choices=list(a.choices) or None)
        for a in arguments
    ]

    def start(context: LaunchContext) -> list[Node]:
        return [launch_node(s) for s in starts({a.name: context.launch_configurations[a.name] for a in arguments})]

    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def launch_node(start: NodeStart) -> Node:
    """One node."""
    return Node(
        package=start.package,
        executable=start.name,
        name=start.name,
        namespace=start.namespace or None,
        parameters=[*start.parameter_files, dict(start.parameters)],
        remappings=list(start.remappings),
        arguments=[*start.arguments, "--ros-args", "--log-level", start.log_level],
        output="screen",
    )
