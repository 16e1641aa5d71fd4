"""Options of the commands that work on image and grasp pairs, and the pairs that they name."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import options
from gmi_ros.cli.objects import add_recorded_meshes, recorded_meshes

if TYPE_CHECKING:
    from gmi_ros.learning.dataset import GraspData
    from gmi_ros.learning.judged import JudgedData


def add_pairs(parser: argparse.ArgumentParser, required: bool = True, more: str = "") -> None:
    """--data and how it is read. more: of its help."""
    parser.add_argument(
        "--data", type=Path, nargs="+", required=required, metavar="FILE", help=f"experience stores{more}"
    )
    parser.add_argument(
        "--within",
        type=float,
        default=0.0,
        metavar="DEG",
        help="pair grasps with each other's views too, up to this angle between view and approach (default: 0, each "
        "with its own view)",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder that keeps rendered images for the next time")
    add_recorded_meshes(parser)
    parser.add_argument("--threads", type=options.threads, default=2, metavar="N", help="CPU threads")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def load_pairs(args: argparse.Namespace, held_out: bool = False) -> "GraspData":
    """The pairs that the options name; with held_out those of the test splits too. Sets torch's threads."""
    import numpy as np

    from gmi_ros.core.errors import ErrorCode, GmiError
    from gmi_ros.evaluation.dataset import load_grasp_data

    if not 0 <= args.within <= 90:
        raise GmiError(ErrorCode.BAD_SETTING, f"within must be an angle in [0, 90] degrees, got {args.within}")
    return load_grasp_data(args.data, held_out=held_out, within=float(np.radians(args.within)), **_common(args))


def load_trials(args: argparse.Namespace) -> "JudgedData":
    """The trials that the options name, held or not, for an evaluator. Sets torch's threads."""
    from gmi_ros.evaluation.judged import load_judged

    return load_judged(args.data, **_common(args))


def _common(args: argparse.Namespace) -> dict:
    from gmi_ros.evaluation.models import set_threads

    set_threads(args.threads)
    return {"progress": not args.quiet, "meshes": recorded_meshes(args), "cache": args.cache}


def add_network(parser: argparse.ArgumentParser) -> None:
    """--model."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of the weights (default: the shipped ones)")
