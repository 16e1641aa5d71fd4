"""`gmi experience merge`: several stores in one."""

import argparse
from dataclasses import asdict
from pathlib import Path

from gmi_ros.cli.report import Report

_MOST_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("stores", type=Path, nargs="+", metavar="STORE", help="experience stores, also packed ones")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="STORE", help="the store to add to; made where it is not there"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> Report:
    """Merge; conflicts are named, and nothing is dropped."""
    from gmi_ros.experience.merge import merge
    from gmi_ros.experience.store import Store

    done = merge(args.stores, args.out, progress=not args.quiet)
    with Store(args.out) as store:
        records = len(store)
    data = {"records": records, "added": done.added, "known": done.known, "verdicts": done.verdicts}
    data["conflicts"] = [asdict(c) for c in done.conflicts]
    told = f"{done.added} outcomes added, {done.known} were there, {done.verdicts} verdicts replaced by later ones; "
    lines = [f"{told}{args.out} holds {records}"]
    if done.conflicts:
        lines.append(f"{len(done.conflicts)} conflicts:")
        lines += [f"  {c.what} {c.name} ({c.store}): {c.told}" for c in done.conflicts[:_MOST_SHOWN]]
        more = len(done.conflicts) - _MOST_SHOWN
        lines += [f"  and {more} more (--json names all)"] if more > 0 else []
    return Report(data, "\n".join(lines))
