"""The synchroniser emits what genuine message_filters emits (test/golden), and keeps its own laws."""

import json
import threading
from pathlib import Path

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.synchronizer import ApproximateTimeSynchronizer

FOLDER = Path(__file__).parents[1] / "golden"
from sequences import N_SEQUENCES, Sequence, digest, make_sequence

GOLDEN = json.loads((FOLDER / "synchronizer.json").read_text())["cases"]
MS = 1_000_000


def collect(n_topics=2, queue_size=10, slop_s=0.01):
    sets = []
    return ApproximateTimeSynchronizer(n_topics, queue_size, slop_s, lambda *m: sets.append(m)), sets


def emitted(sequence: Sequence) -> list:
    """[number of the event that completed it, [numbers of the events in it]] of every set."""
    sets, now = [], [0]
    synchronizer = ApproximateTimeSynchronizer(
        sequence.n_topics, sequence.queue_size, sequence.slop_s, lambda *m: sets.append([now[0], list(m)])
    )
    for number, event in enumerate(sequence.events):
        now[0] = number
        if event is None:
            synchronizer.clear()
        else:
            synchronizer.add(*event, number)
    return sets


def test_the_golden_file_is_of_these_sequences():
    assert [case["seed"] for case in GOLDEN] == list(range(N_SEQUENCES)) and N_SEQUENCES == 1000
    assert [make_sequence(case["seed"]).digest for case in GOLDEN] == [case["sequence"] for case in GOLDEN]


def test_emits_the_sets_of_message_filters_on_a_thousand_sequences():
    differing = []
    for case in GOLDEN:
        sets = emitted(make_sequence(case["seed"]))
        if (len(sets), digest(sets)) != (case["n_sets"], case["sets"]):
            differing.append(f"seed {case['seed']}: {len(sets)} sets, message_filters has {case['n_sets']}")
    assert not differing


def test_the_sequences_hold_all_that_is_hard():
    """Sets and misses, resets, equal stamps, messages that come again, late ones, jumps back in time."""
    sequences = [make_sequence(case["seed"]) for case in GOLDEN]
    messages = [[event for event in s.events if event] for s in sequences]
    n_sets = [case["n_sets"] for case in GOLDEN]
    assert sum(n_sets) > 20_000 and sum(n < 5 for n in n_sets) > 50
    assert {s.n_topics for s in sequences} == {1, 2, 3, 4, 5} and {s.queue_size for s in sequences} >= {1, 30}
    assert sum(None in s.events for s in sequences) > 100
    assert sum(len(set(m)) < len(m) for m in messages) > 100
    assert sum(len({stamp for _, stamp in m}) < len(set(m)) for m in messages) > 100
    assert sum(any(b[1] < a[1] for a, b in zip(m, m[1:])) for m in messages) > 500
    assert sum(min(stamp for _, stamp in m) < m[0][1] - 10**9 for m in messages) > 20


def test_every_message_is_handed_on_once_and_sets_stay_within_the_slop():
    for sequence in map(make_sequence, range(100)):
        sets = emitted(sequence)
        used = [number for _, members in sets for number in members]
        assert len(used) == len(set(used))
        for _, members in sets:
            stamps = [sequence.events[n][1] for n in members]
            assert max(stamps) - min(stamps) < sequence.slop_s * 1e9


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
