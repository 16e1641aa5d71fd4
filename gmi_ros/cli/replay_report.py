"""The part of `gmi replay` that is about its report."""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import options
from gmi_ros.core.settings import SynthesisSettings

if TYPE_CHECKING:
    from gmi_ros.hand.barrett import BarrettHand
    from gmi_ros.learning.model import GraspModel

_MOST = 300  # sets with pictures: 5 to 10 MB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the report."""
    group = parser.add_argument_group("report")
    group.add_argument("--no-report", action="store_true", help="leave report.html away")
    group.add_argument(
        "--report-sets",
        type=options.count,
        metavar="N",
        help=f"at most so many sets with pictures in it, evenly spread (default: {_MOST})",
    )
    group.add_argument(
        "--compare", type=Path, metavar="DIR", help="folder of a second model, asked about the same sets in the report"
    )


@contextmanager
def reporting(
    args: argparse.Namespace,
    model: "GraspModel",
    hand: "BarrettHand",
    settings: SynthesisSettings,
    damage: Sequence[str] = (),
) -> Iterator[tuple[Counter, Callable[..., None] | None]]:
    """What `replay` is to tell of messages and of sets; the report is written at the end.

    damage: sentences about what is wrong with the bag, read at the end.

    Raises:
        GmiError: BAD_SETTING for an option without effect; those of loading the second model, of writing.
    """
    writes = args.out is not None and not args.no_report
    options.refuse_idle(
        ("--no-report", args.no_report, args.out is not None, "--out"),
        ("--report-sets", args.report_sets, writes, "--out and a report"),
        ("--compare", args.compare, writes, "--out and a report"),
    )
    counts = Counter()
    if not writes:
        yield counts, None
        return
    from gmi_ros.core.resources import SHIPPED, resource
    from gmi_ros.evaluation.models import load_model
    from gmi_ros.report.replay_report import Named, ReplayReport

    name = str(args.model or resource(SHIPPED).name)
    second = args.compare and Named(str(args.compare), load_model(args.compare, settings.inference_threads))
    report = ReplayReport(Named(name, model), hand, settings, args.seed, args.label, second, args.report_sets or _MOST)
    with report.written(args.out, args.bag, counts, damage=damage):
        yield counts, report.add
