"""`gmi train`: a network on experience stores."""

import argparse
from dataclasses import replace
from pathlib import Path

from gmi_ros.cli import options, pairs, tune
from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    from gmi_ros.learning.config import EvaluatorConfig, MixtureConfig, NetworkConfig, TrainingConfig

    pairs.add_pairs(parser, required=False, more="; with --from those to replay (default: the package's training data)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the weights; a run that was begun there goes on",
    )
    parser.add_argument("--restart", action="store_true", help="start over, whatever --out holds")
    tune.add_arguments(parser)
    options.add_settings(parser, TrainingConfig, without=("network",))
    options.add_settings(parser, NetworkConfig, title="sizes of the paper's networks")
    options.add_settings(parser, MixtureConfig, title="sizes of --model mixture")
    options.add_settings(parser, EvaluatorConfig, title="sizes of --model evaluator")
    parser.epilog = (
        "Several processes or machines, all seeing --out: torchrun --nproc-per-node N -m gmi_ros.cli train .. "
        "(the minibatch is split among them)."
    )


def run(args: argparse.Namespace) -> Report:
    """Train; interrupt and start again at will."""
    from gmi_ros.core.errors import ErrorCode, GmiError
    from gmi_ros.learning.config import EVALUATOR, HIDDEN_SIDE, EvaluatorConfig, TrainingConfig
    from gmi_ros.learning.evaluator_training import train_evaluator
    from gmi_ros.learning.networks import NETWORKS
    from gmi_ros.learning.training import train

    if args.start is not None:
        return tune.run(args)
    tune.refuse_idle(args)
    if args.data is None:
        raise GmiError(ErrorCode.BAD_SETTING, "--data is missing: stores to train on; or --from and --experience")
    config = options.settings_from(args, TrainingConfig, without=("network",))
    if config.model == HIDDEN_SIDE:
        message = f"--model {HIDDEN_SIDE} learns from no store: python -m gmi_ros.evaluation.hidden_sides"
        raise GmiError(ErrorCode.BAD_SETTING, message)
    judging = config.model == EVALUATOR
    kind = EvaluatorConfig if judging else NETWORKS[config.model].config_type
    config = replace(config, network=options.settings_from(args, kind))
    if judging:
        options.refuse_idle(
            ("--within", args.within or None, False, "a grasp model: an evaluator learns from every trial")
        )
        trials = pairs.load_trials(args)
        data = train_evaluator(config, trials, args.out, resume=not args.restart, progress=not args.quiet)
        text = f"area under the ROC {data['val_auc']:.3f} on objects not trained on"
    else:
        data = train(config, pairs.load_pairs(args), args.out, resume=not args.restart, progress=not args.quiet)
        text = f"validation {data['val_nll']:.3f} nats per grasp"
    return Report(data, f"{data['epochs']} epochs, {text}; weights in {args.out}")
