"""Child processes: started in a group of their own, watched, their log lines forwarded, ended whatever happens."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import gmi_ros
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros.processes import PACKAGE, NodeStart

_KEPT_LINES = 40
_PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))  # what is tried, and for how long [s]


class Child:
    """One child process and the last lines that it logged."""

    def __init__(
        self, name: str, command: Sequence[str], environment: dict[str, str], on_line: Callable[[str, str], None]
    ):
        self.name = name
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._on_line = on_line
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    def tail(self, n: int = 8) -> str:
        """The last n log lines, indented; waits a moment for a dead child's last words."""
        if self.process.poll() is not None:
            self._reader.join(timeout=1.0)
        return "\n".join(f"    {line}" for line in list(self.lines)[-n:])

    def signal(self, number: int) -> None:
        """Send a signal to the whole group, if it is still there."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass  # it ended by itself

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self._on_line(self.name, line.rstrip())


class Children:
    """Child processes that all end when the `with` block does."""

    def __init__(self, on_line: Callable[[str, str], None] = lambda name, line: None):
        """Args:
        on_line: called with the child's name and each line that it logs, from another thread.
        """
        self._on_line = on_line
        self.children: list[Child] = []
        self._previous: dict = {}  # handlers of signals, as they were before

    def __enter__(self) -> "Children":
        # Without this a SIGTERM would end this process without ending the `with` block; and a shell's background job
        # is started with SIGINT ignored.
        if _in_main_thread():
            self._previous = {n: signal.signal(n, _interrupt) for n in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_) -> None:
        self.stop()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def start(self, name: str, command: Sequence[str], environment: dict[str, str] | None = None) -> Child:
        """Start a command; `environment` is added to this process' own."""
        child = Child(name, command, {**_environment(), **(environment or {})}, self._on_line)
        self.children.append(child)
        return child

    def start_node(self, node: NodeStart, environment: dict[str, str] | None = None) -> Child:
        """Start a node. Raises as `node_command`."""
        return self.start(node.name, node_command(node), environment)

    def check(self) -> None:
        """Raise if a child has died.

        Raises:
            GmiError: INTERNAL with the child's name, exit status and last log lines.
        """
        for child in self.children:
            status = child.process.poll()
            if status is not None:
                raise GmiError(ErrorCode.INTERNAL, f"{child.name} ended with status {status}:\n{child.tail()}")

    def stop(self) -> None:
        """End all of them, first politely; a second Ctrl-C does not keep them alive."""
        for number, patience in _PATIENCE:
            alive = [c for c in self.children if c.process.poll() is None]
            for child in alive:
                child.signal(number)
            deadline = time.monotonic() + patience
            while alive and time.monotonic() < deadline:
                try:
                    time.sleep(0.02)
                except KeyboardInterrupt:
                    break
                alive = [c for c in alive if c.process.poll() is None]
        for child in self.children:
            child.signal(signal.SIGKILL)  # what a dead child left of its group
        self.children.clear()


def node_command(node: NodeStart) -> list[str]:
    """What starts a node: one of ours by its module, another package's by its name.

    Raises:
        GmiError: BAD_SETTING where the other package's executable is not to be found.
    """
    if node.package == PACKAGE:
        command = [sys.executable, "-m", "gmi_ros.ros.start_node", node.module]
    elif (found := shutil.which(node.name)) is not None:
        command = [found]
    else:
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"{node.name} is not installed (it comes with ROS distributions, package {node.package}, and not from "
            "PyPI): start without it",
        )
    return [*command, *node.arguments, *node.ros_arguments]


def _environment() -> dict[str, str]:
    """This process' environment, in which the children find the same package."""
    root = str(Path(gmi_ros.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _interrupt(number, frame) -> None:
    raise KeyboardInterrupt
