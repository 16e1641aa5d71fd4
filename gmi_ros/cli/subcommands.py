"""Commands of several: each is a module of this package, with the command's name before its own."""

import argparse
import importlib
from collections.abc import Mapping
from types import ModuleType


def add_subcommands(parser: argparse.ArgumentParser, command: str, does: Mapping[str, str], metavar: str) -> None:
    """A subcommand for each name in `does`, which says what it does; it is found in `args.<metavar, lower case>`."""
    names = parser.add_subparsers(dest=metavar.lower(), metavar=metavar, required=True)
    for name, tells in does.items():
        sub = names.add_parser(
            name, help=tells, description=tells[0].upper() + tells[1:] + ".", formatter_class=parser.formatter_class
        )
        module(command, name).add_arguments(sub)
        # Also after the subcommand; SUPPRESS keeps what stood before it.
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object last")
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show a failure's traceback")


def module(command: str, name: str) -> ModuleType:
    """The module of a subcommand."""
    return importlib.import_module(f"gmi_ros.cli.{command}_{name}")
