"""What was acknowledged is there: after kill -9, after a full disk, and for those who read meanwhile."""

import os
import random
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from episodes import make_older, make_robot_episode

from gmi_ros.experience.full_frames import FullFrames
from gmi_ros.experience.merge import merge
from gmi_ros.experience.schema import VERSION
from gmi_ros.experience.store import Store

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PATIENCE = 120  # [s] on a machine with other things to do

# What is killed: each acknowledges a line at a time what is on the disk by then.
WORK = {
    "add": """
        with Store(sys.argv[1], "rw") as store:
            print("ready", flush=True)
            while True:
                if store.add(make_robot_episode(number)):
                    print(f"outcome-{number}", flush=True)
                number += 1
    """,
    "judge": """
        with Store(sys.argv[1], "rw") as store:
            print("ready", flush=True)
            while True:
                store.add_many(make_robot_episode(n, note="", judged_ns=0) for n in (number, number + 1))
                for n, note in ((number, "first"), (number, "last"), (number + 1, "only")):
                    store.judge(f"outcome-{n}", note == "last", note=note)
                    print(f"outcome-{n} {note}", flush=True)
                number += 2
    """,
    "frames": """
        frames = FullFrames(sys.argv[1], 10**9)
        print("ready", flush=True)
        while True:
            assert frames.write(f"frame-{number}", make_frame(number))
            print(f"frame-{number}", flush=True)
            number += 1
    """,
    "migrate": """
        print("ready", flush=True)
        Store(sys.argv[1], "rw").close()
        print("migrated", flush=True)
    """,
    "merge": """
        print("ready", flush=True)
        merge([Path(sys.argv[1] + ".one"), Path(sys.argv[1] + ".two")], Path(sys.argv[1]))
        print("merged", flush=True)
    """,
}
HEAD = """
import sys
from pathlib import Path
from episodes import make_robot_episode
from gmi_ros.experience.full_frames import FullFrames
from gmi_ros.experience.merge import merge
from gmi_ros.experience.store import Store
from test_full_frames import make_frame
number = int(sys.argv[2])
"""


def run_python(code, *args, command=(), **options):
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    command = [*command, sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}, text=True, **options)


