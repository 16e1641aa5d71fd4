"""`gmi doctor`: what is installed, which fallbacks are in use, and does it work (over ROS)."""

import argparse
from dataclasses import asdict
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.cli.ros import ros_module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of the weights (default: the shipped ones)")
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("~/.local/share/gmi_ros/experience.db"),
        metavar="FILE",
        help="experience store",
    )
    parser.add_argument("--seconds", type=options.seconds, default=6.0, help="time to measure the middleware for [s]")


def run(args: argparse.Namespace) -> Report:
    """Run the checks; exit status 1 when one of them fails."""
    done = []
    for check in ros_module("doctor").checks(args.model, args.store, args.seconds):
        print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<16} {check.detail}", flush=True)
        done.append(check)
    ok = all(check.ok for check in done)
    failed = ", ".join(check.name for check in done if not check.ok)
    return Report({"ok": ok, "checks": [asdict(c) for c in done]}, "all well" if ok else f"not well: {failed}", ok)
