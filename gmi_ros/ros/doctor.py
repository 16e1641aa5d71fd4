"""Is everything there, and does it work together? One check per line."""

import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import numpy as np

from gmi_ros.core.arithmetic import REFERENCE, fingerprint
from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.ros import compat
from gmi_ros.ros.delivery import measure_delivery

LEAST_DELIVERED = 0.95  # share of the image sets
_PACKAGES = ("rclpy", "numpy", "scipy", "torch", "mujoco", "rosbags", "safetensors", "pillow", "PyYAML", "tqdm")
_OPTIONAL = {"launch_ros": "gmi up", "rosbag2_py": "rosbags, through gmi record and gmi replay"}


@dataclass(frozen=True)
class Check:
    """What was looked at, whether it is well, and the particulars."""

    name: str
    ok: bool
    detail: str


def checks(model: Path | None, store: Path, seconds: float) -> Iterator[Check]:
    """All checks in turn; none of them raises for what it looks for.

    Args:
        model: folder of the weights, None = the shipped ones. store: experience store. seconds: of the delivery check.
    """
    yield Check("python", sys.version_info >= (3, 10), f"{platform.python_version()} at {sys.executable}")
    for name in _PACKAGES:
        yield _package(name)
    for name, replacement in {**compat.missing(), **_absent()}.items():
        yield Check(name, True, f"not installed; replaced by {replacement}")
    yield Check("arithmetic", True, _arithmetic())
    yield _check("interfaces", _interfaces)
    yield _check("hand", _hand)
    yield _check("weights", lambda: _weights(model))
    yield _check("store", lambda: _store(store))
    yield _check("middleware", lambda: _middleware(seconds))


def _check(name: str, look: Callable[[], tuple[bool, str]]) -> Check:
    try:
        return Check(name, *look())
    except GmiError as error:
        return Check(name, False, f"{error.code.name}: {error.message}")
    except Exception as error:  # whatever a broken installation raises is what the doctor is asked about
        return Check(name, False, f"{type(error).__name__}: {error}")


def _package(name: str) -> Check:
    try:
        return Check(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        # A ROS distribution's packages need not say their version.
        there = util.find_spec({"PyYAML": "yaml", "pillow": "PIL"}.get(name, name)) is not None
        return Check(name, there, "version unknown" if there else "not installed")


def _absent() -> dict[str, str]:
    return {name: replacement for name, replacement in _OPTIONAL.items() if util.find_spec(name) is None}


def _arithmetic() -> str:
    if fingerprint() == REFERENCE:
        return f"{REFERENCE}: a seed gives the same trials as where data/ was made, to the bit"
    return f"{fingerprint()}, not {REFERENCE}: a seed gives other last digits than where data/ was made"


def _interfaces() -> tuple[bool, str]:
    from gmi_ros.srv import SynthesizeGrasp

    SynthesizeGrasp.Request()
    return True, "messages, services and actions are built"


def _hand() -> tuple[bool, str]:
    from gmi_ros.hand.barrett import HANDS, load_hand

    return all(np.isfinite(load_hand(name).tips(np.zeros(4))).all() for name in HANDS), ", ".join(HANDS)


def _weights(folder: Path | None) -> tuple[bool, str]:
    from gmi_ros.learning.checkpoint import load

    folder = folder or resource(SHIPPED)
    model = load(folder)
    samples = model.sample(np.zeros((64, 64, 5), np.float32), 4, 1)
    return bool(np.isfinite(samples.contacts).all()), f"{model.hash} from {folder}"


def _store(path: Path) -> tuple[bool, str]:
    """A store that is there is only read; beside one that is not, a file is written and removed."""
    from gmi_ros.experience.store import Store

    path = path.expanduser()
    if path.exists():
        with Store(path) as store:
            return True, f"{store.count()} outcomes in {path}"
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):
        return True, f"{path} can be made"


def _middleware(seconds: float) -> tuple[bool, str]:
    from rclpy.utilities import get_rmw_implementation_identifier

    sent, received = measure_delivery(seconds)
    share = received / sent
    return share >= LEAST_DELIVERED, (
        f"{get_rmw_implementation_identifier()}: {received} of {sent} sets (640x480, 30 Hz, from another process) "
        f"arrived, {100 * share:.1f} %, at least {100 * LEAST_DELIVERED:.0f} % needed"
    )