def kill_at_a_random_moment(work, path, rng, first=0):
    """Start a writer, kill it; returns the lines that it acknowledged."""
    process = run_python(HEAD + textwrap.dedent(WORK[work]), path, first, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    lines = [process.stdout.readline() for _ in range(rng.randrange(20 if work in ("add", "judge", "frames") else 1))]
    try:
        process.wait(timeout=rng.uniform(0, 0.02))
    except subprocess.TimeoutExpired:
        process.kill()
    process.wait(timeout=PATIENCE)
    with process.stdout:  # not communicate(): that loses what readline() has read ahead
        text = "".join(lines) + process.stdout.read()
    return text[: text.rfind("\n") + 1].splitlines()


@pytest.mark.soak
def test_kill_9_loses_nothing_acknowledged(tmp_path, soak_scale):
    path, rng, acknowledged = tmp_path / "store.db", random.Random(1), []
    for i in range(round(200 * soak_scale)):
        acknowledged += kill_at_a_random_moment("add", path, rng, first=i * 100_000)
        with Store(path) as store:
            stored = [e.outcome_id for e in store]
            assert store.verify() == len(stored)
        assert len(stored) == len(set(stored)) and set(acknowledged) <= set(stored)
        assert len(stored) <= len(acknowledged) + i + 1  # at most the one in flight, each time
    assert acknowledged


@pytest.mark.soak
def test_kill_9_loses_no_verdict_and_no_earlier_one(tmp_path, soak_scale):
    path, rng, acknowledged = tmp_path / "store.db", random.Random(2), {}
    for i in range(round(100 * soak_scale)):
        acknowledged |= dict(line.split() for line in kill_at_a_random_moment("judge", path, rng, first=i * 100_000))
        with Store(path) as store:
            assert store.verify() == len(store) and len(store) % 2 == 0  # two of one transaction
            for outcome_id, note in acknowledged.items():
                told = [v.note for v in store.verdicts(outcome_id)]
                assert note in told and told == ["", "first", "last"][: len(told)] or told == ["", "only"]
    assert acknowledged


@pytest.mark.soak
def test_kill_9_leaves_whole_frames_only(tmp_path, soak_scale):
    folder, rng, acknowledged = tmp_path / "frames", random.Random(3), []
    for i in range(round(100 * soak_scale)):
        acknowledged += kill_at_a_random_moment("frames", folder, rng, first=i * 100_000)
        frames = FullFrames(folder, 10**9)
        for name in (path.stem for path in folder.glob("*.frame")):
            frames.read(name)
        assert all(name in frames for name in acknowledged)
        assert len(frames) <= len(acknowledged) + i + 1
        assert not list(folder.glob(".*"))  # nothing unfinished once the next one has looked
    assert acknowledged


@pytest.mark.soak
def test_kill_9_while_a_store_is_brought_up_or_merged(tmp_path, soak_scale):
    rng, old, path = random.Random(4), tmp_path / "old.db", tmp_path / "store.db"
    for name, first in (("one", 0), ("two", 20)):
        with Store(f"{path}.{name}", "rw") as store:
            # As of version 2, which knew of no computed contacts and no turns: made older, a record is still the same one.
            store.add_many(make_robot_episode(i, contacts_computed=False, closing_turn=None) for i in range(first, first + 30))
    shutil.copy(f"{path}.one", old)
    make_older(old, 2)
    for _ in range(max(1, round(50 * soak_scale))):
        shutil.copy(old, path)
        done = kill_at_a_random_moment("migrate", path, rng)
        with Store(path) as store:
            assert store.verify() == 30 and store.version in ([VERSION] if done else [2, VERSION])
        with Store(path, "rw") as store:
            assert store.version == VERSION
        done = kill_at_a_random_moment("merge", path, rng)
        with Store(path) as store:
            assert store.verify() in ([50] if done else [30, 50])
        merge([Path(f"{path}.two"), Path(f"{path}.one")], path)
        with Store(path) as store:
            assert store.verify() == 50


# Reads what is committed, over and over, while another process writes: pairs of one transaction, and verdicts on both.
READER = (
    HEAD
    + """
with Store(sys.argv[1]) as store:
    seen = 0
    while seen < number:
        rows = store.ids()
        n, successes = store.totals()
        assert len(rows) % 2 == 0 and n % 2 == 0 and seen <= len(rows) <= n
        seen = len(rows)
        for a, b in zip(store.batch(rows[-6::2]), store.batch(rows[-5::2])):
            assert int(b.outcome_id.split("-")[1]) == int(a.outcome_id.split("-")[1]) + 1
        assert len(store.summaries(5)) == min(5, store.count())
print("consistent")
"""
)


@pytest.mark.soak
def test_many_readers_see_whole_transactions_only(tmp_path, soak_scale):
    path, n = tmp_path / "store.db", max(20, 2 * round(2000 * soak_scale))
    with Store(path, "rw") as store:
        readers = [run_python(READER, path, n, stdout=subprocess.PIPE) for _ in range(3)]
        try:
            for i in range(0, n, 2):
                store.add_many(make_robot_episode(k) for k in (i, i + 1))
                store.judge(f"outcome-{i}", i % 4 == 0)
            assert [reader.communicate(timeout=PATIENCE)[0] for reader in readers] == ["consistent\n"] * 3
        finally:
            for reader in readers:
                reader.kill()
                reader.wait()
        assert store.verify() == n


# Fills what is left of a disk, twice, with room made in between.
FULL_DISK = (
    HEAD
    + """
import os, random
from gmi_ros.core.errors import ErrorCode, GmiError

folder, rng = Path(sys.argv[1]), random.Random(1)
ballast, added, refusals = folder / "ballast", 0, 0
for round_ in range(number):
    disk = os.statvfs(folder)
    ballast.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - rng.randrange(200_000))))
    try:
        store = Store(folder / "store.db", "rw")
    except GmiError as error:  # not even room for the log
        assert error.code == ErrorCode.STORE_UNWRITABLE
        ballast.write_bytes(b"")
        store = Store(folder / "store.db", "rw")
        disk = os.statvfs(folder)
        ballast.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - rng.randrange(200_000))))
    with store:
        assert store.verify() == added
        try:
            while True:
                assert store.add(make_robot_episode(added))
                added += 1
        except GmiError as error:
            assert error.code == ErrorCode.STORE_UNWRITABLE and "full" in error.message, error
            refusals += 1
        assert store.verify() == added, "the store is whole while the disk is full"
        with Store(folder / "store.db") as reader:
            assert len(reader) == added
        if added:
            try:
                store.judge("outcome-0", round_ % 2 == 0, note=str(round_))
            except GmiError as error:
                assert error.code == ErrorCode.STORE_UNWRITABLE
        ballast.unlink()
        assert store.add(make_robot_episode(added)), "goes on when there is room"
        added += 1
        assert store.verify() == added
        assert FullFrames(folder / "frames", 10**9).write(f"frame-{round_}", make_frame(round_)) in (True, False)
print("whole", added, refusals)
"""
)


def own_disk() -> list[str] | None:
    """A command that runs another with a disk of its own that holds 16 MB, at the folder that it is given; None where
    that is not allowed here."""
    mount = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "/mnt"]
    try:
        done = subprocess.run([*command, "true"], capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return command[:-1] if done.returncode == 0 else None


@pytest.mark.soak
def test_a_full_disk_loses_nothing(tmp_path, soak_scale):
    command = own_disk()
    if command is None:
        pytest.skip("no tmpfs can be mounted here (unshare --user --mount)")
    rounds = max(2, round(20 * soak_scale))
    process = run_python(FULL_DISK, tmp_path, rounds, command=[*command, str(tmp_path)], stdout=subprocess.PIPE)
    told, _ = process.communicate(timeout=PATIENCE * 5)
    word, added, refusals = told.split()
    assert (word, process.returncode, int(refusals)) == ("whole", 0, rounds) and int(added) >= rounds


def test_a_file_that_may_not_grow_loses_nothing(tmp_path):
    code = """
        import resource, sys
        from episodes import make_robot_episode
        from gmi_ros.core.errors import GmiError
        from gmi_ros.experience.store import Store
        with Store(sys.argv[1], "rw") as store:
            resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
            added = 0
            try:
                while added < 1000:
                    store.add(make_robot_episode(added))
                    added += 1
            except GmiError as error:
                print(error.code.name, added, len(store))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            assert store.add(make_robot_episode(added))
            assert store.verify() == added + 1
        print("done")
    """
    process = run_python(code, tmp_path / "store.db", stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=PATIENCE)
    name, added, stored, done = out.split()
    assert name == "STORE_UNWRITABLE" and added == stored and int(added) > 5 and done == "done"


def test_what_a_minibatch_holds_is_what_was_stored(tmp_path):
    with Store(tmp_path / "store.db", "rw") as store:
        store.add_many(make_robot_episode(i) for i in range(300))
        rows = np.random.default_rng(1).permutation(store.ids())
        rows = np.concatenate([rows, rows[:5]])  # more than one query takes, and some twice
        assert [e.outcome_id for e in store.batch(rows)] == [f"outcome-{row - 1}" for row in rows]
