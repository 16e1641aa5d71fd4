"""How well the evaluator tells grasps that hold from those that do not: among what it chooses from, and among random
candidates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.instances import free_instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.calibration import logits
from gmi_ros.learning.evaluator import GraspEvaluator
from gmi_ros.learning.judged import JudgedData
from gmi_ros.learning.metrics import area_under_roc, calibration_error
from gmi_ros.learning.model import GraspModel
from gmi_ros.learning.spec import HELD
from gmi_ros.pipeline import synthesize
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocols import LIFT, judge_grasp
from gmi_ros.sim.rehearsal import KINDS
from gmi_ros.sim.trial import plan_of

_CHUNK = 4  # views that a process is given at once
_SEEDS = 2**63


@dataclass(frozen=True)
class Judged:
    """k grasps of one view, the best-ranked first, the others drawn from what passed the filters.

    probability: (k,) that each holds, as the answer says. held: (k,) bool, by protocol `lift`. mean_logit: of the probabilities
    of all that passed the filters, NaN without an evaluator.
    """

    object_name: str
    probability: np.ndarray
    held: np.ndarray
    mean_logit: float


def judge_views(
    folder: Path,
    objects: Sequence[ObjectModel],
    n: int,
    tried: int,
    samples: int,
    seed: int,
    workers: int = 2,
    rehearsed: bool = False,
) -> Iterator[Judged | None]:
    """Try at most `tried` of the filtered grasps of each of n free views; None for a view without a grasp.

    rehearsed: judge by rehearsals of every grasp too, not by the evaluator alone.
    """
    rehearsals = samples * len(KINDS) if rehearsed else 0
    settings = SynthesisSettings(
        n_samples=samples, max_grasps=samples, max_batches=1, rehearsals=rehearsals, sure_rehearsed=1.0, max_redraws=0
    )
    return in_chunks(partial(_judge, folder, objects, settings, tried, seed), range(n), _CHUNK, workers)


_models: dict[Path, GraspModel] = {}  # of this process


def _judge(
    folder: Path,
    objects: Sequence[ObjectModel],
    settings: SynthesisSettings,
    tried: int,
    seed: int,
    numbers: list[int],
) -> list[Judged | None]:
    if folder not in _models:
        _models[folder] = load_model(folder, threads=1)
    hand, found = load_hand(), []
    for number in numbers:
        instance = free_instance(objects, number, seed)
        try:
            grasps = synthesize(instance.frame(), _models[folder], hand, settings, seed=(seed + number) % _SEEDS).grasps
        except GmiError:
            grasps = []
        if not grasps:
            found.append(None)
            continue
        others = 1 + np.random.default_rng([seed, number, 2]).permutation(len(grasps) - 1)[: tried - 1]
        chosen = [grasps[0], *(grasps[i] for i in others)]
        held = [
            judge_grasp(
                instance.object_model,
                hand,
                LIFT,
                instance.world_from_object,
                plan_of(g, instance.camera.world_from_camera, load_hand()),
            ).success
            for g in chosen
        ]
        mean = float(logits(np.array([g.hold_probability for g in grasps])).mean())
        told = np.array([g.hold_probability for g in chosen])
        found.append(Judged(instance.object_model.name, told, np.array(held), mean))
    return found


def summary(found: Sequence[Judged | None]) -> dict:
    """views, grasps and the share that held; auc (pooled) and auc_within (mean over views with both outcomes); ece of all
    and of the executed best; rates of a random grasp, the executed best and the oracle among those tried, views without a
    grasp counting as failures.

    Raises:
        GmiError: BAD_REQUEST where no view has a grasp, or the model has no evaluator.
    """
    judged = [view for view in found if view is not None]
    if not judged:
        raise GmiError(ErrorCode.BAD_REQUEST, f"none of the {len(found)} views has a grasp to judge")
    probability, held = np.concatenate([v.probability for v in judged]), np.concatenate([v.held for v in judged])
    if np.isnan(probability).any():
        raise GmiError(ErrorCode.BAD_REQUEST, "the model has no evaluator: nothing tells how likely a grasp holds")
    within = [area_under_roc(v.probability, v.held) for v in judged if 0 < v.held.mean() < 1]
    first = np.array([[v.probability[0], v.held[0]] for v in judged])
    return {
        "views": len(found),
        "grasps": len(held),
        "held": float(held.mean()),
        "auc": area_under_roc(probability, held),
        "auc_within": float(np.mean(within)) if within else float("nan"),
        "ece": calibration_error(probability, held),
        "ece_best": calibration_error(first[:, 0], first[:, 1]),
        "rate_random": float(sum(v.held.mean() for v in judged) / len(found)),
        "rate_best": float(first[:, 1].sum() / len(found)),
        "rate_oracle": float(sum(v.held.any() for v in judged) / len(found)),
    }


def candidates_summary(evaluator: GraspEvaluator, data: JudgedData) -> dict:
    """candidates, the share that held, auc and ece of collision-free random candidates, without the calibration, which is of
    filtered samples."""
    order = np.argsort(data.image_index, kind="stable")
    told = np.empty(len(data))
    for rows in np.split(order, np.flatnonzero(np.diff(data.image_index[order])) + 1):
        image = data.image_index[rows[0]]
        fingers = np.zeros((len(rows), 3, 4, 4))
        fingers[:, :, :3], fingers[..., 3, 3] = data.fingers[rows], 1
        said = evaluator.probabilities(
            data.images(np.array([image]))[0],
            float(data.distance[image]),
            data.table[image],
            fingers,
            data.planned[rows],
        )
        told[rows] = said[:, HELD]
    return {
        "candidates": len(data),
        "held": float(data.held.mean()),
        "auc": area_under_roc(told, data.held),
        "ece": calibration_error(told, data.held),
    }
