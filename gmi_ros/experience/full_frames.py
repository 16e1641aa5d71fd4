"""The whole frames that observations were made from, beside the store: kept as long as there is room for them."""

import errno
import hashlib
import os
import re
import threading
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.experience.frame_files import decode_frame, encode_frame

SUFFIX = ".frame"
FOLDER = ".frames"  # suffix of the folder beside a store, `experience.frames/` of `experience.db`
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,200}")  # ids that may be names of files as they are
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FullFrames:
    """A folder of frames by observation_id, of `budget_bytes` at most; the oldest give way to the newest.

    One object writes to a folder, any number read. A frame is there whole or not at all, also after a kill. The methods
    may be called from several threads.
    """

    def __init__(self, folder: Path | str, budget_bytes: int):
        self.folder, self.budget_bytes = Path(folder), budget_bytes
        self._mutex = threading.RLock()
        self._sizes: dict[str, int] | None = None  # of the files by name, oldest first; read when first needed

    def write(self, observation_id: str, frame: Frame) -> bool:
        """Keep a frame, deleting the oldest where it must; one that is there already stays as it is.

        Returns:
            True: it is on the disk. False: there is no room, also without all older ones.

        Raises:
            GmiError: STORE_UNWRITABLE where the folder cannot be written, other than for lack of room.
        """
        name = _name(observation_id)
        with self._mutex:
            if (self.folder / name).exists():
                return True
        content = encode_frame(observation_id, frame)
        with self._mutex:
            if len(content) > self.budget_bytes:
                return False
            self.keep_within(self.budget_bytes - len(content))
            while True:
                try:
                    self._write(name, content)
                    return True
                except OSError as error:
                    if error.errno not in _FULL:
                        raise GmiError(
                            ErrorCode.STORE_UNWRITABLE, f"cannot keep full frames in {self.folder}: {error}"
                        ) from error
                    if not self.delete_oldest(len(content)):
                        return False

    def read(self, observation_id: str) -> Frame:
        """The frame again, bit for bit.

        Raises:
            GmiError: FILE_NOT_FOUND where it is not kept, FILE_DAMAGED.
        """
        path = self.folder / _name(observation_id)
        try:
            found, frame = decode_frame(path.read_bytes())
        except FileNotFoundError as error:
            raise GmiError(
                ErrorCode.FILE_NOT_FOUND, f"{self.folder} keeps no frame of observation {observation_id!r}"
            ) from error
        except OSError as error:
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"{path} cannot be read: {error}") from error
        except ValueError as error:
            raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is no intact frame: {error}") from error
        if found != observation_id:
            raise GmiError(
                ErrorCode.FILE_DAMAGED, f"{path} holds observation {found!r}, not {observation_id!r}: it was renamed"
            )
        return frame

    def __contains__(self, observation_id: str) -> bool:
        return (self.folder / _name(observation_id)).exists()

    def __len__(self) -> int:
        """How many frames are kept."""
        with self._mutex:
            return len(self._index())

    def used_bytes(self) -> int:
        """What the frames take on the disk."""
        with self._mutex:
            return sum(self._index().values())

    def delete_oldest(self, n_bytes: int = 1) -> int:
        """Delete frames, oldest first, until so many bytes are free or none is left; returns the bytes that were freed.

        Raises:
            GmiError: STORE_UNWRITABLE where a file cannot be deleted.
        """
        freed = 0
        with self._mutex:
            index = self._index()
            while index and freed < n_bytes:
                name = next(iter(index))
                try:
                    (self.folder / name).unlink(missing_ok=True)
                except OSError as error:
                    raise GmiError(
                        ErrorCode.STORE_UNWRITABLE, f"cannot delete the full frame {self.folder / name}: {error}"
                    ) from error
                freed += index.pop(name)
        return freed

    def keep_within(self, n_bytes: int) -> None:
        """Delete the oldest frames until the rest take no more than so many bytes. Raises as `delete_oldest`."""
        with self._mutex:
            self.delete_oldest(self.used_bytes() - n_bytes)

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        index, partial = self._index(), self.folder / f".{name}.partial"
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.folder / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        index[name] = len(content)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name, too
        finally:
            os.close(folder)

    def _index(self) -> dict[str, int]:
        """Of the files that are there; what a killed writer left unfinished is removed."""
        if self._sizes is None:
            found = []
            if self.folder.is_dir():
                for path in self.folder.glob(f".*{SUFFIX}.partial"):
                    path.unlink(missing_ok=True)
                found = sorted((f.stat().st_mtime_ns, f.name, f.stat().st_size) for f in self.folder.glob(f"*{SUFFIX}"))
            self._sizes = {name: size for _, name, size in found}
        return self._sizes


def _name(observation_id: str) -> str:
    """The file of an observation: its id where that is harmless as a name, else a digest of it."""
    if _PLAIN.fullmatch(observation_id):
        return observation_id + SUFFIX
    return "~" + hashlib.sha256(observation_id.encode("utf-8", "surrogatepass")).hexdigest() + SUFFIX
