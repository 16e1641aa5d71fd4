"""`gmi train --from DIR --experience FILE..`: going on with weights on records of executed grasps."""

import argparse
from dataclasses import fields, replace
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.report import Report

_NETWORKS = ("evaluator", "generator")
_WIDER = {"steady", "planned"}  # what an evaluator can also begin to learn when it goes on
_FIXED = ("model", "pairs", "balance")  # settings of a training from nothing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--from and what belongs to it."""
    from gmi_ros.learning.tuning import Mixture

    group = parser.add_argument_group("going on with trained weights (--from)")
    group.add_argument(
        "--from", dest="start", type=Path, metavar="DIR", help="model folder whose weights go on, on --experience"
    )
    group.add_argument(
        "--experience", type=Path, nargs="+", metavar="FILE", help="stores of new records: robot, bags, simulation"
    )
    group.add_argument(
        "--check",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="stores that tell what is forgotten (default: data/dev.db.zst)",
    )
    group.add_argument(
        "--networks", nargs="+", choices=_NETWORKS, help="which of them go on; the others stay (default: both)"
    )
    group.add_argument("--replayed", type=options.count, metavar="N", help="images of old data at most (default: 2000)")
    group.add_argument(
        "--forget",
        type=options.positive,
        metavar="NATS",
        help="most that the generator may lose on old data, a grasp; of weights that lose more a part is taken (default: 0.3)",
    )
    group.add_argument("--workers", type=options.count, metavar="W", help="processes that render (default: 2)")
    options.add_settings(parser, Mixture, title="minibatches, with --from")


def refuse_idle(args: argparse.Namespace) -> None:
    """Options that need --from. Raises GmiError BAD_SETTING where one is given."""
    from gmi_ros.learning.tuning import Mixture

    names = ("experience", "check", "networks", "replayed", "forget", "workers", *(f.name for f in fields(Mixture)))
    options.refuse_idle(*((f"--{name}", getattr(args, name), False, "--from DIR") for name in names))


def run(args: argparse.Namespace) -> Report:
    """Go on, compare, say what got worse."""
    from gmi_ros.cli.objects import recorded_meshes
    from gmi_ros.core.errors import ErrorCode, GmiError
    from gmi_ros.core.resources import cache_folder, resource
    from gmi_ros.evaluation.models import set_threads
    from gmi_ros.evaluation.tuning import CHECK, REPLAY, Tuning, fine_tune, table
    from gmi_ros.learning.config import EvaluatorConfig, MixtureConfig, NetworkConfig
    from gmi_ros.learning.tuning import EVALUATOR_TUNING, GENERATOR_TUNING, Mixture

    if not args.experience:
        raise GmiError(ErrorCode.BAD_SETTING, "--from needs --experience FILE..: the stores of new records")
    sizes = {f.name for kind in (NetworkConfig, MixtureConfig, EvaluatorConfig) for f in fields(kind)}
    needs = "a training from nothing, without --from"
    options.refuse_idle(
        *(
            (f"--{name.replace('_', '-')}", getattr(args, name), False, needs)
            for name in sorted(sizes - _WIDER) + list(_FIXED)
        ),
        ("--within", args.within or None, False, needs),
    )
    networks = tuple(args.networks or _NETWORKS)
    for name in sorted(_WIDER):
        if getattr(args, name) is False:
            told = f"--no-{name} needs {needs}: an evaluator that goes on keeps what it has"
            raise GmiError(ErrorCode.BAD_SETTING, told)
    if "evaluator" not in networks:
        options.refuse_idle(
            *((f"--{name}", getattr(args, name), False, "an evaluator that goes on") for name in sorted(_WIDER))
        )
    if "generator" not in networks:
        options.refuse_idle(("--forget", args.forget, False, "a generator that goes on"))
    set_threads(args.threads)
    out = args.out.resolve()
    if out == args.start.resolve():
        raise GmiError(
            ErrorCode.BAD_SETTING, f"--out {args.out} is the folder of --from: name another, then install it"
        )
    wanted = Tuning(
        folder=args.start,
        experience=tuple(args.experience),
        replay=tuple(args.data or map(resource, REPLAY)),
        check=tuple(args.check or map(resource, CHECK)),
        networks=networks,
        mixture=options.settings_from(args, Mixture),
        evaluator=_given(args, EVALUATOR_TUNING),
        generator=_given(args, GENERATOR_TUNING),
        replayed=args.replayed or Tuning.replayed,
        steady=bool(args.steady),
        planned=bool(args.planned),
        forget=args.forget,
        meshes=recorded_meshes(args),
    )
    cache = args.cache or cache_folder("images")
    found = fine_tune(wanted, args.out, cache, args.workers or 2, not args.restart, not args.quiet)
    told = "no worse: `gmi weights install` takes them" if not found["worse"] else "worse: " + "; ".join(found["worse"])
    records = ", ".join(
        f"{n} {name.replace('_', ' ')}" for name, n in found["records"].items() if name != "held_out_by"
    )
    lines = [
        f"{records} (by {found['records']['held_out_by']}); {100 * found['share']:g} % of a minibatch is new",
        *_imagined_told(found["imagined"]),
        table(found),
        *(
            f"of the way to the new {name} {100 * found[name]['part']:g} % was gone: all of it forgot too much"
            for name in _NETWORKS
            if found.get(name, {}).get("part", 1) < 1
        ),
        *_trust_told(found.get("evaluator", {}).get("trust")),
        f"weights {found['to_hash']} from {found['from_hash']} in {args.out}; {told}",
    ]
    return Report(found, "\n".join(lines))


def _imagined_told(imagined: dict) -> list[str]:
    told = f"imagined on {imagined['views']} views: {imagined['trials']} trials, {imagined['successes']} held"
    if imagined["empty"]:
        told += f"; {imagined['empty']} of them were refused or gave no grasp"
    if imagined["unseen"]:
        told += f"; {imagined['unseen']} views were not kept whole (store_full_frames)"
    return [told] if imagined["views"] or imagined["unseen"] else []


def _trust_told(trust: dict | None) -> list[str]:
    if trust is None:
        return []
    return [
        f"beside rehearsals log odds of the evaluator's score count {trust['slope']:.2f} times, {trust['offset']:+.2f}"
    ]


def _given(args: argparse.Namespace, config):
    """The usual settings with those that were given in their place."""
    given = {f.name: getattr(args, f.name, None) for f in fields(config) if f.name not in (*_FIXED, "network")}
    return replace(config, **{name: value for name, value in given.items() if value is not None})
