"""The experience store: one transactional SQLite file of episodes."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import compressed, rows, schema, tables, verdicts
from gmi_ros.experience.database import connect, transaction, translated
from gmi_ros.experience.episode import Episode, derived_id
from gmi_ros.experience.filters import Filters
from gmi_ros.experience.lock import WriterLock
from gmi_ros.experience.rows import Record
from gmi_ros.experience.verdicts import Verdict

_BATCH = 256  # records a reader takes at once; between batches it holds no snapshot
_SUMMARY = (
    "e.id, e.outcome_id, c.source, c.split, c.object_name, e.success, r.text, c.judged_by, c.model_hash, o.stamp_ns, "
    "e.trial_seed, e.view"
)


class Summary(NamedTuple):
    """What a list shows of an episode. row: its number in the store. stamp_ns: of the image [ns]."""

    row: int
    outcome_id: str
    source: str
    split: str
    object_name: str
    success: bool
    reason: str
    judged_by: str
    model_hash: str
    stamp_ns: int


class Store:
    """Episodes in the order in which they were added, each outcome_id once.

    Write-ahead log and synchronous=FULL: what `add` returned for is there after the process is killed. One writer (an
    advisory lock), any number of readers at the same time, each of whose answers is of one moment. The methods may be
    called from several threads. `**filters` are the fields of experience.filters.Filters.
    """

    def __init__(self, path: Path | str, mode: str = "r"):
        """Open for reading ("r") or for reading and writing ("rw", made where it does not exist).

        A store of an older version is read as it is, and brought to ours when opened for writing.
        A packed store (`.zst`, see experience.compressed) is read only.

        Raises:
            GmiError: FILE_NOT_FOUND, STORE_UNWRITABLE (no permission, disk full, another writer), STORE_CORRUPT (not a
                store, damaged, a version beyond ours), BAD_REQUEST for another mode.
        """
        if mode not in ("r", "rw"):
            raise GmiError(ErrorCode.BAD_REQUEST, f"mode must be r or rw, got {mode!r}")
        self.path, self._writable = Path(path), mode == "rw"
        self._file, self._unpacked = self.path, None
        self._mutex = threading.RLock()
        self._writer_lock: WriterLock | None = None
        if self._writable:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write {self.path}: {error}") from error
            if self.path.suffix == compressed.SUFFIX:
                raise GmiError(ErrorCode.STORE_UNWRITABLE, f"{self.path} is packed: unpack it to go on writing")
            self._writer_lock = WriterLock(self.path)
        elif not self.path.is_file():
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"there is no store at {self.path}")
        elif self.path.suffix == compressed.SUFFIX:
            self._unpacked = compressed.Unpacked(self.path)
            self._file = self._unpacked.path
        self._database: sqlite3.Connection | None = None
        try:
            with translated(self.path, self._writable):
                self._database = connect(self._file, self._writable)
                if self._writable and schema.is_empty(self._database):
                    schema.create(self._database)
                self.version = schema.check(self._database, self.path)
                if self._writable:
                    self.version = schema.migrate(self._database)
                self._read = rows.read(self.version)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and let another writer in; closing twice is allowed."""
        with self._mutex:
            if self._database is not None:
                self._database.close()
                self._database = None
            if self._unpacked is not None:
                self._unpacked.close()
                self._unpacked = None
            if self._writer_lock is not None:
                self._writer_lock.release()
                self._writer_lock = None

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """The database to read from, for this thread alone. For this package."""
        with self._mutex, translated(self.path, self._writable):
            yield self._database

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The database in a transaction: all that is written inside, or nothing. For this package.

        Raises:
            GmiError: STORE_UNWRITABLE, also where the store was opened for reading; STORE_CORRUPT.
        """
        if not self._writable:
            raise GmiError(ErrorCode.STORE_UNWRITABLE, f"{self.path} was opened for reading only")
        with self.using() as database, transaction(database):
            yield database

    def add(self, episode: Episode) -> bool:
        """Store one episode; True means that it is on the disk, False that its outcome_id was there already.

        Raises:
            GmiError: STORE_UNWRITABLE (the store stays whole and usable), STORE_CORRUPT, or BAD_REQUEST where its
                observation_id is stored with another image.
        """
        return self.add_many([episode]) == 1

    def add_many(self, episodes: Iterable[Episode]) -> int:
        """Store all of them in one transaction, or none; returns how many were new. Raises as `add`."""
        with self.writing() as database:
            return sum(tables.insert(database, rows.encode(episode)) for episode in episodes)

    def complete(self, episode: Episode) -> bool:
        """Give an outcome that was stored without its observation the one of this episode; the verdicts on it stay.

        Returns:
            True means that it is on the disk, False that nothing was to be done. Raises as `add`.
        """
        with self.writing() as database:
            row = tables.find(database, episode.outcome_id)
            return row is not None and verdicts.complete(database, self.record_at(database, row), rows.encode(episode))

    def judge(
        self,
        outcome_id: str,
        success: bool,
        *,
        judged_by: str = verdicts.PERSON,
        note: str = "",
        judged_ns: int | None = None,
    ) -> Episode:
        """Replace the verdict on an outcome; returned, it is on the disk. The earlier one is kept (`verdicts`).

        The reason becomes "held" or "failed" where it does not fit the verdict. The same judgement again changes nothing.

        Args:
            judged_ns: when it was judged [ns], None: now.

        Raises:
            GmiError: BAD_REQUEST where there is no such outcome, or it is not said who judged; as `add`.
        """
        judged_ns = time.time_ns() if judged_ns is None else judged_ns
        with self.writing() as database:
            record = self._record(database, outcome_id)
            verdict = verdicts.revised(verdicts.of(record), success, judged_by, note, judged_ns)
            verdicts.settle(database, record, [verdict])
            record = self._record(database, outcome_id)
        return rows.decode(record, self.path)

    def verdicts(self, outcome_id: str) -> list[Verdict]:
        """All verdicts on an outcome, oldest first; the last one counts. Raises BAD_REQUEST where there is none."""
        with self.using() as database:
            record = self._record(database, outcome_id)
            return [*self.earlier(database, record.row), verdicts.of(record)]

    def earlier(self, database: sqlite3.Connection, row: int) -> list[Verdict]:
        """The replaced verdicts of an episode. For this package."""
        return verdicts.earlier(database, row) if self.version >= 3 else []

    def __len__(self) -> int:
        return self.count()

    def count(self, success: bool | None = None, split: str | None = None, source: str | None = None, **filters) -> int:
        """How many episodes there are, of these kinds only where given."""
        return self.totals(success=success, split=split, source=source, **filters)[0]

    def totals(self, **filters) -> tuple[int, int]:
        """How many episodes there are, and how many of them are successes."""
        chosen = Filters(**filters)
        where, values = chosen.condition()
        query = f"SELECT count(*), total(e.success) {self._short_tables(chosen.by_stamp)} WHERE {where}"
        with self.using() as database:
            n, successes = database.execute(query, values).fetchone()
        return n, int(successes)

    def ids(self, **filters) -> np.ndarray:
        """(n,) int64 row numbers for `batch`, oldest first. They never change."""
        chosen = Filters(**filters)
        where, values = chosen.condition()
        query = f"SELECT e.id {self._short_tables(chosen.by_stamp)} WHERE {where} ORDER BY e.id"
        with self.using() as database:
            found = database.execute(query, values).fetchall()
        return np.array(found, np.int64).reshape(-1)

    def batch(self, row_ids: Sequence[int] | np.ndarray) -> list[Episode]:
        """The episodes of these rows, in their order: a minibatch.

        Raises:
            GmiError: BAD_REQUEST for a row that is not there; STORE_CORRUPT.
        """
        wanted = [int(row) for row in row_ids]
        found: dict[int, tuple] = {}
        unique = sorted(set(wanted))
        with self.using() as database:
            for start in range(0, len(unique), _BATCH):
                some = unique[start : start + _BATCH]
                query = f"{self._read} WHERE e.id IN ({', '.join('?' * len(some))})"
                found |= {row[0]: row for row in database.execute(query, some)}
        missing = [row for row in unique if row not in found]
        if missing:
            raise GmiError(ErrorCode.BAD_REQUEST, f"{self.path} has no row {missing[0]} ({len(missing)} are missing)")
        return [rows.decode(rows.record(found[row], self.path), self.path) for row in wanted]

    def summaries(self, limit: int = 0, **filters) -> list[Summary]:
        """What a list shows of the episodes, newest first, `limit` of them at most (0: all)."""
        chosen = Filters(**filters)
        where, values = chosen.condition()
        query = (
            f"SELECT {_SUMMARY} {self._short_tables(True)} JOIN names r ON r.id = e.reason "
            f"WHERE {where} ORDER BY e.id DESC LIMIT ?"
        )
        with self.using() as database:
            found = database.execute(query, [*values, limit or -1]).fetchall()
        return [
            Summary(
                row, name or derived_id(split, thing, seed % 2**64, view),
                source, split, thing, bool(success), reason, judge, model, stamp,
            )
            for row, name, source, split, thing, success, reason, judge, model, stamp, seed, view in found
        ]  # fmt: skip

    def tally(self, split: str) -> list[tuple[str, bool, str, int, int]]:
        """Trials of a split (each once, however many views it has) by object and outcome, as rows of: the object's
        name, success, reason, how many, and the largest trial_seed among them."""
        query = (
            "SELECT c.object_name, e.success, n.text, count(*), max(e.trial_seed) FROM episodes e "
            "JOIN contexts c ON c.id = e.context JOIN names n ON n.id = e.reason "
            "WHERE c.split = ? AND e.view = 0 GROUP BY c.object_name, e.success, n.text ORDER BY min(e.id)"
        )
        with self.using() as database:
            found = database.execute(query, [split]).fetchall()
        return [(name, bool(success), reason, n, seed % 2**64) for name, success, reason, n, seed in found]

    def __iter__(self) -> Iterator[Episode]:
        return self.episodes()

    def episodes(
        self, success: bool | None = None, split: str | None = None, source: str | None = None, **filters
    ) -> Iterator[Episode]:
        """All episodes, of these kinds only where given, oldest first; those added meanwhile come too."""
        for record in self.records(success=success, split=split, source=source, **filters):
            yield rows.decode(record, self.path)

    def records(self, **filters) -> Iterator[Record]:
        """The episodes as they are stored. Takes filters and goes on as `episodes`."""
        where, values = Filters(**filters).condition()
        query = f"{self._read} WHERE e.id > ? AND {where} ORDER BY e.id LIMIT {_BATCH}"
        last = 0
        while True:
            with self.using() as database:
                batch = database.execute(query, [last, *values]).fetchall()
            yield from (rows.record(row, self.path) for row in batch)
            if not batch:
                return
            last = batch[-1][0]

    def get(self, outcome_id: str) -> Episode:
        """The episode of this id.

        Raises:
            GmiError: BAD_REQUEST where there is none.
        """
        with self.using() as database:
            record = self._record(database, outcome_id)
        return rows.decode(record, self.path)

    def __contains__(self, outcome_id: str) -> bool:
        with self.using() as database:
            return tables.find(database, outcome_id) is not None

    def size_bytes(self) -> int:
        """What the store takes on the disk: its pages and its log, as if all of that had been taken over already."""
        with self.using() as database:
            pages, page = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        log = Path(f"{self._file}-wal")
        try:
            return pages * page + log.stat().st_size
        except FileNotFoundError:
            return pages * page

    def verify(self) -> int:
        """Check the whole file and read every episode; returns how many there are.

        Raises:
            GmiError: STORE_CORRUPT with the first thing that is wrong.
        """
        with self.using() as database:
            (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            dangling = database.execute("PRAGMA foreign_key_check").fetchone()
        if verdict != "ok":
            raise GmiError(ErrorCode.STORE_CORRUPT, f"{self.path} is damaged: {verdict}")
        if dangling:
            raise GmiError(
                ErrorCode.STORE_CORRUPT,
                f"{self.path} is damaged: row {dangling[1]} of {dangling[0]} lacks its {dangling[2]}",
            )
        count = 0
        for count, episode in enumerate(self, start=1):
            try:
                episode.check()
            except GmiError as error:
                raise GmiError(ErrorCode.STORE_CORRUPT, f"{self.path} is damaged: {error}") from error
        return count

    def record_at(self, database: sqlite3.Connection, row: int) -> Record:
        """The record of a row that is there. For this package."""
        found = database.execute(f"{self._read} WHERE e.id = ?", [row]).fetchone()
        if found is None:  # of what it refers to something is gone
            raise GmiError(ErrorCode.STORE_CORRUPT, f"{self.path}: episode {row} refers to what is not there")
        return rows.record(found, self.path)

    def _record(self, database: sqlite3.Connection, outcome_id: str) -> Record:
        row = tables.find(database, outcome_id)
        if row is None:
            raise GmiError(ErrorCode.BAD_REQUEST, f"{self.path} has no outcome {outcome_id!r} among its {len(self)}")
        return self.record_at(database, row)

    def _short_tables(self, with_stamps: bool) -> str:
        """The tables of a list, without the images."""
        stamps = (
            f" JOIN observations o {'INDEXED BY ' + schema.STAMPS if self.version >= 3 else ''} ON o.id = e.observation"
        )
        return f"FROM episodes e JOIN contexts c ON c.id = e.context{stamps if with_stamps else ''}"
