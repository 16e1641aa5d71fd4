"""Sets of whole images in memory, until the outcome of a grasp that was made from one of them asks for it."""

import threading
from collections import OrderedDict
from typing import Any

from gmi_ros.msg import Observation
from gmi_ros.ros.convert import nanoseconds

ImageSet = tuple[Any, ...]  # messages: rgb, depth, camera_info, mask
_STAMPS_KEPT = 200  # of observations whose images have not come yet


class FrameRing:
    """Sets by the stamp of their colour image, within a number of bytes; may be used from several threads.

    A set that an observation was made from is held back from the stream, whichever of the two comes first; of these,
    the oldest give way beyond half of the memory, of the others beyond the rest.
    """

    def __init__(self, memory: float):
        """memory: most that the images take [bytes]."""
        self._memory = memory
        self._lock = threading.Lock()
        self._seen: OrderedDict[int, ImageSet] = OrderedDict()  # by stamp [ns]
        self._held: OrderedDict[str, ImageSet] = OrderedDict()  # by observation_id
        self._awaited: OrderedDict[int, list[str]] = OrderedDict()  # observation_ids by stamp [ns]
        self._bytes_seen = self._bytes_held = 0

    def came(self, *messages: Any) -> None:
        """A complete set: rgb, depth, camera_info, mask."""
        stamp = nanoseconds(messages[0].header.stamp)
        with self._lock:
            awaited = self._awaited.pop(stamp, None)
            if awaited:
                for observation_id in awaited:
                    self._hold(observation_id, messages)
            elif stamp not in self._seen:
                self._seen[stamp] = messages
                self._bytes_seen += size(messages)
                while self._seen and self._bytes_seen > self._memory - self._bytes_held:
                    self._bytes_seen -= size(self._seen.popitem(last=False)[1])

    def observed(self, observation: Observation) -> None:
        """A grasp may be made from this one: hold its images."""
        stamp = nanoseconds(observation.header.stamp)
        with self._lock:
            if observation.id in self._held:
                self._held.move_to_end(observation.id)
                return
            messages = self._seen.get(stamp)
            if messages is None:
                messages = next((held for held in self._held.values() if _stamp(held) == stamp), None)
            else:
                del self._seen[stamp]
                self._bytes_seen -= size(messages)
            if messages is not None:
                self._hold(observation.id, messages)
                return
            awaited = self._awaited.setdefault(stamp, [])
            if observation.id not in awaited:
                awaited.append(observation.id)
            while len(self._awaited) > _STAMPS_KEPT:
                self._awaited.popitem(last=False)

    def take(self, observation_id: str) -> ImageSet | None:
        """The images of an observation, which are held no longer; None where they never came or had to give way."""
        with self._lock:
            messages = self._held.pop(observation_id, None)
            if messages is not None:
                self._bytes_held -= size(messages)
            return messages

    @property
    def bytes(self) -> int:
        """What the images take now; one set that several observations share counts for each."""
        with self._lock:
            return self._bytes_seen + self._bytes_held

    def clear(self) -> None:
        """Forget all of it."""
        with self._lock:
            self._seen.clear()
            self._held.clear()
            self._awaited.clear()
            self._bytes_seen = self._bytes_held = 0

    def _hold(self, observation_id: str, messages: ImageSet) -> None:
        self._held[observation_id] = messages
        self._bytes_held += size(messages)
        while self._held and self._bytes_held > self._memory / 2:
            self._bytes_held -= size(self._held.popitem(last=False)[1])


def size(messages: ImageSet) -> int:
    """Bytes of a set's images."""
    return sum(len(message.data) for message in messages if hasattr(message, "data"))


def _stamp(messages: ImageSet) -> int:
    return nanoseconds(messages[0].header.stamp)
