"""`gmi experience ls`: the outcomes of a store, newest first."""

import argparse
import json
from pathlib import Path

from gmi_ros.cli import options
from gmi_ros.cli.filters import add_filters, filters_from
from gmi_ros.cli.report import Report
from gmi_ros.experience.store import Store, Summary

_COLUMNS = ("outcome", "seen (UTC)", "", "reason", "judged by", "object", "source", "split", "model")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("store", type=Path, metavar="STORE", help="experience store, also a packed one")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--limit", type=options.count, default=50, metavar="N", help="list so many")
    shown.add_argument("--all", action="store_true", help="list all of them")
    add_filters(parser)


def run(args: argparse.Namespace) -> Report:
    """List; with --json a line for each outcome, and the totals last."""
    filters = filters_from(args)
    with Store(args.store) as store:
        listed = store.summaries(0 if args.all else args.limit, **filters)
        records, successes = store.totals(**filters)
        data = {
            "store": str(args.store), "version": store.version, "bytes": store.size_bytes(), "records": records,
            "successes": successes, "failures": records - successes, "listed": len(listed),
        }  # fmt: skip
    if args.json:
        return Report(data, "\n".join(json.dumps(summary._asdict()) for summary in listed))
    told = f"{records} outcomes, {successes} held, {records - successes} failed"
    return Report(data, _table(listed) + told + (f"; {len(listed)} listed" if len(listed) < records else ""))


def _table(listed: list[Summary]) -> str:
    from gmi_ros.experience.times import stamp_text

    rows = [
        (s.outcome_id, stamp_text(s.stamp_ns), "held" if s.success else "failed", s.reason, s.judged_by, s.object_name,
         s.source, s.split, s.model_hash)
        for s in listed
    ]  # fmt: skip
    if not rows:
        return ""
    rows.insert(0, _COLUMNS)
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return "".join("  ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in rows)
