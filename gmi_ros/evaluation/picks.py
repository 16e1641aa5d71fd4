"""Picks of a policy: recorded one by one, as a robot would, and compared with those of another policy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.instances import Instance, free_instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.own_trials import MOST_TRIED, OwnTrials, try_grasp
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.pipeline import synthesize
from gmi_ros.sim.collect import TRIALS_PER_SEED, cell_of
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocols import LIFT, judge_grasp
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.trial import plan_of

_CHUNK = 4  # instances that a process is given at once
_PATIENCE = 4  # views looked at for each pick: some are refused, or have no grasp
_SEEDS = 2**63
_model = cache(load_model)  # of this process


def record_picks(
    out: Path,
    folder: Path,
    split: str,
    objects: Sequence[ObjectModel],
    picks: int,
    seed: int,
    workers: int = 1,
    progress: bool = True,
) -> dict:
    """Look at these objects in turn, execute the best grasp each time, and keep what came of it, until there are so many.

    A store that was begun with the same is continued.

    Returns:
        picks and successes of the store.

    Raises:
        GmiError: BAD_REQUEST where the store was begun with another network or seed, or the policy finds too few grasps;
            the folder's and the store's errors.
    """
    model_hash = _model(folder, 1).hash
    with Store(out, "rw") as store:
        begun = 0
        for episode in store.episodes():
            if (episode.model_hash, episode.trial_seed // TRIALS_PER_SEED) != (model_hash, seed):
                why = "it was begun with another network or seed; name a new file"
                raise GmiError(ErrorCode.BAD_REQUEST, f"{out} cannot be continued: {why}")
            begun = max(begun, episode.trial_seed % TRIALS_PER_SEED // MOST_TRIED + 1)
        bar = tqdm(total=picks, initial=len(store), desc=out.stem, disable=not progress, dynamic_ncols=True)
        views = range(begun, _PATIENCE * picks) if len(store) < picks else range(0)
        for episode in in_chunks(partial(_record, folder, split, objects, seed), views, _CHUNK, workers):
            if episode is not None and store.add(episode):
                bar.update()
            if len(store) >= picks:
                break
        bar.close()
        total, held = store.totals()
    if total < picks:
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"{total} of {picks} picks after {_PATIENCE * picks} views: no more grasps"
        )
    return {"picks": total, "successes": held}


def _record(
    folder: Path, split: str, objects: Sequence[ObjectModel], seed: int, numbers: list[int]
) -> list[Episode | None]:
    wanted, found = OwnTrials(seed=seed, repeats=0, turn=False), []
    for number in numbers:
        instance = free_instance(objects, number, seed)
        try:
            answer = synthesize(
                instance.frame(), _model(folder, 1), load_hand(), SynthesisSettings(), seed=seed + number
            )
        except GmiError:  # refused: nothing is executed, nothing recorded
            found.append(None)
            continue
        cell = cell_of(instance.object_model, Physics())
        rng = np.random.default_rng([seed, number])
        found.append(try_grasp(instance, answer, 0, split, wanted, cell, rng) if answer.grasps else None)
    return found


@dataclass(frozen=True)
class Comparison:
    """One instance, asked of several policies: whether each held it (a refusal is a failure)."""

    number: int
    object_name: str
    held: tuple[bool, ...]


def compare(
    folders: Sequence[Path],
    objects: Sequence[ObjectModel],
    numbers: Sequence[int],
    seed: int,
    workers: int = 1,
) -> Iterator[Comparison]:
    """The same free views and sampling seeds for each policy, protocol `lift`, policy `best`; the same for any workers."""
    return in_chunks(partial(_compare, tuple(folders), objects, seed), numbers, _CHUNK, workers)


def _compare(
    folders: tuple[Path, ...], objects: Sequence[ObjectModel], seed: int, numbers: list[int]
) -> list[Comparison]:
    found = []
    for number in numbers:
        instance = free_instance(objects, number, seed)
        frame, held, tried = instance.frame(), [], {}
        for folder in folders:
            try:
                answer = synthesize(
                    frame, _model(folder, 1), load_hand(), SynthesisSettings(), seed=(seed + number) % _SEEDS
                )
            except GmiError:
                held.append(False)
                continue
            held.append(bool(answer.grasps) and _holds(instance, answer.grasps[0], tried))
        found.append(Comparison(number, instance.object_model.name, tuple(held)))
    return found


def _holds(instance: Instance, grasp, tried: dict[bytes, bool]) -> bool:
    """By protocol `lift`; what another policy tried already is not tried again: it ends in the same bits."""
    plan = plan_of(grasp, instance.camera.world_from_camera, load_hand())
    arrays = (plan.world_from_pregrasp, plan.world_from_palm, plan.joints_open, plan.closing.start, plan.closing.speed)
    key = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    if key not in tried:
        tried[key] = judge_grasp(instance.object_model, load_hand(), LIFT, instance.world_from_object, plan).success
    return tried[key]
