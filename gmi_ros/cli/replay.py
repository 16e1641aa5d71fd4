"""`gmi replay`: the image sets of a bag through the pipeline, without ROS."""

import argparse
from pathlib import Path

from gmi_ros.cli import options, replay_report
from gmi_ros.cli.report import Report
from gmi_ros.core.settings import SynthesisSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2: folder, .mcap or .db3")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for grasps.jsonl, report.html and pngs")
    parser.add_argument("--seed", type=options.seed, default=1, help="of every set")
    for role, what in (
        ("rgb", "colour images"),
        ("depth", "registered depth images"),
        ("camera-info", "intrinsics"),
        ("mask", "segmentation masks"),
    ):
        parser.add_argument(f"--{role}-topic", metavar="TOPIC", help=f"{what} (default: found by name)")
    parser.add_argument("--slop", type=options.seconds, default=0.05, help="largest spread of a set's stamps [s]")
    parser.add_argument(
        "--queue-size", type=options.count, default=10, help="messages of each topic that wait for others"
    )
    parser.add_argument("--label", type=int, default=0, help="label of the object in the masks, 0 = the largest")
    parser.add_argument("--no-pictures", action="store_true", help="write grasps.jsonl only")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    replay_report.add_arguments(parser)
    options.add_model(parser)
    options.add_settings(parser, SynthesisSettings)


def run(args: argparse.Namespace) -> Report:
    """Replay; a refused set is counted, not an error."""
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.experience.topics import TopicMap
    from gmi_ros.hand.barrett import load_hand
    from gmi_ros.report.replay import replay

    settings = options.settings_from(args, SynthesisSettings)
    model, hand = load_model(args.model, settings.inference_threads), load_hand(args.hand)
    with replay_report.reporting(args, model, hand, settings) as (counts, on_set):
        data = replay(
            args.bag,
            args.out,
            model,
            hand,
            settings,
            args.seed,
            TopicMap(args.rgb_topic, args.depth_topic, args.camera_info_topic, args.mask_topic),
            args.slop,
            args.queue_size,
            args.label,
            pictures=not args.no_pictures,
            progress=not args.quiet,
            counts=counts,
            on_set=on_set,
        )
    reasons = ", ".join(f"{count} {name}" for name, count in data["reasons"].items())
    refused = f"{data['refused']} refused" + (f" ({reasons})" if reasons else "")
    return Report(data, f"{data['frames']} image sets: {data['grasps']} grasps, {refused}; {data['file']}")
