"""Speed figures that need no ROS: the pipeline, the wrist solver against scipy, picking trials against bare physics."""

import time
from dataclasses import replace
from itertools import cycle, islice

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.reference import scipy_reference
from gmi_ros.hand.starts import default_starts
from gmi_ros.hand.wrist import solve_wrist
from gmi_ros.learning.checkpoint import GraspModel
from gmi_ros.pipeline import STAGES, synthesize
from gmi_ros.sim.camera import render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.collect import Job, TrialOptions, run_batch, try_candidates
from gmi_ros.sim.scenario import draw_scenario
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.tape import RecordingCell
from gmi_ros.sim.trial import COLLIDED
from gmi_ros.sim.world import World

WRIST_BATCH = 64
FEW = 64  # samples that are enough where nothing is rehearsed (docs/grasping.md)
FULL_HD = Intrinsics(1920, 1080, 1181.25, 1181.25, 959.5, 539.5)
_NOISE = 0.003  # of the wrist problems' contacts [m] and normals


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    """p50 and p99, and how many there were."""
    p50, p99 = np.percentile(milliseconds, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "n": len(milliseconds)}


def frame_ring(hand: BarrettHand, seed: int, n: int) -> list[Frame]:
    """n rendered 640x480 frames of n objects."""
    world = World(hand, seed)
    frames = []
    for i in range(n):
        frames.append(world.frame(stamp_ns=i + 1))
        world.reset()
    return frames


def large_frames(hand: BarrettHand, seed: int, n: int) -> list[Frame]:
    """n rendered 1920x1080 frames of n objects, seen as wide as a Kinect is high."""
    frames = []
    for i, model in enumerate(objects_of("train")[:n]):
        cell = Cell(model, hand)
        camera = replace(draw_scenario(cell, np.random.default_rng([seed, i])).camera, intrinsics=FULL_HD)
        frames.append(render(cell.model, cell.data, camera, {cell.object_body: 1}, stamp_ns=i + 1))
    return frames


def bench_synthesize(
    model: GraspModel, hand: BarrettHand, settings: SynthesisSettings, frames: list[Frame], calls: int
) -> dict[str, dict]:
    """`synthesize_ms` and `stages_ms` (medians) over the ring of frames; two calls before them do not count."""
    times, stages = [], {name: [] for name in STAGES}
    for i, seen in enumerate(islice(cycle(frames), calls + 2)):
        frame = replace(seen)  # as it comes from a camera: nothing known of it yet
        start = time.perf_counter()
        answer = synthesize(frame, model, hand, settings, seed=i + 1)
        if i >= 2:
            times.append((time.perf_counter() - start) * 1e3)
            for name, value in answer.stages_ms.items():
                stages[name].append(value)
    medians = {name: round(float(np.median(values)), 3) for name, values in stages.items()}
    return {"synthesize_ms": percentiles(times), "stages_ms": medians}


def bench_both_sizes(
    model: GraspModel, hand: BarrettHand, settings: SynthesisSettings, seed: int, scenes: int, calls: int
) -> dict[str, dict]:
    """`synthesize_ms` and `stages_ms` of 640x480 frames, `synthesize_1080p_ms` of 1920x1080 frames, and of both sizes
    without rehearsals (`synthesize_unrehearsed_ms`, `synthesize_unrehearsed_1080p_ms`), and with FEW samples besides
    (`synthesize_unrehearsed_64_ms`, `synthesize_unrehearsed_64_1080p_ms`)."""
    ways = {
        "": settings,
        "_unrehearsed": replace(settings, rehearsals=0),
        f"_unrehearsed_{FEW}": replace(settings, rehearsals=0, n_samples=FEW),
    }
    found = {}
    for size, frames in (("", frame_ring(hand, seed, scenes)), ("_1080p", large_frames(hand, seed, scenes))):
        for way, changed in ways.items():
            told = bench_synthesize(model, hand, changed, frames, calls)
            found.setdefault("stages_ms", told["stages_ms"])
            found[f"synthesize{way}{size}_ms"] = told["synthesize_ms"]
    return found


