"""`gmi evaluate success`: how often the objects come up and stay in the simulated hand (Table III and beyond)."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import objects, options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gmi_ros.evaluation.success import Attempt, Conditions

DEFAULT_SPLIT = "different"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this measure."""
    options.add_model(parser)
    objects.add_objects(parser, DEFAULT_SPLIT)
    parser.add_argument("--instances", type=options.count, default=100, metavar="N", help="grasps tried (default: 100)")
    parser.add_argument(
        "--protocol", default="lift", choices=("lift", "six_force", "strict"), help="the test (docs/protocols.md)"
    )
    parser.add_argument("--free", action="store_true", help="of lift: do not hold the object while the hand closes")
    parser.add_argument(
        "--policy", default="best", choices=("best", "mean", "centroid", "mesh", "oracle"),
        help="the best of the filtered samples; the network's one prediction, not filtered; the centroid of what is seen; "
        "a planner that knows the mesh; whether any of the filtered samples holds (default: best)",
    )  # fmt: skip
    parser.add_argument(
        "--planner", choices=("view", "free"),
        help="of --policy mean: bring the palm along the view, or as Eq. 7 likes (default: view)",
    )  # fmt: skip
    parser.add_argument(
        "--views", default="free", choices=("free", "recorded"),
        help="cameras drawn whatever the grasp, or those of recorded successes (default: free)",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="FILE", help="of --views recorded: the stores (default: the split's)"
    )
    parser.add_argument("--noise", action="store_true", help="of --views free: see with a Kinect's noise")
    parser.add_argument(
        "--mask", default="exact", choices=("exact", "dilated", "eroded", "torn"),
        help="how the object is segmented: 3 pixels too large or too small, or a tenth missing (default: exact)",
    )  # fmt: skip
    parser.add_argument("--samples", type=options.count, metavar="N", help="grasps drawn for each view")
    parser.add_argument(
        "--rehearsals", type=int, metavar="N", help="most trials in simulation before each (default: the nodes')"
    )
    parser.add_argument("--seed", type=options.seed, default=1, help="of the instances and samples (default: 1)")
    parser.add_argument("--workers", type=options.count, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write how every instance ended, as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    from tqdm import tqdm

    from gmi_ros.core.settings import SynthesisSettings
    from gmi_ros.evaluation.success import Conditions, summary

    _check(args)
    settings = options.settings_from(
        argparse.Namespace(n_samples=args.samples, rehearsals=args.rehearsals), SynthesisSettings
    )
    conditions = Conditions(
        args.policy, args.protocol, not args.free, args.hand, args.mask, args.planner or "view", settings, args.seed
    )
    folder = args.model or resource(SHIPPED)
    tried = tqdm(_attempts(args, folder, conditions), "grasps", args.instances, disable=args.quiet, dynamic_ncols=True)
    found = list(tried)
    told, unwritten = summary(found), ""
    if args.out is not None:
        kept = [{"object": a.object_name, "success": a.success, "reason": a.reason} for a in found]
        try:
            args.out.write_text(json.dumps({**told, "attempts": kept}) + "\n")
        except OSError as error:
            unwritten = f"\n--out {args.out} cannot be written: {error.strerror}"
    low, high = told["ci95"]
    others = ", ".join(f"{count} {reason}" for reason, count in told["reasons"].items() if reason != "held")
    text = (
        f"{told['successes']} of {told['instances']} held: {100 * told['rate']:.1f} % ({100 * low:.1f} to "
        f"{100 * high:.1f}, 95 %, {told['objects']} objects drawn with replacement); others: {others or 'none'}"
    )
    return Report(told, text + unwritten, ok=not unwritten)


def _check(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect, and a file that cannot be written, before anything is done."""
    recorded, free = args.views == "recorded", args.views == "free"
    objects.check_objects(args)
    options.refuse_idle(
        ("--free", args.free, args.protocol == "lift", "--protocol lift"),
        ("--noise", args.noise, free, "--views free"),
        ("--data", args.data, recorded, "--views recorded"),
        ("--meshes", args.meshes, free, "--views free"),
        ("--views recorded --split random", recorded and args.split == "random", args.data, "--data"),
        ("--samples", args.samples, args.policy in ("best", "oracle"), "--policy best or oracle"),
        ("--rehearsals", args.rehearsals is not None, args.policy == "best", "--policy best"),
        ("--planner", args.planner, args.policy == "mean", "--policy mean"),
        ("--model", args.model, args.policy not in ("centroid", "mesh"), "a policy that asks a network"),
    )
    if args.out is not None and not args.out.parent.is_dir():
        raise GmiError(ErrorCode.BAD_SETTING, f"--out {args.out}: there is no folder {args.out.parent}")
    if args.out is not None and args.out.is_dir():
        raise GmiError(ErrorCode.BAD_SETTING, f"--out {args.out} is a folder: name a file")


def _attempts(args: argparse.Namespace, folder: Path, conditions: "Conditions") -> "Iterator[Attempt]":
    from gmi_ros.evaluation.instances import recorded_instances
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.evaluation.success import free_attempts, recorded_attempts
    from gmi_ros.pipeline import prepare_rehearsals

    load_model(folder, 1)  # what is wrong with it is told here and not by a worker
    if conditions.policy == "best" and conditions.settings.rehearsals:
        prepare_rehearsals()
    if args.views == "recorded":
        stores = args.data or [resource(f"data/{args.split or DEFAULT_SPLIT}.db.zst")]
        instances = recorded_instances(stores, args.instances, args.seed)
        return recorded_attempts(folder, instances, conditions, args.workers)
    _, models, _ = objects.load_objects(args, DEFAULT_SPLIT)
    return free_attempts(folder, models, args.instances, conditions, args.noise, args.workers)
