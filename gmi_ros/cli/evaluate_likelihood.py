"""`gmi evaluate likelihood`: the negative log-likelihood of recorded successes under a network."""

import argparse

from gmi_ros.cli import options, pairs
from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this measure."""
    pairs.add_network(parser)
    pairs.add_pairs(parser)
    parser.add_argument(
        "--samples", type=int, default=0, metavar="N", help="draws of z for each pair; 0 = the paper's (default: 0)"
    )
    parser.add_argument(
        "--target-noise",
        type=float,
        default=0.0,
        metavar="X",
        help="white noise on the targets [standard deviations], for comparing output families (default: 0)",
    )
    parser.add_argument("--seed", type=options.seed, default=1, help="seed of the draws")


def run(args: argparse.Namespace) -> Report:
    """Measure."""
    from gmi_ros.evaluation.likelihood import likelihood
    from gmi_ros.evaluation.models import load_model

    network = load_model(args.model, args.threads).network
    data = pairs.load_pairs(args, held_out=True)
    found = likelihood(network, data, args.samples, args.target_noise, args.seed, not args.quiet).summary()
    text = (
        f"{found['model']}: {found['nll']:.3f} +- {found['standard_error']:.3f} nats a grasp in standardised units "
        f"({found['nll_si']:.3f} in SI units), {found['n']} pairs, {found['estimator']} with {found['samples']} samples"
    )
    return Report(found, text)
