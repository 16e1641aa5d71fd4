"""Sets of messages whose stamps lie close together: the rule of message_filters' Python ApproximateTimeSynchronizer.

Used where message_filters is not installed and by the replay of bags, so that live and offline see the same sets.
`test/golden` holds what the genuine one (ROS 2 Jazzy) emits; this one emits the same.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from gmi_ros.core.errors import ErrorCode, GmiError

_NS = 1_000_000_000


class ApproximateTimeSynchronizer:
    """Collect one message of each topic with stamps less than `slop_s` apart and hand each set on once.

    Every new message looks for partners that have already arrived, the nearest stamp of each topic first; there is
    no waiting for a better match. A queue keeps the `queue_size` newest stamps; a message with a stamp that is already
    queued replaces the queued one. What was handed on is forgotten.

    `add` may be called from several threads. The callback runs outside the lock, in the thread whose message completed
    the set: it may call `add`, and what it raises reaches that caller and leaves the queues in order.

    queues: what waits, by topic; to be looked at with `lock` held. Both are called as message_filters calls them.
    """

    def __init__(self, topics: Sequence[str] | int, queue_size: int, slop_s: float, callback: Callable[..., None]):
        """Args:
            topics: their names, or how many there are; sets come in this order.
            queue_size: messages kept of each topic.
            slop_s: largest spread of a set's stamps [s], itself excluded.
            callback: called with one message of each topic.

        Raises:
            GmiError: BAD_SETTING for fewer than one topic or place in the queue, or a slop that is not positive.
        """
        n_topics = topics if isinstance(topics, int) else len(topics)
        if n_topics < 1 or queue_size < 1:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"a synchroniser needs at least 1 topic and queue_size 1, got {n_topics} and {queue_size}",
            )
        if not 0 < slop_s < 2**33:
            raise GmiError(ErrorCode.BAD_SETTING, f"sync_slop must be in (0, {2**33}) s, got {slop_s}")
        self._queue_size = queue_size
        self._slop_ns = int(slop_s * _NS)
        self._callback = callback
        self.lock = threading.Lock()
        # Stamp [ns] -> message, in order of arrival: among equally near stamps the one queued first wins.
        self.queues: list[dict[int, Any]] = [{} for _ in range(n_topics)]

    def add(self, index: int, stamp_ns: int, message: Any) -> None:
        """Take in a message of topic `index`, stamped `stamp_ns` [ns]; calls the callback when it completes a set."""
        with self.lock:
            complete = self._insert(index, stamp_ns, message)
        if complete is not None:
            self._callback(*complete)

    def clear(self) -> None:
        """Forget every queued message, as after a jump of the clock."""
        with self.lock:
            for queue in self.queues:
                queue.clear()

    def _insert(self, index: int, stamp_ns: int, message: Any) -> list | None:
        queue = self.queues[index]
        queue[stamp_ns] = message
        while len(queue) > self._queue_size:
            del queue[min(queue)]
        if stamp_ns not in queue:  # older than all that is queued: dropped at once
            return None
        candidates = [
            [stamp_ns] if i == index else self._nearest_first(other, stamp_ns) for i, other in enumerate(self.queues)
        ]
        stamps = self._first_fitting(candidates, [])
        return None if stamps is None else [q.pop(stamp) for q, stamp in zip(self.queues, stamps)]

    def _nearest_first(self, queue: dict[int, Any], stamp_ns: int) -> list[int]:
        near = [s for s in queue if abs(s - stamp_ns) <= self._slop_ns]
        return sorted(near, key=lambda s: abs(s - stamp_ns))

    def _first_fitting(self, candidates: list[list[int]], chosen: list[int]) -> list[int] | None:
        """The first combination, later topics varying fastest, that spreads less than the slop.

        A beginning that already spreads too far is left at once: the same answer as trying all combinations.
        """
        if chosen and max(chosen) - min(chosen) >= self._slop_ns:
            return None
        if len(chosen) == len(candidates):
            return chosen
        for stamp in candidates[len(chosen)]:
            found = self._first_fitting(candidates, [*chosen, stamp])
            if found is not None:
                return found
        return None
