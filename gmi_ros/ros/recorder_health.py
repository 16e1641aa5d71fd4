"""What experience_recorder says of itself in /diagnostics, once a second.

Levels: ERROR = the store refuses, outcomes wait; WARN = soon it will (the store nears its budget), or full frames got
lost since the last report; OK = all is well.
"""

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray

from gmi_ros.ros.diagnostics import ERROR, OK, WARN, Statistics, diagnostic_array, status
from gmi_ros.ros.ledger import Ledger
from gmi_ros.ros.live_store import GB, LiveStore

NEAR_BUDGET = 0.9  # share of the budget that the records alone take
_COUNTS = (
    "outcomes",
    "stored",
    "duplicates",
    "unpaired",
    "completed",
    "judged",
    "frames.written",
    "frames.missed",
    "frames.dropped",
)
_LOST = ("frames.missed", "frames.dropped", "frames.refused")


class RecorderHealth:
    """Makes the reports; remembers how many full frames were lost at the last one."""

    def __init__(self, name: str, ledger: Ledger, store: LiveStore, statistics: Statistics):
        self._name, self._ledger, self._store, self._statistics = name, ledger, store, statistics
        self._lost = 0

    def report(self, stamp: Time) -> DiagnosticArray:
        """One status, at this time."""
        size, budget = self._store.store_bytes, self._store.budget.budget_bytes
        values = self._statistics.values()
        lost = sum(int(count) for name, count in values.items() if name.startswith(_LOST))
        lost, self._lost = lost - self._lost, lost
        level, summary = OK, f"recording, {self._store.stored} outcomes stored"
        if self._ledger.fault:
            level, summary = ERROR, f"{self._ledger.waiting} outcomes wait: {self._ledger.fault}"
        elif size >= NEAR_BUDGET * budget:
            share = f"the store takes {size / budget:.0%} of disk_budget ({budget / GB:g} GB)"
            level, summary = WARN, f"{share}; from 100% on outcomes wait"
        elif lost:
            level, summary = WARN, f"{lost} full frames lost in the last second"
        shown = {
            "store": str(self._store.path),
            "store_bytes": str(size),
            "frame_bytes": str(self._store.frames.used_bytes()),
            "budget_bytes": str(budget),
            "waiting": str(self._ledger.waiting),
            "verdicts_waiting": str(len(self._ledger) - self._ledger.waiting),
            **{name: "0" for name in _COUNTS},
            **values,
            "dropped": str(sum(int(count) for name, count in values.items() if name.startswith("dropped."))),
            "last_fault": self._ledger.last_fault or "none",
        }
        return diagnostic_array(stamp, status(self._name, "", level, summary, shown))
