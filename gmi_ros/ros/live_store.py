"""The recorder's store: opened on demand, opened again where another file is at its path, kept within a budget."""

from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome
from gmi_ros.ros.convert_outcome import UNPAIRED

GB = 1e9  # bytes
_FILES = ("", "-wal", "-shm")  # of a store, behind its name


class LiveStore:
    """For use from one thread, but for `size` and the counts.

    stored: outcomes in the store, recorded: successful training pairs among them, as of the last opening and what was
    added and judged since; 0 before it was opened.
    """

    def __init__(self, path: Path, budget: float):
        """budget: most that the files of the store may take [bytes]."""
        self.path, self.budget = path, budget
        self.stored = self.recorded = 0
        self._store: Store | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the open file

    def add(self, episode: Episode) -> bool:
        """Store it; False where it was there already. Raises as Store.add, and STORE_UNWRITABLE over the budget."""
        store = self._open()
        if self.size >= self.budget and episode.outcome_id not in store:
            raise GmiError(
                ErrorCode.STORE_UNWRITABLE,
                f"the store {self.path} takes {self.size / GB:.4g} GB, disk_budget is {self.budget / GB:g} GB, and records "
                "are never deleted: raise disk_budget, or move the store to where there is room",
            )
        added = store.add(episode)
        if added:
            self.stored += 1
            self.recorded += episode.success and episode.split != UNPAIRED
        return added

    def judge(self, outcome_id: str, success: bool, note: str) -> None:
        """A person's verdict in place of the stored one, committed.

        Raises:
            GmiError: BAD_REQUEST for an outcome that is not stored, or as Store.add.
        """
        store = self._open()
        store.judge(outcome_id, success, judged_by=GraspOutcome.JUDGED_BY_PERSON, note=note)
        self._count()

    def get(self, outcome_id: str) -> Episode:
        """Raises as Store.get."""
        return self._open().get(outcome_id)

    @property
    def size(self) -> int:
        """What its files take [bytes]; 0 where there are none."""
        return sum(_size(Path(f"{self.path}{ending}")) for ending in _FILES)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _open(self) -> Store:
        if self._store is not None and self._identity != _identity(self.path):
            self.close()
        if self._store is None:
            self._store = Store(self.path, "rw")
            self._identity = _identity(self.path)
            self._count()
        return self._store

    def _count(self) -> None:
        unpaired = self._store.count(success=True, split=UNPAIRED)
        self.stored, self.recorded = self._store.count(), self._store.count(success=True) - unpaired


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
