"""How often a synthesised grasp holds: Table III, and what goes beyond it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.baselines import centroid_plan, mesh_plan
from gmi_ros.evaluation.instances import Instance, free_instance
from gmi_ros.evaluation.intervals import rate_by_object
from gmi_ros.evaluation.masks import EXACT, worsened
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.prediction import plan_along_view
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.model import GraspModel, GraspSamples
from gmi_ros.pipeline import Synthesis, synthesize
from gmi_ros.sim.collect import cell_of
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocols import LIFT, Verdict, judge_grasp
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.trial import GraspPlan, plan_of

POLICIES = BEST, MEAN, CENTROID, MESH, ORACLE = "best", "mean", "centroid", "mesh", "oracle"
PLANNERS = VIEW, FREE = "view", "free"  # of policy `mean`
_SEEDS = 2**63  # that there are
_CHUNK = 8  # instances that a process is given at once
# As far as the filters can be opened, for a network that has one prediction and no second choice.
_UNFILTERED = {
    "max_residual": 1.0, "max_surface_distance": 10.0, "table_clearance": -0.1, "palm_clearance": -0.1,
    "finger_clearance": -0.1,
}  # fmt: skip


@dataclass(frozen=True)
class Conditions:
    """How grasps are chosen and tried.

    policy: `best` executes the best of the filtered samples. `mean` executes the network's one prediction, whatever the
    filters say (Table III). planner: of `mean`, `view` brings the palm along the view (prediction.plan_along_view); with
    `free` the wrist may turn as Eq. 7 likes, as that of all other grasps may, and only a hand that would be more than
    0.1 m deep in table or object is not moved, and counts as a failure, which it would be. `centroid` and `mesh` are what users would otherwise take
    (baselines) and ask no network. `oracle` tries every grasp that `best` chooses from, at most settings.max_grasps of
    them, and counts where any holds. pinned: as protocols.judge_grasp. mask: how well the object is segmented, one of
    masks.MASKS.
    """

    policy: str = BEST
    protocol: str = LIFT
    pinned: bool = True
    hand: str = "bh280"
    mask: str = EXACT
    planner: str = VIEW
    settings: SynthesisSettings = SynthesisSettings()
    seed: int = 1

    def __post_init__(self):
        if self.policy not in POLICIES:
            raise GmiError(ErrorCode.BAD_REQUEST, f"no policy {self.policy!r}: choose one of {', '.join(POLICIES)}")
        if self.planner not in PLANNERS:
            raise GmiError(ErrorCode.BAD_REQUEST, f"no planner {self.planner!r}: choose one of {', '.join(PLANNERS)}")


@dataclass(frozen=True)
class Attempt:
    """One instance: the answer (None where the frame was refused), what came of its grasp (None without one), and why."""

    number: int
    object_name: str
    synthesis: Synthesis | None
    verdict: Verdict | None
    reason: str

    @property
    def success(self) -> bool:
        """Whether the object was held."""
        return self.verdict is not None and self.verdict.success


def attempt(instance: Instance, model: GraspModel, conditions: Conditions) -> Attempt:
    """Look, synthesise, execute. A refusal is a failure."""
    name, synthesis = instance.object_model.name, None
    frame = worsened(instance.frame(), conditions.mask, (conditions.seed + instance.number) % _SEEDS)
    try:
        if conditions.policy in (CENTROID, MESH) or (conditions.policy, conditions.planner) == (MEAN, VIEW):
            plans = [_plan(instance, frame, model, conditions)]
        else:
            synthesis = _synthesis(frame, model, conditions, instance.number)
            plans = [
                plan_of(grasp, instance.camera.world_from_camera, load_hand(conditions.hand))
                for grasp in synthesis.grasps
            ]
    except GmiError as error:
        return Attempt(instance.number, name, None, None, error.code.name.lower())
    if not plans:
        return Attempt(instance.number, name, synthesis, None, synthesis.error_code.name.lower())
    hand, verdict = load_hand(conditions.hand), None
    for plan in plans if conditions.policy == ORACLE else plans[:1]:
        verdict = judge_grasp(
            instance.object_model, hand, conditions.protocol, instance.world_from_object, plan, conditions.pinned
        )
        if verdict.success:
            break
    return Attempt(instance.number, name, synthesis, verdict, verdict.reason)


def _plan(instance: Instance, frame: Frame, model: GraspModel, conditions: Conditions) -> GraspPlan:
    hand, world_from_camera = load_hand(conditions.hand), instance.camera.world_from_camera
    if conditions.policy == MEAN:
        return plan_along_view(frame, model, world_from_camera, hand, conditions.settings)
    if conditions.policy == CENTROID:
        return centroid_plan(frame, world_from_camera, hand, conditions.settings)
    cell = cell_of(instance.object_model, Physics())
    cell.reset(instance.world_from_object)
    return mesh_plan(cell, np.random.default_rng([conditions.seed, instance.number]))


def _synthesis(frame: Frame, model: GraspModel, conditions: Conditions, number: int) -> Synthesis:
    hand, seed = load_hand(conditions.hand), (conditions.seed + number) % _SEEDS
    if conditions.policy == BEST:
        return synthesize(frame, model, hand, conditions.settings, seed=seed)
    if conditions.policy == ORACLE:
        return synthesize(frame, model, hand, replace(conditions.settings, rehearsals=0), seed=seed)
    settings = replace(conditions.settings, n_samples=1, max_grasps=1)
    found = synthesize(frame, _OnePrediction(model), hand, settings, seed=seed)
    # With clearances as they are the fingers open as wide as there is room; only where there is none, without.
    return found if found.grasps else synthesize(frame, _OnePrediction(model), hand, replace(settings, **_UNFILTERED))


class _OnePrediction:
    """A GraspModel whose one sample is its prediction."""

    def __init__(self, model: GraspModel):
        self._model, self.hash, self.evaluator = model, model.hash, None

    def sample(self, image: np.ndarray, n: int, seed: int) -> GraspSamples:
        return self._model.predict(image)


def free_attempts(
    folder: Path, objects: Sequence[ObjectModel], n: int, conditions: Conditions, noise: bool = False, workers: int = 2
) -> Iterator[Attempt]:
    """Free views 0 to n - 1 of these objects in turn, with the network of a folder; the same for any workers."""
    draw = partial(free_instance, objects, seed=conditions.seed, noise=noise)
    return in_chunks(partial(_free, folder, draw, conditions), range(n), _CHUNK, workers)


def recorded_attempts(
    folder: Path, instances: Sequence[Instance], conditions: Conditions, workers: int = 2
) -> Iterator[Attempt]:
    """These instances, with the network of a folder; the same for any workers."""
    return in_chunks(partial(_tried, folder, conditions), instances, _CHUNK, workers)


_models: dict[Path, GraspModel] = {}  # of this process


def _free(folder: Path, draw: Callable[[int], Instance], conditions: Conditions, numbers: list[int]) -> list[Attempt]:
    return _tried(folder, conditions, map(draw, numbers))


def _tried(folder: Path, conditions: Conditions, instances: Iterable[Instance]) -> list[Attempt]:
    if folder not in _models:
        _models[folder] = load_model(folder, threads=1)
    return [attempt(instance, _models[folder], conditions) for instance in instances]


def summary(found: Sequence[Attempt]) -> dict:
    """Instances, successes, rate, its 95 % interval (objects drawn with replacement) and how the others ended."""
    success = np.array([a.success for a in found], float)
    _, object_id = np.unique([a.object_name for a in found], return_inverse=True)
    return {
        "instances": len(found),
        "objects": int(object_id.max() + 1),
        "successes": int(success.sum()),
        "rate": float(success.mean()),
        "ci95": rate_by_object(success, object_id),
        "reasons": dict(Counter(a.reason for a in found)),
    }
