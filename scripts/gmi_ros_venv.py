"""Where the executables of the ROS route find torch and what else apt lacks.

`ros2 run` and `ros2 launch` start the system's Python, yet torch lives in a virtual environment made with
`--system-site-packages`. So every executable first calls `enter()`, which starts itself again with the Python of

1. the environment that GMI_VENV names, where that is set;
2. `.venv` beside the `install` folder of the workspace, where there is one.

With neither, the system's Python goes on.
"""

import os
import sys
from pathlib import Path


def find() -> Path | None:
    """The virtual environment to use, or None.

    Raises:
        SystemExit: GMI_VENV names a folder without bin/python.
    """
    named = os.environ.get("GMI_VENV")
    if named:
        if not (Path(named) / "bin" / "python").exists():
            raise SystemExit(f"GMI_VENV is {named}, which has no bin/python: name a virtual environment, or unset it")
        return Path(named).absolute()
    for folder in Path(sys.argv[0]).absolute().parents:
        # colcon leaves this mark in the root of every install space.
        if (folder / ".colcon_install_layout").exists() and (folder.parent / ".venv" / "bin" / "python").exists():
            return folder.parent / ".venv"
    return None


def enter() -> None:
    """Go on in the virtual environment; does not return when that takes a new start."""
    venv = find()
    if venv is None or Path(sys.prefix).resolve() == venv.resolve():
        return
    python = venv / "bin" / "python"
    os.execv(python, [str(python), *sys.argv])
