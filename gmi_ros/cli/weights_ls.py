"""`gmi weights ls`: the weights at work, and the previous ones."""

import argparse
from pathlib import Path

from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_folder(parser)


def add_folder(parser: argparse.ArgumentParser, option: str = "--model") -> None:
    """The folder at work."""
    parser.add_argument(
        option, type=Path, metavar="DIR", help="folder of the weights at work (default: the shipped ones)"
    )


def folder_of(given: Path | None) -> Path:
    """That folder, or the shipped one."""
    from gmi_ros.core.resources import SHIPPED, resource

    return given or resource(SHIPPED)


def run(args: argparse.Namespace) -> Report:
    """List them."""
    from gmi_ros.evaluation.weights import kept
    from gmi_ros.learning import checkpoint

    folder = folder_of(args.model)
    at_work, previous = checkpoint.load(folder).hash, kept(folder)
    lines = [f"at work in {folder}: {at_work}", *(f"previous {k.number}: {k.hash} in {k.folder}" for k in previous)]
    data = {"at_work": at_work, "previous": [{"number": k.number, "hash": k.hash} for k in previous]}
    return Report(data, "\n".join(lines))
