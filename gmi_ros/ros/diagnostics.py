"""Counts and times of a node, and the messages they go out in."""

import bisect
import threading
from collections import Counter, deque

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # upper bounds of the histograms' bins
_LATENCIES_KEPT = 1000


class Latency:
    """Times of one stage [ms]: a histogram of all, median and 99th percentile of the latest thousand."""

    def __init__(self) -> None:
        self._bins = [0] * (len(BOUNDS_MS) + 1)
        self._latest: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    def add(self, milliseconds: float) -> None:
        """One more."""
        self._bins[bisect.bisect_left(BOUNDS_MS, milliseconds)] += 1
        self._latest.append(milliseconds)

    def values(self) -> dict[str, str]:
        """p50 and p99 [ms], and how many took up to 1, 2, 5 .. ms: `1:0 2:17 .. more:0`."""
        p50, p99 = np.percentile(self._latest, [50, 99])
        bins = " ".join(f"{bound}:{n}" for bound, n in zip([*BOUNDS_MS, "more"], self._bins, strict=True))
        return {"p50": f"{p50:.1f}", "p99": f"{p99:.1f}", "histogram": bins}


class Statistics:
    """Counts by name and latencies by stage [ms]; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._latencies: dict[str, Latency] = {}

    def count(self, name: str, n: int = 1) -> None:
        """n more of this."""
        with self._lock:
            self._counts[name] += n

    def latency(self, stage: str, milliseconds: float) -> None:
        """This stage of one more answer took this long."""
        with self._lock:
            self._latencies.setdefault(stage, Latency()).add(milliseconds)

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self._counts[name]

    def values(self) -> dict[str, str]:
        """All of it as text: the counts, and `latency_ms.<stage>.p50`, `.p99`, `.histogram`."""
        with self._lock:
            values = {name: str(count) for name, count in sorted(self._counts.items())}
            for stage, latency in self._latencies.items():
                values |= {f"latency_ms.{stage}.{name}": text for name, text in latency.values().items()}
        return values


def status(name: str, hardware: str, level: bytes, summary: str, values: dict[str, str]) -> DiagnosticStatus:
    """One status. level: OK, WARN or ERROR. summary: one sentence."""
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=summary, hardware_id=hardware, values=pairs)


def diagnostic_array(stamp: Time, *statuses: DiagnosticStatus) -> DiagnosticArray:
    """Several statuses of one time."""
    message = DiagnosticArray(status=list(statuses))
    message.header.stamp = stamp
    return message
