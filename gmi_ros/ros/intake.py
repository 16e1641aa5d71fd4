"""What came in on one input: how many messages, how often, how old the newest is, how many found no partners."""

import time
from collections import deque
from dataclasses import dataclass

RATE_WINDOW = 5.0  # [s]
_REMEMBERED = 2000  # times; enough for 400 Hz


@dataclass(frozen=True)
class InputStatistics:
    """received: messages so far. rate: of the last seconds [Hz]. age: of the newest [s], NaN without one.

    unpaired: messages that will be in no set any more: dropped here, or their partners never came.
    """

    received: int
    rate: float
    age: float
    unpaired: int


class Rate:
    """How often something happens, over the last RATE_WINDOW seconds or since the start [Hz]."""

    def __init__(self):
        self._since = time.monotonic()
        self._times: deque[float] = deque(maxlen=_REMEMBERED)

    def count(self) -> None:
        """It happened."""
        self._times.append(time.monotonic())

    @property
    def per_second(self) -> float:
        """[Hz]."""
        now = time.monotonic()
        recent = sum(t > now - RATE_WINDOW for t in self._times.copy())
        return recent / min(RATE_WINDOW, max(now - self._since, 1.0))


class Input:
    """Counts the messages of one topic. Written by one thread, read by any."""

    def __init__(self, topic: str):
        self.topic = topic
        self.received = 0
        self.newest_ns: int | None = None  # its stamp [ns]
        self._rate = Rate()

    def came(self, stamp_ns: int) -> None:
        """A message came, stamped `stamp_ns` [ns]."""
        self.received += 1
        self.newest_ns = stamp_ns
        self._rate.count()

    def statistics(self, now_ns: int, unpaired: int) -> InputStatistics:
        """At the time `now_ns` [ns] of the node's clock."""
        age = float("nan") if self.newest_ns is None else (now_ns - self.newest_ns) / 1e9
        return InputStatistics(self.received, self._rate.per_second, age, unpaired)
