"""`gmi collect`: what it tells, and what it refuses without losing anything that was recorded."""

import re
import resource
import sqlite3
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

from gmi_ros.cli import collect as command
from gmi_ros.cli import objects
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.evaluation import goal
from gmi_ros.experience.store import Store
from gmi_ros.sim.camera import KINECT, Camera
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.collect import CANDIDATES, Batch, TrialRecord, View, trial_seed
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.splits import SPLITS
from gmi_ros.sim.trial import COLLIDED, HELD, GraspPlan, TrialResult


def drawn_batch(job) -> Batch:
    """Trials without physics: the first of each batch succeeds, but never those of random_0."""
    view = View(Camera(KINECT, np.eye(4), 0), ObjectFrame(np.eye(4), False, 0.5, np.zeros(2), 0.7, 9, 1))
    plan = GraspPlan(np.eye(4), np.eye(4), np.zeros(4), ClosingPlan.together(2.0))
    records = []
    for place in range(CANDIDATES):
        seed, success = trial_seed(job.seed, job.number, place), place == 0 and job.object_model.name != "random_0"
        reached, reason = (np.eye(3), HELD) if success else (None, COLLIDED)
        result = TrialResult(success, reason, reached, reached, np.zeros(4), np.ones(3, bool), np.eye(4), 0.0)
        records.append(TrialRecord(job.object_model, seed, Physics(), np.eye(4), plan, result, (view,)))
    return Batch(records, 100)


class Drawn:
    """An engine without physics; after `n` batches the user presses Ctrl-C."""

    def __init__(self, n=10**9):
        self.n = n

    def run(self, jobs):
        for job in jobs:
            if self.n == 0:
                raise KeyboardInterrupt
            self.n -= 1
            yield drawn_batch(job)


@pytest.fixture
def engine(monkeypatch):
    """The command with an engine of ours; the argument of the function replaces that."""

    def use(engine):
        monkeypatch.setattr(command, "_engine", lambda args: nullcontext(engine))

    use(Drawn())
    return use


@pytest.fixture
def collect(gmi, tmp_path, engine):
    """`gmi collect --split random --objects 2 --out x.db`, and what is asked for besides."""

    def run(*options, out="x.db", objects=("--split", "random", "--objects", 2)):
        return gmi("collect", *objects, "--out", tmp_path / out, "--quiet", *options)

    return run


def n_stored(path):
    with Store(path) as store:
        return store.verify()


def test_what_is_told(collect, tmp_path):
    status, data, _ = collect("--trials", 70)
    assert status == 0 and data["out"] == str(tmp_path / "x.db") and data["skipped"] == data["given_up"] == []
    assert {k: data[k] for k in ("trials", "closings", "successes", "objects")} == {
        "trials": 96, "closings": 1, "successes": 1, "objects": 2,
    }  # fmt: skip
    assert all(data[k] > 0 for k in ("trials_per_s", "closings_per_s", "successes_per_s", "steps_per_s"))
    assert n_stored(tmp_path / "x.db") == 96


def test_objects_that_were_given_up_are_named(collect, monkeypatch):
    monkeypatch.setattr(goal, "TRIES_WITHOUT_SUCCESS", 64)
    status, data, _ = collect("--successes", 6)
    assert status == 0 and data["given_up"] == ["random_0"] and data["successes"] == 6
    status, data, _ = collect("--successes", 6, out="one.db", objects=("--split", "random", "--objects", 1))
    assert status == 1 and data["given_up"] == ["random_0"] and data["trials"] == 64


def test_ctrl_c_keeps_what_was_committed(collect, engine, tmp_path):
    engine(Drawn(2))
    status, data, stderr = collect("--trials", 160)
    assert status == 130 and data is None and stderr.splitlines()[-1] == "gmi collect: interrupted"
    assert n_stored(tmp_path / "x.db") == 64
    engine(Drawn())
    assert collect("--trials", 160)[1]["trials"] == 160


def test_the_splits_are_those_that_there_are():
    assert objects.SPLITS == SPLITS


