"""Tie a virtual environment to this checkout: `gmi`, and any other program of it, then work from a plain shell.

    python tools/link_checkout.py VENV

Writes three files into VENV:
- bin/gmi, the command;
- gmi_ros.pth, which puts the checkout and the generated interfaces on the path of its Python;
- gmi_ros_checkout.py, which that .pth imports: it adds the generated libraries to LD_LIBRARY_PATH. The loader reads
  that variable when a process starts, so this must happen before the ROS packages start the interpreter again with
  theirs; .pth files are read in order of their names, and gmi_ros comes before ros_wheels_bootstrapper.
"""

import sys
from pathlib import Path

GMI = """\
#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import sys

from gmi_ros.cli.main import main

if __name__ == "__main__":  # worker processes import this file again
    sys.exit(main())
"""

ENVIRONMENT = '''\
"""Environment of the checkout that this Python belongs to; written by tools/link_checkout.py."""

import os

INSTALL = {install!r}
VENV = {venv!r}


def prepend(variable: str, folder: str) -> bool:
    """True when `folder` had to be added."""
    folders = [f for f in os.environ.get(variable, "").split(os.pathsep) if f]
    if folder in folders:
        return False
    os.environ[variable] = os.pathsep.join([folder, *folders])
    return True


prepend("AMENT_PREFIX_PATH", VENV)
if os.path.isdir(os.path.join(INSTALL, "lib")):
    prepend("AMENT_PREFIX_PATH", INSTALL)
    if prepend("LD_LIBRARY_PATH", os.path.join(INSTALL, "lib")):
        # A parent of another environment may have left this mark, which would keep the libraries from being found.
        os.environ.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)
'''


def link(venv: Path, checkout: Path) -> None:
    """Write the three files."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = venv / "lib" / version / "site-packages"
    install = checkout / "install" / "gmi_ros"
    gmi = venv / "bin" / "gmi"
    gmi.write_text(GMI.format(python=venv / "bin" / "python"))
    gmi.chmod(0o755)
    (site_packages / "gmi_ros_checkout.py").write_text(ENVIRONMENT.format(install=str(install), venv=str(venv)))
    paths = [checkout, install / "lib" / version / "site-packages"]
    (site_packages / "gmi_ros.pth").write_text("".join(f"{p}\n" for p in paths) + "import gmi_ros_checkout\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tools/link_checkout.py VENV")
    link(Path(sys.argv[1]).absolute(), Path(__file__).resolve().parents[1])
