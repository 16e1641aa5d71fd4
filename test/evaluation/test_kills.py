"""Whoever does the work and whatever happens to them, the records are the same, to the last bit."""

import dataclasses
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from made_once import run_once

from gmi_ros.core.errors import GmiError
from gmi_ros.evaluation.collecting import collect
from gmi_ros.evaluation.goal import Goal
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import CANDIDATES
from gmi_ros.sim.dask_engine import DaskEngine
from gmi_ros.sim.splits import objects_of

PATIENCE = 300  # [s] on a machine with other things to do
SEED = 5


def store_hash(path: Path) -> str:
    """Of all records: their order and every field, arrays by their bytes."""
    found = hashlib.sha256()
    with Store(path) as store:
        assert store.verify() == len(store)
        for episode in store:
            for field in dataclasses.fields(episode):
                value = getattr(episode, field.name)
                if isinstance(value, np.ndarray):
                    found.update(repr((field.name, value.dtype.str, value.shape)).encode() + value.tobytes())
                else:
                    found.update(repr((field.name, value)).encode())
    return found.hexdigest()


class Here:
    """An engine without processes."""

    def run(self, jobs):
        return (run_once(job) for job in jobs)


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    n_objects: int
    trials: int
    digest: str
    seconds: float

    def command(self, out: Path, *options: str) -> list[str]:
        what = ["--split", "random", "--objects", str(self.n_objects), "--trials", str(self.trials)]
        rest = ["--seed", str(SEED), "--out", str(out), "--quiet", *options]
        return [sys.executable, "-m", "gmi_ros.cli", "collect", *what, *rest]

    def collect(self, out: Path, engine) -> dict:
        objects = objects_of("random", self.n_objects)
        return collect(out, "random", objects, Goal(trials=self.trials), engine, SEED, progress=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    soak = os.environ.get("GMI_SOAK") == "1"
    path = tmp_path_factory.mktemp("undisturbed") / "x.db"
    wanted = Undisturbed(2 if soak else 1, (6 if soak else 2) * CANDIDATES, "", 0.0)
    started = time.monotonic()
    assert wanted.collect(path, Here())["successes"] > 0
    return dataclasses.replace(wanted, digest=store_hash(path), seconds=time.monotonic() - started)


def processes(session: int) -> dict[int, str]:
    """The living processes of a session and their command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue  # It has ended.
    return found


def workers(process: subprocess.Popen) -> list[int]:
    return [pid for pid, command in processes(process.pid).items() if "spawn_main" in command]


def wait_until(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)


def start(command: list[str]) -> subprocess.Popen:
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_a_worker(process, moment, rng):
    """Whether there was one to kill: the work may be done by then."""
    wait_until(lambda: workers(process) or process.poll() is not None, "a worker")
    time.sleep(moment)
    alive = workers(process)
    if alive:
        os.kill(rng.choice(alive), signal.SIGKILL)
    return bool(alive)


def end(process, sent: signal.Signals, moment: float) -> str:
    """Send a signal to the parent (SIGKILL) or, as a terminal does, to all; nobody may be left. Returns stderr."""
    time.sleep(moment)
    if sent == signal.SIGKILL:
        process.kill()
    elif process.poll() is None:
        os.killpg(process.pid, sent)
    _, told = process.communicate(timeout=PATIENCE)
    wait_until(lambda: not processes(process.pid), "the workers' end")
    return told


@pytest.mark.soak
def test_kills_and_interrupts_at_random_moments_leave_no_trace(undisturbed, tmp_path, soak_scale):
    command, wanted = undisturbed.command, max(1, round(10 * soak_scale))
    killed = {"workers": 0, "parents": 0}
    for round_ in range(4 * wanted):
        rng, out = random.Random(round_), tmp_path / f"{round_}.db"
        process = start(command(out, "--workers", "2"))
        killed["workers"] += kill_a_worker(process, rng.uniform(0, undisturbed.seconds), rng)
        sent = signal.SIGINT if round_ % 3 == 2 else signal.SIGKILL
        told = end(process, sent, rng.uniform(0, undisturbed.seconds))
        killed["parents"] += process.returncode == -signal.SIGKILL
        if sent == signal.SIGINT:
            assert process.returncode in (0, 130) and "Traceback" not in told, told
        done = subprocess.run(command(out, "--workers", "1"), capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        assert store_hash(out) == undisturbed.digest, f"round {round_}"
        print(f"round {round_}: the same records; killed so far: {killed}")
        if min(killed.values()) >= wanted:
            break
    else:
        pytest.fail(f"only {killed} were killed while they worked")


# Dask.


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers: their processes and the scheduler's address."""
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    plain = ["--host", "127.0.0.1", "--no-dashboard"]
    dask = [sys.executable, "-m", "dask"]
    log = (file.parent / "log").open("w")
    scheduler = [*dask, "scheduler", *plain, "--port", "0", "--scheduler-file", str(file)]
    worker = [*dask, "worker", *plain, "--scheduler-file", str(file), "--no-nanny", "--nthreads", "1"]
    started = [subprocess.Popen(command, stdout=log, stderr=log) for command in (scheduler, worker, worker)]
    try:
        wait_until(file.exists, "the scheduler")
        yield started, file
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


@pytest.fixture(scope="module")
def address(cluster):
    return json.loads(cluster[1].read_text())["address"]


def test_a_cluster_makes_the_same_records(address, undisturbed, tmp_path):
    with DaskEngine(address) as engine:
        undisturbed.collect(tmp_path / "x.db", engine)
    assert store_hash(tmp_path / "x.db") == undisturbed.digest


def test_a_dead_worker_costs_nothing_and_a_lost_scheduler_only_what_was_not_committed(
    cluster, address, undisturbed, tmp_path
):
    (scheduler, _, worker), out = cluster[0], tmp_path / "x.db"

    class Unlucky:
        """A worker dies while it is at work, and the scheduler once the first batch is there."""

        def __init__(self, engine):
            self.engine = engine

        def run(self, jobs):
            killing = Timer(undisturbed.seconds / 10, worker.kill)
            killing.start()
            for batch in self.engine.run(jobs):
                killing.join()
                yield batch
                scheduler.kill()

    with DaskEngine(address) as engine, pytest.raises(GmiError, match=f"scheduler at {address} has gone away"):
        undisturbed.collect(out, Unlucky(engine))
    with Store(out) as store:
        assert len(store) == CANDIDATES
    undisturbed.collect(out, Here())
    assert store_hash(out) == undisturbed.digest
