"""Which storage files make up a bag, in which order: by metadata.yaml of any version, or without it."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import zstandard

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bag_topics import is_yaml_map

METADATA = "metadata.yaml"
SUFFIXES = (".mcap", ".db3")
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PACKED = ".zstd"  # what rosbag2 appends where it compresses whole files
_BLOCK = 1 << 20  # bytes
Tell = Callable[[str], None]


def storage_files(path: Path, tell: Tell, stack: ExitStack) -> list[Path]:
    """The files in order, whole files unpacked into a folder that `stack` removes; `tell` hears what is missing.

    Raises:
        GmiError: FILE_NOT_FOUND, FILE_DAMAGED where there is no storage file, STORE_UNWRITABLE where one cannot be
            unpacked for lack of room.
    """
    if not path.exists():
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"there is no bag at {path}")
    try:
        files = _of_folder(path, tell) if path.is_dir() else [path]
        return [_ready(file, tell, stack) for file in files]
    except PermissionError as error:
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"{path} may not be read: {error}") from error


def _of_folder(path: Path, tell: Tell) -> list[Path]:
    there = sorted((f for f in path.iterdir() if f.is_file() and _is_storage(f)), key=_by_number)
    named = _named(path, tell)
    if named is None:
        files = there
        if len({_family(file) for file in files}) > 1:
            raise GmiError(
                ErrorCode.FILE_DAMAGED,
                f"{path} has no usable {METADATA} that says which of {', '.join(f.name for f in files)} belong "
                "together: name one of them",
            )
    else:
        for file in named:
            if not file.exists():
                tell(f"{file.name} is named by {METADATA}, but is not there")
        present = [file for file in named if file.exists()]
        unnamed = [file for file in there if file not in present]
        if unnamed:
            tell(f"{METADATA} does not name {', '.join(f.name for f in unnamed)}, which is read too")
        files = present + unnamed
    if not files:
        others = ", ".join(sorted(f.name for f in path.iterdir())) or "nothing"
        raise GmiError(
            ErrorCode.FILE_DAMAGED,
            f"{path} is no rosbag2: it holds no {' or '.join(SUFFIXES)} file ({others} is there)",
        )
    return files


def _named(path: Path, tell: Tell) -> list[Path] | None:
    """The files that metadata.yaml names; None without one that can be read."""
    metadata = path / METADATA
    if not metadata.exists():
        tell(f"there is no {METADATA}, as after a crash of the recorder: its files are taken by their names")
        return None
    content = is_yaml_map(metadata.read_bytes()) or {}
    told = content.get("rosbag2_bagfile_information")
    names = told.get("relative_file_paths") if isinstance(told, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        tell(f"{METADATA} is damaged: the files are taken by their names")
        return None
    return [path / PurePath(name).name for name in names]  # Foxy wrote the folder too


def _is_storage(path: Path) -> bool:
    return path.name.removesuffix(_PACKED).endswith(SUFFIXES)


def _family(path: Path) -> tuple[str, str]:
    """What the files of one split bag share: bag_0.mcap and bag_1.mcap have the name and the storage."""
    stem, _, storage = path.name.removesuffix(_PACKED).rpartition(".")
    return re.sub(r"_\d+$", "", stem), storage


def _by_number(path: Path) -> tuple:
    """bag_2 before bag_10."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name))


def _ready(path: Path, tell: Tell, stack: ExitStack) -> Path:
    """The file as it is, or unpacked, or with the log that SQLite keeps beside it while it is written."""
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size:
        return _with_log(path, log, tell, stack)
    with path.open("rb") as file:
        if file.read(len(ZSTD_MAGIC)) != ZSTD_MAGIC:
            return path
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="gmi_bag_")))
    plain = folder / path.name.removesuffix(_PACKED)
    try:
        with path.open("rb") as packed, plain.open("wb") as out:
            problem = _unpack(packed, out)
    except OSError as error:
        free = shutil.disk_usage(folder).free
        raise GmiError(
            ErrorCode.STORE_UNWRITABLE,
            f"cannot unpack {path} ({path.stat().st_size} bytes) into {folder}, where {free} bytes are free: {error}",
        ) from error
    if problem:
        tell(f"{path.name}: {problem}; {plain.stat().st_size} bytes were unpacked")
    return plain


def _with_log(path: Path, log: Path, tell: Tell, stack: ExitStack) -> Path:
    """A copy that has taken in its log: the recorder was killed, or is still at work."""
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="gmi_bag_")))
    copy = folder / path.name
    try:
        shutil.copy(path, copy)
        shutil.copy(log, folder / log.name)
        with closing(sqlite3.connect(copy)) as rows:
            rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except (OSError, sqlite3.Error) as error:
        tell(f"{path.name}: it was not closed, and its log {log.name} cannot be taken in ({error})")
        return path
    tell(f"{path.name}: it was not closed: what its log {log.name} holds is read too")
    return copy


def _unpack(packed, out) -> str:
    """Write what is in a zstd file, as far as it goes; returns what is wrong with it."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    data = packed.read(_BLOCK)
    while data:
        try:
            out.write(frame.decompress(data))
        except zstandard.ZstdError as error:
            return f"it is damaged ({error})"
        data = frame.unused_data if frame.eof else b""
        if frame.eof:
            data = data or packed.read(_BLOCK)
            if data:
                frame = zstandard.ZstdDecompressor().decompressobj()
        else:
            data = packed.read(_BLOCK)
    return "" if frame.eof else "it is cut off"
