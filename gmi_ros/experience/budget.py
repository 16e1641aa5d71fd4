"""The disk budget: what a store and the full frames beside it may take together, and what goes first."""

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.full_frames import FullFrames
from gmi_ros.experience.store import Store

RECORD_BYTES = 2**18  # more than one record adds to the store and to its log together


class DiskBudget:
    """The policy: full frames are the first to go, the oldest of them first; records are never deleted.

    When the records alone have used it up, none is added any more: the outcomes wait, as with a full disk.
    """

    def __init__(self, budget_bytes: int, frames: FullFrames | None = None):
        self.budget_bytes, self.frames = budget_bytes, frames

    def used_bytes(self, store: Store) -> int:
        """What the store and the frames take."""
        return store.size_bytes() + (self.frames.used_bytes() if self.frames is not None else 0)

    def make_room(self, store: Store) -> None:
        """Call before a record is added: it fits the budget then. Gives the full frames what the store leaves.

        Raises:
            GmiError: STORE_UNWRITABLE with the numbers, where there is no room without frames either; the frames'.
        """
        taken = store.size_bytes()
        left = self.budget_bytes - taken - RECORD_BYTES
        if self.frames is not None:
            self.frames.budget_bytes = max(left, 0)
            self.frames.keep_within(self.frames.budget_bytes)
        if left < 0:
            raise GmiError(
                ErrorCode.STORE_UNWRITABLE,
                f"the disk budget is used up: {store.path} takes {taken} of {self.budget_bytes} bytes, a record may take "
                f"{RECORD_BYTES}, and there are no full frames to delete; raise it (disk_budget), or move the store away "
                "(records are never deleted)",
            )
