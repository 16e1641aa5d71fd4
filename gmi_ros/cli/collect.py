"""`gmi collect`: simulated picking trials into an experience store."""

import argparse
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import cache_folder

if TYPE_CHECKING:
    from gmi_ros.evaluation.collecting import Engine
    from gmi_ros.sim.meshes import Skipped
    from gmi_ros.sim.objects import ObjectModel

SPLITS = ("train", "similar", "different", "dev", "random")


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
    source = what.add_mutually_exclusive_group()
    source.add_argument("--split", choices=SPLITS, help="which objects (default: train)")
    source.add_argument("--meshes", type=Path, metavar="DIR", help="instead: the .obj, .stl and .ply files of a folder")
    what.add_argument("--objects", type=options.count, metavar="N", help="how many, of --split random (default: 100)")
    what.add_argument("--scale", type=_positive, metavar="S", help="metres per unit of the --meshes (default: 1)")

    trial = parser.add_argument_group("trials")
    trial.add_argument("--views", type=options.count, default=1, metavar="N", help="cameras that see each success")
    trial.add_argument("--free", action="store_true", help="do not hold the object in place while the hand closes")
    trial.add_argument("--noise", action="store_true", help="see the objects with a Kinect's noise")
    for name, unit in (("mass", "kg"), ("friction", "sliding, of the whole hand")):
        trial.add_argument(
            f"--{name}", type=_positive, nargs=2, metavar=("LOW", "HIGH"),
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
    split, objects, skipped = _objects(args)
    with _engine(args) as engine:
        data = collect(args.out, split, objects, goal, engine, args.seed, trial_options, progress=not args.quiet)
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
    for option, value, fits, other in (
        ("--each", args.each, args.successes, "--successes"),
        ("--objects", args.objects, args.split == "random", "--split random"),
        ("--scale", args.scale, args.meshes, "--meshes DIR"),
        ("--scheduler", args.scheduler, args.engine == "dask", "--engine dask"),
        ("--engine", "dask" if args.engine == "dask" else None, args.scheduler, "--scheduler tcp://HOST:PORT"),
    ):
        if value is not None and not fits:
            raise GmiError(ErrorCode.BAD_SETTING, f"{option} {value} needs {other}")


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number greater than 0, got {text!r}")
    return value


def _range(name: str, given: list[float] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    low, high = given
    if low > high:
        raise GmiError(ErrorCode.BAD_SETTING, f"--{name} LOW HIGH must have LOW <= HIGH, got {low:g} {high:g}")
    return low, high


def _objects(args: argparse.Namespace) -> tuple[str, tuple["ObjectModel", ...], tuple["Skipped", ...]]:
    """The split, the objects to try, and the meshes that cannot be."""
    if args.meshes is None:
        from gmi_ros.sim.splits import objects_of

        split = args.split or "train"
        return split, objects_of(split, args.objects or 100), ()
    from gmi_ros.evaluation.recipes import MESHES
    from gmi_ros.sim.meshes import load_meshes

    found = load_meshes(args.meshes, args.scale or 1.0, cache=cache_folder("meshes"))
    for skipped in found.skipped:
        print(f"skipped {skipped.name}: {skipped.reason}", file=sys.stderr)
    if not found.objects:
        message = f"none of the {len(found.skipped)} meshes in {args.meshes} can be used; the reasons are named above"
        raise GmiError(ErrorCode.BAD_REQUEST, message)
    return MESHES, found.objects, found.skipped


def _engine(args: argparse.Namespace) -> AbstractContextManager["Engine"]:
    if args.engine == "local":
        from gmi_ros.sim.engines import LocalEngine

        return LocalEngine(args.workers)
    from gmi_ros.sim.dask_engine import DaskEngine

    return DaskEngine(args.scheduler)
