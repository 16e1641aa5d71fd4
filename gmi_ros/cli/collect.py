"""`gmi collect`: simulated picking trials into an experience store."""

import argparse
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument(
        "--trials",
        type=options.count,
        metavar="N",
        help="until the store holds N trials, rounded up to whole batches of 32",
    )
    goal.add_argument("--successes", type=options.count, metavar="N", help="until the store holds N successful trials")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the store; one that exists is continued"
    )
    parser.add_argument("--split", default="train", choices=("train",), help="which objects")
    parser.add_argument("--workers", type=options.count, default=2, metavar="W", help="processes")
    parser.add_argument("--views", type=options.count, default=1, metavar="N", help="cameras that see each success")
    parser.add_argument("--seed", type=options.seed, default=1, help="the same seed gives the same trials")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Collect; interrupt and start again at will."""
    from gmi_ros.evaluation.collecting import collect

    data = collect(
        args.out,
        n_trials=args.trials,
        n_successes=args.successes,
        split=args.split,
        workers=args.workers,
        seed=args.seed,
        n_views=args.views,
        progress=not args.quiet,
    )
    text = f"{data['trials']} trials, {data['successes']} successes in {args.out}; {data['trials_per_s']:.1f} trials/s"
    return Report(data, text)
