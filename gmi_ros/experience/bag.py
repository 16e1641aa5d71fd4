"""A rosbag2 of any distribution from Humble on, read as far as it is whole; what is damaged is named.

Whole files are read by rosbags. Where it gives up, what is left of a file is read record by record, or row by row.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import zstandard

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import bag_chunks, bag_rows
from gmi_ros.experience.bag_files import ZSTD_MAGIC, storage_files
from gmi_ros.experience.bag_topics import BagMessage, BagTopic

FOREVER = (0, 2**63 - 1)  # [ns]
_MOST_PROBLEMS = 50


class _File(Protocol):
    topics: list[BagTopic]
    span_ns: tuple[int, int] | None

    def messages(self, names: set[str], start_ns: int, stop_ns: int) -> Iterator[BagMessage]: ...

    def close(self) -> None: ...


class Bag:
    """An open bag: a folder, an .mcap or a .db3 file, plain or compressed by file, by chunk or by message (zstd, lz4).

    topics: by name, with the number of messages. problems: what is damaged, more of it as messages are read.
    span_ns: when the first and the last message were received; None where there is none.
    """

    def __init__(self, path: Path | str):
        """Open it and list its topics.

        Raises:
            GmiError: FILE_NOT_FOUND, FILE_DAMAGED where nothing of it can be read, STORE_UNWRITABLE.
        """
        self.path = Path(path)
        self.problems: list[str] = []
        self._files: list[_File] = []
        self._stack = ExitStack()
        try:
            for file in storage_files(self.path, self._tell, self._stack):
                self._open(file)
        except BaseException:
            self.close()
            raise
        if not self._files:
            self.close()
            raise GmiError(
                ErrorCode.FILE_DAMAGED, f"{self.path}: nothing of this bag can be read: {'; '.join(self.problems)}"
            )
        self.topics: dict[str, BagTopic] = {}
        for topic in (topic for file in self._files for topic in file.topics):
            known = self.topics.get(topic.name)
            self.topics[topic.name] = topic if known is None else known._replace(count=known.count + topic.count)
        spans = [file.span_ns for file in self._files if file.span_ns is not None]
        self.span_ns = (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None

    @property
    def types(self) -> dict[str, str]:
        """Types of the topics by name."""
        return {topic.name: topic.type for topic in self.topics.values()}

    def messages(self, names: Collection[str] | None = None, start_ns: int = 0, stop_ns: int = FOREVER[1]) -> Iterator:
        """BagMessages by time of receipt, file after file: of these topics (None: all), received in [start, stop) [ns].

        Within a damaged part they come in the order in which they were written.
        """
        wanted = set(self.topics if names is None else names)
        for file in self._files:
            for message in file.messages(wanted, start_ns, stop_ns):
                yield message if message.cdr[:4] != ZSTD_MAGIC else message._replace(cdr=_plain(message.cdr))

    def window(self, start_s: float, duration_s: float | None) -> tuple[int, int]:
        """[start, stop) [ns] of what was received from so long after the first message on, and for how long [s].

        Raises:
            GmiError: BAD_REQUEST where the bag is over by then.
        """
        if self.span_ns is None or (start_s == 0 and duration_s is None):
            return FOREVER
        first, last = self.span_ns
        if start_s * 1e9 > last - first:
            raise GmiError(
                ErrorCode.BAD_REQUEST,
                f"start must be at most {(last - first) / 1e9:.3f} s, the bag's length, got {start_s}",
            )
        start = first + int(start_s * 1e9)
        return start, FOREVER[1] if duration_s is None else start + int(duration_s * 1e9)

    def close(self) -> None:
        """Close the files and remove what was unpacked."""
        for file in self._files:
            file.close()
        self._stack.close()

    def __enter__(self) -> "Bag":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _tell(self, problem: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)

    def _open(self, path: Path) -> None:
        def tell(problem: str) -> None:
            self._tell(f"{path.name}: {problem}")

        try:
            self._files.append(_Whole(path, tell))
        except PermissionError as error:
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"{path} may not be read: {error}") from error
        except Exception as error:  # damage shows as errors of SQLite, zstd, YAML, struct and the reader's own
            tell(_reason(error) if path.stat().st_size else "it is empty: 0 bytes")
            left = _left(path, tell)
            if left is not None:
                self._files.append(left)


class _Whole:
    """A file that rosbags reads; where it stops in the middle, the rest is what can be found."""

    def __init__(self, path: Path, tell: Callable[[str], None]):
        """Raises whatever rosbags does."""
        from rosbags.rosbag2 import Reader

        self._path, self._tell = path, tell
        self._reader = Reader(path)
        self._reader.open()
        counts: Counter = Counter()
        for c in self._reader.connections:
            counts[c.topic] += c.msgcount
        self.topics = list(
            {
                c.topic: BagTopic(c.topic, c.msgtype, counts[c.topic], tuple(c.ext.offered_qos_profiles))
                for c in self._reader.connections
            }.values()
        )
        count, start, end = self._reader.message_count, self._reader.start_time, self._reader.end_time
        self.span_ns = (start, end - 1) if count else None

    def messages(self, names: set[str], start_ns: int, stop_ns: int) -> Iterator[BagMessage]:
        connections = [c for c in self._reader.connections if c.topic in names]
        given: Counter = Counter()
        try:
            if connections:  # none would mean all
                for connection, time_ns, data in self._reader.messages(connections, start_ns, stop_ns):
                    given[connection.topic, time_ns] += 1
                    yield BagMessage(connection.topic, time_ns, data)
            return
        except Exception as error:  # as above
            self._tell(_reason(error))
        left = _left(self._path, self._tell)
        if left is None:
            return
        try:
            for message in left.messages(names, start_ns, stop_ns):
                if given[message.topic, message.time_ns] > 0:
                    given[message.topic, message.time_ns] -= 1
                else:
                    yield message
        finally:
            left.close()

    def close(self) -> None:
        self._reader.close()


def _left(path: Path, tell: Callable[[str], None]) -> _File | None:
    """What is left of a damaged file; None where that is nothing."""
    with path.open("rb") as file:
        magic = file.read(16)
    try:
        left = bag_rows.RowsLeft(path, tell) if magic == bag_rows.MAGIC else bag_chunks.ChunksLeft(path, tell)
    except (sqlite3.Error, OSError) as error:
        tell(f"nothing of it can be read: {_reason(error)}")
        return None
    if not left.topics:
        tell("nothing of it can be read: no topic was found")
        left.close()
        return None
    tell(f"{sum(topic.count for topic in left.topics)} messages were found in it")
    return left


def _plain(data: bytes) -> bytes:
    """A message that was compressed by itself; as it is where that cannot be undone: then nobody can read it."""
    try:
        return zstandard.ZstdDecompressor().decompressobj().decompress(data)
    except zstandard.ZstdError:
        return data


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