def wrist_problems(hand: BarrettHand, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Contacts and outward normals (n, 3, 3) of random wrists and postures within the limits, a little disturbed."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(*hand.limits.T, (n, 4))
    quaternions, positions = rng.standard_normal((n, 4)), rng.uniform(-0.3, 0.3, (n, 3))
    frame_from_palm = np.stack([poses.from_xyzw(p, q) for p, q in zip(positions, quaternions, strict=True)])
    points = poses.transform_points(frame_from_palm, hand.tips(joints)) + _NOISE * rng.standard_normal((n, 3, 3))
    normals = -poses.rotate(frame_from_palm, hand.pad_normals(joints)) + _NOISE * rng.standard_normal((n, 3, 3))
    return points, normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def bench_wrist(hand: BarrettHand, weight: float, scipy_solves: int, repeats: int, seed: int = 1) -> dict[str, float]:
    """Our solver on a batch of WRIST_BATCH against scipy on the first `scipy_solves` of its problems, same starts.

    The residual is a problem's farthest fingertip, averaged over the problems that both solved [mm].
    """
    points, normals = wrist_problems(hand, WRIST_BATCH, seed)
    starts = default_starts(hand, points, normals, weight)
    solve_wrist(hand, points, normals, weight, starts)
    ours = []
    for _ in range(repeats):
        start = time.perf_counter()
        solution = solve_wrist(hand, points, normals, weight, starts)
        ours.append((time.perf_counter() - start) / WRIST_BATCH * 1e6)

    timed = {}
    for analytic in (True, False):
        start = time.perf_counter()
        found = [scipy_reference(hand, points[i], normals[i], weight, starts[i], analytic) for i in range(scipy_solves)]
        timed[analytic] = (time.perf_counter() - start) / scipy_solves * 1e6
        if analytic:
            theirs = float(np.mean([s.residual.max() for s in found]))
            above = float(max(solution.cost[i] - s.cost for i, s in enumerate(found)))
    per_solve = float(np.median(ours))
    return {
        "us_per_solve": round(per_solve, 2),
        "scipy_us_per_solve": round(timed[True], 1),
        "scipy_numeric_us_per_solve": round(timed[False], 1),
        "speedup": round(timed[True] / per_solve, 1),
        "residual_mm": round(float(solution.residual[:scipy_solves].max(axis=1).mean()) * 1e3, 6),
        "scipy_residual_mm": round(theirs * 1e3, 6),
        "most_cost_above_scipy_m2": above,
        "batch": WRIST_BATCH,
        "scipy_solves": scipy_solves,
    }


def bench_collect(hand: BarrettHand, batches: int, seed: int = 1) -> dict[str, float]:
    """Picking trials, as `gmi collect` makes them in one process, against a bare loop of their very steps.

    A trial is a function of its seed, so the same trials are run twice: timed as they are, and once more in a cell that
    notes state and controls before every step. The bare loop then does nothing but those steps. Objects are the first
    of the training classes, in turn; their models are compiled beforehand, as they are for all but the first batches of
    a collection.
    """
    elapsed, found = 0.0, []
    steps, raw_elapsed = 0, 0.0
    for job in (Job(model, 0, seed, TrialOptions()) for model in objects_of("train")[:batches]):
        cell = RecordingCell(job.object_model, hand)
        try_candidates(cell, job)
        n, seconds = cell.replay()
        steps += n
        raw_elapsed += seconds
        run_batch(job._replace(number=1))
        start = time.perf_counter()
        found += run_batch(job).records
        elapsed += time.perf_counter() - start
    closings = sum(r.result.reason != COLLIDED for r in found)
    successes = sum(r.result.success for r in found)
    return {
        "steps_per_s": round(steps / elapsed, 1),
        "raw_steps_per_s": round(steps / raw_elapsed, 1),
        "efficiency": round(raw_elapsed / elapsed, 4),
        "trials_per_s": round(len(found) / elapsed, 2),
        "closings_per_s": round(closings / elapsed, 2),
        "successes_per_s": round(successes / elapsed, 2),
        "trials": len(found),
        "closings": closings,
        "successes": successes,
        "steps": steps,
    }
