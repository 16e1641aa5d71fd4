"""The network of hidden sides, from views of objects to weights: `python -m gmi_ros.evaluation.hidden_sides`.

A camera does not see how deep an object is, but simulation knows that of every object there is. Objects to practise with,
half of them of the training classes and composites, half of them of no class (sim.assorted), are seen from cameras that
stand anywhere, every second time with a Kinect's noise.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.observation import FINE, observe, window_rays
from gmi_ros.evaluation.instances import Instance, free_instance
from gmi_ros.evaluation.models import set_threads
from gmi_ros.evaluation.processes import in_chunks
from gmi_ros.learning.config import HIDDEN_SIDE, HiddenSideConfig, TrainingConfig
from gmi_ros.learning.files import write_together
from gmi_ros.learning.hidden_side_training import HiddenSideData, train_hidden_side
from gmi_ros.sim.objects import ASSORTED, ObjectModel
from gmi_ros.sim.splits import PRACTICE, practice_objects
from gmi_ros.sim.stretches import stretches

SEEN = "seen.safetensors"
_FIRST = 400_000  # number of the first object to practise with: others learn from other ones
_CHUNK = 16


class _View(NamedTuple):
    """One row of HiddenSideData without its object; rgb is not kept."""

    depth: np.ndarray
    mask: np.ndarray
    table: np.ndarray
    distance: float
    stretches: np.ndarray


def objects_seen(n: int) -> tuple[ObjectModel, ...]:
    """n objects that nothing else has, in turn of the classes to practise with and of none."""
    half = (n + 1) // 2
    pairs = zip(practice_objects(half, _FIRST, PRACTICE), practice_objects(half, _FIRST, ASSORTED), strict=True)
    return tuple(chain.from_iterable(pairs))[:n]


def see(n_objects: int, n_views: int, seed: int, workers: int = 2, progress: bool = True) -> HiddenSideData:
    """Free views of objects_seen(n_objects) in turn; those that are refused are left out.

    Raises:
        GmiError: BAD_REQUEST where all are.
    """
    found = in_chunks(partial(_views, n_objects, seed), range(n_views), _CHUNK, workers)
    rows = list(tqdm(found, "views", n_views, disable=not progress, dynamic_ncols=True))
    kept = [(view, number % n_objects) for number, view in enumerate(rows) if view is not None]
    if not kept:
        raise GmiError(ErrorCode.BAD_REQUEST, f"all of {n_views} views are refused: ask for more")
    columns = {name: np.array([getattr(view, name) for view, _ in kept]) for name in _View._fields}
    rgb = np.zeros((len(kept), 1, 1, 3), np.uint8)  # depth tells all that there is to tell: colours stay black
    return HiddenSideData(rgb=rgb, object_id=np.array([number for _, number in kept]), **columns)


def _views(n_objects: int, seed: int, numbers: list[int]) -> list[_View | None]:
    objects = objects_seen(n_objects)
    return [_view(free_instance(objects, number, seed, noise=number % 2 == 1)) for number in numbers]


def _view(instance: Instance) -> _View | None:
    camera = instance.camera
    try:
        frame = instance.frame()
        found = object_frame(frame)
    except GmiError:
        return None
    observation = observe(frame, found, *FINE)
    pixels = np.rint(frame.intrinsics.project(window_rays(found, *FINE)))[observation.mask]
    inside = stretches(instance.object_model.parts, instance.world_from_object, camera, pixels)  # (n, k, 2)
    solid = np.full((*observation.mask.shape, *inside.shape[1:]), np.nan, np.float16)
    solid[observation.mask] = inside
    world_from_o = camera.world_from_camera @ found.camera_from_object
    table = np.append(world_from_o[2, :3], -world_from_o[2, 3])  # z = 0 of the world
    distance = found.camera_from_object[2, 3]
    return _View(
        observation.depth.astype(np.float16), observation.mask, table.astype(np.float32), np.float32(distance), solid
    )


def seen(
    folder: Path, n_objects: int, n_views: int, seed: int, workers: int = 2, progress: bool = True
) -> HiddenSideData:
    """As `see`, kept in a folder: what is there is read, and not made again.

    Raises:
        GmiError: FILE_DAMAGED for what is cut off; BAD_SETTING for other views than those asked for; as `see`.
    """
    path, asked = folder / SEEN, np.array([n_objects, n_views, seed])
    if not path.exists():
        data = see(n_objects, n_views, seed, workers, progress)
        arrays = {f.name: np.ascontiguousarray(getattr(data, f.name)) for f in fields(data)}
        write_together(folder, {SEEN: save({**arrays, "asked": asked})})
        return data
    try:
        arrays = load_file(path)
    except SafetensorError as error:
        told = f"{path} is damaged ({error}): delete it, and it is made anew"
        raise GmiError(ErrorCode.FILE_DAMAGED, told) from error
    if (got := arrays.pop("asked")).tolist() != asked.tolist():
        told = f"{path} has objects, views, seed {got.tolist()}, asked for {asked.tolist()}: name another folder"
        raise GmiError(ErrorCode.BAD_SETTING, told)
    return HiddenSideData(**arrays)


def main(argv: Sequence[str] | None = None) -> None:
    """See objects from all sides, and train the network that guesses the hidden ones."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.hidden_sides", description=main.__doc__)
    parser.add_argument("--objects", type=int, default=8000, metavar="N", help="that are seen (default: 8000)")
    parser.add_argument("--views", type=int, default=24000, metavar="N", help="of them in turn (default: 24000)")
    parser.add_argument("--max-epochs", type=int, default=8, metavar="N", help="(default: 8)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, metavar="X", help="(default: 0.002)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="views (default: 64)")
    parser.add_argument("--seed", type=int, default=5, help="of views, weights and minibatches (default: 5)")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes, then threads (default: 2)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the weights; the same command goes on there"
    )
    args = parser.parse_args(argv)
    if min(args.views, args.workers) < 1 or args.objects < 2:
        parser.error("--views and --workers must be at least 1, --objects at least 2")
    try:
        set_threads(args.workers)
        config = TrainingConfig(
            model=HIDDEN_SIDE,
            network=HiddenSideConfig(),
            learning_rate=args.learning_rate,
            cooldown=0.5,
            batch_size=args.batch_size,
            max_epochs=args.max_epochs,
            mirrored=0.5,
            seed=args.seed,
        )
        data = seen(args.out, args.objects, args.views, args.seed, args.workers)
        told = train_hidden_side(config, data, args.out)
    except GmiError as error:
        raise SystemExit(f"hidden_sides: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit(f"hidden_sides: interrupted; the same command goes on with {args.out}") from None
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
