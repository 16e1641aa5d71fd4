"""`gmi evaluate`: how good a network is, by several measures."""

import argparse
import importlib

from gmi_ros.cli.report import Report

# Name -> what it tells. Each is a module of this package, `evaluate_` before its name.
MEASURES = {
    "likelihood": "how probable it finds recorded successes (Table II)",
    "success": "how often a grasp holds in simulation (Table III)",
    "modes": "how many of the ways to hold an object it finds",
    "ranking": "how well its evaluator tells grasps that hold from those that do not",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each measure."""
    measures = parser.add_subparsers(dest="measure", metavar="MEASURE", required=True)
    for name, tells in MEASURES.items():
        sub = measures.add_parser(
            name, help=tells, description=tells[0].upper() + tells[1:] + ".", formatter_class=parser.formatter_class
        )
        _module(name).add_arguments(sub)
        # Also after the measure; SUPPRESS keeps what stood before it.
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object last")
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show a failure's traceback")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    return _module(args.measure).run(args)


def _module(name: str):
    return importlib.import_module(f"gmi_ros.cli.evaluate_{name}")
