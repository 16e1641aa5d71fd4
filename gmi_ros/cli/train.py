"""`gmi train`: a network on experience stores."""

import argparse
from dataclasses import replace
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    from gmi_ros.learning.config import RCVAEConfig, TrainingConfig

    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help="experience stores")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the weights; a run that was begun there goes on",
    )
    parser.add_argument("--model", default="r_cvae", choices=("r_cvae",), help="network")
    parser.add_argument("--restart", action="store_true", help="start over, whatever --out holds")
    parser.add_argument("--threads", type=options.count, default=2, metavar="N", help="CPU threads")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options.add_settings(parser, TrainingConfig, without=("network",))
    options.add_settings(parser, RCVAEConfig)


def run(args: argparse.Namespace) -> Report:
    """Train; interrupt and start again at will."""
    from gmi_ros.evaluation.dataset import load_grasp_data
    from gmi_ros.evaluation.models import set_threads
    from gmi_ros.learning.config import RCVAEConfig, TrainingConfig
    from gmi_ros.learning.training import train

    config = replace(
        options.settings_from(args, TrainingConfig, without=("network",)),
        network=options.settings_from(args, RCVAEConfig),
    )
    set_threads(args.threads)
    data = train(config, load_grasp_data(args.data), args.out, resume=not args.restart, progress=not args.quiet)
    text = f"{data['epochs']} epochs, validation {data['val_nll']:.3f} nats per grasp; weights in {args.out}"
    return Report(data, text)
