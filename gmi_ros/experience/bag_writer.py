"""Write rosbag2 bags without rosbag2: serialised messages go in as they came."""

from pathlib import Path

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.definitions import typestore_for

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_COMPRESSION = {"mcap": CompressionMode.STORAGE, "sqlite3": CompressionMode.MESSAGE}  # as rosbag2 does for each
_METADATA_VERSION = 9  # of Jazzy
_FOREVER = QosTime(9223372036, 854775807)  # how rosbag2 writes an infinite duration


class BagWriter:
    """A new bag; closing it writes the index and metadata.yaml, without which it is not readable."""

    def __init__(self, path: Path | str, storage: str = "mcap", compress: bool = False):
        """Make the bag's folder; with `compress` the messages are compressed with zstd.

        Raises:
            GmiError: BAD_REQUEST for another storage or a path that exists, STORE_UNWRITABLE.
        """
        if storage not in STORAGES:
            raise GmiError(ErrorCode.BAD_REQUEST, f"storage must be one of {', '.join(STORAGES)}, got {storage!r}")
        self.path = Path(path)
        if self.path.exists():
            raise GmiError(ErrorCode.BAD_REQUEST, f"{self.path} exists already; name a bag that does not")
        self.n_messages = 0
        self._topics: dict = {}
        self._writer = Writer(self.path, version=_METADATA_VERSION, storage_plugin=STORAGES[storage])
        if compress:
            self._writer.set_compression(_COMPRESSION[storage], CompressionFormat.ZSTD)
        try:
            self._writer.open()
        except OSError as error:
            raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot make the bag {self.path}: {error}") from error

    def add_topic(
        self, name: str, type_name: str, *, latched: bool = False, reliable: bool = True, depth: int = 10
    ) -> None:
        """Announce a topic with the quality of service it is offered with (latched: transient_local).

        Raises:
            GmiError: BAD_REQUEST for a topic twice, FILE_NOT_FOUND for a type without a definition.
        """
        if name in self._topics:
            raise GmiError(ErrorCode.BAD_REQUEST, f"topic {name} was added already")
        qos = Qos(
            QosHistory.KEEP_LAST,
            depth,
            QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
            QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
            _FOREVER,
            _FOREVER,
            QosLiveliness.AUTOMATIC,
            _FOREVER,
            False,
        )
        typestore = typestore_for([type_name])
        self._topics[name] = self._writer.add_connection(
            name, type_name, typestore=typestore, offered_qos_profiles=[qos]
        )

    def write(self, topic: str, cdr: bytes, receive_time_ns: int) -> None:
        """Add one message, serialised as DDS brought it (with its 4-byte header), received at this time [ns].

        Raises:
            GmiError: BAD_REQUEST for a topic that was not added, STORE_UNWRITABLE.
        """
        if topic not in self._topics:
            raise GmiError(ErrorCode.BAD_REQUEST, f"topic {topic} was not added; added are {', '.join(self._topics)}")
        try:
            self._writer.write(self._topics[topic], receive_time_ns, cdr)
        except (OSError, WriterError) as error:
            raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot write the bag {self.path}: {error}") from error
        self.n_messages += 1

    def close(self) -> None:
        """Finish the bag, also after an error or an interrupt: what was written until then is readable.

        Raises:
            GmiError: STORE_UNWRITABLE.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except (OSError, WriterError) as error:
            raise GmiError(ErrorCode.STORE_UNWRITABLE, f"cannot finish the bag {self.path}: {error}") from error

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, *_) -> None:
        self.close()
