"""`gmi bag`: what is in a rosbag2, without ROS."""

import argparse
from pathlib import Path

from gmi_ros.cli import bag_options
from gmi_ros.cli.report import Report
from gmi_ros.core.errors import GmiError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2: folder, .mcap or .db3")
    bag_options.add_topics(parser)


def run(args: argparse.Namespace) -> Report:
    """List the topics, say which of them a replay would take, and name what is damaged."""
    from gmi_ros.experience.bag import Bag
    from gmi_ros.experience.cameras import load_camera

    args.camera = load_camera(args.preset) if args.preset else None
    with Bag(args.bag) as bag:
        topics, span, problems = sorted(bag.topics.values()), bag.span_ns, bag.problems
        types = bag.types
    length = 0.0 if span is None else (span[1] - span[0]) / 1e9
    lines = [f"{args.bag}: {sum(t.count for t in topics)} messages in {length:.3f} s"]
    lines += [f"  {t.count:7d}  {t.name}  ({t.type or 'type unknown'})" for t in topics]
    data = {
        "messages": sum(t.count for t in topics),
        "seconds": length,
        "topics": {t.name: {"type": t.type, "messages": t.count} for t in topics},
        "problems": problems,
    }
    try:
        found = bag_options.find_topics(args, types)
    except GmiError as error:
        data |= {"camera": None, "why_not": error.message}
        lines.append(f"a replay would not know its topics: {error.message}")
    else:
        data |= {"camera": found.data, "guessed": list(found.guessed)}
        lines.append(f"a replay would take {found.text}")
    return Report(data, "\n".join([*lines, *(f"damage: {problem}" for problem in problems)]))
