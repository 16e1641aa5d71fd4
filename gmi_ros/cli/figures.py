"""`gmi figures`: what a network's samples look like, Figures 4 to 6 of the paper from our data."""

import argparse
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError

_FEWEST, _MOST = 50, 5000  # samples: a map of fewer is none, and of more takes minutes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    options.add_model(parser)
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help="experience stores")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the pictures and the page")
    parser.add_argument(
        "--splits",
        nargs="+",
        default=("similar", "different"),
        metavar="S",
        help="a picture for each (default: similar different)",
    )
    parser.add_argument("--objects", type=options.count, default=3, metavar="N", help="random objects of each split")
    parser.add_argument(
        "--names", nargs="+", default=(), metavar="NAME", help="these objects, in every split that has one of them"
    )
    parser.add_argument("--samples", type=options.count, default=1000, metavar="N", help="grasps drawn for each object")
    parser.add_argument(
        "--output-noise", action="store_true", help="add the output noise to the samples; the CNNs have no other"
    )
    parser.add_argument("--seed", type=options.seed, default=1, help="seed of the choice and the draws")
    parser.add_argument("--threads", type=options.threads, default=2, metavar="N", help="CPU threads")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Draw."""
    if not _FEWEST <= args.samples <= _MOST:
        raise GmiError(ErrorCode.BAD_SETTING, f"samples must be in [{_FEWEST}, {_MOST}], got {args.samples}")
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.hand.barrett import load_hand
    from gmi_ros.report.figures import Choice, make_figures

    model = load_model(args.model, args.threads)
    choice = Choice(
        tuple(dict.fromkeys(args.splits)), args.objects, tuple(args.names), args.samples, args.seed, args.output_noise
    )
    files = make_figures(model, args.data, load_hand(args.hand), args.out, choice, not args.quiet)
    listed = [str(path) for path in files]
    return Report({"files": listed}, "\n".join(listed))
