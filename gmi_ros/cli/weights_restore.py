"""`gmi weights restore`: previous weights back."""

import argparse

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.cli.weights_ls import add_folder, folder_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_folder(parser)
    parser.add_argument(
        "--number", type=options.count, metavar="K", help="which, as `ls` lists them (default: the last)"
    )


def run(args: argparse.Namespace) -> Report:
    """Put them back; those that were at work are kept in turn."""
    from gmi_ros.evaluation.weights import restore

    folder = folder_of(args.model)
    done = restore(folder, args.number or 0)
    text = f"weights {done['installed']} are back in {folder}; {done['previous']} are kept as previous {done['number']}"
    return Report(done, f"{text}; a running node takes them by ~/load_model")
