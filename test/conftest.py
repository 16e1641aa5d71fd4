"""What every test shares: a ROS domain of its own, ROS nodes that are taken down, real frames, how long soaks are."""

import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

import gmi_ros  # noqa: F401  before numpy: it fixes the arithmetic

# Before anything imports rclpy, and also for the processes that tests start: never the network, never the domain of a
# robot. Ports of domains above 101 collide with those that Linux gives to clients.
DOMAIN = 1 + os.getpid() % 101
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)

SHARED_MEMORY = Path("/dev/shm")
FIRST_PORT = 7400  # of domain 0; every domain has 250
PRIMESENSE = Path(__file__).resolve().parents[2] / "shared" / "data" / "primesense"


def _shared_memory_files() -> set[Path]:
    return set(SHARED_MEMORY.glob("*fastrtps_*")) | set(SHARED_MEMORY.glob("*fastdds_*"))


def _in_use() -> str:
    """Maps and open files of all processes, in which a shared-memory file that someone uses is named."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process ended, or is another user's
            found.append((process / "maps").read_text())
            found.extend(os.readlink(file) for file in (process / "fd").iterdir())
    return "\n".join(found)


def _of_another_domain(name: str) -> bool:
    port = "".join(c for c in name.partition("_port")[2] if c.isdigit())
    return bool(port) and not 0 <= int(port) - FIRST_PORT - 250 * DOMAIN < 250


@pytest.fixture(scope="session", autouse=True)
def shared_memory_is_cleaned_up():
    """Remove what this session's processes left in shared memory: new since its start, and used by nobody."""
    before = _shared_memory_files()
    yield
    left = _shared_memory_files() - before
    used = _in_use() if left else ""
    for path in left:
        name = path.name.removeprefix("sem.").removesuffix("_mutex")  # a semaphore goes with its segment
        with suppress(FileNotFoundError):
            if path.owner() == Path("/proc/self").owner() and name not in used and not _of_another_domain(name):
                path.unlink()


@pytest.fixture
def primesense() -> Path:
    """Folder of the real frames 0, 2, 8 and of camera.json; the test is skipped where they are absent."""
    if not PRIMESENSE.is_dir():
        pytest.skip("the real frames of ../shared/data/primesense are not here")
    return PRIMESENSE


@pytest.fixture
def soak_scale() -> float:
    """1.0 under `make soak`, 0.01 otherwise, or the share that GMI_SOAK gives: multiply rounds and seconds by it."""
    return float(os.environ.get("GMI_SOAK") or 0.01)


@pytest.fixture
def soak_seed(request) -> int:
    """Printed; another one every time under `make soak` unless GMI_SOAK_SEED gives it, always 1 in `make test`."""
    given = os.environ.get("GMI_SOAK_SEED")
    drawn = random.SystemRandom().randrange(1, 2**31) if os.environ.get("GMI_SOAK") == "1" else 1
    seed = int(given) if given else drawn
    print(f"\n{request.node.name}: GMI_SOAK_SEED={seed}", flush=True)
    return seed


class Ros:
    """Nodes of one test in a context of their own."""

    def __init__(self):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._rclpy = rclpy
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes = []

    def node(self, name: str, **kwargs):
        """A plain node with this name."""
        return self.add(self._rclpy.create_node(name, context=self.context, **kwargs))

    def add(self, node):
        """Spin `node`, made with `context=ros.context`, and destroy it after the test."""
        self.executor.add_node(node)
        self._nodes.append(node)
        return node

    def spin_until(self, condition, timeout: float = 10.0, what: str = "the condition"):
        """Spin until `condition()` is true; its value.

        Raises:
            AssertionError: it was still false after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
            self.executor.spin_once(timeout_sec=0.05)
        return value

    def wait_for(self, future, timeout: float = 10.0):
        """The result of `future`, spinning meanwhile."""
        self.spin_until(future.done, timeout, "an answer")
        return future.result()

    def close(self):
        """Destroy nodes and context."""
        for node in reversed(self._nodes):
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        self._rclpy.shutdown(context=self.context)


@pytest.fixture
def ros():
    """A `Ros`, closed after the test."""
    session = Ros()
    yield session
    session.close()
