"""`gmi replay`: the image sets of a bag through the pipeline, without ROS but for outcomes."""

import argparse
from pathlib import Path

from gmi_ros.cli import bag_options, options, replay_frames, replay_report
from gmi_ros.cli.report import Report
from gmi_ros.cli.ros import ros_module
from gmi_ros.core.settings import SynthesisSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2: folder, .mcap or .db3")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for grasps.jsonl, report.html and pngs")
    parser.add_argument("--seed", type=options.seed, default=1, help="of every set")
    bag_options.add_topics(parser)
    bag_options.add_part(parser)
    parser.add_argument(
        "--experience", type=Path, metavar="STORE", help="also add the outcomes in the bag to this store (over ROS)"
    )
    replay_frames.add_arguments(parser)
    parser.add_argument(
        "--label", type=options.label, default=0, help="label of the object in the masks, 0 = the largest"
    )
    parser.add_argument("--no-pictures", action="store_true", help="write grasps.jsonl only")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    replay_report.add_arguments(parser)
    options.add_model(parser)
    options.add_settings(parser, SynthesisSettings)


def run(args: argparse.Namespace) -> Report:
    """Replay; a refused set is counted, not an error."""
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.experience.bag import Bag
    from gmi_ros.hand.barrett import load_hand
    from gmi_ros.report.replay import replay

    bag_options.apply_preset(args)
    outcomes = ros_module("bag_outcomes").store_outcomes(args.bag, args.experience) if args.experience else None
    if outcomes:
        print(bag_options.outcomes_text(outcomes, args.experience), flush=True)
    frames = replay_frames.kept_frames(args)
    with Bag(args.bag) as bag:
        found = bag_options.find_topics(args, bag.types)
    settings = options.settings_from(args, SynthesisSettings)
    model, hand = load_model(args.model, settings.inference_threads), load_hand(args.hand)
    problems: list[str] = []
    with replay_report.reporting(args, model, hand, settings, problems) as (counts, on_set):
        data = replay(
            args.bag,
            args.out,
            model,
            hand,
            settings,
            args.seed,
            found.topics,
            args.slop,
            args.queue_size,
            args.label,
            pictures=not args.no_pictures,
            progress=not args.quiet,
            part=bag_options.part(args),
            counts=counts,
            on_set=replay_frames.with_frames(on_set, frames),
            problems=problems,
        )
    data |= {"topics": found.data, "guessed": list(found.guessed), "outcomes": outcomes}
    data |= {"full_frames": None if frames is None else frames.data}
    reasons = ", ".join(f"{count} {name}" for name, count in data["reasons"].items())
    refused = f"{data['refused']} refused" + (f" ({reasons})" if reasons else "")
    lines = [
        found.text,
        *(f"damage: {problem}" for problem in data["problems"]),
        *([] if frames is None else [frames.text]),
        f"{data['frames']} image sets: {data['grasps']} grasps, {refused}; {data['file']}",
    ]
    return Report(data, "\n".join(lines))
