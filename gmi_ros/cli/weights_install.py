"""`gmi weights install`: new weights in the place of those at work."""

import argparse
from pathlib import Path

from gmi_ros.cli.report import Report
from gmi_ros.cli.weights_ls import add_folder, folder_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("new", type=Path, metavar="DIR", help="what `gmi train --from .. --out DIR` left")
    add_folder(parser, "--into")


def run(args: argparse.Namespace) -> Report:
    """Install, unless they are worse."""
    from gmi_ros.evaluation.weights import install

    into = folder_of(args.into)
    done = install(args.new, into)
    text = f"weights {done['installed']} are in {into}; {done['previous']} are kept as previous {done['number']}"
    return Report(done, f"{text}; a running node takes them by ~/load_model")
