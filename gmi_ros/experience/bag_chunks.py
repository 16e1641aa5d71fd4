"""Whole messages out of an MCAP file that is cut off, has no index, or is damaged in the middle.

The format: mcap.dev/spec. A file that is whole is read by rosbags.
"""

import re
import struct
from binascii import crc32
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import zstandard

from gmi_ros.experience.bag_topics import BagMessage, BagTopic, parse_profiles

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END, _FOOTER, _LAST = 0x03, 0x04, 0x05, 0x06, 0x0F, 0x02, 0x0F
_RECORD = struct.Struct("<BQ")  # opcode, bytes that follow
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQI")  # first and last log time, bytes and checksum of what was packed
_COMPRESSIONS = ("", "lz4", "zstd")
# A chunk whose length is below 2^40 and whose compression has one of the names.
_CHUNK_START = re.compile(
    rb"\x06(?=.{5}\0{3}.{28}(?:\0{4}|\x03\0{3}lz4|\x04\0{3}zstd))",
    re.DOTALL,
)
_LOOK = 1 << 20  # bytes that are searched at a time
_MOST_UNPACKED = 1 << 30  # bytes of one chunk
Tell = Callable[[str], None]


class _Chunk(NamedTuple):
    size: int  # bytes unpacked
    checksum: int  # 0: none was written
    compression: str
    data_start: int
    packed_size: int


