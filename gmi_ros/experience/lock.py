"""One writer at a time: an advisory lock that the kernel frees when its process ends, however it ends."""

import fcntl
import os
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError


class WriterLock:
    """Holds `<path>.lock` from its making until `release`.

    Raises:
        GmiError: STORE_UNWRITABLE when another writer holds it, or the file cannot be made.
    """

    def __init__(self, path: Path):
        self._path = path.with_name(f"{path.name}.lock")
        try:
            self._file = self._acquire(path)
        except OSError as error:
            raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write {path}: {error}") from error

    def _acquire(self, path: Path) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before us may have removed the file that we opened: then lock the one that is there now.
                if self._path.exists() and os.fstat(file).st_ino == self._path.stat().st_ino:
                    os.truncate(file, 0)
                    os.write(file, str(os.getpid()).encode())
                    return file
            except BlockingIOError:
                holder = os.read(file, 20).decode() or "unknown"
                os.close(file)
                raise GmiError(
                    ErrorCode.STORE_UNWRITABLE,
                    f"{path} is being written by process {holder}; a store has one writer at a time",
                ) from None
            except BaseException:
                os.close(file)
                raise
            os.close(file)

    def release(self) -> None:
        """Let the next writer in."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)
