"""Stores that were packed to be passed on: one zstd file, a third smaller, read but not written."""

import tempfile
from pathlib import Path

import zstandard

from gmi_ros.core.errors import ErrorCode, GmiError

SUFFIX = ".zst"
_LEVEL = 19


def pack(store: Path, into: Path) -> None:
    """Write the file of a store that nobody writes to as `into`.

    Raises:
        GmiError: BAD_REQUEST where a log beside it shows that it is being written to, or was not closed.
    """
    log = Path(f"{store}-wal")
    if log.exists() and log.stat().st_size:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{store} has an open log ({log.name}): end what writes to it first")
    partial = into.with_name(f".{into.name}.partial")
    with store.open("rb") as plain, partial.open("wb") as packed:
        zstandard.ZstdCompressor(level=_LEVEL).copy_stream(plain, packed, size=store.stat().st_size)
    partial.replace(into)


def unpack(packed: Path, into: Path) -> None:
    """Write the store again, to be continued.

    Raises:
        GmiError: FILE_NOT_FOUND, BAD_REQUEST where `into` is there already, STORE_CORRUPT for a damaged file.
    """
    if not packed.is_file():
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"there is no packed store at {packed}")
    if into.exists():
        raise GmiError(ErrorCode.BAD_REQUEST, f"{into} exists already: remove it, or name another file")
    partial = into.with_name(f".{into.name}.partial")
    try:
        with packed.open("rb") as source, partial.open("wb") as plain:
            zstandard.ZstdDecompressor().copy_stream(source, plain)
    except zstandard.ZstdError as error:
        partial.unlink(missing_ok=True)
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{packed} is no intact packed store: {error}") from error
    partial.replace(into)


class Unpacked:
    """A packed store as a plain file, until `close`."""

    def __init__(self, packed: Path):
        self._folder = tempfile.TemporaryDirectory(prefix="gmi_store_")
        self.path = Path(self._folder.name) / packed.stem
        try:
            unpack(packed, self.path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the plain file."""
        self._folder.cleanup()
