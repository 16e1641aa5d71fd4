"""Objects as they are and as they are rehearsed on, beside each other: `python -m gmi_ros.report.rehearsal_picture`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gmi_ros.core import poses
from gmi_ros.core.cloud import fit_table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.object_frame import object_frame
from gmi_ros.evaluation.instances import Instance, free_instance
from gmi_ros.evaluation.recipes import bare_cell
from gmi_ros.learning.checkpoint import hidden_side
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.reconstruction import reconstruct, world_from_camera

OBJECTS = ("teddy_bear_0", "kettlebell_0", "goblet_0", "shoe_0")
_SIDE = 150  # of the cut-out [px], about the object
_BEHIND = np.radians(150)  # how far round the second camera stands


def draw(instance: Instance) -> np.ndarray:
    """(h, 4 h, 3): what the camera sees, the same of the rebuilt object, and both from behind.

    Raises:
        GmiError: the refusals of `object_frame()` and `reconstruct()`.
    """
    frame = instance.frame()
    found = object_frame(frame)
    table = fit_table(frame, found)
    if table is None:
        raise GmiError(
            ErrorCode.NO_VALID_DEPTH, f"no table is seen under {instance.object_model.name}: try another seed"
        )
    solid = hidden_side()(frame, found, table.seen_from(found.camera_from_object))
    model, pose = reconstruct(frame, found, table, solid)
    world = world_from_camera(table, found)
    target = poses.transform_points(world, found.camera_from_object[None, :3, 3])[0]
    eye = world[:3, 3] - target
    azimuth, elevation = np.arctan2(eye[1], eye[0]), np.arcsin(eye[2] / np.linalg.norm(eye))
    behind = look_at(target, azimuth + _BEHIND, min(elevation, 0.6), float(np.linalg.norm(eye)))
    true_world = instance.camera.world_from_camera @ poses.inverse(world)
    seen, there = bare_cell(instance.object_model), Cell(model, None)
    seen.reset(instance.world_from_object)
    there.reset(pose)
    views = [(seen, true_world @ world), (there, world), (there, behind), (seen, true_world @ behind)]
    return np.hstack([_cut(cell, camera) for cell, camera in views])


def _cut(cell: Cell, camera: np.ndarray) -> np.ndarray:
    frame = render(cell.model, cell.data, Camera(KINECT, camera), {cell.object_body: 1})
    v, u = np.argwhere(frame.mask == 1).mean(axis=0).astype(int)
    half = _SIDE // 2
    padded = np.pad(frame.rgb, ((half, half), (half, half), (0, 0)), mode="edge")
    return padded[v : v + _SIDE, u : u + _SIDE]


def main(argv: Sequence[str] | None = None) -> None:
    """Draw objects as they are and as they are rehearsed on."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.report.rehearsal_picture", description=main.__doc__)
    parser.add_argument("objects", nargs="*", default=OBJECTS, metavar="OBJECT", help=f"default: {' '.join(OBJECTS)}")
    parser.add_argument("--seed", type=int, default=2, help="of resting poses and cameras (default: 2)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the picture")
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error(f"--seed must be at least 0, got {args.seed}")
    try:
        rows = [draw(free_instance([find_object(name)], i, args.seed)) for i, name in enumerate(args.objects)]
    except GmiError as error:
        raise SystemExit(f"rehearsal_picture: {error}") from error
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(args.out)


if __name__ == "__main__":
    main()
