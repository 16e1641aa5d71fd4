"""`gmi demo`: the whole system in a simulated cell (over ROS)."""

import argparse
from pathlib import Path
from typing import Any

from gmi_ros.cli import options
from gmi_ros.cli.pictures import save_picture
from gmi_ros.cli.report import Report
from gmi_ros.cli.ros import ros_module


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--rounds", type=options.count, default=10, metavar="N", help="objects to pick")
    parser.add_argument(
        "--seed", type=options.seed, default=1, help="of the objects, their poses, the camera, the grasps"
    )
    parser.add_argument(
        "--store", type=Path, default=Path("runs/demo/experience.db"), metavar="FILE", help="experience store to add to"
    )
    parser.add_argument(
        "--full-frames",
        action="store_true",
        help="keep the whole images of executed grasps too, which `gmi train --from --imagined` looks at again",
    )
    parser.add_argument("--picture", type=Path, default=Path("demo.png"), metavar="FILE", help="picture of the rounds")
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of the weights (default: the shipped ones)")
    parser.add_argument("--verbose", action="store_true", help="show what the nodes log")


def run(args: argparse.Namespace) -> Report:
    """Run the rounds, draw them, and count what the store took in."""
    from gmi_ros.evaluation.models import load_model

    demo = ros_module("demo")
    load_model(args.model)  # weights that do not load are no reason to start four processes
    done: list[Any] = []

    def tell(finished) -> None:
        done.append(finished)
        verdict = "success" if finished.success else "failure"
        print(
            f"{finished.number:3d}/{args.rounds}  {finished.object_name:<14} {verdict}  {_detail(finished)}", flush=True
        )

    def log(name: str, line: str) -> None:
        if args.verbose:
            print(f"[{name}] {line}", flush=True)

    data = demo.demo(args.rounds, args.seed, args.store, args.model, tell, log, args.full_frames)
    picture = _draw(done, args.picture)
    data["picture"], data["store"] = picture, str(args.store)
    text = (
        f"{data['successes']} of {data['rounds']} rounds succeeded; {data['stored']} outcomes stored in {args.store}, "
        f"{data['recorded']} of them successful training pairs; {data['seconds']:.0f} s"
        + (f"; picture: {picture}" if picture else "")
    )
    return Report(data, text)


def _detail(finished) -> str:
    if finished.outcome is None:
        return finished.what_happened
    reason = finished.outcome.reason.replace("_", " ")
    height = 100 * finished.outcome.height_lifted
    return f"{reason:<22} lifted {height:4.1f} cm  synthesis {finished.synthesis_ms:4.0f} ms"


def _draw(done: list, path: Path) -> str | None:
    from gmi_ros.hand.barrett import load_hand

    picture = ros_module("demo_picture").demo_picture(done, load_hand())
    if picture is None:
        return None
    save_picture(picture, path)
    return str(path)
