"""Imagined trials: what more the views of recorded picks tell than the one grasp that was executed.

On the object as it is thought to be further grasps are rehearsed, the network's own and others that geometry proposes, so
that a network learns of grasps too which it would never have drawn (Sutton 1991 let an agent learn so from a model of its
world). Those that hold with less friction than the hand has become records of successes, the others of failures.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.grasp import Grasp
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.instances import Instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.own_trials import best_and_others
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.evaluation.recipes import camera_of, object_of, resting_pose
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.full_frames import FOLDER, FullFrames
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import hidden_side
from gmi_ros.learning.evaluator import GraspEvaluator
from gmi_ros.learning.model import GraspSamples
from gmi_ros.pipeline import prepare_rehearsals, synthesize
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.proposals import proposed
from gmi_ros.sim.reconstruction import world_from_camera
from gmi_ros.sim.rehearsal import KINDS, Stage
from gmi_ros.sim.trial import plan_of

REHEARSAL = "rehearsal"  # who judges an imagined trial
_ASKED = KINDS[:2]  # a grasp that holds in both counts as a success
_SAMPLES, _DRAWN = 96, 12  # drawn of a view; those of them that are rehearsed at most
_PROPOSED, _PROPOSALS = 8, 250  # by geometry, of so many hands at most
_MOST = {True: 6, False: 4}  # that are kept of a view, held and failed
_CHUNK = 2  # views that a process is given at once
_SETTINGS = SynthesisSettings(n_samples=_SAMPLES, max_grasps=_SAMPLES, max_batches=1, rehearsals=0, max_redraws=0)


@dataclass(frozen=True)
class _Pick:
    """A recorded grasp, and the folder of whole frames beside its store."""

    episode: Episode
    frames: Path


@dataclass(frozen=True)
class _Proposals:
    """What `synthesize` asks of a model, with grasps that are there already in place of drawn ones."""

    samples: GraspSamples
    evaluator: GraspEvaluator | None
    hash: str

    def sample(self, image: np.ndarray, n: int, seed: int) -> GraspSamples:
        return self.samples


def imagine(
    out: Path,
    folder: Path,
    stores: Sequence[Path],
    views: int,
    workers: int = 1,
    progress: bool = True,
    meshes: Sequence[ObjectModel] = (),
) -> dict:
    """Rehearse grasps of at most so many views of these stores' records, and keep what came of them in a store of its own; one
    that was begun with the same is continued. Views come first in which the pick failed, the others as drawn.

    Views count that can be seen again: simulated ones, and those whose whole frames were kept (`store_full_frames`).

    Args:
        folder: of the network whose grasps are rehearsed.

    Returns:
        views that could be seen again and were chosen, unseen: those that could not, empty: those that were refused, or have no
        table or no grasp; trials and successes of the store.

    Raises:
        GmiError: BAD_REQUEST where the store was begun with other records, more views or another network; the stores' errors.
    """
    picks, unseen = _picks(stores) if views else ([], 0)
    shuffled = [picks[i] for i in np.random.default_rng(0).permutation(len(picks))]
    picks = sorted(shuffled, key=lambda pick: pick.episode.success)[:views]
    if not picks:
        return {"views": 0, "unseen": unseen, "empty": 0, "trials": 0, "successes": 0}
    number = {pick.episode.observation_id: i for i, pick in enumerate(picks)}
    model_hash = load_model(folder, 1).hash
    with Store(out, "rw") as store:
        begun = 0
        for episode in store.episodes():
            if episode.model_hash != model_hash or episode.observation_id not in number:
                why = "it was begun with other records, more views or another network; name a new folder, or --restart"
                raise GmiError(ErrorCode.BAD_REQUEST, f"{out} cannot be continued: {why}")
            begun = max(begun, number[episode.observation_id] + 1)
        work = partial(_of_picks, folder, {m.name: m for m in meshes})
        found: Iterator[list[Episode]] = in_chunks(work, list(enumerate(picks))[begun:], _CHUNK, workers)
        for episodes in tqdm(
            found, "imagined", len(picks), initial=begun, disable=not progress, unit="view", dynamic_ncols=True
        ):
            store.add_many(episodes)
        trials, held = store.totals()
        empty = len(picks) - len({episode.observation_id for episode in store.episodes()})
    return {"views": len(picks), "unseen": unseen, "empty": empty, "trials": trials, "successes": held}


def _picks(stores: Sequence[Path]) -> tuple[list[_Pick], int]:
    """One of each view that can be seen again, the last; how many views cannot."""
    found: dict[str, _Pick] = {}
    lost = set()
    for path in stores:
        frames = Path(path).with_suffix(FOLDER)
        kept = FullFrames(frames, 0)
        with Store(path) as store:
            for episode in store.episodes():
                if _simulated(episode) or not episode.observation_missing and episode.observation_id in kept:
                    found[episode.observation_id] = _Pick(episode, frames)
                else:
                    lost.add(episode.observation_id)
    return list(found.values()), len(lost - set(found))


def _simulated(episode: Episode) -> bool:
    return episode.recipe is not None and not episode.observation_missing


@cache
def _model(folder: Path):
    """Of this process."""
    prepare_rehearsals()
    return load_model(folder, threads=1)


def _of_picks(folder: Path, objects: Mapping[str, ObjectModel], picks: list[tuple[int, _Pick]]) -> list[list[Episode]]:
    return [_of_view(folder, *_seen(pick, objects), pick.episode, number) for number, pick in picks]


def _seen(pick: _Pick, objects: Mapping[str, ObjectModel]) -> tuple[Frame, int]:
    """The frame, and the label of the object in its mask."""
    episode = pick.episode
    if _simulated(episode):
        return Instance(0, object_of(episode, objects), resting_pose(episode), camera_of(episode)).frame(), 0
    frame = FullFrames(pick.frames, 0).read(episode.observation_id)
    parts = episode.observation_id.split("-")  # as pipeline.synthesize names it: time, label, digest
    return frame, int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0


def _of_view(folder: Path, frame: Frame, label: int, pick: Episode, number: int) -> list[Episode]:
    """What came of the grasps of one view, none where it is refused or has no table."""
    model, hand, rng = _model(folder), load_hand(), np.random.default_rng([number, *pick.observation_id.encode()])
    try:
        answer = synthesize(frame, model, hand, _SETTINGS, seed=number, label=label)
        found, table = answer.object_frame, answer.table
        if table is None:
            return []
        solid = hidden_side()(frame, found, table.seen_from(found.camera_from_object))
        stage, world = Stage(frame, found, table, solid, hand), world_from_camera(table, found)
        o_from_world = poses.inverse(world @ found.camera_from_object)
        contacts, normals = proposed(stage, o_from_world, _PROPOSED, _PROPOSALS, rng)
        others: list[Grasp] = []
        if len(contacts):
            planned = _Proposals(GraspSamples(contacts, normals, _no_density), model.evaluator, model.hash)
            wanted = replace(_SETTINGS, n_samples=len(contacts))
            others = synthesize(frame, planned, hand, wanted, seed=number, label=label).grasps
        kept: dict[bool, list[Grasp]] = {True: [], False: []}
        drawn = [answer.grasps[i] for i in best_and_others(len(answer.grasps), _DRAWN, rng)]
        for grasp in _in_turn(drawn, others):
            if all(len(kept[held]) >= most for held, most in _MOST.items()):
                break
            held = all(stage.holds(plan_of(grasp, world, hand), kind) for kind in _ASKED)
            if len(kept[held]) < _MOST[held]:
                kept[held].append(grasp)
    except GmiError as error:
        if error.code in (ErrorCode.WEIGHTS_MISSING, ErrorCode.WEIGHTS_DAMAGED, ErrorCode.BAD_SETTING):
            raise
        return []
    own_from_o = poses.inverse(pick.camera_from_object.astype(float)) @ found.camera_from_object
    return [
        _record(pick, grasp, own_from_o, held, f"{int(held)}{k}", model.hash)
        for held, grasps in kept.items()
        for k, grasp in enumerate(grasps)
    ]


def _no_density(rows: np.ndarray) -> np.ndarray:
    """Of proposals no network tells a density: none counts for more than another."""
    return np.zeros(len(rows))


def _in_turn(first: Sequence[Grasp], second: Sequence[Grasp]) -> Iterator[Grasp]:
    for both in zip_longest(first, second):
        yield from (grasp for grasp in both if grasp is not None)


def _record(pick: Episode, grasp: Grasp, own_from_o: np.ndarray, held: bool, which: str, model_hash: str) -> Episode:
    """own_from_o: to the {O} of the pick's record. The fingers are taken to come to where they were to."""
    name = f"{pick.outcome_id}/imagined/{which}"
    contacts, normals = poses.transform_points(own_from_o, grasp.contacts), poses.rotate(own_from_o, grasp.normals)
    return replace(
        pick,
        outcome_id=name,
        grasp_id=name,
        success=held,
        contacts_predicted=contacts,
        normals_predicted=normals,
        contacts_reached=contacts,
        normals_reached=normals,
        contacts_computed=True,
        joints=grasp.joints,
        camera_from_palm=grasp.camera_from_palm,
        reason="held" if held else "slipped",
        judged_by=REHEARSAL,
        note="",
        judged_ns=0,
        hold_share=None,
        closing_turn=None,
        height_lifted=None,
        model_hash=model_hash,
    )
