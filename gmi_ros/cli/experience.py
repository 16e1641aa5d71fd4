"""`gmi experience`: look into experience stores, pass on what they hold, put them together."""

import argparse

from gmi_ros.cli.report import Report
from gmi_ros.cli.subcommands import add_subcommands, module

# Name -> what it does. Each is a module of this package, `experience_` before its name.
ACTIONS = {
    "ls": "list outcomes, newest first",
    "show": "one outcome, with a picture",
    "export": "write outcomes as plain arrays, for other programs to learn from",
    "merge": "put several stores into one",
    "verify": "check whole stores, and say their version",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each action."""
    add_subcommands(parser, "experience", ACTIONS, "ACTION")


def run(args: argparse.Namespace) -> Report:
    """Do it."""
    return module("experience", args.action).run(args)
