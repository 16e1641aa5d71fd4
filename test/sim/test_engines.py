"""Engines: batches in the order of the jobs, dead workers replaced, nobody left behind, and what Dask refuses."""

import random
import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.version import version
from gmi_ros.sim import dask_engine, engines
from gmi_ros.sim.collect import Job, TrialOptions
from gmi_ros.sim.dask_engine import DaskEngine, Fitness
from gmi_ros.sim.engines import LocalEngine
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import Part

PATIENCE = 120  # [s] on a machine with other things to do


class Killer:
    """An object model that ends the process that it is unpickled in."""

    def __reduce__(self):
        import os

        return os._exit, (3,)


class Nothing:
    """An object model of which no cell can be made."""

    name, rgb, parts = "nothing_0", (0.5, 0.5, 0.5), ()

    def __reduce__(self):
        from gmi_ros.sim.objects import ObjectModel

        return ObjectModel, ("nothing", 0, (), self.rgb)


def test_a_number_of_workers_that_is_none():
    with pytest.raises(GmiError, match="at least 1, got 0"):
        LocalEngine(0)


def test_a_refusal_comes_back_as_it_was_raised():
    speck = Part("ellipsoid", (5e-4, 5e-4, 5e-4), (0.0, 0.0, 5e-4), (0.0, 0.0, 0.0, 1.0))
    job = Job(ObjectModel("speck", 0, (speck,), (0.5, 0.5, 0.5)), 0, 1, TrialOptions())  # too small to be seen
    with LocalEngine(1) as engine, pytest.raises(GmiError, match="speck_0 is not wholly in view") as refused:
        next(engine.run([job]))
    assert refused.value.code == ErrorCode.INTERNAL


def test_jobs_are_taken_a_few_ahead_and_a_defect_is_told():
    numbers = count()
    with LocalEngine(1) as engine:
        jobs = (Job(Nothing(), next(numbers), 1, TrialOptions()) for _ in range(100))
        with pytest.raises(ZeroDivisionError):
            next(engine.run(jobs))
    assert next(numbers) == engines.AHEAD


def test_workers_that_always_die_end_the_work_with_a_message(monkeypatch):
    monkeypatch.setattr(engines, "_MOST_BREAKS", 1)
    with LocalEngine(1) as engine, pytest.raises(GmiError, match="ended 2 times without a result") as told:
        list(engine.run([Job(Killer(), 0, 1, TrialOptions())]))
    assert told.value.code == ErrorCode.INTERNAL


WORK = """
from itertools import count
from gmi_ros.sim.collect import Job, TrialOptions
from gmi_ros.sim.engines import LocalEngine
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import Part
from gmi_ros.sim.objects import find_object

if __name__ == "__main__":
    with LocalEngine(2) as engine:
        for batch in engine.run(Job(find_object("random_0"), n, 1, TrialOptions()) for n in count()):
            pass
"""


def members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, its_session = rest.split()[:4]
        if int(its_session) == session and state != "Z":
            found.append(int(name.split()[0]))
    return found


def wait_until(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)


@pytest.mark.soak
def test_nobody_survives_the_parent_even_while_workers_start(soak_scale):
    for round_ in range(max(1, round(10 * soak_scale))):
        parent = subprocess.Popen([sys.executable, "-c", WORK], start_new_session=True, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(members(parent.pid)) >= 3, "the first worker")  # parent, resource tracker, worker
        time.sleep(random.Random(round_).uniform(0, 3) if round_ else 0)
        parent.kill()
        parent.wait()
        wait_until(lambda: not members(parent.pid), "the workers' end")


# Dask.


@pytest.fixture
def dask(monkeypatch):
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    monkeypatch.setattr(dask_engine, "ANSWER_S", 1.0)


@pytest.mark.parametrize("address", ["nonsense", "ftp://somewhere:21", "tcp://127.0.0.1:1", "", "tcp://[::1]:99999999"])
def test_an_address_where_no_scheduler_is(address, dask):
    with pytest.raises(GmiError, match="no Dask scheduler at .*expected tcp://HOST:PORT") as told:
        DaskEngine(address)
    assert repr(address) in told.value.message


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n" * 4])
def test_something_else_that_listens_there(greeting, dask):
    with socket.create_server(("127.0.0.1", 0)) as server:
        from threading import Thread

        kept = []

        def greet():
            kept.append(server.accept()[0])
            kept[0].sendall(greeting)

        Thread(target=greet, daemon=True).start()
        with pytest.raises(GmiError, match="no Dask scheduler at"):
            DaskEngine(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        for connection in kept:
            connection.close()


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(GmiError, match=r"pip install '\.\[dask\]' in the checkout"):
        DaskEngine("tcp://127.0.0.1:1")


def test_a_worker_that_would_make_other_trials_is_named_with_all_that_differs():
    needed = Fitness(version(), "4.0.0", "0123", 1)
    needed.check("tcp://a:1", needed)
    with pytest.raises(GmiError, match=f"tcp://a:1 has gmi_ros 0.0.9 where {version()} .*, threads 8 where 1 is"):
        Fitness("0.0.9", "4.0.0", "0123", 8).check("tcp://a:1", needed)
