"""What the recorder says of itself: numbers that are its store's, and a level that a person can act on."""

import logging

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from gmi_ros.ros.diagnostics import Statistics
from gmi_ros.ros.ledger import Ledger
from gmi_ros.ros.live_store import GB, LiveStore
from gmi_ros.ros.recorder_health import RecorderHealth
from gmi_ros.ros.settings import RecorderSettings

pytestmark = pytest.mark.ros


class Reported:
    def __init__(self, path):
        self.statistics, self.settings = Statistics(), RecorderSettings(store=str(path), pair_timeout=0.0)
        self.store = LiveStore(path, self.settings.disk_budget * GB)
        self.ledger = Ledger(self.settings, self.store, self.statistics, logging.getLogger("t"), lambda *_: None)
        self._health = RecorderHealth("recorder", self.ledger, self.store, self.statistics)

    def look(self) -> tuple[bytes, str, dict[str, str]]:
        report: DiagnosticArray = self._health.report(Time(sec=1))
        (status,) = report.status
        return status.level, status.message, {pair.key: pair.value for pair in status.values}


@pytest.fixture
def reported(tmp_path):
    return Reported(tmp_path / "experience.db")


def record(reported, executed, now: float, *names: str) -> None:
    for name in names:
        reported.ledger.take(executed(0, name)[0], now)
    reported.ledger.settle(now)


def test_the_numbers_are_the_store_s(reported, executed):
    level, _, values = reported.look()
    assert level == DiagnosticStatus.OK and values["last_fault"] == "none" and values["stored"] == "0"
    record(reported, executed, 0.0, "a", "b")
    record(reported, executed, 1.0, "a", "")
    level, text, values = reported.look()
    assert level == DiagnosticStatus.OK and "2 outcomes stored" in text
    counted = {name: values[name] for name in ("outcomes", "stored", "duplicates", "unpaired", "dropped", "waiting")}
    assert counted == {
        "outcomes": "4", "stored": "2", "duplicates": "1", "unpaired": "2", "dropped": "1", "waiting": "0"
    }  # fmt: skip
    assert values["dropped.BAD_REQUEST"] == "1" and "latency_ms.commit.p99" in values
    assert int(values["store_bytes"]) == reported.store.store_bytes > 0
    assert values["budget_bytes"] == "10000000000" and values["frame_bytes"] == "0"


def test_it_warns_before_outcomes_wait_and_says_so_when_they_do(reported, executed):
    record(reported, executed, 0.0, "a")
    reported.store.budget.budget_bytes = int(reported.store.store_bytes / 0.95)
    level, text, _ = reported.look()
    assert level == DiagnosticStatus.WARN and "95% of disk_budget" in text and "outcomes wait" in text
    record(reported, executed, 1.0, "b")
    level, text, values = reported.look()
    assert level == DiagnosticStatus.ERROR and text.startswith("1 outcomes wait: STORE_UNWRITABLE: ")
    assert values["waiting"] == "1" and values["refused.STORE_UNWRITABLE"] == "1"
    reported.store.budget.budget_bytes = 10**9
    record(reported, executed, 100.0)
    level, _, values = reported.look()
    assert level == DiagnosticStatus.OK and values["waiting"] == "0" and "STORE_UNWRITABLE" in values["last_fault"]


def test_lost_full_frames_are_a_warning_once(reported):
    reported.statistics.count("frames.missed", 3)
    level, text, values = reported.look()
    assert level == DiagnosticStatus.WARN and text.startswith("3 full frames lost") and values["frames.missed"] == "3"
    assert reported.look()[0] == DiagnosticStatus.OK
