"""Start hand_bridge, beside your drivers or beside mock ones: `ros2 launch gmi_ros barrett.launch.py drivers:=robotnik`.

`mock:=free` also starts mock drivers of that kind, `mock:=cell` the simulated cell behind them.
`ros2 launch gmi_ros barrett.launch.py --show-args` lists the arguments.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from gmi_ros.ros.bridge.starts import ARGUMENTS, bridge_starts


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
        for start in bridge_starts(values)
    ]
