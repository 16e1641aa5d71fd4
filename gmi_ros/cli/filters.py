"""Options that say which outcomes of an experience store are meant."""

import argparse
from datetime import datetime, timedelta, timezone
from typing import Any

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.episode import SOURCES

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def add_filters(parser: argparse.ArgumentParser) -> None:
    """--success, --failure and the others."""
    group = parser.add_argument_group("which outcomes")
    outcome = group.add_mutually_exclusive_group()
    outcome.add_argument("--success", action="store_true", default=None, help="only those that held")
    outcome.add_argument("--failure", dest="success", action="store_false", default=None, help="only the others")
    group.add_argument("--split", metavar="S", help="live (recorded by a node), train, similar, ...")
    group.add_argument("--source", choices=SOURCES, help="where they are from")
    group.add_argument("--object", dest="object_name", metavar="NAME", help="an object, or all of a class")
    group.add_argument("--judged-by", metavar="WHO", help="sensor, lift, person, simulation")
    group.add_argument("--model-hash", metavar="HASH", help="hash of the network's weights; its beginning is enough")
    for name, what in (("since", "at this time or later"), ("until", "until this time, a date with all of that day")):
        group.add_argument(
            f"--{name}", dest=f"{name}_ns", type=_earliest if name == "since" else _latest, metavar="TIME",
            help=f"seen {what}: 2026-07-01, 2026-07-01T14:30 (UTC, unless it says otherwise), or seconds",
        )  # fmt: skip


def filters_from(args: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, as fields of experience.filters.Filters.

    Raises:
        GmiError: BAD_SETTING where nothing can be since the one time and until the other.
    """
    if args.since_ns is not None and args.until_ns is not None and args.since_ns > args.until_ns:
        raise GmiError(ErrorCode.BAD_SETTING, "--since is later than --until: no record can be of such a time")
    names = ("success", "split", "source", "object_name", "judged_by", "model_hash", "since_ns", "until_ns")
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _earliest(text: str) -> int:
    return _time(text)[0]


def _latest(text: str) -> int:
    return _time(text)[1]


def _time(text: str) -> tuple[int, int]:
    """The first and the last nanosecond of what was written: a date is a day long."""
    try:
        start, length = round(float(text) * 1e9), 0
    except (ValueError, OverflowError):  # no number
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be a date, a date and time (2026-07-01T14:30), or seconds, got {text!r}"
            ) from None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        start = (moment - _EPOCH) // timedelta(microseconds=1) * 1000
        length = 86_400 * 10**9 - 1 if len(text) == len("2026-07-01") else 0
    if not -(2**63) <= start < 2**63 - length:
        raise argparse.ArgumentTypeError(f"must be within 9.2e9 s of 1970, got {text!r}")
    return start, start + length
