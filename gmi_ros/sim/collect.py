"""Picking trials by the batch: each a pure function of the object, the trial's seed and the options, whoever runs it."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.object_frame import ObjectFrame, object_frame
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.camera import Camera, render
from gmi_ros.sim.candidates import sample_plan
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.geometry import digest
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.scenario import camera_along, draw_camera, settle_object
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.trial import GraspPlan, TrialResult, run

CANDIDATES = 32  # grasps tried on one resting pose; one batch
TRIALS_PER_SEED = 2**32  # trials of one object that one seed can make
OFF_APPROACH = np.radians(75)  # largest angle between a success's view and its approach
_VIEW_TRIES = 40
_CELLS_KEPT = 200
_SCENE, _PHYSICS, _CANDIDATE, _VIEWS = range(4)  # streams of random numbers, so that one option leaves the others be


@dataclass(frozen=True)
class TrialOptions:
    """What all trials of a collection share.

    views: cameras that see each success. pinned: hold the object while the hand closes (protocol `lift`; without: its
    `--free`). mass [kg], friction (sliding, of the whole hand): ranges, drawn anew for each batch; None = as Physics.
    noise: of the camera, a Kinect's.
    """

    views: int = 1
    pinned: bool = True
    mass: tuple[float, float] | None = None
    friction: tuple[float, float] | None = None
    noise: bool = False


class Job(NamedTuple):
    """One batch of trials of one object. number: of the batch among the object's."""

    object_model: ObjectModel
    number: int
    seed: int
    options: TrialOptions


@dataclass(frozen=True)
class View:
    """A camera and the {O} that it sees."""

    camera: Camera
    object_frame: ObjectFrame


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what it was a function of, what was tried, what came of it and from where it was seen.

    world_from_object: (4, 4) at rest, as imaged. Failures of one batch share their view.
    """

    object_model: ObjectModel
    trial_seed: int
    physics: Physics
    world_from_object: np.ndarray
    plan: GraspPlan
    result: TrialResult
    views: tuple[View, ...]

    @property
    def object_name(self) -> str:
        """Name of the object."""
        return self.object_model.name


class Batch(NamedTuple):
    """The trials of one job, and how many simulation steps they took."""

    records: list[TrialRecord]
    n_steps: int


def trial_seed(seed: int, number: int, candidate: int) -> int:
    """What a trial is drawn from: the collection's seed, the object's batch and the place in it."""
    return seed * TRIALS_PER_SEED + number * CANDIDATES + candidate


def run_batch(job: Job) -> Batch:
    """All candidates of one object at rest in one pose. A pure function of the job."""
    first = trial_seed(job.seed, job.number, 0)
    physics = _draw_physics(job.options, _rng(job.object_model.name, first, _PHYSICS))
    return try_candidates(cell_of(job.object_model, physics), job)


def try_candidates(cell: Cell, job: Job) -> Batch:
    """The same in a cell of that object that is at hand."""
    first = trial_seed(job.seed, job.number, 0)
    name, before = job.object_model.name, cell.n_steps
    world_from_object = settle_object(cell, _rng(name, first, _SCENE))
    overview = (_overview(cell, job.options, _rng(name, first, _VIEWS)),)
    records = []
    for seed in range(first, first + CANDIDATES):
        cell.reset(world_from_object)
        plan = sample_plan(cell, _rng(name, seed, _CANDIDATE))
        cell.reset(world_from_object)
        result = run(cell, plan, job.options.pinned)
        views = overview
        if result.success:
            cell.reset(world_from_object)
            views = _views(cell, plan, job.options, _rng(name, seed, _VIEWS)) or overview
        records.append(TrialRecord(job.object_model, seed, cell.physics, world_from_object, plan, result, views))
    return Batch(records, cell.n_steps - before)


def _rng(name: str, seed: int, stream: int) -> np.random.Generator:
    return np.random.default_rng([stream, seed, *name.encode()])


def _draw_physics(options: TrialOptions, rng: np.random.Generator) -> Physics:
    mass, friction = rng.uniform(size=2)
    return Physics(
        mass=Physics.mass if options.mass is None else _between(options.mass, mass),
        friction=None if options.friction is None else _between(options.friction, friction),
    )


def _between(bounds: tuple[float, float], share: float) -> float:
    return float(np.float32(bounds[0] + share * (bounds[1] - bounds[0])))


_cells: dict[tuple[str, Physics], Cell] = {}  # of this process, the newest last


def cell_of(object_model: ObjectModel, physics: Physics) -> Cell:
    """The cell of this object and these physics, kept in this process."""
    key = digest(object_model), physics
    if key not in _cells:
        if len(_cells) >= _CELLS_KEPT:
            del _cells[next(iter(_cells))]
        _cells[key] = Cell(object_model, load_hand(), physics)
    return _cells[key]


def _overview(cell: Cell, options: TrialOptions, rng: np.random.Generator) -> View:
    """A view from anywhere above; one straight from above sees every object, so that the tries do end."""
    for _ in range(_VIEW_TRIES):
        if (view := seen_by(cell, draw_camera(cell.world_from_object, rng), options.noise)) is not None:
            return view
    camera = draw_camera(cell.world_from_object, rng, elevation=(np.pi / 2, np.pi / 2))
    if (view := seen_by(cell, camera, options.noise)) is not None:
        return view
    raise GmiError(ErrorCode.INTERNAL, f"{cell.object_model.name} is not wholly in view from any of the cameras tried")


def _views(cell: Cell, plan: GraspPlan, options: TrialOptions, rng: np.random.Generator) -> tuple[View, ...]:
    """As many cameras as asked for that see the whole object: the first along the approach, others not far off it."""
    views: list[View] = []
    approach = plan.world_from_palm[:3, 2]
    for _ in range(_VIEW_TRIES):
        if not views:
            camera = camera_along(approach, cell.object_bounds()[0], rng)
        else:
            camera = draw_camera(cell.world_from_object, rng)
            if camera.world_from_camera[:3, 2] @ approach < np.cos(OFF_APPROACH):
                continue
        if (view := seen_by(cell, camera, options.noise)) is not None:
            views.append(view)
        if len(views) == options.views:
            break
    return tuple(views)


def seen_by(cell: Cell, camera: Camera, noise: bool) -> View | None:
    """None where the object is not wholly in the image, or is too little of it. noise: see it with a Kinect's."""
    if noise:
        camera = replace(camera, noise=camera.look)
    frame = render(cell.model, cell.data, camera, {cell.object_body: 1}, only_objects=not noise)
    try:
        return View(camera, object_frame(frame))
    except GmiError:
        return None


def contacts_in_view(record: TrialRecord, view: View) -> tuple[np.ndarray, np.ndarray] | None:
    """Contacts and normals (3, 3) of a trial in a view's {O}; None where not all three fingers touched."""
    if record.result.contacts is None:
        return None
    world_from_o = view.camera.world_from_camera @ view.object_frame.camera_from_object
    o_from_body = poses.inverse(world_from_o) @ record.world_from_object
    return (
        poses.transform_points(o_from_body, record.result.contacts),
        poses.rotate(o_from_body, record.result.normals),
    )
