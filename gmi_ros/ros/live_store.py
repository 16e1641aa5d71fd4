"""The recorder's store: opened on demand, opened again where another file is at its path, kept within its budget."""

import shutil
from collections.abc import Callable
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.budget import RECORD_BYTES, DiskBudget
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.full_frames import FOLDER, FullFrames
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome
from gmi_ros.ros.convert_outcome import UNPAIRED

GB = 1e9  # bytes
_FULL = 16 * RECORD_BYTES  # of free disk: below it is full, and that is what full frames make room for at once


class LiveStore:
    """For use from one thread; the counts and `frames` from any.

    frames: the full frames beside the store, `experience.frames/` of `experience.db`; they count for the budget and
    make room for records also where none are being added. stored: outcomes in the store, recorded: successful training
    pairs among them, store_bytes: what it takes, all as of the last time that it was opened, added to or judged in.
    """

    def __init__(self, path: Path, budget_bytes: float):
        """budget_bytes: most that store and frames may take together."""
        self.path = path
        self.frames = FullFrames(path.with_suffix(FOLDER), int(budget_bytes))
        self.budget = DiskBudget(int(budget_bytes), self.frames)
        self.stored = self.recorded = self.store_bytes = 0
        self._store: Store | None = None
        self._identity: tuple[int, int] | None = None  # device and inode of the open file

    def add(self, episode: Episode) -> bool:
        """Store it; False where it was there already. Full frames give way, oldest first, to the budget or a full disk.

        Raises:
            GmiError: as Store.add; STORE_UNWRITABLE where the records alone have used up the budget.
        """
        return self._with_room(self._add, episode)

    def complete(self, episode: Episode) -> bool:
        """Give an outcome that was stored without its observation what this episode has; False where nothing was to be done.

        Raises:
            GmiError: as `add`.
        """
        return self._with_room(self._complete, episode)

    def __contains__(self, outcome_id: str) -> bool:
        return outcome_id in self._open()

    def judge(self, outcome_id: str, success: bool, note: str) -> None:
        """A person's verdict in place of the stored one, committed.

        Raises:
            GmiError: BAD_REQUEST for an outcome that is not stored, or as Store.add.
        """
        self._open().judge(outcome_id, success, judged_by=GraspOutcome.JUDGED_BY_PERSON, note=note)
        self._count()

    def get(self, outcome_id: str) -> Episode:
        """Raises as Store.get."""
        return self._open().get(outcome_id)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _with_room(self, write: Callable[[Episode], bool], episode: Episode) -> bool:
        """Write it, once more where full frames could give way to a full disk."""
        try:
            return write(episode)
        except GmiError as error:
            if error.code != ErrorCode.STORE_UNWRITABLE or not self._room_on_a_full_disk():
                raise
        self.close()
        return write(episode)

    def _complete(self, episode: Episode) -> bool:
        store = self._open()
        if episode.observation_missing or not store.get(episode.outcome_id).observation_missing:
            return False
        self.budget.make_room(store)
        completed = store.complete(episode)
        self._count()
        return completed

    def _add(self, episode: Episode) -> bool:
        store = self._open()
        try:
            self.budget.make_room(store)
        except GmiError:
            if episode.outcome_id in store:
                return False
            raise
        added = store.add(episode)
        if added:
            self.stored += 1
            self.recorded += episode.success and episode.split != UNPAIRED
            self.store_bytes = store.size_bytes()
        return added

    def _room_on_a_full_disk(self) -> bool:
        """Whether the disk is full and full frames could give way."""
        try:
            full = shutil.disk_usage(self.path.parent).free < _FULL
        except OSError:
            return False
        return full and self.frames.delete_oldest(_FULL) > 0

    def _open(self) -> Store:
        if self._store is not None and self._identity != _identity(self.path):
            self.close()
        if self._store is None:
            self._store = Store(self.path, "rw")
            self._identity = _identity(self.path)
            self._count()
        return self._store

    def _count(self) -> None:
        self.stored, successes = self._store.totals()
        self.recorded = successes - self._store.count(success=True, split=UNPAIRED)
        self.store_bytes = self._store.size_bytes()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
