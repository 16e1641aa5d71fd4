"""Collecting simulated trials into an experience store: resumable, and the same whoever does the work."""

import time
from pathlib import Path

from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import CANDIDATES, batches

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

    A store that was begun is continued: whole batches are committed in order, so the next one is known.

    Returns:
        trials and successes in the store, trials_per_s and steps_per_s of this run, and the store's path.

    Raises:
        GmiError: BAD_REQUEST for an unknown split or no goal; the store's errors.
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
        trials, successes, before = len(done), sum(done.values()), len(done)
        first = max(done, default=-1) // CANDIDATES + 1
        goal, count = (n_successes, successes) if n_successes is not None else (n_trials, trials)
        started, steps = time.perf_counter(), 0
        with tqdm(total=goal, initial=count, disable=not progress, unit=" trials", dynamic_ncols=True) as bar:
            while count < goal:
                for records, n_steps in batches(first, seed, n_views, workers):
                    store.add_many([e for r in records for e in episodes_of(r, split)])
                    trials += len(records)
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
