"""`gmi weights`: which weights are at work, new ones in their place, previous ones back."""

import argparse

from gmi_ros.cli.report import Report
from gmi_ros.cli.subcommands import add_subcommands, module

# Name -> what it does. Each is a module of this package, `weights_` before its name.
ACTIONS = {
    "ls": "the weights at work, and the previous ones that are kept",
    "install": "put weights that `gmi train --from` left, and found no worse, in the place of those at work",
    "restore": "put previous weights back",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each action."""
    add_subcommands(parser, "weights", ACTIONS, "ACTION")


def run(args: argparse.Namespace) -> Report:
    """Do it."""
    return module("weights", args.action).run(args)
