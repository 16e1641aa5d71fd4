"""Trials of a network's own grasps, to learn from: `python -m gmi_ros.evaluation.own_trials`.

Free views are drawn as for `gmi evaluate success`. Of the grasps that pass the filters some of the best are tried, which
tell where the ranking is wrong, and others drawn at random. Each is tried as planned, again with errors of the wrist
to see how much it forgives, and closed on the object with nothing else to hold it to see how far that turns it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.instances import Instance, free_instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.model import GraspModel
from gmi_ros.pipeline import Synthesis, synthesize
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.collect import TRIALS_PER_SEED, TrialRecord, View, cell_of
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocols import closing_turn
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.splits import PRACTICE, PRACTICES, SPLITS, TEST_SPLITS, objects_of, practice_objects
from gmi_ros.sim.trial import GraspPlan, plan_of, run

WRIST_OFFSET, WRIST_TURN = 0.004, np.radians(3)  # errors of the wrist: root mean squares [m], [rad]
MOST_TRIED = 64  # grasps of one view
_CHUNK = 4  # views that a process is given at once


@dataclass(frozen=True)
class OwnTrials:
    """What is tried of each view.

    seed: of views, samples and errors. samples: drawn from the network. tried: of those that pass the filters, half of
    them the best, the others at random. repeats: trials of each with an error of the wrist. noise: see every second view
    with a Kinect's noise. pinned: hold the object while the hand closes. turn: see how far closing turns it. first: the
    number of the first of the objects to practise with.
    """

    seed: int = 1
    samples: int = 64
    tried: int = 16
    repeats: int = 5
    noise: bool = True
    pinned: bool = True
    turn: bool = True
    first: int = 0

    def __post_init__(self):
        bounds = {"samples": (1, 4096), "tried": (1, MOST_TRIED), "repeats": (0, 1000), "seed": (1, 2**31 - 1)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                told = f"{name} must be in [{low}, {high}], got {getattr(self, name)}"
                raise GmiError(ErrorCode.BAD_SETTING, told)


def own_trials(
    folder: Path, split: str, objects: Sequence[ObjectModel], views: range, wanted: OwnTrials, workers: int = 2
) -> Iterator[list[Episode]]:
    """The trials of each of these views, with the network of a folder; the same for any workers."""
    return in_chunks(partial(_of_views, folder, split, objects, wanted), views, _CHUNK, workers)


_models: dict[Path, GraspModel] = {}  # of this process


def _of_views(
    folder: Path, split: str, objects: Sequence[ObjectModel], wanted: OwnTrials, numbers: list[int]
) -> list[list[Episode]]:
    if folder not in _models:
        _models[folder] = load_model(folder, threads=1)
    found = []
    for number in numbers:
        instance = free_instance(objects, number, wanted.seed, wanted.noise and number % 2 == 1)
        found.append(try_own_grasps(instance, _models[folder], split, wanted))
    return found


def try_own_grasps(instance: Instance, model: GraspModel, split: str, wanted: OwnTrials) -> list[Episode]:
    """One episode for each grasp tried; none where the frame is refused or no grasp passes the filters."""
    settings = SynthesisSettings(n_samples=wanted.samples, max_grasps=wanted.samples, max_batches=1, rehearsals=0)
    try:
        synthesis = synthesize(
            instance.frame(), model, load_hand(), settings, seed=_first_seed(wanted.seed, instance.number)
        )
    except GmiError:
        return []
    cell, rng = cell_of(instance.object_model, Physics()), np.random.default_rng([wanted.seed, instance.number, 1])
    return [
        try_grasp(instance, synthesis, row, split, wanted, cell, rng)
        for row in best_and_others(len(synthesis.grasps), wanted.tried, rng)
    ]


def _first_seed(seed: int, number: int) -> int:
    return seed * TRIALS_PER_SEED + number * MOST_TRIED


def best_and_others(n: int, tried: int, rng: np.random.Generator) -> list[int]:
    """Which of n grasps, best first, to try: half of them the best ones, the others drawn."""
    best = tried - tried // 2
    return [*range(min(n, best)), *(best + rng.permutation(max(n - best, 0))[: tried // 2]).tolist()]


def try_grasp(
    instance: Instance,
    synthesis: Synthesis,
    row: int,
    split: str,
    wanted: OwnTrials,
    cell: Cell,
    rng: np.random.Generator,
) -> Episode:
    """Execute grasp `row` of an answer, as planned and with so many errors of the wrist; what came of it.

    cell: with the instance's object. rng: of the errors.
    """
    grasp = synthesis.grasps[row]
    plan = plan_of(grasp, instance.camera.world_from_camera, load_hand())
    cell.reset(instance.world_from_object)
    result = run(cell, plan, wanted.pinned)
    held = []
    for error in _errors(wanted.repeats, rng):
        cell.reset(instance.world_from_object)
        held.append(run(cell, _displaced(plan, *error), wanted.pinned).success)
    turn = closing_turn(instance.object_model, load_hand(), instance.world_from_object, plan) if wanted.turn else None
    first = _first_seed(wanted.seed, instance.number)
    view = View(instance.camera, synthesis.object_frame)
    record = TrialRecord(
        instance.object_model, first + row, cell.physics, instance.world_from_object, plan, result, (view,)
    )
    return replace(
        episodes_of(record, split)[0],
        observation_id=f"{split}/{instance.object_model.name}/{first}/view",
        contacts_predicted=grasp.contacts,
        normals_predicted=grasp.normals,
        hold_share=float(np.mean(held)) if held else None,
        closing_turn=turn,
        seed=synthesis.seed,
        model_hash=synthesis.model_hash,
    )


def _errors(n: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Offsets (3,) [m] and rotation vectors (3,) [rad], normal and the same in all directions."""
    for _ in range(n):
        offset, turn = rng.standard_normal((2, 3)) / np.sqrt(3)
        yield WRIST_OFFSET * offset, WRIST_TURN * turn


