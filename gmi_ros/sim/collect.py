"""Many picking trials: each a pure function of the object and its seed, whoever runs it."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.core.object_frame import ObjectFrame, object_frame
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.camera import Camera, render
from gmi_ros.sim.candidates import sample_plan
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import all_objects, find_object
from gmi_ros.sim.scenario import draw_camera, settle_object
from gmi_ros.sim.trial import GraspPlan, TrialResult, run

CANDIDATES = 32  # grasps tried on one resting pose; one batch
OFF_APPROACH = np.radians(60)  # largest angle between a success's view and its approach
_VIEW_TRIES = 40


@dataclass(frozen=True)
class View:
    """A camera and the {O} that it sees."""

    camera: Camera
    object_frame: ObjectFrame


@dataclass(frozen=True)
class TrialRecord:
    """One trial: what it was a function of, what was tried, what came of it and from where it was seen.

    trial_seed: batch * CANDIDATES + candidate. world_from_object: (4, 4) at rest, as imaged.
    """

    object_name: str
    trial_seed: int
    world_from_object: np.ndarray
    plan: GraspPlan
    result: TrialResult
    views: tuple[View, ...]


def batch_object(batch: int) -> str:
    """The object that batch number `batch` tries: all of them in turn."""
    objects = all_objects()
    return objects[batch % len(objects)].name


class Batch(NamedTuple):
    """The trials of one batch, and how many simulation steps they took."""

    records: list[TrialRecord]
    n_steps: int


def run_batch(batch: int, seed: int, n_views: int) -> Batch:
    """All candidates of one object at rest in one pose. A pure function of its arguments.

    Args:
        n_views: cameras that see each success; failures are seen by one.
    """
    name = batch_object(batch)
    cell = _cell(name)
    before = cell.n_steps
    rng = np.random.default_rng([seed, batch])
    world_from_object = settle_object(cell, rng)
    overview = _views(cell, None, 1, rng)
    records = []
    for candidate in range(CANDIDATES):
        trial_seed = batch * CANDIDATES + candidate
        rng = np.random.default_rng([seed, batch, candidate])
        cell.reset(world_from_object)
        plan = sample_plan(cell, rng)
        result = run(cell, plan)
        views = overview
        if result.success:
            cell.reset(world_from_object)
            views = _views(cell, plan.world_from_palm[:3, 2], n_views, rng) or overview
        if views:
            records.append(TrialRecord(name, trial_seed, world_from_object, plan, result, views))
    return Batch(records, cell.n_steps - before)


def batches(first: int, seed: int, n_views: int, workers: int) -> Iterator[Batch]:
    """Batches first, first + 1, ... without end, in order, made by `workers` processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        pending = {n: pool.submit(run_batch, n, seed, n_views) for n in range(first, first + 2 * workers)}
        try:
            number = first
            while True:
                yield pending.pop(number).result()
                pending[number + 2 * workers] = pool.submit(run_batch, number + 2 * workers, seed, n_views)
                number += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=64)
def _cell(name: str) -> Cell:
    return Cell(find_object(name), load_hand())


def _views(cell: Cell, approach: np.ndarray | None, n: int, rng: np.random.Generator) -> tuple[View, ...]:
    """Up to n cameras that see the whole object, not far off the approach (3,) where one is given."""
    views = []
    for _ in range(_VIEW_TRIES):
        camera = draw_camera(cell.world_from_object, rng)
        if approach is not None and camera.world_from_camera[:3, 2] @ approach < np.cos(OFF_APPROACH):
            continue
        try:
            views.append(View(camera, object_frame(render_object(cell, camera))))
        except GmiError:
            continue  # the object is not wholly in view: another camera is drawn
        if len(views) == n:
            break
    return tuple(views)


def render_object(cell: Cell, camera: Camera):
    """The frame as far as {O} needs it: only the rays that can meet the object."""
    return render(cell.model, cell.data, camera, {cell.object_body: 1}, only_objects=True)


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
