"""The demo end to end: four processes, counts that agree with the store, and nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.experience.full_frames import FOLDER, FullFrames
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros import children as children_room
from gmi_ros.ros import demo as demo_room
from gmi_ros.ros.children import Children
from gmi_ros.ros.demo_picture import demo_picture

pytestmark = pytest.mark.ros


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.fixture
def model(weights):
    """The shipped weights where they are there, else the tiny ones."""
    try:
        return resource(SHIPPED)
    except GmiError:
        return Path(weights)


def test_two_rounds(model, tmp_path):
    store, done, before = tmp_path / "experience.db", [], children_of(os.getpid())
    told = demo_room.demo(2, 1, store, model, done.append, full_frames=True)
    assert told["rounds"] == len(done) == 2
    assert told["successes"] == told["recorded"] == sum(r.success for r in done)
    assert told["stored"] == 2 - told["refused"] and told["unacknowledged"] == 0
    assert len({r.object_name for r in done}) == 2
    if store.exists():
        with Store(store) as opened:
            assert opened.count() == told["stored"]
            frames = FullFrames(store.with_suffix(FOLDER), 0)
            assert all(e.observation_id in frames for e in opened.episodes())
    for finished in done:
        assert finished.frame is not None and finished.what_happened
    picture = demo_picture(done, load_hand())
    assert isinstance(picture, Image.Image) and picture.width > 600
    assert children_of(os.getpid()) == before


def test_an_outcome_that_the_recorder_does_not_confirm_is_counted_and_other_ends_are_not_hidden():
    class Waiting:
        def __init__(self, code):
            self.code = code

        def spin_until(self, found, timeout_s, what):
            assert not found()
            raise GmiError(self.code, what)

    client = object.__new__(demo_room._Client)
    client._recorded, client._session = {}, Waiting(ErrorCode.TIMEOUT)
    assert not client._acknowledged("one")
    client._session = Waiting(ErrorCode.INTERNAL)
    with pytest.raises(GmiError, match="to store outcome one"):
        client._acknowledged("one")


def test_a_node_that_dies_is_named_with_its_last_words(model, tmp_path, monkeypatch):
    starts = demo_room._starts

    def spoilt(*arguments):
        return [
            replace(s, parameters={**s.parameters, "mass": -1.0}) if s.name == "sim_cell" else s
            for s in starts(*arguments)
        ]

    monkeypatch.setattr(demo_room, "_starts", spoilt)
    started = time.monotonic()
    with pytest.raises(GmiError, match="sim_cell ended with status 1(.|\n)*mass") as caught:
        demo_room.demo(1, 1, tmp_path / "experience.db", model)
    assert caught.value.code is ErrorCode.INTERNAL and time.monotonic() - started < 40


def test_children_end_with_the_block_and_their_lines_are_told(monkeypatch):
    monkeypatch.setattr(
        children_room, "_PATIENCE", ((signal.SIGINT, 0.3), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))
    )
    lines = []
    stubborn = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
    )
    with pytest.raises(RuntimeError), Children(lambda name, line: lines.append((name, line))) as children:
        child = children.start("stubborn", [sys.executable, "-c", stubborn])
        end = time.monotonic() + 10
        while not lines and time.monotonic() < end:
            time.sleep(0.01)
        children.check()
        raise RuntimeError("whatever happens")
    assert lines == [("stubborn", "here")] and child.process.poll() is not None


def test_a_killed_parent_takes_its_nodes_along(weights):
    code = (
        "from gmi_ros.ros.children import Children\n"
        "from gmi_ros.ros.processes import node_starts\n"
        "import sys, time\n"
        f"start = node_starts({{'record': 'false', 'model': {weights!r}}})[0]\n"
        "with Children() as children:\n"
        "    print(children.start_node(start).process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    end = time.monotonic() + 20
    # The child asks for its parent's signal as the first thing that it does; by then its command line has changed.
    while b"start_node" not in Path(f"/proc/{child}/cmdline").read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1.0)
    parent.kill()
    parent.wait(10)
    while Path(f"/proc/{child}/stat").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < end + 20, "the node outlived its parent"
        time.sleep(0.05)
