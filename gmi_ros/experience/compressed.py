"""Stores that were packed to be passed on: one zstd file, a third smaller, read but not written."""

import tempfile
from pathlib import Path

import zstandard

from gmi_ros.core.errors import ErrorCode, GmiError

SUFFIX = ".zst"
_LEVEL = 19
_MOST_GROWTH = 100  # times the packed file's size, which is beyond any store; a bomb has thousands
_ALWAYS_TAKEN = 16 * 2**20  # bytes
_HEADER = 18  # bytes at most, with the size of what was packed


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
        GmiError: FILE_NOT_FOUND, BAD_REQUEST where `into` is there already, STORE_CORRUPT for a damaged file or one
            that grows as no store does.
    """
    if not packed.is_file():
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"there is no packed store at {packed}")
    if into.exists():
        raise GmiError(ErrorCode.BAD_REQUEST, f"{into} exists already: remove it, or name another file")
    partial = into.with_name(f".{into.name}.partial")
    most = _ALWAYS_TAKEN + _MOST_GROWTH * packed.stat().st_size
    try:
        with packed.open("rb") as source, partial.open("wb") as plain:
            whole = zstandard.frame_content_size(source.read(_HEADER))
            if whole < 0:
                told = "it does not say how large it is: unpack it with `zstd -d`, and use what comes of it"
                raise GmiError(ErrorCode.STORE_CORRUPT, f"{packed} was not packed by this package: {told}")
            source.seek(0)
            for chunk in zstandard.ZstdDecompressor().read_to_iter(source):
                if plain.tell() + len(chunk) > most:
                    raise GmiError(
                        ErrorCode.STORE_CORRUPT,
                        f"{packed} unpacks to more than {most} bytes, {_MOST_GROWTH} times its size: that is no store",
                    )
                plain.write(chunk)
            if plain.tell() != whole:
                raise GmiError(ErrorCode.STORE_CORRUPT, f"{packed} is cut off: {plain.tell()} of {whole} bytes")
        partial.replace(into)
    except OSError as error:
        if error.filename == str(packed):
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"cannot read {packed}: {error.strerror}") from error
        told = f"cannot unpack {packed} into {into.parent}: {error.strerror}"
        raise GmiError(ErrorCode.STORE_UNWRITABLE, told) from error
    except zstandard.ZstdError as error:
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{packed} is no intact packed store: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


class Unpacked:
    """A packed store as a plain file, until `close`."""

    def __init__(self, packed: Path):
        self._folder = tempfile.TemporaryDirectory(prefix="gmi_store_")
        self.path = Path(self._folder.name) / packed.stem
        try:
            unpack(packed, self.path)
        except BaseException as error:
            self.close()
            if isinstance(error, GmiError) and error.code == ErrorCode.STORE_UNWRITABLE:
                raise GmiError(error.code, f"{error.message} (TMPDIR names another folder)") from error
            raise

    def close(self) -> None:
        """Remove the plain file."""
        self._folder.cleanup()
