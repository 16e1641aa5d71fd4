"""The SQLite file under a store: how it is opened, transactions, and its errors as ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError

_BUSY_S = 10.0


def connect(file: Path, writable: bool) -> sqlite3.Connection:
    """Open with a write-ahead log and synchronous=FULL, or for reading only.

    Raises:
        GmiError: STORE_UNWRITABLE where the file system has no write-ahead log; SQLite's errors.
    """
    # A write-ahead log needs a shared-memory file beside it; a medium where none can be made has no writer either.
    name = file.absolute().as_uri()
    try:
        database = _connect_to(name + ("?mode=rwc" if writable else "?mode=ro"))
    except sqlite3.OperationalError:
        if writable or Path(f"{file}-wal").exists():
            raise
        return _connect_to(name + "?mode=ro&immutable=1")
    if writable:
        mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            database.close()
            raise GmiError(
                ErrorCode.STORE_UNWRITABLE,
                f"the file system of {file} does not support a write-ahead log; use a local disk",
            )
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
    return database


def _connect_to(uri: str) -> sqlite3.Connection:
    database = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside, or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def translated(path: Path, writable: bool) -> Iterator[None]:
    """SQLite's errors as STORE_UNWRITABLE and STORE_CORRUPT."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # our own mistake
    except UnicodeDecodeError as error:
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{path} is no intact store: it has bytes that are no text") from error
    except sqlite3.OperationalError as error:
        damaged = str(error).startswith(("no such", "Could not decode"))
        code = ErrorCode.STORE_CORRUPT if damaged or not writable else ErrorCode.STORE_UNWRITABLE
        doing = "write" if code == ErrorCode.STORE_UNWRITABLE else "read"
        raise GmiError(code, f"cannot {doing} the store {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{path} is no intact store: {error}") from error
