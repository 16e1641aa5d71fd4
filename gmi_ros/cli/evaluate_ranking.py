"""`gmi evaluate ranking`: how well evaluator and rehearsals tell grasps that hold from those that do not."""

import argparse
from pathlib import Path

from gmi_ros.cli import objects, options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource

DEFAULT_SPLIT = "different"
_OF_VIEWS = {"instances": 100, "tried": 16, "samples": 64, "seed": 1}  # and what they are where they are not given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this measure."""
    options.add_model(parser)
    objects.add_objects(parser, DEFAULT_SPLIT)
    parser.add_argument("--instances", type=options.count, metavar="N", help="free views (default: 100)")
    parser.add_argument("--tried", type=options.count, metavar="N", help="grasps tried of each view (default: 16)")
    parser.add_argument("--samples", type=options.count, metavar="N", help="drawn for each (default: 64)")
    parser.add_argument(
        "--unrehearsed", action="store_true", help="by the evaluator alone, without trials in simulation"
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", metavar="FILE", help="instead: the random candidates of these stores"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of --data: folder that keeps rendered images")
    parser.add_argument("--seed", type=options.seed, help="of the views and samples (default: 1)")
    parser.add_argument("--workers", type=options.count, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    from tqdm import tqdm

    from gmi_ros.evaluation.judged import load_judged
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.evaluation.ranking import candidates_summary, judge_views, summary

    objects.check_objects(args)
    options.refuse_idle(
        ("--cache", args.cache, args.data, "--data"),
        ("--unrehearsed", args.unrehearsed, not args.data, "free views, not --data: candidates are never rehearsed"),
        ("--split", args.split, not args.data, "free views, not --data"),
        ("--meshes", args.meshes, not args.data, "free views, not --data"),
        *((f"--{n}", getattr(args, n), not args.data, "free views, not --data") for n in _OF_VIEWS),
    )
    folder = args.model or resource(SHIPPED)
    model = load_model(folder, 1)
    if model.evaluator is None:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{folder} has no evaluator: there is nothing to measure")
    if args.data:
        judged = load_judged(args.data, args.workers, not args.quiet, held_out=True, cache=args.cache)
        told = candidates_summary(model.evaluator, judged)
        text = f"{told['candidates']} collision-free candidates, {100 * told['held']:.1f} % held: area under the ROC "
        return Report(told, f"{text}{told['auc']:.3f}, calibration error {told['ece']:.3f}")
    _, models, _ = objects.load_objects(args, DEFAULT_SPLIT)
    instances, tried, samples, seed = (getattr(args, name) or usual for name, usual in _OF_VIEWS.items())
    views = judge_views(folder, models, instances, tried, samples, seed, args.workers, not args.unrehearsed)
    told = summary(list(tqdm(views, "views", instances, disable=args.quiet, dynamic_ncols=True)))
    text = (
        f"{told['grasps']} grasps of {told['views']} views: area under the ROC {told['auc']:.3f}, within a view "
        f"{told['auc_within']:.3f}; calibration error {told['ece']:.3f}, of the executed best {told['ece_best']:.3f}\n"
        f"held: a random one {100 * told['rate_random']:.1f} %, the best {100 * told['rate_best']:.1f} %, any of those "
        f"tried {100 * told['rate_oracle']:.1f} %"
    )
    return Report(told, text)
