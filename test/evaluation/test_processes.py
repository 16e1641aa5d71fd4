"""Work spread over processes: the items' order, an end at once, a worker that dies is told."""

import multiprocessing
import os

import pytest
from process_work import dead_at_two, doubled, stuck_after_the_first, threads

from gmi_ros.core.errors import GmiError
from gmi_ros.evaluation.processes import in_chunks


@pytest.mark.parametrize("workers", [1, 2])
def test_the_order_is_the_items(workers):
    assert list(in_chunks(doubled, range(7), 2, workers)) == [0, 2, 4, 6, 8, 10, 12]
    assert list(in_chunks(doubled, [], 2, workers)) == []


def test_whoever_stops_listening_ends_the_workers():
    made = in_chunks(stuck_after_the_first, range(4), 1, 2)
    assert next(made) == 0
    made.close()
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_told():
    assert list(in_chunks(dead_at_two, range(2), 1, 2)) == [0, 1]
    with pytest.raises(GmiError, match="a worker process ended before its time"):
        list(in_chunks(dead_at_two, range(3), 1, 2))


@pytest.mark.parametrize("said", [None, "3"])
def test_linear_algebra_of_workers_keeps_to_one_thread_unless_told_otherwise(said, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert list(in_chunks(threads, range(3), 1, 2)) == [said or "1"] * 3
    assert os.environ.get("OMP_NUM_THREADS") == said
