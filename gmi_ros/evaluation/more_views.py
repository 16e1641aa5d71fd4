"""Recorded successes seen by more cameras, without trying them again: `python -m gmi_ros.evaluation.more_views`.

A success is recorded as seen along its approach. A robot's camera stands anywhere: here every resting pose gets cameras
drawn as freely as those that grasps are asked for, and training pairs what they see with all successes of that pose that
approach within an angle of the view (`gmi train --within`).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import GmiError
from gmi_ros.evaluation.dataset import scenes, successes
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.evaluation.recipes import bare_cell, camera_of, in_another_view, object_of, resting_pose
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import OFF_APPROACH, seen_by
from gmi_ros.sim.scenario import draw_camera

_TRIES = 40  # cameras for one view
_STREAM = 4  # of random numbers, beside those of sim.collect
_CHUNK = 16  # scenes that a process is given at once


def more_views(episodes: Sequence[Episode], n: int, noise: bool = False, workers: int = 2) -> Iterator[Episode]:
    """n free views of each resting pose, each as a further view of one of its successes.

    That success is drawn from those whose approach is within OFF_APPROACH of the view. A pose that no camera sees
    whole from there gets fewer. The same episodes give the same views, whoever does the work.
    """
    found = scenes([e for e in episodes if e.view == 0])
    return in_chunks(partial(_of_all, n=n, noise=noise), found, _CHUNK, workers)


def _of_all(chunk: list[list[Episode]], n: int, noise: bool) -> list[Episode]:
    return [episode for scene in chunk for episode in _of_scene(scene, n, noise)]


def _of_scene(scene: list[Episode], n: int, noise: bool) -> Iterator[Episode]:
    first = scene[0]
    rng = np.random.default_rng([_STREAM, first.trial_seed, *first.object_name.encode()])
    cell, pose = bare_cell(object_of(first)), resting_pose(first)
    cell.reset(pose)
    approach = np.stack([camera_of(e).world_from_camera[:3] @ e.camera_from_palm.astype(float)[:, 2] for e in scene])
    number = 1
    for _ in range(n * _TRIES):
        if number > n:
            return
        camera = draw_camera(pose, rng)
        near = np.flatnonzero(approach @ camera.world_from_camera[:3, 2] >= np.cos(OFF_APPROACH))
        if near.size and (view := seen_by(cell, camera, noise)) is not None:
            yield in_another_view(scene[rng.choice(near)], view, number)
            number += 1


def main(argv: Sequence[str] | None = None) -> None:
    """See the successes of stores by more cameras, and write those views into a store to train on beside the others."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.more_views", description=main.__doc__)
    parser.add_argument("stores", type=Path, nargs="+", help="experience stores of simulated trials")
    parser.add_argument("--views", type=int, default=3, metavar="N", help="of each resting pose (default: 3)")
    parser.add_argument("--noise", action="store_true", help="with a Kinect's noise")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the store; must not be there")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    args = parser.parse_args(argv)
    if args.views < 1 or args.workers < 1:
        parser.error(f"--views and --workers must be at least 1, got {args.views} and {args.workers}")
    if args.out.exists():
        parser.error(f"{args.out} is there: delete it, or write to another")
    try:
        episodes = [e for path in args.stores for e in successes(path) if e.recipe is not None]
        made = tqdm(more_views(episodes, args.views, args.noise, args.workers), "views", unit="view")
        with Store(args.out, "rw") as store:
            store.add_many(made)
            sys.stdout.write(f"{len(store)} views of {len(scenes(episodes))} resting poses in {args.out}\n")
    except GmiError as error:
        raise SystemExit(f"more_views: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit(f"more_views: interrupted; {args.out} holds nothing and can be deleted") from None


if __name__ == "__main__":
    main()
