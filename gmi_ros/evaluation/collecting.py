"""Collecting simulated trials into an experience store: resumable, and the same whoever does the work."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.goal import Goal, Tally, total
from gmi_ros.evaluation.recipes import MESHES, episodes_of, object_of
from gmi_ros.experience.episode import Episode, derived_id
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import CANDIDATES, TRIALS_PER_SEED, Batch, Job, TrialOptions
from gmi_ros.sim.objects import ObjectModel

LARGEST_SEED = 2**31 - 1


class Engine(AbstractContextManager, Protocol):
    """Who runs the batches (sim.engines)."""

    def run(self, jobs: Iterable[Job]) -> Generator[Batch, None, None]:
        """The batch of each job, in the order of the jobs. Takes jobs ahead of the batches that it gives."""


def collect(
    out: Path,
    split: str,
    objects: Sequence[ObjectModel],
    goal: Goal,
    engine: Engine,
    seed: int = 1,
    options: TrialOptions = TrialOptions(),
    progress: bool = True,
) -> dict:
    """Run picking trials until the store holds what the goal asks for.

    The unit is a batch of CANDIDATES trials of one object at rest in one pose, so numbers are rounded up to those.
    Batches are committed whole, in the goal's order: a store that was begun is continued where it ended.

    Returns:
        trials, closings (trials that came to close the hand), successes and objects in the store; given_up (names);
        trials_per_s, closings_per_s, successes_per_s and steps_per_s of this run; the store's path.

    Raises:
        GmiError: BAD_REQUEST for a bad seed, no objects, or a store begun with other objects, another seed or other
            options; the store's and the engine's errors.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise GmiError(ErrorCode.BAD_REQUEST, f"seed must be in [0, {LARGEST_SEED}], got {seed}")
    models = {model.name: model for model in objects}
    if not models:
        raise GmiError(ErrorCode.BAD_REQUEST, "there is no object to collect trials of: at least 1 is needed")
    with Store(out, "rw") as store:
        tally = _stored_tally(store, split, models)
        before, started, steps = total(tally), time.perf_counter(), 0
        if before.trials:
            _check_continues(store, split, models, seed, options, engine)
        with _bar(goal, before, progress) as bar:
            for batch in batches(goal, tally, engine, models, seed, options):
                store.add_many([e for record in batch.records for e in episodes_of(record, split)])
                steps += batch.n_steps
                now = total(tally)
                bar.set_postfix(trials=now.trials, successes=now.successes, refresh=False)
                bar.update(goal.count(now) - bar.n)
    elapsed, now = time.perf_counter() - started, total(tally)
    return {
        "trials": now.trials,
        "closings": now.closings,
        "successes": now.successes,
        "objects": len(tally),
        "given_up": goal.given_up(tally),
        "trials_per_s": (now.trials - before.trials) / elapsed,
        "closings_per_s": (now.closings - before.closings) / elapsed,
        "successes_per_s": (now.successes - before.successes) / elapsed,
        "steps_per_s": steps / elapsed,
        "out": str(out),
    }


def batches(
    goal: Goal,
    tally: dict[str, Tally],
    engine: Engine,
    models: dict[str, ObjectModel],
    seed: int,
    options: TrialOptions,
) -> Iterator[Batch]:
    """The batches that lead from the tally to the goal, in the goal's order; the tally is kept.

    What is run ahead supposes that nothing succeeds meanwhile. Where that proves wrong it is thrown away.
    """
    while goal.next_object(tally) is not None:
        jobs = (Job(models[name], number, seed, options) for name, number in _upcoming(goal, tally, seed))
        with closing(engine.run(jobs)) as done:
            for batch in done:
                name = batch.records[0].object_name
                if name != goal.next_object(tally):
                    break
                for r in batch.records:
                    tally[name] = tally[name].plus(r.trial_seed, r.result.success, r.result.reason)
                yield batch


def _upcoming(goal: Goal, tally: Mapping[str, Tally], seed: int) -> Iterator[tuple[str, int]]:
    """Object and number of the batches to come, as long as those that are not in the tally yet fail."""
    ahead = {name: t.next_batch for name, t in tally.items()}
    while True:
        expected = {name: t.failed_until(seed, ahead[name]) for name, t in tally.items()}
        if (name := goal.next_object(expected)) is None:
            return
        yield name, ahead[name]
        ahead[name] += 1


def _stored_tally(store: Store, split: str, models: dict[str, ObjectModel]) -> dict[str, Tally]:
    tally = {name: Tally() for name in models}
    for name, success, reason, n, last_seed in store.tally(split):
        if name not in tally:
            why = f"it holds trials of {name!r} in split {split!r}, which is not among the {len(tally)} objects given"
            raise _other_run(store.path, why)
        tally[name] = tally[name].plus(last_seed, success, reason, n)
    return tally


def _check_continues(
    store: Store, split: str, models: dict[str, ObjectModel], seed: int, options: TrialOptions, engine: Engine
) -> None:
    """One batch of the store, with a success where there is one, must be what this run's workers make."""
    first = next(store.episodes(split=split))
    begun_with = first.trial_seed // TRIALS_PER_SEED
    if begun_with != seed:
        raise _other_run(store.path, f"it was begun with seed {begun_with}, not {seed}")
    if split == MESHES:
        for episode in {e.object_name: e for e in store.episodes(split=split)}.values():  # one of each mesh
            object_of(episode, models)
    first = next(store.episodes(success=True, split=split), first)
    number = first.trial_seed % TRIALS_PER_SEED // CANDIDATES
    with closing(engine.run([Job(models[first.object_name], number, seed, options)])) as done:
        records = next(done).records
    for record in records:
        made = episodes_of(record, split)
        one_more = derived_id(split, record.object_name, record.trial_seed, len(made))
        same = all(e.outcome_id in store and _trial(store.get(e.outcome_id)) == _trial(e) for e in made)
        if not same or one_more in store:
            why = (
                "it was begun with other options (views, mass, noise ...), by a version whose trials differ, or by a "
                "processor that rounds otherwise (`gmi doctor` tells)"
            )
            raise _other_run(store.path, why)


def _trial(episode: Episode) -> tuple:
    """What was tried on what, seen from where, and how it ended."""
    joints = None if episode.joints is None else np.float32(episode.joints).tolist()
    return episode.success, episode.reason, episode.recipe, joints


def _bar(goal: Goal, before: Tally, progress: bool) -> tqdm:
    unit, end = (" trials", goal.trials) if goal.successes is None else (" successes", goal.successes)
    return tqdm(total=end, initial=goal.count(before), disable=not progress, unit=unit, dynamic_ncols=True)


def _other_run(path: Path, why: str) -> GmiError:
    hint = "name a new file, or what it was begun with"
    return GmiError(ErrorCode.BAD_REQUEST, f"{path} cannot be continued: {why}; {hint}")
