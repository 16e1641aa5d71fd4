"""Film strips of grasps that held and of grasps that did not: `python -m gmi_ros.report.films`."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.instances import Instance, free_instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.success import Attempt, Conditions, attempt
from gmi_ros.hand.barrett import load_hand
from gmi_ros.report.data_pictures import column, film_strip, labelled
from gmi_ros.sim.collect import TrialRecord, cell_of
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.splits import SPLITS, objects_of
from gmi_ros.sim.trial import plan_of, run


def films(folder: Path, split: str, each: int, conditions: Conditions) -> Iterator[tuple[bool, Image.Image]]:
    """Of free views of a split in turn: whether the best grasp held, and its film, until there are `each` of both."""
    model, objects, wanted, number = load_model(folder, threads=1), objects_of(split), {True: each, False: each}, 0
    while any(wanted.values()):
        instance = free_instance(objects, number, conditions.seed)
        found = attempt(instance, model, conditions)
        number += 1
        if found.verdict is not None and wanted[found.success]:
            wanted[found.success] -= 1
            yield found.success, _film(instance, found)


def _film(instance: Instance, found: Attempt) -> Image.Image:
    grasp = found.synthesis.grasps[0]
    plan = plan_of(grasp, instance.camera.world_from_camera, load_hand())
    cell = cell_of(instance.object_model, Physics())
    cell.reset(instance.world_from_object)
    result = run(cell, plan)
    record = TrialRecord(instance.object_model, 0, cell.physics, instance.world_from_object, plan, result, ())
    spread = f"spread {grasp.joints[0]:.2f} rad, hold probability {grasp.hold_probability:.2f}"
    return labelled(film_strip(record), f"{found.object_name} (view {found.number}): {found.reason}; {spread}")


def main(argv: Sequence[str] | None = None) -> None:
    """Draw film strips of the best grasps of free views: some that held, and some that did not."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.report.films", description=main.__doc__)
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of the weights (default: the shipped ones)")
    parser.add_argument("--split", default="different", choices=SPLITS)
    parser.add_argument("--each", type=int, default=4, metavar="N", help="of those that held, and of the others")
    parser.add_argument("--seed", type=int, default=1, help="of the views (default: 1)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for held.png and failed.png")
    args = parser.parse_args(argv)
    if args.each < 1:
        parser.error("--each must be at least 1")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        found = films(args.model or Path(resource(SHIPPED)), args.split, args.each, Conditions(seed=args.seed))
        drawn = list(tqdm(found, "films", 2 * args.each))
        for name, held in (("held.png", True), ("failed.png", False)):
            column([film for success, film in drawn if success == held]).save(args.out / name, optimize=True)
            sys.stdout.write(f"{args.out / name}\n")
    except (GmiError, OSError) as error:
        raise SystemExit(f"films: {error}") from error


if __name__ == "__main__":
    main()