class ChunksLeft:
    """The messages that are still whole, chunk after chunk, in each by time of receipt."""

    def __init__(self, path: Path, tell: Tell):
        """Look through the whole file once; `tell` hears what cannot be read."""
        self._path = path
        self._channels: dict[int, BagTopic] = {}
        self._schemas: dict[int, str] = {}
        self._unknown: dict[int, int] = {}  # messages of channels that nothing describes
        self._read_summary()
        counts: dict[str, int] = {}
        times: list[int] = []
        for message in self._scan(tell):
            counts[message.topic] = counts.get(message.topic, 0) + 1
            times.append(message.time_ns)
        self.topics = [t._replace(count=counts.get(t.name, 0)) for t in self._channels.values()]
        self.span_ns = (min(times), max(times)) if times else None
        if self._unknown:
            tell(f"{sum(self._unknown.values())} messages belong to channels whose description is lost")

    def messages(self, names: set[str], start_ns: int, stop_ns: int) -> Iterator[BagMessage]:
        """Of these topics, received in [start_ns, stop_ns)."""
        for message in self._scan(lambda _: None):
            if message.topic in names and start_ns <= message.time_ns < stop_ns:
                yield message

    def close(self) -> None:
        """Nothing is kept open."""

    def _read_summary(self) -> None:
        """What the end of the file says about channels, where it is there: a damaged chunk may have held the rest."""
        try:
            with self._path.open("rb") as file:
                end = file.seek(-8 - 29, 2)  # magic, footer
                footer = file.read()
                summary = struct.unpack_from("<Q", footer, 9)[0]
                if footer[-8:] != MAGIC or not 0 < summary < end:
                    return
                file.seek(summary)
                for opcode, body in _records(file.read(end - summary)):
                    self._describe(opcode, body)
        except (OSError, struct.error, ValueError):
            return  # it is not needed

    def _scan(self, tell: Tell) -> Iterator[BagMessage]:
        with self._path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            position = len(MAGIC) if file.read(len(MAGIC)) == MAGIC else 0
            while position < size:
                file.seek(position)
                head = file.read(_RECORD.size)
                opcode, length = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, 0)
                if opcode in (_DATA_END, _FOOTER):
                    return
                end = position + _RECORD.size + length
                chunk = _chunk(file, length) if opcode == _CHUNK else None
                if chunk is not None:
                    yield from self._unpacked(file, chunk, position, tell)
                elif 1 <= opcode <= _LAST and opcode != _CHUNK and end <= size:
                    yield from self._read(opcode, file.read(length))
                else:
                    end = _next_chunk(file, position + 1, size)
                    tell(f"bytes {position} to {end} of {size} are no records")
                position = end
            tell("it ends without an index, as after a crash or a copy that was cut off")

    def _unpacked(self, file: BinaryIO, chunk: _Chunk, position: int, tell: Tell) -> Iterator[BagMessage]:
        """Messages of one chunk, also of its beginning where the file ends in it."""
        file.seek(chunk.data_start)
        packed = file.read(chunk.packed_size)
        where = f"the chunk at byte {position}"
        data, problem = _unpack(packed, chunk)
        if len(packed) < chunk.packed_size:
            tell(f"{where} is cut off: {len(packed)} of {chunk.packed_size} bytes")
        elif problem or (chunk.checksum and crc32(data) != chunk.checksum):
            tell(f"{where} is damaged and left out: {problem or 'its checksum differs'}")
            return
        found = [message for opcode, body in _records(data) for message in self._read(opcode, body)]
        yield from sorted(found, key=lambda message: message.time_ns)

    def _read(self, opcode: int, body: bytes) -> Iterator[BagMessage]:
        if opcode in (_SCHEMA, _CHANNEL):
            try:
                self._describe(opcode, body)
            except (struct.error, ValueError):
                return  # messages of this channel are told as of an unknown one
        elif opcode == _MESSAGE and len(body) >= _MESSAGE_HEAD.size:
            channel, _, time_ns, _ = _MESSAGE_HEAD.unpack_from(body)
            topic = self._channels.get(channel)
            if topic is None:
                self._unknown[channel] = self._unknown.get(channel, 0) + 1
            else:
                yield BagMessage(topic.name, time_ns, body[_MESSAGE_HEAD.size :])

    def _describe(self, opcode: int, body: bytes) -> None:
        """Take in a schema or a channel. Raises struct.error or ValueError where it is damaged."""
        if opcode == _SCHEMA:
            name, _ = _string(body, 2)
            self._schemas[struct.unpack_from("<H", body)[0]] = name
        elif opcode == _CHANNEL:
            channel, schema = struct.unpack_from("<HH", body)
            topic, after = _string(body, 4)
            _, after = _string(body, after)
            profiles = _metadata(body, after).get("offered_qos_profiles", "")
            self._channels[channel] = BagTopic(topic, self._schemas.get(schema, ""), 0, parse_profiles(profiles))


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and body of each record that is whole."""
    position = 0
    while position + _RECORD.size <= len(data):
        opcode, length = _RECORD.unpack_from(data, position)
        position += _RECORD.size
        if position + length > len(data):
            return
        yield opcode, data[position : position + length]
        position += length


def _chunk(file: BinaryIO, length: int) -> _Chunk | None:
    """The head of a chunk whose opcode and length were read; None where it makes no sense."""
    start = file.tell()
    head = file.read(_CHUNK_HEAD.size + 4 + 4 + 8)
    try:
        _, _, size, checksum = _CHUNK_HEAD.unpack_from(head)
        compression, after = _string(head, _CHUNK_HEAD.size)
        (packed_size,) = struct.unpack_from("<Q", head, after)
    except (struct.error, ValueError):
        return None
    if compression not in _COMPRESSIONS or after + 8 + packed_size != length:
        return None
    return _Chunk(size, checksum, compression, start + after + 8, packed_size)


def _unpack(packed: bytes, chunk: _Chunk) -> tuple[bytes, str]:
    """What is in a chunk, as far as it goes, and what is wrong with it."""
    if chunk.size > _MOST_UNPACKED:
        return b"", f"it would unpack to {chunk.size} bytes, at most {_MOST_UNPACKED} are taken"
    try:
        if chunk.compression == "zstd":
            data = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj().decompress(packed)
        elif chunk.compression == "lz4":
            from lz4.frame import LZ4FrameDecompressor  # comes with rosbags

            data = LZ4FrameDecompressor().decompress(packed, max_length=chunk.size + 1)
        else:
            data = packed
    except (zstandard.ZstdError, RuntimeError) as error:
        return b"", str(error)
    return data, "" if len(data) == chunk.size else f"{len(data)} of {chunk.size} bytes could be unpacked"


def _next_chunk(file: BinaryIO, position: int, size: int) -> int:
    """Where the next chunk begins that makes sense; the end of the file without one."""
    while position < size:
        file.seek(position)
        block = file.read(_LOOK + 64)
        for match in _CHUNK_START.finditer(block):
            at = position + match.start()
            file.seek(at)
            _, length = _RECORD.unpack(file.read(_RECORD.size))
            if _chunk(file, length) is not None:
                return at
        position += _LOOK
    return size


def _string(data: bytes, position: int) -> tuple[str, int]:
    """A string and where it ends. Raises struct.error or ValueError."""
    (length,) = struct.unpack_from("<I", data, position)
    text = data[position + 4 : position + 4 + length]
    if len(text) != length:
        raise ValueError("a string is cut off")
    return text.decode(), position + 4 + length


def _metadata(data: bytes, position: int) -> dict[str, str]:
    (length,) = struct.unpack_from("<I", data, position)
    position, end, found = position + 4, position + 4 + length, {}
    while position < end:
        key, position = _string(data, position)
        found[key], position = _string(data, position)
    return found
