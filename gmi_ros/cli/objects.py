"""Options that name the objects of simulated trials: a split, or a folder of a user's own meshes."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gmi_ros.cli import options
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import cache_folder

if TYPE_CHECKING:
    from gmi_ros.sim.meshes import Skipped
    from gmi_ros.sim.objects import ObjectModel

SPLITS = ("train", "similar", "different", "dev", "random")


def add_objects(parser: argparse._ActionsContainer, default: str) -> None:
    """--split or --meshes, and what belongs to them. default: the split of those who name neither."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--split", choices=SPLITS, help=f"which objects (default: {default})")
    source.add_argument("--meshes", type=Path, metavar="DIR", help="instead: the .obj, .stl and .ply files of a folder")
    parser.add_argument("--objects", type=options.count, metavar="N", help="how many, of --split random (default: 100)")
    parser.add_argument(
        "--first",
        type=int,
        metavar="K",
        help="number of the first, of --split random (default: 0; the shipped weights learned from 0 to 999)",
    )
    parser.add_argument(
        "--scale", type=options.positive, metavar="S", help="metres per unit of the --meshes (default: 1)"
    )


def check_objects(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    options.refuse_idle(
        ("--objects", args.objects, args.split == "random", "--split random"),
        ("--first", args.first, args.split == "random", "--split random"),
        ("--scale", args.scale, args.meshes, "--meshes DIR"),
    )


def load_objects(
    args: argparse.Namespace, default: str
) -> tuple[str, tuple["ObjectModel", ...], tuple["Skipped", ...]]:
    """The split, the objects, and the meshes that cannot be used, which are named on stderr.

    Raises:
        GmiError: BAD_REQUEST where no mesh can be used; as load_meshes.
    """
    if args.meshes is None:
        from gmi_ros.sim.splits import objects_of

        split = args.split or default
        return split, objects_of(split, args.objects or 100, args.first or 0), ()
    from gmi_ros.evaluation.recipes import MESHES
    from gmi_ros.sim.meshes import load_meshes

    found = load_meshes(args.meshes, args.scale or 1.0, cache=cache_folder("meshes"))
    for skipped in found.skipped:
        print(f"skipped {skipped.name}: {skipped.reason}", file=sys.stderr)
    if not found.objects:
        message = f"none of the {len(found.skipped)} meshes in {args.meshes} can be used; the reasons are named above"
        raise GmiError(ErrorCode.BAD_REQUEST, message)
    return MESHES, found.objects, found.skipped


def add_recorded_meshes(parser: argparse._ActionsContainer) -> None:
    """--meshes and --scale, of records that were collected with a user's own objects."""
    parser.add_argument(
        "--meshes", type=Path, metavar="DIR", help="the folder that records of meshes were collected from"
    )
    parser.add_argument(
        "--scale", type=options.positive, metavar="S", help="metres per unit of the --meshes (default: 1)"
    )


def recorded_meshes(args: argparse.Namespace) -> tuple["ObjectModel", ...]:
    """The objects that they name.

    Raises:
        GmiError: BAD_SETTING for a scale of nothing; as load_meshes.
    """
    options.refuse_idle(("--scale", args.scale, args.meshes, "--meshes DIR"))
    if args.meshes is None:
        return ()
    from gmi_ros.sim.meshes import load_meshes

    return load_meshes(args.meshes, args.scale or 1.0, cache=cache_folder("meshes")).objects
