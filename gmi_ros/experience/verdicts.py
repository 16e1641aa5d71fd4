"""What was thought of an outcome: the verdict that counts, and the earlier ones that it has replaced."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import rows, tables
from gmi_ros.experience.rows import Record

PERSON = "person"


class Verdict(NamedTuple):
    """judged_ns: when it replaced the one before [ns], 0 for the one that came with the outcome."""

    success: bool
    reason: str
    judged_by: str
    note: str = ""
    judged_ns: int = 0

    def weight(self) -> tuple:
        """Of all verdicts on an outcome the one with the greatest counts: the latest, then a person's."""
        return self.judged_ns, self.judged_by == PERSON, *self


def of(record: Record) -> Verdict:
    """The verdict that counts."""
    return Verdict(bool(record.success), record.reason, record.judged_by, record.note, record.judged_ns)


def earlier(database: sqlite3.Connection, row: int) -> list[Verdict]:
    """Those that were replaced, oldest first."""
    query = "SELECT success, reason, judged_by, note, judged_ns FROM verdicts WHERE episode = ?"
    found = [Verdict(bool(success), *rest) for success, *rest in database.execute(query, [row])]
    return sorted(found, key=Verdict.weight)


def revised(old: Verdict, success: bool, judged_by: str, note: str, judged_ns: int) -> Verdict:
    """The verdict after a new judgement: later than the old one whatever the clock says; the same where nothing new is
    said.

    Raises:
        GmiError: BAD_REQUEST where it is not said who judged.
    """
    if not isinstance(judged_by, str) or not judged_by or not isinstance(note, str):
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"judged_by must be a name and note a text, got {judged_by!r} and {note!r}"
        )
    fits = old.reason and old.success == bool(success)
    reason = old.reason if fits else "held" if success else "failed"
    new = Verdict(bool(success), reason, judged_by, note, max(judged_ns, old.judged_ns + 1))
    return old if new[:4] == old[:4] else new


def settle(database: sqlite3.Connection, record: Record, known: Iterable[Verdict]) -> bool:
    """Of a stored record's verdict and others that are known, let the weightiest count and keep the rest.

    Returns:
        Whether another one counts than before.
    """
    old = of(record)
    known = {old, *known}
    counts = max(known, key=Verdict.weight)
    for verdict in sorted(known - {counts}, key=Verdict.weight):
        database.execute(
            "INSERT OR IGNORE INTO verdicts (episode, success, reason, judged_by, note, judged_ns) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [record.row, *verdict],
        )
    if counts == old:
        return False
    new = record._replace(**counts._asdict())
    columns = {name: rows.own_columns(new)[name] for name in ("success", "note", "judged_ns")}
    columns["context"] = tables.context_of(database, new)
    columns["reason"] = tables.intern(database, "names", {"text": new.reason})
    tables.update(database, record.row, columns)
    return True


def complete(database: sqlite3.Connection, stored: Record, record: Record) -> bool:
    """Give a stored record that lacks its observation what `record` has; the verdicts on it, and its source, stay.

    Returns:
        Whether it lacked that observation, and `record` has it.
    """
    if rows.missing_observation(stored) != record.observation_id or rows.missing_observation(record) is not None:
        return False
    tables.replace(database, stored.row, record._replace(source=stored.source, **of(stored)._asdict()))
    return True
