"""`gmi collect`: simulated picking trials into an experience store."""

import argparse
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import objects, options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError

if TYPE_CHECKING:
    from gmi_ros.evaluation.collecting import Engine


DEFAULT_SPLIT = "train"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument(
        "--trials", type=options.count, metavar="N", help="until the store holds N, rounded up to batches of 32"
    )
    goal.add_argument("--successes", type=options.count, metavar="N", help="until the store holds N successful trials")
    parser.add_argument(
        "--each", type=options.count, metavar="N", help="and, with --successes, N of each object (default: 1)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the store; one that exists is continued"
    )
    parser.add_argument("--seed", type=options.seed, default=1, help="the same seed gives the same trials (default: 1)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")

    what = parser.add_argument_group("objects")
    objects.add_objects(what, DEFAULT_SPLIT)

    trial = parser.add_argument_group("trials")
    trial.add_argument("--views", type=options.count, default=1, metavar="N", help="cameras that see each success")
    trial.add_argument("--free", action="store_true", help="do not hold the object in place while the hand closes")
    trial.add_argument("--noise", action="store_true", help="see the objects with a Kinect's noise")
    for name, most, unit in (("mass", 100.0, "kg"), ("friction", 10.0, "sliding, of the whole hand")):
        trial.add_argument(
            f"--{name}", type=options.Between(1e-3, most), nargs=2, metavar=("LOW", "HIGH"),
            help=f"drawn from this range for each batch ({unit})",
        )  # fmt: skip

    who = parser.add_argument_group("who does the work")
    who.add_argument("--engine", default="local", choices=("local", "dask"), help="processes here, or a Dask cluster")
    who.add_argument(
        "--workers", type=options.count, default=2, metavar="W",
        help="processes of --engine local; a cluster brings its own (default: 2)",
    )  # fmt: skip
    who.add_argument(
        "--scheduler", metavar="ADDR",
        help="of the Dask cluster, tcp://HOST:PORT. Its workers run one thread each (`dask worker ADDR --nworkers W "
        "--nthreads 1`). Whoever reaches it can run any program there: use one that you trust",
    )  # fmt: skip


def run(args: argparse.Namespace) -> Report:
    """Collect; interrupt and start again at will."""
    from gmi_ros.evaluation.collecting import collect
    from gmi_ros.evaluation.goal import TRIES_WITHOUT_SUCCESS, Goal
    from gmi_ros.sim.collect import TrialOptions

    _check(args)
    goal = Goal(args.trials, args.successes, (args.each or 1) if args.successes else 0)
    mass, friction = _range("mass", args.mass), _range("friction", args.friction)
    trial_options = TrialOptions(args.views, not args.free, mass, friction, args.noise)
    split, models, skipped = objects.load_objects(args, DEFAULT_SPLIT)
    with _engine(args) as engine:
        data = collect(args.out, split, models, goal, engine, args.seed, trial_options, progress=not args.quiet)
    told = f"{data['trials']} trials, {data['successes']} successes of {data['objects']} objects in {args.out}; "
    told += f"{data['trials_per_s']:.1f} trials/s"
    if data["given_up"]:
        told += f"\ngiven up after {TRIES_WITHOUT_SUCCESS} trials without success: {', '.join(data['given_up'])}"
    reached = args.successes is None or data["successes"] >= args.successes
    if not reached:
        told += f"\nno object is left to try: {args.successes} successes were asked for"
    return Report(data | {"skipped": [{"name": s.name, "reason": s.reason} for s in skipped]}, told, reached)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    objects.check_objects(args)
    options.refuse_idle(
        ("--each", args.each, args.successes, "--successes"),
        ("--scheduler", args.scheduler, args.engine == "dask", "--engine dask"),
        ("--engine", "dask" if args.engine == "dask" else None, args.scheduler, "--scheduler tcp://HOST:PORT"),
    )


def _range(name: str, given: list[float] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    low, high = given
    if low > high:
        raise GmiError(ErrorCode.BAD_SETTING, f"--{name} LOW HIGH must have LOW <= HIGH, got {low:g} {high:g}")
    return low, high


def _engine(args: argparse.Namespace) -> AbstractContextManager["Engine"]:
    if args.engine == "local":
        from gmi_ros.sim.engines import LocalEngine

        return LocalEngine(args.workers)
    from gmi_ros.sim.dask_engine import DaskEngine

    return DaskEngine(args.scheduler)
