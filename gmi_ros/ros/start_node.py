"""`python -m gmi_ros.ros.start_node MODULE --ros-args ...`: a node as a child that does not outlive its parent.

MODULE is that of the node, below gmi_ros.ros: `sim_cell`, `bridge.hand_bridge`.
"""

import ctypes
import importlib
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8  # of glibc's mallopt


def main() -> None:
    """Run the node whose module is the first argument; the rest is the node's."""
    _end_with_parent()
    start(sys.argv.pop(1))


def start(module: str) -> None:
    """Run a node in this process, by its module below gmi_ros.ros: what an executable does first."""
    _keep_one_arena()
    try:
        node = importlib.import_module(f"gmi_ros.ros.{module}")
    except KeyboardInterrupt:  # torch takes seconds to load
        sys.exit(0)  # as a node that runs ends at Ctrl-C
    node.main()


def _end_with_parent() -> None:
    """Ask Linux for a SIGTERM when the parent dies, however it dies; elsewhere the parent's own clearing up must do."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # it died before the call
        sys.exit(1)


def _keep_one_arena() -> None:
    """Let all threads take memory from one pool, where the C library would give them several (glibc).

    Images are taken in by one thread, kept, and freed by another: with several pools the holes that they leave serve
    nobody else, and the process grows for minutes. To be called before there are threads, so before torch is imported.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


if __name__ == "__main__":
    main()
