"""Counts and times of a node, and the message they go out in."""

import threading
from collections import Counter, deque

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
_LATENCIES_KEPT = 1000


class Statistics:
    """Counts by name and the latest latencies [ms]; may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._latencies: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    def count(self, name: str) -> None:
        """One more of this."""
        with self._lock:
            self._counts[name] += 1

    def latency(self, milliseconds: float) -> None:
        """One more answer took this long."""
        with self._lock:
            self._latencies.append(milliseconds)

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self._counts[name]

    def values(self) -> dict[str, str]:
        """All of it as text; latencies as median and 99th percentile of the latest thousand."""
        with self._lock:
            counts, latencies = dict(sorted(self._counts.items())), list(self._latencies)
        values = {name: str(count) for name, count in counts.items()}
        if latencies:
            for name, share in (("latency_ms.p50", 50), ("latency_ms.p99", 99)):
                values[name] = f"{np.percentile(latencies, share):.1f}"
        return values


def diagnostic_array(
    stamp: Time, name: str, hardware: str, level: bytes, summary: str, values: dict[str, str]
) -> DiagnosticArray:
    """One status. level: OK, WARN or ERROR. summary: one sentence."""
    message = DiagnosticArray()
    message.header.stamp = stamp
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    message.status = [DiagnosticStatus(level=level, name=name, message=summary, hardware_id=hardware, values=pairs)]
    return message
