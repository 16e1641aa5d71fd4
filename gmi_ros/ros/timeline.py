"""Which moment of a recording it is now: it runs at a rate, stands still while paused, and begins again."""

import threading
from collections.abc import Callable


class Timeline:
    """Time of the recording [ns] from a clock that only goes forward [s]; may be used from several threads."""

    def __init__(self, start_ns: int, rate: float, clock: Callable[[], float], paused: bool = True):
        """rate: seconds of the recording per second of the clock."""
        self._rate, self._clock, self._lock = rate, clock, threading.Lock()
        self._at_ns, self._since = start_ns, None if paused else clock()  # None: it stands still

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._since is None

    def now_ns(self) -> int:
        """The moment [ns]."""
        with self._lock:
            return self._now()

    def pause(self, paused: bool) -> None:
        """Stand still, or go on from there."""
        with self._lock:
            self._at_ns = self._now()
            self._since = None if paused else self._clock()

    def go_to(self, moment_ns: int) -> None:
        """Jump to a moment; paused or not as before."""
        with self._lock:
            self._at_ns = moment_ns
            self._since = None if self._since is None else self._clock()

    def until(self, moment_ns: int) -> float:
        """Time of the clock [s] until the moment comes, not positive once it has; infinite while paused."""
        with self._lock:
            ahead = (moment_ns - self._now()) / 1e9 / self._rate
            return float("inf") if self._since is None and ahead > 0 else ahead

    def _now(self) -> int:
        if self._since is None:
            return self._at_ns
        return self._at_ns + int((self._clock() - self._since) * self._rate * 1e9)
