"""`gmi evaluate success`: how often the objects come up and stay in the simulated hand (Table III and beyond)."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import cache_folder, resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmi_ros.evaluation.success import Attempt, Test
    from gmi_ros.sim.objects import ObjectModel

SPLITS = ("train", "similar", "different", "dev", "random")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this measure."""
    options.add_model(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--split", default="different", choices=SPLITS, help="which objects (default: different)")
    source.add_argument("--meshes", type=Path, metavar="DIR", help="instead: the .obj, .stl and .ply files of a folder")
    parser.add_argument("--scale", type=float, default=1.0, help="metres per unit of the --meshes (default: 1)")
    parser.add_argument("--instances", type=options.count, default=100, metavar="N", help="grasps tried (default: 100)")
    parser.add_argument(
        "--protocol", default="lift", choices=("lift", "six_force", "strict"), help="the test (docs/protocols.md)"
    )
    parser.add_argument("--free", action="store_true", help="of lift: do not hold the object while the hand closes")
    parser.add_argument(
        "--policy", default="best", choices=("best", "mean"),
        help="the best of the filtered samples, or the network's one prediction, unfiltered (default: best)",
    )  # fmt: skip
    parser.add_argument(
        "--views", default="free", choices=("free", "recorded"),
        help="cameras drawn whatever the grasp, or those of recorded successes (default: free)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="FILE", help="of --views recorded: the stores (default: the split's)"
    )
    parser.add_argument("--noise", action="store_true", help="of --views free: see with a Kinect's noise")
    parser.add_argument("--samples", type=options.count, metavar="N", help="grasps drawn for each view")
    parser.add_argument("--seed", type=options.seed, default=1, help="of the instances and samples (default: 1)")
    parser.add_argument("--workers", type=options.count, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write how every instance ended, as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    from tqdm import tqdm

    from gmi_ros.core.settings import SynthesisSettings
    from gmi_ros.evaluation.models import SHIPPED
    from gmi_ros.evaluation.success import Test, summary

    _check(args)
    settings = options.settings_from(argparse.Namespace(n_samples=args.samples), SynthesisSettings)
    test = Test(args.policy, args.protocol, not args.free, args.hand, settings, args.seed)
    folder = args.model or resource(SHIPPED)
    tried = tqdm(_attempts(args, folder, test), "grasps", args.instances, disable=args.quiet, dynamic_ncols=True)
    found = list(tried)
    told = summary(found)
    if args.out is not None:
        kept = [{"object": a.object_name, "success": a.success, "reason": a.reason} for a in found]
        args.out.write_text(json.dumps({**told, "attempts": kept}) + "\n")
    low, high = told["ci95"]
    others = ", ".join(f"{count} {reason}" for reason, count in told["reasons"].items() if reason != "held")
    text = (
        f"{told['successes']} of {told['instances']} held: {100 * told['rate']:.1f} % ({100 * low:.1f} to "
        f"{100 * high:.1f}, 95 %, {told['objects']} objects drawn with replacement); others: {others or 'none'}"
    )
    return Report(told, text)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect, before anything is loaded."""
    for option, given, fits, other in (
        ("--free", args.free, args.protocol == "lift", "--protocol lift"),
        ("--noise", args.noise, args.views == "free", "--views free"),
        ("--data", args.data, args.views == "recorded", "--views recorded"),
        ("--views recorded", args.views == "recorded" and args.meshes, False, "a --split"),
        ("--views recorded --split random", args.views == "recorded" and args.split == "random", args.data, "--data"),
        ("--samples", args.samples, args.policy == "best", "--policy best"),
    ):
        if given and not fits:
            raise GmiError(ErrorCode.BAD_SETTING, f"{option} needs {other}")


def _attempts(args: argparse.Namespace, folder: Path, test: "Test") -> "Iterator[Attempt]":
    from gmi_ros.evaluation.instances import recorded_instances
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.evaluation.success import free_attempts, recorded_attempts

    load_model(folder, 1)  # what is wrong with it is told here and not by a worker
    if args.views == "recorded":
        stores = args.data or [resource(f"data/{args.split}.db.zst")]
        return recorded_attempts(folder, recorded_instances(stores, args.instances, args.seed), test, args.workers)
    return free_attempts(folder, _objects(args), args.instances, test, args.noise, args.workers)


def _objects(args: argparse.Namespace) -> "tuple[ObjectModel, ...]":
    if args.meshes is not None:
        from gmi_ros.sim.meshes import load_meshes

        return tuple(load_meshes(args.meshes, args.scale, cache=cache_folder("meshes")).objects)
    from gmi_ros.sim.splits import objects_of

    return objects_of(args.split)