def _displaced(plan: GraspPlan, offset: np.ndarray, turn: np.ndarray) -> GraspPlan:
    """The same plan by an arm that is off by this in the world; it turns about the palm's origin."""

    def moved(pose: np.ndarray) -> np.ndarray:
        new = pose.copy()
        new[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ pose[:3, :3]
        new[:3, 3] += offset
        return new

    return replace(
        plan, world_from_pregrasp=moved(plan.world_from_pregrasp), world_from_palm=moved(plan.world_from_palm)
    )


def collect_own(
    out: Path,
    folder: Path,
    split: str,
    views: int,
    wanted: OwnTrials,
    workers: int = 2,
    progress: bool = True,
    held_out: bool = False,
) -> dict:
    """Try the network's grasps of so many views into a store; one that was begun with the same is continued.

    Args:
        held_out: of a test split, to measure with: the loaders of training data refuse such a store.

    Returns:
        trials, successes, held_share (mean hold_share) and views (of the store, with at least one trial).

    Raises:
        GmiError: BAD_REQUEST for a test split, or a store begun with another network or seed; the folder's and the
            store's errors.
    """
    if split in TEST_SPLITS and not held_out:
        raise GmiError(ErrorCode.BAD_REQUEST, f"objects of {split} are for testing: nothing may learn from them")
    model_hash = load_model(folder, 1).hash
    objects = practice_objects(views, wanted.first, split) if split in PRACTICES else objects_of(split)
    with Store(out, "rw") as store:
        begun = 0
        for episode in store.episodes(split=split):
            if (episode.model_hash, episode.trial_seed // TRIALS_PER_SEED) != (model_hash, wanted.seed):
                why = "it was begun with another network or seed; name a new file"
                raise GmiError(ErrorCode.BAD_REQUEST, f"{out} cannot be continued: {why}")
            begun = max(begun, episode.trial_seed % TRIALS_PER_SEED // MOST_TRIED + 1)
        found = own_trials(folder, split, objects, range(begun, views), wanted, workers)
        for episodes in tqdm(found, "views", views, disable=not progress, initial=begun, dynamic_ncols=True):
            store.add_many(episodes)
        return told_of(store)


def told_of(store: Store) -> dict:
    """Counts of a store of own trials."""
    episodes = list(store)
    shares = [e.hold_share for e in episodes if e.hold_share is not None]
    return {
        "trials": len(episodes),
        "successes": sum(e.success for e in episodes),
        "held_share": float(np.mean(shares)) if shares else None,
        "views": len({e.observation_id for e in episodes}),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Try a network's own grasps of simulated objects, and keep what came of them."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.own_trials", description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="folder of the weights")
    parser.add_argument(
        "--split",
        default=PRACTICE,
        choices=[*PRACTICES, *SPLITS],
        help="practice and assorted: new objects all the time (default: practice)",
    )
    parser.add_argument("--held-out", action="store_true", help="of a test split: to measure with, not to learn from")
    parser.add_argument("--views", type=int, required=True, metavar="N", help="objects in turn, one view each time")
    parser.add_argument("--samples", type=int, default=64, metavar="N", help="drawn for each view (default: 64)")
    parser.add_argument("--tried", type=int, default=16, metavar="N", help="of a view's grasps (default: 16)")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="with errors of the wrist (default: 5)")
    parser.add_argument("--seed", type=int, default=1, help="of views, samples and errors (default: 1)")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="practice with object K and on (default: 0)")
    parser.add_argument("--free", action="store_true", help="do not hold the object while the hand closes")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the store; continued if there")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    args = parser.parse_args(argv)
    if min(args.views, args.workers) < 1:
        parser.error("--views and --workers must be at least 1")
    if args.first < 0:
        parser.error(f"--first must be at least 0, got {args.first}")
    try:
        wanted = OwnTrials(args.seed, args.samples, args.tried, args.repeats, pinned=not args.free, first=args.first)
        told = collect_own(args.out, args.model, args.split, args.views, wanted, args.workers, held_out=args.held_out)
    except GmiError as error:
        raise SystemExit(f"own_trials: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit(f"own_trials: interrupted; the same command goes on with {args.out}") from None
    sys.stdout.write(
        f"{told['trials']} trials of {told['views']} views, {told['successes']} held; with errors of the wrist "
        f"{told['held_share']}\n"
    )


if __name__ == "__main__":
    main()
