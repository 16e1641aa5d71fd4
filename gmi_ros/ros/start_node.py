"""`python -m gmi_ros.ros.start_node NODE --ros-args ...`: a node as a child that does not outlive its parent."""

import ctypes
import importlib
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the node named by the first argument; the rest is the node's."""
    _end_with_parent()
    name = sys.argv.pop(1)
    importlib.import_module(f"gmi_ros.ros.{name}").main()


def _end_with_parent() -> None:
    """Ask Linux for a SIGTERM when the parent dies, however it dies; elsewhere the parent's own clearing up must do."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:  # it died before the call
        sys.exit(1)


if __name__ == "__main__":
    main()
