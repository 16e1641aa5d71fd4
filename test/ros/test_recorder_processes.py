"""The recorder as a process, killed at any moment under load, and on a disk that fills up: nothing that it has
acknowledged is lost or doubled, and what is still retained is taken up.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from copy import copy
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros import qos
from gmi_ros.ros.children import Children, node_command
from gmi_ros.ros.processes import RECORDER, NodeStart

pytestmark = [pytest.mark.ros, pytest.mark.soak]
KILLS = 200
START_S = 120.0  # on a machine with other things to do
LOAD_HZ = 40.0
WINDOW = (
    60  # from the oldest outcome that is not acknowledged to the newest: all of them are retained, twice told or not
)
SCENES = 6  # images that the grasps are of


class Load:
    """Publishes outcomes, some of them twice, but never so many that one is no longer retained and not acknowledged."""

    def __init__(self, live, executed):
        self.live, self.recorded = live, []
        player = live.node("grasp_synthesizer")
        self._outcomes = player.create_publisher(GraspOutcome, "grasp_outcome", qos.retained(qos.OUTCOMES_KEPT))
        observations = player.create_publisher(Observation, "~/observation", qos.retained(qos.OBSERVATIONS_KEPT))
        topic = f"{RECORDER}/recorded"
        player.create_subscription(Recorded, topic, self.recorded.append, qos.retained(1000))
        self.diagnostics: list[DiagnosticStatus] = []
        player.create_subscription(DiagnosticArray, "/diagnostics", lambda m: self.diagnostics.extend(m.status), 10)
        made = [executed(n, f"of scene {n}")[:2] for n in range(SCENES)]
        self._made = [outcome for outcome, _ in made]
        for _, observation in made:
            observations.publish(observation)
        self.published: list[str] = []
        self._oldest = 0  # index of the oldest that is not acknowledged
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def acknowledged(self) -> set[str]:
        return {recorded.outcome_id for recorded in list(self.recorded)}

    def publish(self) -> None:
        """One more, unless the oldest that is not acknowledged would be pushed out soon."""
        acknowledged = self.acknowledged
        while self._oldest < len(self.published) and self.published[self._oldest] in acknowledged:
            self._oldest += 1
        if len(self.published) - self._oldest >= WINDOW:
            return
        outcome = copy(self._made[len(self.published) % SCENES])
        outcome.outcome_id = f"o{len(self.published)}"
        outcome.success = len(self.published) % 3 == 0
        self.published.append(outcome.outcome_id)
        for _ in range(2 if len(self.published) % 5 == 0 else 1):
            self._outcomes.publish(outcome)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _run(self) -> None:
        while not self._stop.wait(1 / LOAD_HZ):
            self.publish()


def check_store(path: Path, load: Load, all_of_them: bool = False) -> None:
    """What was acknowledged (or all that was published) is there, readable, once, as it was said."""
    wanted = set(load.published) if all_of_them else load.acknowledged
    with Store(path) as store:
        found = [e.outcome_id for e in store]
        assert store.verify() == len(found) == len(set(found))
        assert wanted <= set(found) <= set(load.published)
        if all_of_them:
            assert all(e.success == (int(e.outcome_id[1:]) % 3 == 0) and e.pixels is not None for e in store)


@pytest.fixture
def load(live, executed):
    source = Load(live, executed)
    yield source
    source.stop()
    waiting = [name for name in source.published if name not in source.acknowledged]
    print(f"{len(source.published)} published, not acknowledged: {waiting}")


@pytest.fixture
def datagrams(monkeypatch, soak_scale):
    """No shared memory for a long soak: once in a hundred kills Fast DDS goes on writing to the segment of the process that
    was killed, and delivers nothing to the one in its place (eProsima/Fast-DDS#5469), which is not what is looked at here.

    With LOCALHOST rmw_fastrtps always adds shared memory, so this test announces itself on the subnet, in its own domain.
    """
    if soak_scale > 0.01:
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SYSTEM_DEFAULT")
        monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")


def test_kills_at_any_moment_lose_and_double_nothing(datagrams, live, load, tmp_path, soak_seed, soak_scale):
    rng, path = random.Random(soak_seed), tmp_path / "experience.db"
    # All are to be paired, also where a life is over before a busy machine has delivered what is retained.
    start = NodeStart(RECORDER, (), {"store": str(path), "retry_period": 0.2, "pair_timeout": START_S})
    load.start()
    while_starting = 0
    with Children() as children:
        for n in range(max(2, int(KILLS * soak_scale))):
            child, before = children.start_node(start), len(load.acknowledged)
            if n % 4 == 3:  # while it starts, or takes up what is retained
                time.sleep(rng.uniform(0.0, 3.0))
                while_starting += len(load.acknowledged) == before
            else:
                live.until(lambda: len(load.acknowledged) > before, f"an acknowledgement in life {n}", START_S)
                time.sleep(rng.uniform(0.0, 1.0))
            child.signal(signal.SIGKILL)
            child.process.wait(10.0)
            children.children.remove(child)
            if path.exists():
                check_store(path, load)
        load.stop()
        children.start_node(start)
        live.until(lambda: load.acknowledged == set(load.published), "all that was published", START_S)
    check_store(path, load, all_of_them=True)
    fresh = [r.outcome_id for r in load.recorded if not r.duplicate]
    assert len(fresh) == len(set(fresh))  # told as new once at most: a kill may come between commit and word
    print(
        f"{n + 1} kills, {while_starting} of them before the first word; {len(load.published)} outcomes, "
        f"{len(load.recorded)} acknowledgements heard, {len(load.published) - len(fresh)} only as duplicates"
    )


def tmpfs_command(folder: Path, kilobytes: int, command: list[str]) -> list[str]:
    """`command` with a small file system of its own at `folder`, in namespaces of its own: nobody need be root."""
    mount = f'mount -t tmpfs -o size={kilobytes}k none "$0" && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(folder), *command]


def can_mount(folder: Path) -> bool:
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return False
    return subprocess.run(tmpfs_command(folder, 64, ["true"]), capture_output=True).returncode == 0


def fill(file: Path, spare: int) -> None:
    """Fills the disk of `file` up to `spare` bytes, whatever the recorder writes in the meantime."""
    with file.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while (free := os.statvfs(file.parent).f_bavail * os.statvfs(file.parent).f_bsize) > spare:
            ballast.write(bytes(min(free - spare, 65536)))


def copied(disk: Path, folder: Path) -> Path:
    """The store of a disk that only the process sees, its log included: SQLite would follow /proc's links astray."""
    folder.mkdir()
    for file in disk.glob("experience.db*"):
        if not file.name.endswith(("-shm", ".lock")):
            shutil.copy(file, folder)
    return folder / "experience.db"


def test_a_disk_that_fills_up_is_said_and_waited_for(live, load, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("no small file system can be mounted here (unshare --user --mount)")
    start = NodeStart(RECORDER, (), {"store": str(disk / "experience.db"), "retry_period": 0.2})
    with Children() as children:
        child = children.start(RECORDER, tmpfs_command(disk, 2048, node_command(start)))
        inside = Path(f"/proc/{child.process.pid}/root{disk}")  # the disk as the process sees it
        live.until(lambda: load.publish() is None and load.acknowledged, "the first acknowledgement", START_S)
        fill(inside / "ballast", spare=65536)
        load.diagnostics.clear()

        def full():
            load.publish()
            return [s for s in load.diagnostics if s.level == DiagnosticStatus.ERROR]

        status = live.until(full, "an ERROR in /diagnostics", START_S)[-1]
        assert "outcomes wait: STORE_UNWRITABLE" in status.message and "full" in status.message, status.message
        known = load.acknowledged
        time.sleep(0.5)  # several attempts
        assert child.process.poll() is None and load.acknowledged == known != set(load.published)
        check_store(copied(inside, tmp_path / "while full"), load)
        (inside / "ballast").unlink()
        live.until(lambda: load.acknowledged == set(load.published), "all that was published", START_S)
        load.diagnostics.clear()
        live.until(lambda: any(s.level == DiagnosticStatus.OK for s in load.diagnostics), "OK in /diagnostics")
        check_store(copied(inside, tmp_path / "after"), load, all_of_them=True)
