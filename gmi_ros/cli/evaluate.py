"""`gmi evaluate`: how good a network is, by several measures."""

import argparse

from gmi_ros.cli.report import Report
from gmi_ros.cli.subcommands import add_subcommands, module

# Name -> what it tells. Each is a module of this package, `evaluate_` before its name.
MEASURES = {
    "likelihood": "how probable it finds recorded successes (Table II)",
    "success": "how often a grasp holds in simulation (Table III)",
    "modes": "how many of the ways to hold an object it finds",
    "ranking": "how well its evaluator tells grasps that hold from those that do not",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each measure."""
    add_subcommands(parser, "evaluate", MEASURES, "MEASURE")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    return module("evaluate", args.measure).run(args)
