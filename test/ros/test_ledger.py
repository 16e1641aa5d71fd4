"""Whatever the order, the delay and the number of messages: the store is what a plain reference computes."""

import logging
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros.diagnostics import Statistics
from gmi_ros.ros.ledger import Ledger
from gmi_ros.ros.live_store import GB, LiveStore
from gmi_ros.ros.settings import RecorderSettings
from gmi_ros.ros.judging import Judgement

pytestmark = pytest.mark.ros
EVENTS = 10_000
PAIR_S = 2.0
LATE_S = 5.0  # how late anything comes, at most


class Book:
    """A ledger with a clock of the test's, and what it says."""

    def __init__(self, path, **settings):
        self.settings = RecorderSettings(store=str(path), pair_timeout=PAIR_S, retry_period=1.0, **settings)
        self.path, self.statistics, self.recorded = path, Statistics(), []
        self.paired: list[str] = []  # observations told with an outcome
        self.store = LiveStore(path, self.settings.disk_budget * GB)
        self.ledger = Ledger(self.settings, self.store, self.statistics, logging.getLogger("test"), self._tell)

    def _tell(self, recorded: Recorded, observation_id: str) -> None:
        assert bool(observation_id) or not recorded.paired or recorded.duplicate
        self.recorded.append(recorded)
        self.paired += [observation_id] if observation_id else []

    def at(self, now: float, *messages) -> None:
        """The node's thread looks at what waits ten times a second, so also just before a message."""
        self.ledger.settle(now)
        for message in messages:
            self.ledger.take(message, now)
            self.ledger.settle(now)

    def judge(self, now: float, outcome_id: str, success: bool, note: str = "") -> Judgement:
        verdict = Judgement(outcome_id, success, note)
        self.at(now, verdict)
        return verdict


@pytest.fixture
def make_book(tmp_path):
    return lambda **settings: Book(tmp_path / "experience.db", **settings)


@pytest.fixture(scope="module")
def seen(executed) -> tuple[GraspOutcome, Observation]:
    return executed(0, "seen")[:2]


def outcome(seen, name: str, observation_id: str, success: bool) -> GraspOutcome:
    message = copy(seen[0])
    message.outcome_id, message.observation_id, message.success = name, observation_id, success
    return message


def observation(seen, name: str) -> Observation:
    message = copy(seen[1])
    message.id = name
    return message


@dataclass
class Case:
    """When what of one execution comes [s]. known: whether its observation ever does. judged: time and verdict."""

    name: str
    success: bool
    came: list[float]
    observed: list[float]
    judged: list[tuple[float, bool]] = field(default_factory=list)

    def expected(self) -> tuple[bool, str, str]:
        """Success, who judged, and split: judged once it has come, the last verdict holds; paired if ever observed."""
        first = min(self.came)
        verdicts = sorted((when, verdict) for when, verdict in self.judged if when > first)
        success = verdicts[-1][1] if verdicts else self.success
        return success, "person" if verdicts else "sensor", "live" if self.observed else "unpaired"


def draw_cases(rng: np.random.Generator, events: int) -> list[Case]:
    cases, drawn = [], 0
    while drawn < events:
        start = drawn * 0.02
        case = Case(f"o{len(cases)}", bool(rng.random() < 0.5), [], [])
        case.came = list(start + LATE_S * rng.random(1 + rng.geometric(0.6)))
        if rng.random() < 0.8:  # else a grasp that nobody has seen
            case.observed = list(start + LATE_S * rng.random(rng.geometric(0.7)) * rng.choice([0.1, 1.0]))
        if rng.random() < 0.4:
            case.judged = [
                (start + 2 * LATE_S * rng.random(), bool(rng.random() < 0.5)) for _ in range(rng.integers(1, 3))
            ]
        drawn += len(case.came) + len(case.observed) + len(case.judged)
        cases.append(case)
    return cases


