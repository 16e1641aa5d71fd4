"""Whole messages out of a rosbag2 SQLite file that is cut off or damaged. A file that is whole is read by rosbags."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from gmi_ros.experience.bag_topics import BagMessage, BagTopic, parse_profiles

MAGIC = b"SQLite format 3\0"
_PROBES, _STRIDES, _STRIDE = 2_000, 2_000, 100  # ids that give nothing, one by one and in strides: then it ends there
_BLOCK = 1 << 20  # bytes
_MOST_TIME_NS = 2**63 - 1


class RowsLeft:
    """The messages that are still whole, by time of receipt."""

    def __init__(self, path: Path, tell: Callable[[str], None]):
        """Look for all rows; `tell` hears what cannot be read.

        Raises:
            sqlite3.Error: the list of topics is lost, and with it everything.
            OSError: there is no room for a copy of a file that ends within a page.
        """
        self._tell, self._told = tell, False
        self._copy = TemporaryDirectory(prefix="gmi_bag_")
        try:
            path = _whole_pages(path, Path(self._copy.name))
            self._rows = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        except BaseException:
            self._copy.cleanup()
            raise
        try:
            self._rows.execute("PRAGMA writable_schema=ON")  # else SQLite refuses a file shorter than it should be
            self._topics = self._read_topics()
            self._index = sorted(self._find())
        except BaseException:
            self.close()
            raise
        counts = {name: 0 for name in self._topics}
        for _, _, topic in self._index:
            counts[topic] += 1
        self.topics = [topic._replace(count=counts[number]) for number, topic in self._topics.items()]
        self.span_ns = (self._index[0][0], self._index[-1][0]) if self._index else None

    def messages(self, names: set[str], start_ns: int, stop_ns: int) -> Iterator[BagMessage]:
        """Of these topics, received in [start_ns, stop_ns)."""
        lost = 0
        for time_ns, number, topic_id in self._index:
            topic = self._topics[topic_id]
            if topic.name not in names or not start_ns <= time_ns < stop_ns:
                continue
            try:
                row = self._rows.execute("SELECT data FROM messages WHERE id = ?", (number,)).fetchone()
            except sqlite3.Error:
                row = None
            if row is None or not isinstance(row[0], bytes):
                lost += 1
            else:
                yield BagMessage(topic.name, time_ns, row[0])
        if lost and not self._told:
            self._told = True
            self._tell(f"{lost} messages are listed, but their content is lost")

    def close(self) -> None:
        """Close the file."""
        self._rows.close()
        self._copy.cleanup()

    def _read_topics(self) -> dict[int, BagTopic]:
        columns = {row[1] for row in self._rows.execute("PRAGMA table_info(topics)")}
        profiles = "offered_qos_profiles" if "offered_qos_profiles" in columns else "''"
        return {
            number: BagTopic(str(name), str(kind), 0, parse_profiles(str(told)))
            for number, name, kind, told in self._rows.execute(f"SELECT id, name, type, {profiles} FROM topics")
        }

    def _find(self) -> Iterator[tuple[int, int, int]]:
        """Time of receipt [ns], id and topic of every row that can be reached; beyond a damaged page, id by id."""
        last, misses = -1, 0
        query = "SELECT id, topic_id, timestamp FROM messages NOT INDEXED WHERE id > ? ORDER BY id"
        while misses < _PROBES + _STRIDES:
            try:
                for number, topic, time_ns in self._rows.execute(query, (last,)):
                    if not isinstance(number, int) or number <= last:
                        continue  # rubbish of a damaged page
                    last, misses = number, 0
                    if topic in self._topics and isinstance(time_ns, int) and 0 <= time_ns <= _MOST_TIME_NS:
                        yield time_ns, number, topic
            except sqlite3.Error as error:
                if not misses:
                    self._tell(f"the row after id {last} cannot be reached ({error})")
                last, misses = last + (1 if misses < _PROBES else _STRIDE), misses + 1
            else:
                return


def _whole_pages(path: Path, folder: Path) -> Path:
    """The file itself, or a copy without the page in which it ends: SQLite would take zeros for what is missing."""
    with path.open("rb") as file:
        file.seek(16)
        told = int.from_bytes(file.read(2), "big")
        page, size = 65536 if told == 1 else told, file.seek(0, 2)
        if page < 512 or size % page == 0:
            return path
        file.seek(0)
        copy, left = folder / path.name, size - size % page
        with copy.open("wb") as out:
            while block := file.read(min(left, _BLOCK)):
                left -= out.write(block)
    return copy
