"""`gmi evaluate modes`: how many of the known ways to hold an object a network's samples find."""

import argparse

from gmi_ros.cli import options, pairs
from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this measure."""
    pairs.add_network(parser)
    pairs.add_pairs(parser)
    parser.set_defaults(within=20.0)
    parser.add_argument("--samples", type=options.count, default=200, metavar="N", help="grasps drawn for each view")
    parser.add_argument("--views", type=options.count, default=5, metavar="N", help="views of each object")
    parser.add_argument(
        "--output-noise", action="store_true", help="add the output noise to the samples; the CNNs have no other"
    )
    parser.add_argument("--seed", type=options.seed, default=1, help="seed of the draws")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.evaluation.modes import recall

    network = load_model(args.model, args.threads).network
    data = pairs.load_pairs(args, held_out=True)
    found = recall(network, data, args.views, args.samples, args.output_noise, args.seed, not args.quiet)
    report = {
        "recall": found.share,
        "objects": len(set(found.object_id.tolist())),
        "views": len(found.known),
        "known": int(found.known.sum()),
        "samples": args.samples,
    }
    text = (
        f"{args.samples} samples find {100 * found.share:.1f} % of the recorded grasps of a view "
        f"({report['objects']} objects, {report['views']} views, {report['known']} grasps)"
    )
    return Report(report, text)
