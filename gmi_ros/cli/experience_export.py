"""`gmi experience export`: outcomes as a folder of plain arrays (.npy) and JSON lines."""

import argparse
from pathlib import Path

from gmi_ros.cli import objects, options
from gmi_ros.cli.filters import add_filters, filters_from
from gmi_ros.cli.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("store", type=Path, metavar="STORE", help="experience store, also a packed one")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make; it says what is in it")
    parser.add_argument("--no-images", action="store_true", help="leave the observations out")
    parser.add_argument("--workers", type=options.count, default=2, metavar="W", help="processes that render")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    objects.add_recorded_meshes(parser)
    add_filters(parser)


def run(args: argparse.Namespace) -> Report:
    """Export."""
    from gmi_ros.evaluation.exporting import export

    models = {m.name: m for m in objects.recorded_meshes(args)}
    filters, images = filters_from(args), not args.no_images
    done = export(args.store, args.out, filters, models, args.workers, images, progress=not args.quiet)
    data = {"records": done.records, "images": done.images, "files": done.files}
    return Report(data, f"{done.records} outcomes and {done.images} images in {args.out}; README.md there tells more")
