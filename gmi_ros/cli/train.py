"""`gmi train`: a network on experience stores."""

import argparse
from dataclasses import replace
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.report import Report
from gmi_ros.core.resources import cache_folder


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
    parser.add_argument(
        "--meshes", type=Path, metavar="DIR", help="the folder that records of meshes were collected from"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="metres per unit of the meshes (default: 1)")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder that keeps the rendered images for the next time"
    )
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
    meshes = ()
    if args.meshes is not None:
        from gmi_ros.sim.meshes import load_meshes

        meshes = load_meshes(args.meshes, args.scale, cache=cache_folder("meshes")).objects
    set_threads(args.threads)
    pairs = load_grasp_data(args.data, progress=not args.quiet, meshes=meshes, cache=args.cache)
    data = train(config, pairs, args.out, resume=not args.restart, progress=not args.quiet)
    text = f"{data['epochs']} epochs, validation {data['val_nll']:.3f} nats per grasp; weights in {args.out}"
    return Report(data, text)
