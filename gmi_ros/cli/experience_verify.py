"""`gmi experience verify`: whether stores are whole, and which version they are."""

import argparse
from pathlib import Path

from gmi_ros.cli.report import Report
from gmi_ros.core.errors import ErrorCode, GmiError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("stores", type=Path, nargs="+", metavar="STORE", help="experience stores, also packed ones")


def run(args: argparse.Namespace) -> Report:
    """Read all of every store; one that is damaged does not keep the others from being looked at."""
    from gmi_ros.experience.schema import VERSION
    from gmi_ros.experience.store import Store

    found, lines = [], []
    for path in args.stores:
        try:
            with Store(path) as store:
                told = {"version": store.version, "records": store.verify(), "bytes": store.size_bytes()}
            older = f", older than ours ({VERSION}): opening it for writing brings it up"
            text = f"{path}: whole, {told['records']} outcomes, store version {told['version']}"
            lines.append(text + (older if told["version"] < VERSION else ""))
        except (GmiError, OSError) as error:
            if isinstance(error, OSError):
                error = GmiError(ErrorCode.FILE_NOT_FOUND, f"cannot read {path}: {error.strerror}")
            told = {"error_code": int(error.code), "error": error.code.name, "message": error.message}
            lines.append(f"{path}: {error.code.name}: {error.message}")
        found.append({"store": str(path), "ok": "error" not in told, **told})
    ok = all(store["ok"] for store in found)
    records = sum(store.get("records", 0) for store in found)
    return Report({"ok": ok, "records": records, "stores": found}, "\n".join(lines), ok)
