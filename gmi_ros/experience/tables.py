"""Records in the store's tables: found by their names, inserted once, with what many of them share kept once."""

import sqlite3

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import packing, rows
from gmi_ros.experience.rows import Record

_OBSERVATION = "stamp_ns camera_from_object degenerate template data".split()


def find(database: sqlite3.Connection, outcome_id: str) -> int | None:
    """The row of an outcome, by its id or by what that is derived from."""
    row = database.execute("SELECT id FROM episodes WHERE outcome_id = ?", [outcome_id]).fetchone()
    if row is not None:
        return row[0]
    query = (
        "SELECT id, split || '/' || object_name || '/' AS trial FROM contexts "
        "WHERE substr(?, 1, length(split) + length(object_name) + 2) = trial"
    )
    for context, trial in database.execute(query, [outcome_id]).fetchall():
        numbers = outcome_id[len(trial) :].split("/")
        if len(numbers) > 2 or not all(n.isascii() and n.isdigit() and len(n) <= 20 for n in numbers):
            continue
        seed, view = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 0
        if outcome_id != f"{trial}{seed}" + (f"/{view}" if view else "") or seed >= 2**64 or view >= 2**31:
            continue
        query = "SELECT id FROM episodes WHERE outcome_id IS NULL AND trial_seed = ? AND view = ? AND context = ?"
        row = database.execute(query, [rows.signed(seed), view, context]).fetchone()
        if row is not None:
            return row[0]
    return None


def find_observation(database: sqlite3.Connection, observation_id: str) -> int | None:
    """The row of an observation, by its id or by that of the one outcome which it belongs to."""
    row = database.execute("SELECT id FROM observations WHERE observation_id = ?", [observation_id]).fetchone()
    if row is None:
        query = (
            "SELECT o.id FROM episodes e JOIN observations o ON o.id = e.observation "
            "WHERE e.id = ? AND o.observation_id IS NULL"
        )
        row = database.execute(query, [find(database, observation_id)]).fetchone()
    return None if row is None else row[0]


def insert(database: sqlite3.Connection, record: Record) -> bool:
    """Add a record; False where its outcome_id is there already.

    Raises:
        GmiError: BAD_REQUEST where its observation_id is stored with another image.
    """
    if find(database, record.outcome_id) is not None:
        return False
    _insert_row(database, "episodes", _columns(database, record))
    return True


def replace(database: sqlite3.Connection, row: int, record: Record) -> None:
    """Another record in place of the one in this row, whose observation none other has, and which goes. Raises as `insert`."""
    (old,) = database.execute("SELECT observation FROM episodes WHERE id = ?", [row]).fetchone()
    name_observation(database, old, f"~{record.outcome_id}")  # its name may be the new one's
    update(database, row, _columns(database, record))
    database.execute("DELETE FROM observations WHERE id = ?", [old])


def update(database: sqlite3.Connection, row: int, columns: dict) -> None:
    """These values in place of those in an episode's row."""
    changes = ", ".join(f"{name} = ?" for name in columns)
    database.execute(f"UPDATE episodes SET {changes} WHERE id = ?", [*columns.values(), row])


def context_of(database: sqlite3.Connection, record: Record) -> int:
    """The row of what the record shares with others, made where it is new."""
    return intern(database, "contexts", {name: getattr(record, name) for name in rows.CONTEXT})


def intern(database: sqlite3.Connection, table: str, columns: dict) -> int:
    """The row with these values, made where it is new."""
    condition = " AND ".join(f"{name} = ?" for name in columns)
    row = database.execute(f"SELECT id FROM {table} WHERE {condition}", [*columns.values()]).fetchone()
    return row[0] if row else _insert_row(database, table, columns)


def same_observation(a: Record, b: Record) -> bool:
    """Whether image, stamp and object frame are the same, whatever compressed the image."""
    ours, others = ([getattr(r, name) for name in _OBSERVATION] for r in (a, b))
    if ours == others:
        return True
    return ours[:-1] == others[:-1] and a.template is None and packing.same_pixels(a.data, b.data)


def observation_at(database: sqlite3.Connection, number: int, record: Record) -> Record:
    """`record` with the stored observation of this row in place of its own."""
    query = (
        "SELECT o.stamp_ns, o.camera_from_object, o.degenerate, t.text, o.data FROM observations o "
        "LEFT JOIN names t ON t.id = o.template WHERE o.id = ?"
    )
    values = database.execute(query, [number]).fetchone()
    return record._replace(**dict(zip(_OBSERVATION, values, strict=True)))


def name_observation(database: sqlite3.Connection, number: int, observation_id: str) -> None:
    """Give an observation its own name: it is shared, or another one than its outcome's."""
    database.execute("UPDATE observations SET observation_id = ? WHERE id = ?", [observation_id, number])


def rename_outcome(database: sqlite3.Connection, stored: Record, outcome_id: str) -> None:
    """Another outcome_id for a stored record; its grasp and its observation keep their names."""
    database.execute(
        "UPDATE observations SET observation_id = ? "
        "WHERE id = (SELECT observation FROM episodes WHERE id = ?) AND observation_id IS NULL",
        [stored.observation_id, stored.row],
    )
    changes = [outcome_id, stored.grasp_id, stored.row]
    database.execute("UPDATE episodes SET outcome_id = ?, grasp_id = ? WHERE id = ?", changes)


def _columns(database: sqlite3.Connection, record: Record) -> dict:
    """Those of its row among the episodes; what it refers to is made where it is new."""
    return rows.own_columns(record) | {
        "context": context_of(database, record),
        "observation": _observation(database, record),
        "reason": intern(database, "names", {"text": record.reason}),
    }


def _observation(database: sqlite3.Connection, record: Record) -> int:
    """The row of the record's observation, made where it is new."""
    own = record.observation_id == record.outcome_id
    number = find_observation(database, record.observation_id)
    if number is not None:
        name_observation(database, number, record.observation_id)
        if not same_observation(record, observation_at(database, number, record)):
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"outcome {record.outcome_id!r} refers to observation {record.observation_id!r}, "
                "which is stored with another image, stamp or object frame",
            )
        return number
    template = None if record.template is None else intern(database, "names", {"text": record.template})
    columns = {name: getattr(record, name) for name in _OBSERVATION}
    columns |= {"observation_id": None if own else record.observation_id, "template": template}
    return _insert_row(database, "observations", columns)


def _insert_row(database: sqlite3.Connection, table: str, columns: dict) -> int:
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    return database.execute(statement, [*columns.values()]).lastrowid
