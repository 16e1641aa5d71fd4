"""The synchroniser emits what genuine message_filters emits (test/golden), and keeps its own laws."""

import json
import threading
from pathlib import Path

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.synchronizer import ApproximateTimeSynchronizer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "synchronizer.json").read_text())["cases"]
MS = 1_000_000


def collect(n_topics=2, queue_size=10, slop_s=0.01):
    sets = []
    return ApproximateTimeSynchronizer(n_topics, queue_size, slop_s, lambda *m: sets.append(m)), sets


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"seed{case['seed']}")
def test_emits_the_sets_of_message_filters(case):
    sets, now = [], [0]
    synchronizer = ApproximateTimeSynchronizer(
        case["n_topics"], case["queue_size"], case["slop_s"], lambda *m: sets.append([now[0], list(m)])
    )
    for number, (topic, offset_ns) in enumerate(case["adds"]):
        now[0] = number
        synchronizer.add(topic, case["base_ns"] + offset_ns, number)
    assert sets == case["sets"]


def test_golden_sequences_cover_sets_and_misses():
    n_sets = [len(c["sets"]) for c in GOLDEN]
    assert sum(n_sets) > 1000 and min(n_sets) < 5


def test_every_message_is_handed_on_once_and_sets_stay_within_the_slop():
    for case in GOLDEN:
        used = [number for _, members in case["sets"] for number in members]
        assert len(used) == len(set(used))
        for _, members in case["sets"]:
            stamps = [case["adds"][n][1] for n in members]
            assert max(stamps) - min(stamps) < case["slop_s"] * 1e9


def test_the_slop_itself_is_too_far():
    synchronizer, sets = collect(slop_s=0.01)
    synchronizer.add(0, 0, "a")
    synchronizer.add(1, 10 * MS, "b")
    assert sets == []
    synchronizer.add(1, 10 * MS - 1, "c")
    assert sets == [("a", "c")]


def test_equal_stamps_replace_and_equally_near_ones_go_by_arrival():
    synchronizer, sets = collect()
    synchronizer.add(0, 5 * MS, "old")
    synchronizer.add(0, 5 * MS, "new")
    synchronizer.add(0, 1 * MS, "late")
    synchronizer.add(1, 3 * MS, "b")
    assert sets == [("new", "b")]


def test_an_overflowing_queue_drops_its_oldest_stamp_even_when_it_is_the_arriving_one():
    synchronizer, sets = collect(queue_size=2)
    for stamp in (100, 200):
        synchronizer.add(0, stamp * MS, stamp)
    synchronizer.add(1, 50 * MS, "b")
    synchronizer.add(0, 50 * MS, "too old")
    assert sets == []
    synchronizer.add(1, 100 * MS, "c")
    assert sets == [(100, "c")]


def test_clear_forgets():
    synchronizer, sets = collect()
    synchronizer.add(0, 0, "a")
    synchronizer.clear()
    synchronizer.add(1, 0, "b")
    assert sets == []


def test_a_raising_callback_leaves_it_working():
    sets = []

    def callback(*messages):
        sets.append(messages)
        if len(sets) == 1:
            raise ValueError("first one fails")

    synchronizer = ApproximateTimeSynchronizer(["rgb", "depth"], 5, 0.01, callback)
    synchronizer.add(0, 0, "a")
    with pytest.raises(ValueError, match="first one fails"):
        synchronizer.add(1, 0, "b")
    synchronizer.add(0, 100 * MS, "c")
    synchronizer.add(1, 100 * MS, "d")
    assert sets == [("a", "b"), ("c", "d")]


def test_the_callback_may_add():
    sets = []

    def callback(*messages):
        sets.append(messages)
        if len(sets) == 1:
            synchronizer.add(0, 500 * MS, "again")
            synchronizer.add(1, 500 * MS, "and again")

    synchronizer = ApproximateTimeSynchronizer(2, 5, 0.01, callback)
    synchronizer.add(0, 0, "a")
    synchronizer.add(1, 0, "b")
    assert sets == [("a", "b"), ("again", "and again")]


def test_four_threads_lose_nothing():
    n = 500
    synchronizer, sets = collect(n_topics=4, queue_size=n, slop_s=0.0005)

    def feed(topic):
        for i in range(n):
            synchronizer.add(topic, i * MS, i)

    threads = [threading.Thread(target=feed, args=(topic,)) for topic in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(sets) == [(i,) * 4 for i in range(n)]


@pytest.mark.parametrize("n_topics, queue_size, slop_s", [(0, 1, 0.1), (2, 0, 0.1), (2, 1, 0.0), (2, 1, float("nan"))])
def test_impossible_settings_are_refused(n_topics, queue_size, slop_s):
    with pytest.raises(GmiError) as error:
        ApproximateTimeSynchronizer(n_topics, queue_size, slop_s, print)
    assert error.value.code == ErrorCode.BAD_SETTING
