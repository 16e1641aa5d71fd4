"""`gmi bench`: how fast everything is, on this machine and now (service, idle and startup over ROS)."""

import argparse
import sys
from collections.abc import Callable

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.cli.ros import ros_module
from gmi_ros.core.settings import SynthesisSettings

PARTS = ("synthesize", "service", "wrist", "collect", "idle", "bags")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that it works, not how fast it is")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--bag-megabytes", type=options.count, metavar="MB", help="size of the bags (default: 1000)")
    parser.add_argument("--seed", type=options.seed, default=1, help="of the scenes, problems and trials")
    options.add_model(parser)


def run(args: argparse.Namespace) -> Report:
    """Measure one part after the other, so that they do not disturb each other."""
    from gmi_ros.evaluation import bench
    from gmi_ros.evaluation.bench_bags import bench_bags
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.hand.barrett import load_hand

    options.refuse_idle(("--bag-megabytes", args.bag_megabytes, "bags" in args.only, "--only bags"))
    hand, settings, quick = load_hand(args.hand), SynthesisSettings(), args.quick

    def synthesize() -> dict:
        model = load_model(args.model, settings.inference_threads)
        return bench.bench_both_sizes(model, hand, settings, args.seed, 2 if quick else 10, 5 if quick else 300)

    def service() -> dict:
        return ros_module("bench").bench_service(5 if quick else 200, 2 if quick else 10, args.seed, args.model)

    def wrist() -> dict:
        solves, repeats = (1, 3) if quick else (bench.WRIST_BATCH, 30)
        return {"wrist": bench.bench_wrist(hand, settings.normal_weight, solves, repeats, args.seed)}

    def collect() -> dict:
        return {"collect": bench.bench_collect(hand, 1 if quick else 8, args.seed)}

    def idle() -> dict:
        return {"idle": ros_module("bench").bench_idle(3.0 if quick else 20.0, args.model)}

    def bags() -> dict:
        return bench_bags(args.bag_megabytes or (40 if quick else 1000), args.seed)

    parts: dict[str, Callable[[], dict]] = {
        "synthesize": synthesize, "service": service, "wrist": wrist, "collect": collect, "idle": idle,
        "bags": bags,
    }  # fmt: skip
    data: dict = {"quick": quick}
    for name in PARTS:
        if name in args.only:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            data |= parts[name]()
    return Report(data, "\n".join(_lines(data)))


def _lines(data: dict, prefix: str = "") -> list[str]:
    """One `key.subkey  value` per line."""
    lines = []
    for key, value in data.items():
        lines += _lines(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix + key:<36} {value}"]
    return lines
