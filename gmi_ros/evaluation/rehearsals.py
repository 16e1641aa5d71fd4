"""What rehearsals tell of how a grasp ends: `python -m gmi_ros.evaluation.rehearsals`.

Grasps of free views are rehearsed in every way and tried on the object itself. To these trials the log odds that
sim.rehearsal.BELIEFS holds are fitted, one line for each number of rehearsals. Nothing was trained on these objects: further
ones of the classes that only `dev` has, and of no class (sim.assorted).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.instances import free_instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.calibration import logits
from gmi_ros.learning.metrics import area_under_roc
from gmi_ros.learning.model import GraspModel
from gmi_ros.pipeline import prepare_rehearsals, synthesize
from gmi_ros.sim.objects import ASSORTED, ObjectModel, class_names, make_object
from gmi_ros.sim.protocols import LIFT, judge_grasp
from gmi_ros.sim.rehearsal import KINDS
from gmi_ros.sim.splits import practice_objects
from gmi_ros.sim.trial import plan_of

_FIRST_ASSORTED, _FIRST_INDEX = 820_000, 1  # of the objects, beyond those of the splits and of all training
_CHUNK = 2  # views that a process is given at once
_SAMPLES = 32  # drawn for each: all that pass the filters are rehearsed
_BEST = 0.5  # part of the tried grasps that are the best-ranked ones
_RIDGE = 1e-3


class Rehearsed(NamedTuple):
    """Grasps of one view, best first by the evaluator. prior: (k,) log odds of its score. outcomes: (k, kinds) bool, of the
    rehearsals. held: (k,) bool, under `lift`."""

    object_name: str
    prior: np.ndarray
    outcomes: np.ndarray
    held: np.ndarray


def objects_rehearsed(n: int) -> tuple[ObjectModel, ...]:
    """n objects, in turn of the classes that only `dev` has and of none."""
    classes = class_names("dev")
    return tuple(
        practice_objects(1, _FIRST_ASSORTED + k // 2, ASSORTED)[0]
        if k % 2
        else make_object(classes[k // 2 % len(classes)], _FIRST_INDEX + k // 2 // len(classes))
        for k in range(n)
    )


def rehearse_views(folder: Path, views: int, tried: int, seed: int, workers: int = 2) -> Iterator[Rehearsed | None]:
    """So many grasps of each free view, rehearsed and tried; None where a view is refused, has no table or no grasp."""
    return in_chunks(partial(_of_views, folder, views, tried, seed), range(views), _CHUNK, workers)


_models: dict[Path, GraspModel] = {}  # of this process


def _of_views(folder: Path, views: int, tried: int, seed: int, numbers: list[int]) -> list[Rehearsed | None]:
    if folder not in _models:
        _models[folder] = load_model(folder, threads=1)
    objects = objects_rehearsed(views)
    return [_of_view(objects[number], _models[folder], number, tried, seed) for number in numbers]


def _of_view(object_model: ObjectModel, model: GraspModel, number: int, tried: int, seed: int) -> Rehearsed | None:
    instance = free_instance([object_model], number, seed, noise=number % 4 == 3)
    hand, frame, rng = load_hand(), instance.frame(), np.random.default_rng([seed, number, 3])
    settings = SynthesisSettings(
        n_samples=_SAMPLES, max_batches=1, max_grasps=_SAMPLES, rehearsals=0, sure_rehearsed=1.0, max_redraws=0
    )
    everything = replace(settings, rehearsals=len(KINDS) * _SAMPLES)
    try:
        ranked = synthesize(frame, model, hand, settings, seed=seed + number).grasps
        rehearsed = synthesize(frame, model, hand, everything, seed=seed + number).grasps
    except GmiError:
        return None
    outcomes = {grasp.grasp_id: grasp.rehearsed for grasp in rehearsed if grasp.rehearsed}
    if not outcomes:
        return None
    best = round(_BEST * tried)
    others = best + rng.permutation(max(len(ranked) - best, 0))[: tried - best]
    chosen = [ranked[i] for i in (*range(min(best, len(ranked))), *sorted(others.tolist()))]
    held = [
        judge_grasp(
            object_model,
            hand,
            LIFT,
            instance.world_from_object,
            plan_of(grasp, instance.camera.world_from_camera, hand),
        ).success
        for grasp in chosen
    ]
    prior = logits(np.array([grasp.score for grasp in chosen]))
    return Rehearsed(object_model.name, prior, np.array([outcomes[g.grasp_id] for g in chosen]), np.array(held))


def fitted(views: Sequence[Rehearsed]) -> list[list[float]]:
    """BELIEFS that tell most likely how these grasps ended: for each number of rehearsals offset, weight of the prior and of
    each outcome; a mean squared weight costs a little.

    Raises:
        GmiError: BAD_REQUEST where all or none held.
    """
    held = np.concatenate([v.held for v in views])
    if not 0 < held.mean() < 1:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{int(held.sum())} of {len(held)} grasps held: nothing can be fitted")
    sign = np.where(held, 1.0, -1.0)
    prior = np.concatenate([v.prior for v in views])
    outcomes = np.concatenate([v.outcomes for v in views])
    found = []
    for n in range(len(KINDS) + 1):
        inputs = np.column_stack([np.ones(len(prior)), prior, outcomes[:, :n]])  # (k, 2 + n)

        def loss(weights: np.ndarray, inputs=inputs) -> tuple[float, np.ndarray]:
            z = sign * (inputs @ weights)
            slope = -(sign * expit(-z)) @ inputs / len(z)
            ridge = _RIDGE * np.append(0.0, weights[1:])
            return np.logaddexp(0, -z).mean() + ridge @ weights / 2, slope + ridge

        found.append(minimize(loss, np.zeros(inputs.shape[1]), jac=True, method="L-BFGS-B").x.round(2).tolist())
    return found


def told(views: Sequence[Rehearsed], beliefs: Sequence[Sequence[float]]) -> list[dict]:
    """For each number of rehearsals: area under the ROC over all grasps, its mean within views, and how many percent of the
    views' best ones held."""
    found = []
    for n, weights in enumerate(beliefs):
        odds = [np.column_stack([np.ones(len(v.prior)), v.prior, v.outcomes[:, :n]]) @ weights for v in views]
        within = [area_under_roc(o, v.held) for o, v in zip(odds, views, strict=True) if 0 < v.held.mean() < 1]
        found.append(
            {
                "rehearsals": n,
                "auc": area_under_roc(np.concatenate(odds), np.concatenate([v.held for v in views])),
                "auc_within": float(np.mean(within)) if within else float("nan"),
                "best_held": float(np.mean([v.held[o.argmax()] for o, v in zip(odds, views, strict=True)])),
            }
        )
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Rehearse and try grasps, and fit what rehearsals are worth."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.rehearsals", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=resource(SHIPPED), metavar="DIR", help="default: the shipped one")
    parser.add_argument("--views", type=int, default=240, metavar="N", help="free views (default: 240)")
    parser.add_argument("--tried", type=int, default=16, metavar="N", help="grasps of each (default: 16)")
    parser.add_argument("--seed", type=int, default=31, help="of views and samples (default: 31)")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every grasp's outcomes too, as JSON")
    args = parser.parse_args(argv)
    if min(args.views, args.tried, args.workers) < 1:
        parser.error("--views, --tried and --workers must be at least 1")
    if args.seed < 0:
        parser.error(f"--seed must be at least 0, got {args.seed}")
    if args.out is not None and not args.out.parent.is_dir():
        parser.error(f"--out {args.out}: there is no folder {args.out.parent}")
    try:
        prepare_rehearsals()
        found = rehearse_views(args.model, args.views, args.tried, args.seed, args.workers)
        views = [v for v in tqdm(found, "views", args.views, dynamic_ncols=True) if v is not None]
        if not views:
            raise GmiError(ErrorCode.BAD_REQUEST, f"none of {args.views} views has a grasp on a table that is seen")
        beliefs = fitted(views)
        result = {
            "views": len(views),
            "grasps": sum(len(v.held) for v in views),
            "held": float(np.mean(np.concatenate([v.held for v in views]))),
            "beliefs": beliefs,
            "told": told(views, beliefs),
        }
    except GmiError as error:
        raise SystemExit(f"rehearsals: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("rehearsals: interrupted; nothing is kept") from None
    if args.out is not None:
        rows = [{"object": v.object_name, **{k: getattr(v, k).tolist() for k in v._fields[1:]}} for v in views]
        args.out.write_text(json.dumps({**result, "rehearsed": rows}) + "\n")
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