@pytest.mark.soak
def test_the_store_is_what_a_plain_reference_computes(make_book, seen, soak_seed, soak_scale):
    rng, book = np.random.default_rng(soak_seed), make_book()
    cases = draw_cases(rng, int(EVENTS * soak_scale))
    events = []
    for case in cases:
        events += [(t, outcome(seen, case.name, f"seen by {case.name}", case.success), None) for t in case.came]
        events += [(t, observation(seen, f"seen by {case.name}"), None) for t in case.observed]
        events += [(t, Judgement(case.name, success), t > min(case.came)) for t, success in case.judged]
    events += [(t, Judgement(f"never {t}", True), False) for t in LATE_S * rng.random(len(cases) // 20 + 1)]
    events.sort(key=lambda event: event[0])
    for now, message, _ in events:
        book.at(now, message)
    book.at(events[-1][0] + PAIR_S)
    book.ledger.close(events[-1][0] + PAIR_S)

    with Store(book.path) as store:
        assert store.verify() == len(cases)
        found = {e.outcome_id: (e.success, e.judged_by, e.split) for e in store}
    assert found == {case.name: case.expected() for case in cases}
    for _, message, accepted in events:
        if isinstance(message, Judgement):
            assert message.is_told and message.answer(0.0)[0] == (ErrorCode.OK if accepted else ErrorCode.BAD_REQUEST)
    fresh = [r.outcome_id for r in book.recorded if not r.duplicate]
    assert len(fresh) == len(cases) and {r.outcome_id for r in book.recorded} == set(fresh) == set(found)
    assert not any(name.startswith("dropped") for name in book.statistics.values())
    # The counts, which are kept and not counted anew, are the store's.
    pairs = sum(success and split == "live" for success, _, split in found.values())
    assert (book.store.stored, book.store.recorded) == (len(cases), pairs)
    print(f"{len(events)} events of {len(cases)} executions, {len(book.recorded)} acknowledgements")


def test_an_observation_is_not_pushed_out_while_its_outcome_waits(make_book, seen):
    book = make_book()
    book.store.budget.budget_bytes = 0  # the store refuses
    book.at(0.0, observation(seen, "first"), outcome(seen, "a", "first", True))
    assert "disk budget" in book.ledger.fault and book.ledger.waiting == 1
    for n in range(300):
        book.at(0.5, observation(seen, f"later {n}"))
    book.store.budget.budget_bytes = 10**9
    book.at(10.0)
    assert [r.paired for r in book.recorded] == [True] and book.ledger.waiting == 0 and not book.ledger.fault
    assert "disk budget" in book.ledger.last_fault


def test_a_store_at_its_budget_says_so_keeps_what_waits_and_goes_on(make_book, seen):
    book = make_book()
    book.at(0.0, observation(seen, "s"), outcome(seen, "a", "s", True))
    book.store.budget.budget_bytes = 10_000
    book.at(1.0, outcome(seen, "b", "s", False), outcome(seen, "a", "s", True))
    for part in ("STORE_UNWRITABLE", str(book.path), "disk budget", "never deleted", "raise"):
        assert part in book.ledger.fault
    assert [r.outcome_id for r in book.recorded] == ["a"] and book.ledger.waiting == 2
    book.at(1.5)
    assert book.statistics["refused.STORE_UNWRITABLE"] == 1  # not before retry_period is over
    book.at(2.5)
    assert book.statistics["refused.STORE_UNWRITABLE"] == 2
    with Store(book.path) as store:
        assert store.verify() == 1
    book.store.budget.budget_bytes = 10**9
    book.at(4.0)
    assert [(r.outcome_id, r.duplicate) for r in book.recorded] == [("a", False), ("b", False), ("a", True)]


def test_a_verdict_on_an_outcome_that_waits_is_committed_with_it(make_book, seen):
    book = make_book()
    book.at(0.0, outcome(seen, "a", "s", True))
    verdict = book.judge(0.1, "a", False, "it slid")
    assert not verdict.is_told and len(book.ledger) == 2
    book.at(0.2, observation(seen, "s"))
    assert verdict.answer(0.0) == (ErrorCode.OK, "outcome 'a' is stored as a failure")
    with Store(book.path) as store:
        assert (store.get("a").success, store.get("a").judged_by, store.get("a").note) == (False, "person", "it slid")


def test_a_verdict_while_the_store_refuses_is_kept_and_told_so(make_book, seen):
    book = make_book()
    book.at(0.0, observation(seen, "s"))
    book.store.budget.budget_bytes = 0
    book.at(0.0, outcome(seen, "a", "s", True))
    verdict = book.judge(0.1, "a", False)
    code, text = verdict.answer(0.0)
    assert code == ErrorCode.STORE_UNWRITABLE and "disk budget" in text and "is kept" in text and "judge again" in text
    book.store.budget.budget_bytes = 10**9
    book.at(2.0)
    with Store(book.path) as store:
        assert not store.get("a").success
    assert len(book.ledger) == 0


def test_the_later_verdict_holds_and_a_late_copy_of_the_outcome_changes_nothing(make_book, seen):
    book = make_book()
    book.at(0.0, observation(seen, "s"), outcome(seen, "a", "s", True))
    for n, success in enumerate((False, True, False)):
        assert book.judge(1.0 + n, "a", success).answer(0.0)[0] == ErrorCode.OK
        assert (book.store.stored, book.store.recorded) == (1, int(success))
    book.at(9.0, outcome(seen, "a", "s", True))
    again = book.recorded[-1]
    assert again.duplicate and not again.success and again.paired and (again.stored, again.recorded) == (1, 0)


def test_a_verdict_on_nothing_is_refused_with_what_would_be_valid(make_book, seen):
    book = make_book()
    book.at(0.0, observation(seen, "s"), outcome(seen, "known", "s", True))
    code, text = book.judge(1.0, "unknown", True).answer(0.0)
    assert code == ErrorCode.BAD_REQUEST and "'unknown'" in text and "'known'" in text and str(book.path) in text
    assert book.statistics["judged_refused.BAD_REQUEST"] == 1


def test_what_cannot_be_committed_before_the_end_is_said(make_book, seen, caplog):
    book = make_book()
    book.at(0.0, outcome(seen, "a", "never seen", True))
    verdict = book.judge(0.0, "a", True)
    book.ledger.close(0.1)
    assert verdict.answer(0.0)[0] == ErrorCode.NOT_ACTIVE and "'a' was not committed" in caplog.text


def test_more_than_most_waiting_is_refused_the_oldest_first(make_book, seen):
    book = make_book(most_waiting=2)
    book.store.budget.budget_bytes = 0
    book.at(0.0, observation(seen, "s"), *(outcome(seen, name, "s", True) for name in "abc"))
    assert book.statistics["dropped.STORE_UNWRITABLE"] == 1 and book.ledger.waiting == 2
    verdicts = [book.judge(0.1, "b", True) for _ in range(3)]
    assert [v.answer(0.0)[0] for v in verdicts] == [ErrorCode.STORE_UNWRITABLE] * 2 + [ErrorCode.BUSY]


def test_a_store_of_another_program_is_no_reason_to_lose_anything(make_book, seen):
    book = make_book()
    book.path.write_bytes(b"no database" * 1000)
    book.at(0.0, observation(seen, "s"), outcome(seen, "a", "s", True))
    assert "STORE_CORRUPT" in book.ledger.fault
    with pytest.raises(GmiError):
        Store(book.path)
    book.path.unlink()
    book.at(2.0)
    assert [r.outcome_id for r in book.recorded] == ["a"]


def test_an_observation_after_the_time_to_wait_for_it_still_pairs(make_book, seen):
    book = make_book()
    book.at(0.0, outcome(seen, "a", "s", True))
    book.at(PAIR_S + 1.0)
    assert book.judge(4.0, "a", False, "fell").answer(0.0)[0] == ErrorCode.OK
    assert [(r.duplicate, r.paired, r.recorded) for r in book.recorded] == [(False, False, 0)]
    book.store.budget.budget_bytes = 0
    book.at(5.0, observation(seen, "s"))
    assert "disk budget" in book.ledger.fault and book.ledger.waiting == 1
    book.store.budget.budget_bytes = 10**9
    book.at(7.0)
    book.at(8.0, observation(seen, "s"), outcome(seen, "a", "s", True))  # nothing further
    assert [(r.duplicate, r.paired, r.success) for r in book.recorded[1:]] == [(True, True, False)] * 2
    assert [book.statistics[name] for name in ("stored", "unpaired", "completed", "duplicates")] == [1, 1, 1, 1]
    assert book.paired == ["s"]  # once: its full images are kept then
    book.ledger.close(9.0)
    with Store(book.path) as store:
        assert store.verify() == 1
        (found,), verdicts = list(store), store.verdicts("a")
    assert found.pixels is not None and not found.observation_missing and found.observation_id == "s"
    assert (found.split, found.success, found.judged_by, found.note) == ("live", False, "person", "fell")
    assert [v.success for v in verdicts] == [True, False]


def test_after_a_restart_what_is_retained_completes_a_record(make_book, seen):
    first = make_book()
    first.at(0.0, outcome(seen, "a", "s", True), outcome(seen, "b", "never", True))
    first.at(PAIR_S)
    first.ledger.close(PAIR_S)
    second = make_book()
    second.at(0.0, outcome(seen, "a", "s", True), outcome(seen, "b", "never", True), observation(seen, "s"))
    second.at(PAIR_S)
    assert [(r.outcome_id, r.paired) for r in second.recorded] == [("a", True), ("b", False)]
    assert (second.store.stored, second.store.recorded) == (2, 1)


def test_as_many_as_are_kept_may_come_late(make_book, seen):
    book = make_book(most_waiting=10_000)
    book.at(0.0, *(outcome(seen, f"o{n}", f"s{n}", True) for n in range(210)))
    book.at(PAIR_S)
    book.at(3.0, *(observation(seen, f"s{n}") for n in range(210)))
    paired = {r.outcome_id for r in book.recorded if r.paired}
    assert paired == {f"o{n}" for n in range(10, 210)}


@pytest.mark.parametrize("name", ["a", "s"])  # also where an integrator gives outcome and observation one id
def test_a_late_observation_that_cannot_be_stored_loses_nothing(make_book, seen, name):
    book, bad = make_book(), observation(seen, name)
    bad.rgb = copy(bad.rgb)
    bad.rgb.encoding = "nothing"
    book.at(0.0, outcome(seen, "a", name, True))
    book.at(PAIR_S, bad)
    assert book.statistics["observations_refused.UNKNOWN_ENCODING"] == 1 and not book.ledger.waiting
    assert not any(count.startswith("dropped") for count in book.statistics.values())
    book.at(3.0, observation(seen, name))
    assert (book.recorded[-1].paired, book.store.stored, book.store.recorded) == (True, 1, 1)
    book.ledger.close(3.0)
    with Store(book.path) as store:
        assert store.verify() == 1 and store.get("a").observation_id == name


def test_what_is_in_the_store_gives_way_to_what_is_not(make_book, seen):
    book = make_book(most_waiting=2)
    for name in "ab":
        book.at(0.0, outcome(seen, name, "s", True))
    book.at(PAIR_S)
    book.store.budget.budget_bytes = 0
    book.at(3.0, observation(seen, "s"), outcome(seen, "c", "s", True), outcome(seen, "d", "s", True))
    assert book.ledger.waiting == 2
    book.store.budget.budget_bytes = 10**9
    book.at(5.0)
    book.at(6.0)
    assert {r.outcome_id for r in book.recorded if r.paired} == {*"abcd"} and book.store.recorded == 4
    assert not any(count.startswith("dropped") for count in book.statistics.values())
