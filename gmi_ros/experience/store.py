"""The experience store: one transactional SQLite file of episodes."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import compressed, packing, rows, schema
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.lock import WriterLock

_BATCH = 256  # records a reader takes at once; between batches it holds no snapshot
_BUSY_S = 10.0


class Store:
    """Episodes in the order in which they were added, each outcome_id once.

    Write-ahead log and synchronous=FULL: what `add` returned for is there after the process is killed. One writer (an
    advisory lock), any number of readers at the same time. The methods may be called from several threads.
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
            with self._translated():
                self._database = self._connect()
                if self._writable and schema.is_empty(self._database):
                    schema.create(self._database)
                version = schema.check(self._database, self.path)
                if self._writable:
                    version = schema.migrate(self._database)
                self._read = rows.read(version)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        # A write-ahead log needs a shared-memory file beside it; a medium where none can be made has no writer either.
        name = self._file.absolute().as_uri()
        try:
            database = self._connect_to(name + ("?mode=rwc" if self._writable else "?mode=ro"))
        except sqlite3.OperationalError:
            if self._writable or Path(f"{self._file}-wal").exists():
                raise
            return self._connect_to(name + "?mode=ro&immutable=1")
        if self._writable:
            mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                database.close()
                raise GmiError(
                    ErrorCode.STORE_UNWRITABLE,
                    f"the file system of {self.path} does not support a write-ahead log; use a local disk",
                )
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
        return database

    @staticmethod
    def _connect_to(uri: str) -> sqlite3.Connection:
        database = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            database.close()
            raise
        return database

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

    def add(self, episode: Episode) -> bool:
        """Store one episode; True means that it is on the disk, False that its outcome_id was there already.

        Raises:
            GmiError: STORE_UNWRITABLE (the store stays whole and usable), STORE_CORRUPT, or BAD_REQUEST where its
                observation_id is stored with another image.
        """
        return self.add_many([episode]) == 1

    def add_many(self, episodes: Iterable[Episode]) -> int:
        """Store all of them in one transaction, or none; returns how many were new. Raises as `add`."""
        if not self._writable:
            raise GmiError(ErrorCode.STORE_UNWRITABLE, f"{self.path} was opened for reading only")
        with self._mutex, self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                added = sum(self._insert(episode) for episode in episodes)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        return added

    def __len__(self) -> int:
        return self.count()

    def count(self, success: bool | None = None, split: str | None = None, source: str | None = None) -> int:
        """How many episodes there are, of these kinds only where given."""
        where, values = _filters(success, split, source)
        query = f"SELECT count(*) FROM episodes e JOIN contexts c ON c.id = e.context WHERE {where}"
        with self._mutex, self._translated():
            return self._database.execute(query, values).fetchone()[0]

    def tally(self, split: str) -> list[tuple[str, bool, str, int, int]]:
        """Trials of a split (each once, however many views it has) by object and outcome, as rows of: the object's
        name, success, reason, how many, and the largest trial_seed among them."""
        query = (
            "SELECT c.object_name, e.success, n.text, count(*), max(e.trial_seed) FROM episodes e "
            "JOIN contexts c ON c.id = e.context JOIN names n ON n.id = e.reason "
            "WHERE c.split = ? AND e.view = 0 GROUP BY c.object_name, e.success, n.text ORDER BY min(e.id)"
        )
        with self._mutex, self._translated():
            found = self._database.execute(query, [split]).fetchall()
        return [(name, bool(success), reason, n, seed % 2**64) for name, success, reason, n, seed in found]

    def __iter__(self) -> Iterator[Episode]:
        return self.episodes()

    def episodes(
        self, success: bool | None = None, split: str | None = None, source: str | None = None
    ) -> Iterator[Episode]:
        """All episodes, of these kinds only where given, oldest first; those added meanwhile come too."""
        where, values = _filters(success, split, source)
        last = 0
        while True:
            with self._mutex, self._translated():
                query = f"{self._read} WHERE e.id > ? AND {where} ORDER BY e.id LIMIT {_BATCH}"
                batch = self._database.execute(query, [last, *values]).fetchall()
            for row in batch:
                yield rows.decode(row, self.path)
            if not batch:
                return
            last = batch[-1][0]

    def get(self, outcome_id: str) -> Episode:
        """The episode of this id.

        Raises:
            GmiError: BAD_REQUEST where there is none.
        """
        with self._mutex, self._translated():
            number = self._find(outcome_id)
            row = self._database.execute(f"{self._read} WHERE e.id = ?", [number]).fetchone()
        if row is None:
            raise GmiError(ErrorCode.BAD_REQUEST, f"{self.path} has no outcome {outcome_id!r} among its {len(self)}")
        return rows.decode(row, self.path)

    def __contains__(self, outcome_id: str) -> bool:
        with self._mutex, self._translated():
            return self._find(outcome_id) is not None

    def verify(self) -> int:
        """Check the whole file and read every episode; returns how many there are.

        Raises:
            GmiError: STORE_CORRUPT with the first thing that is wrong.
        """
        with self._mutex, self._translated():
            (verdict,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
            dangling = self._database.execute("PRAGMA foreign_key_check").fetchone()
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

    def _insert(self, episode: Episode) -> bool:
        if self._find(episode.outcome_id) is not None:
            return False
        references = {
            "context": self._intern("contexts", {name: getattr(episode, name) for name in rows.CONTEXT}),
            "observation": self._observation(episode),
            "reason": self._intern("names", {"text": episode.reason}),
        }
        self._insert_row("episodes", rows.episode_columns(episode) | references)
        return True

    def _observation(self, episode: Episode) -> int:
        """The row of the episode's observation, made where it is new."""
        if episode.recipe is None:
            template, data = None, packing.pack_pixels(episode.pixels)
        else:
            text, data = packing.pack_recipe(episode.recipe)
            template = self._intern("names", {"text": text})
        own = episode.observation_id == episode.outcome_id
        columns = {
            "observation_id": None if own else episode.observation_id,
            "template": template,
            "data": data,
            "stamp_ns": int(episode.stamp_ns),
            "camera_from_object": packing.pack_pose(episode.camera_from_object),
            "degenerate": int(episode.degenerate),
        }
        number = self._find_observation(episode.observation_id, own)
        if number is None:
            return self._insert_row("observations", columns)
        # From now on it is shared, so that it needs its name.
        statement = "UPDATE observations SET observation_id = ? WHERE id = ?"
        self._database.execute(statement, [episode.observation_id, number])
        del columns["observation_id"]
        query = f"SELECT {', '.join(columns)} FROM observations WHERE id = ?"
        if self._database.execute(query, [number]).fetchone() != tuple(columns.values()):
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"outcome {episode.outcome_id!r} refers to observation {episode.observation_id!r}, "
                "which is stored with another image, stamp or object frame",
            )
        return number

    def _find_observation(self, observation_id: str, own: bool) -> int | None:
        query = "SELECT id FROM observations WHERE observation_id = ?"
        row = self._database.execute(query, [observation_id]).fetchone()
        if row is None and not own:  # another episode's own, until now
            query = (
                "SELECT o.id FROM episodes e JOIN observations o ON o.id = e.observation "
                "WHERE e.id = ? AND o.observation_id IS NULL"
            )
            row = self._database.execute(query, [self._find(observation_id)]).fetchone()
        return None if row is None else row[0]

    def _find(self, outcome_id: str) -> int | None:
        """The row of an outcome, by its id or by what that is derived from."""
        row = self._database.execute("SELECT id FROM episodes WHERE outcome_id = ?", [outcome_id]).fetchone()
        if row is not None:
            return row[0]
        query = (
            "SELECT id, split || '/' || object_name || '/' AS trial FROM contexts "
            "WHERE substr(?, 1, length(split) + length(object_name) + 2) = trial"
        )
        for context, trial in self._database.execute(query, [outcome_id]).fetchall():
            numbers = outcome_id[len(trial) :].split("/")
            if len(numbers) > 2 or not all(n.isascii() and n.isdigit() and len(n) <= 20 for n in numbers):
                continue
            seed, view = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 0
            if outcome_id != f"{trial}{seed}" + (f"/{view}" if view else "") or seed >= 2**64 or view >= 2**31:
                continue
            query = "SELECT id FROM episodes WHERE outcome_id IS NULL AND trial_seed = ? AND view = ? AND context = ?"
            row = self._database.execute(query, [rows.signed(seed), view, context]).fetchone()
            if row is not None:
                return row[0]
        return None

    def _intern(self, table: str, columns: dict) -> int:
        condition = " AND ".join(f"{name} = ?" for name in columns)
        row = self._database.execute(f"SELECT id FROM {table} WHERE {condition}", [*columns.values()]).fetchone()
        return row[0] if row else self._insert_row(table, columns)

    def _insert_row(self, table: str, columns: dict) -> int:
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        return self._database.execute(statement, [*columns.values()]).lastrowid

    @contextmanager
    def _translated(self):
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # our own mistake
        except sqlite3.OperationalError as error:
            damaged = str(error).startswith("no such")
            code = ErrorCode.STORE_CORRUPT if damaged or not self._writable else ErrorCode.STORE_UNWRITABLE
            doing = "write" if code == ErrorCode.STORE_UNWRITABLE else "read"
            raise GmiError(code, f"cannot {doing} the store {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise GmiError(ErrorCode.STORE_CORRUPT, f"{self.path} is no intact store: {error}") from error


def _filters(success: bool | None, split: str | None, source: str | None) -> tuple[str, list]:
    given = {"e.success": None if success is None else int(success), "c.split": split, "c.source": source}
    given = {column: value for column, value in given.items() if value is not None}
    return " AND ".join(["1", *(f"{column} = ?" for column in given)]), [*given.values()]