@pytest.mark.parametrize(
    "options, told",
    [
        (["--split", "nonsense"], "invalid choice: 'nonsense'.*train.*random"),
        (["--trials", 0], "integer in .1, .*got '0'"),
        (["--successes", 5, "--trials", 5], "not allowed with"),
        (["--each", 3], "--each 3 needs --successes"),
        (["--objects", 3], "--objects 3 needs --split random"),
        (["--first", 3], "--first 3 needs --split random"),
        (["--seed", 0], "integer in .1, .*got '0'"),
        (["--workers", 0], "integer in .1, .*got '0'"),
        (["--views", 0], "integer in .1, .*got '0'"),
        (["--scale", 0, "--meshes", "x"], "greater than 0, got '0'"),
        (["--scale", "nan", "--meshes", "x"], "greater than 0, got 'nan'"),
        (["--scale", 0.001], "--scale 0.001 needs --meshes DIR"),
        (["--split", "train", "--meshes", "x"], "not allowed with"),
        (["--mass", 0, 1], "in .0.001, 100., got '0'"),
        (["--mass", 2, 1], "--mass LOW HIGH must have LOW <= HIGH, got 2 1"),
        (["--friction", "nan", 1], "in .0.001, 10., got 'nan'"),
        (["--friction", 0.5, "inf"], "in .0.001, 10., got 'inf'"),
        (["--friction", -0.5, 1], "in .0.001, 10., got '-0.5'"),
        (["--mass", 1e-30, 1], "in .0.001, 100., got '1e-30'"),
        (["--scheduler", "tcp://x:1"], "--scheduler tcp://x:1 needs --engine dask"),
        (["--engine", "dask"], "needs --scheduler tcp://HOST:PORT"),
        (["--engine", "gpu"], "invalid choice: 'gpu'"),
    ],
    ids=lambda v: " ".join(map(str, v)) if isinstance(v, list) else "",
)
def test_bad_usage(options, told, gmi, tmp_path):
    goal_too = [] if "--successes" in options else ["--trials", 32]
    status, data, stderr = gmi("collect", *goal_too, "--out", tmp_path / "x.db", *options)
    assert status == 2 and "Traceback" not in stderr and not (tmp_path / "x.db").exists()
    assert re.search(told, data["message"]), data["message"]


def refused(answer, told):
    status, data, stderr = answer
    assert status == 1 and told in data["message"] and "Traceback" not in stderr
    return True


def test_a_store_begun_otherwise(collect, tmp_path):
    collect("--trials", 64)
    assert refused(collect("--trials", 96, "--seed", 2), "begun with seed 1, not 2")
    assert refused(collect("--trials", 96, objects=("--split", "random", "--objects", 1)), "among the 1 objects given")
    assert n_stored(tmp_path / "x.db") == 64


def test_a_file_that_is_no_store_of_ours(collect, tmp_path):
    (tmp_path / "text.db").write_text("not a database\n" * 100)
    assert refused(collect("--trials", 32, out="text.db"), "text.db is no intact store")
    assert (tmp_path / "text.db").read_text() == "not a database\n" * 100
    collect("--trials", 32)
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("PRAGMA user_version = 9")
    assert refused(collect("--trials", 64), "has store version 9, this gmi_ros reads version")
    assert refused(collect("--trials", 64, out="."), "cannot write")


def test_a_store_that_another_is_writing(collect, tmp_path):
    with Store(tmp_path / "x.db", "rw"):
        assert refused(collect("--trials", 32), "a store has one writer at a time")
    assert collect("--trials", 32)[0] == 0


@contextmanager
def disk_of(n_bytes):
    """Files of this process may not grow beyond; like on a full disk, writing fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk(collect, tmp_path):
    with disk_of(300_000):
        assert refused(collect("--trials", 10_000), "cannot write the store")
    stored = n_stored(tmp_path / "x.db")
    assert 0 < stored < 10_000 and stored % CANDIDATES == 0
    assert collect("--trials", stored + 64)[1]["trials"] == stored + 64


def test_a_scheduler_that_is_not_there(gmi, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the package distributed is not installed")
    from gmi_ros.sim import dask_engine

    monkeypatch.setattr(dask_engine, "ANSWER_S", 0.5)
    where = ["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"]
    answer = gmi("collect", "--trials", 32, "--out", tmp_path / "x.db", *where)
    assert refused(answer, "no Dask scheduler at 'tcp://127.0.0.1:1' answers within")
    assert not (tmp_path / "x.db").exists()


CUBE = "".join(f"v {x} {y} {z}\n" for x in (0, 60) for y in (0, 60) for z in (0, 60)) + "".join(
    f"f {a} {b} {c}\nf {a} {c} {d}\n"
    for a, b, c, d in ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))
)


def test_meshes_of_a_folder_are_collected_and_the_bad_ones_named(collect, tmp_path):
    for package in ("trimesh", "coacd"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    folder = tmp_path / "meshes"
    folder.mkdir()
    (folder / "broken.stl").write_text("solid nothing")
    where = {"objects": ("--meshes", folder, "--scale", 0.001)}
    assert refused(collect("--trials", 32, **where), "none of the 1 meshes in")
    assert not (tmp_path / "x.db").exists()
    (folder / "cube.obj").write_text(CUBE)
    status, data, stderr = collect("--trials", 32, **where)
    assert status == 0 and data["objects"] == 1 and [s["name"] for s in data["skipped"]] == ["broken.stl"]
    assert data["skipped"][0]["reason"] and "skipped broken.stl: " in stderr
    with Store(tmp_path / "x.db") as store:
        assert {(e.split, e.object_name) for e in store} == {("meshes", "cube_0")}
    (folder / "cube.obj").write_text(CUBE.replace(" 60", " 70"))
    assert refused(collect("--trials", 64, **where), "cube_0 is not the mesh that was recorded")
    assert refused(collect("--trials", 32, objects=("--meshes", tmp_path / "absent")), "absent")
