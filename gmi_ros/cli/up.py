"""`gmi up`: the nodes of launch/grasp.launch.py, without launch_ros."""

import argparse

from gmi_ros.cli.report import Report
from gmi_ros.cli.ros import ros_module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The launch file's arguments as options; those that are true or false may stand alone."""
    from gmi_ros.ros.processes import ARGUMENTS

    for argument in ARGUMENTS:
        is_switch = argument.choices == ("true", "false")
        parser.add_argument(
            "--" + argument.name.replace("_", "-"),
            default=argument.default,
            choices=argument.choices or None,
            nargs="?" if is_switch else None,
            const="true" if is_switch else None,
            metavar="true|false" if is_switch else None,
            help=f"{argument.help} (default: {argument.default or 'empty'})",
        )


def run(args: argparse.Namespace) -> Report:
    """Start the nodes and forward what they log until Ctrl-C, or until one of them ends."""
    from gmi_ros.ros.processes import ARGUMENTS

    ros_module("session")
    return Report(ros_module("up").up({a.name: getattr(args, a.name) for a in ARGUMENTS}))
