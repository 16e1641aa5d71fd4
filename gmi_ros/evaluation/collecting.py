"""Collecting simulated trials into an experience store: resumable, and the same whoever does the work."""

import time
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import CANDIDATES, batches, run_batch

SPLITS = ("train",)


def collect(
    out: Path,
    n_trials: int | None = None,
    n_successes: int | None = None,
    split: str = "train",
    workers: int = 2,
    seed: int = 1,
    n_views: int = 1,
    progress: bool = True,
) -> dict:
    """Run picking trials until the store holds `n_successes` successful trials, or `n_trials` trials.

    Trials are made in whole batches of CANDIDATES on one resting pose, so numbers are rounded up to those. A store that
    was begun is continued: batches are committed in order, so the next one is known.

    Returns:
        trials and successes in the store, trials_per_s and steps_per_s of this run, and the store's path.

    Raises:
        GmiError: BAD_REQUEST for an unknown split, no goal, or a store begun with another seed or number of views; the
            store's errors.
    """
    if split not in SPLITS:
        raise GmiError(ErrorCode.BAD_REQUEST, f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    goals = {"trials": n_trials, "successes": n_successes, "workers": workers, "views": n_views}
    for name, value in goals.items():
        if value is not None and value < 1:
            raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must be at least 1, got {value}")
    if n_trials is None and n_successes is None:
        raise GmiError(ErrorCode.BAD_REQUEST, "say how much to collect: a number of trials or of successes")

    with Store(out, "rw") as store:
        done = {e.trial_seed: e.success for e in store.episodes(split=split)}
        first = max(done, default=-1) // CANDIDATES + 1
        if first:
            _check_continues(store, split, seed, n_views)
        trials, successes, before = first * CANDIDATES, sum(done.values()), first * CANDIDATES
        goal, count = (n_successes, successes) if n_successes is not None else (n_trials, trials)
        started, steps = time.perf_counter(), 0
        with tqdm(total=goal, initial=count, disable=not progress, unit=" trials", dynamic_ncols=True) as bar:
            while count < goal:
                for records, n_steps in batches(first, seed, n_views, workers):
                    store.add_many([e for r in records for e in episodes_of(r, split)])
                    trials += CANDIDATES
                    steps += n_steps
                    successes += sum(r.result.success for r in records)
                    count = successes if n_successes is not None else trials
                    bar.update(count - bar.n)
                    bar.set_postfix(trials=trials, successes=successes)
                    if count >= goal:
                        break
    elapsed = time.perf_counter() - started
    return {
        "trials": trials,
        "successes": successes,
        "trials_per_s": (trials - before) / elapsed,
        "steps_per_s": steps / elapsed,
        "out": str(out),
    }


def _check_continues(store: Store, split: str, seed: int, n_views: int) -> None:
    """The first batch of the store must be what this run would make."""
    wanted = [e for record in run_batch(0, seed, n_views).records for e in episodes_of(record, split)]
    found = [e for e in islice(store.episodes(split=split), len(wanted) + 1) if e.trial_seed < CANDIDATES]
    if [_trial(e) for e in found] != [_trial(e) for e in wanted]:
        raise GmiError(
            ErrorCode.BAD_REQUEST,
            f"{store.path} was begun with another seed or number of views than {seed} and {n_views}, or by a version "
            "whose trials differ: name a new file, or the same seed and views",
        )


def _trial(episode: Episode) -> tuple:
    """What was tried on what, seen from where, and how it ended."""
    return episode.outcome_id, episode.success, episode.recipe["object"], episode.recipe["camera"]
