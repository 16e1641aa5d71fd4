"""`gmi record`: topics into a rosbag2 (over ROS)."""

import argparse
from pathlib import Path

from tqdm import tqdm

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.cli.ros import ros_module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--out", type=Path, required=True, metavar="BAG", help="folder of the new bag")
    parser.add_argument("--storage", default="mcap", choices=("mcap", "sqlite3"), help="format")
    parser.add_argument(
        "--topics", nargs="+", metavar="TOPIC", help="default: the camera's four topics and what the nodes publish"
    )
    parser.add_argument(
        "--duration",
        type=options.seconds,
        metavar="S",
        help="stop this long after the first message [s] (default: at Ctrl-C)",
    )
    parser.add_argument("--compress", action="store_true", help="compress the messages with zstd")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Record until the time is over or Ctrl-C; a bag without messages is a failure."""
    recording = ros_module("recording")
    topics = args.topics or (*recording.CAMERA_TOPICS, *recording.OUTPUT_TOPICS)
    with tqdm(unit=" messages", disable=args.quiet) as bar:
        data = recording.record(
            args.out, topics, args.storage, args.duration, args.compress, lambda n: bar.update(n - bar.n)
        )
    text = f"{data['messages']} messages in {data['bag']}"
    if data["missing"]:
        text += f"; nobody published {', '.join(data['missing'])}"
    return Report(data, text, ok=data["messages"] > 0)
