"""Where the package's data files are: a checkout, a ROS prefix or a pip install."""

import os
import sys
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError

SHIPPED = "models/best"  # folder of the weights that come with the package: what nodes and commands load by default
SHIPPED_HIDDEN_SIDE = "models/hidden_side"  # that guesses what a camera does not see, whatever grasps are made by


def resource(relative: str) -> Path:
    """Absolute path of a file or folder such as `config/hands/bh280.yaml` or SHIPPED.

    Raises:
        GmiError: FILE_NOT_FOUND with the places that were looked at.
    """
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    checkout = Path(__file__).resolve().parents[2]
    roots = [checkout, *(p / "share" / "gmi_ros" for p in prefixes), Path(sys.prefix) / "share" / "gmi_ros"]
    for root in roots:
        if (root / relative).exists():
            return root / relative
    looked = ", ".join(str(r) for r in dict.fromkeys(roots))
    raise GmiError(ErrorCode.FILE_NOT_FOUND, f"{relative} is in none of: {looked}")


def cache_folder(name: str) -> Path:
    """Where this user's machine keeps what can be made again: `gmi_ros/<name>` below XDG_CACHE_HOME, or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gmi_ros" / name
