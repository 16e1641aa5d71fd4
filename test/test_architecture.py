"""The house stays in order: imports follow the arrows, files stay small, nothing dangerous or noisy creeps in."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "gmi_ros").rglob("*.py"))

# Which rooms a room may import, and which packages beside the standard library.
ROOMS = {
    "": set(),
    "core": set(),
    "hand": {"core"},
    "learning": {"core"},
    "bridge": {"core", "hand"},
    "sim": {"core", "hand", "bridge"},
    "experience": {"core"},
    "pipeline": {"core", "hand", "learning", "sim"},
    "evaluation": {"core", "hand", "learning", "sim", "experience", "pipeline"},
    "report": {"core", "hand", "learning", "sim", "experience", "pipeline", "evaluation"},
    "cli": {"core", "hand", "learning", "sim", "experience", "pipeline", "evaluation", "report"},
}
ARRAYS = {"numpy", "scipy"}
PACKAGES = {
    "": set(),
    "core": ARRAYS,
    "hand": ARRAYS | {"yaml"},
    "bridge": ARRAYS | {"yaml"},
    "learning": ARRAYS | {"torch", "safetensors", "tqdm"},
    "sim": ARRAYS | {"mujoco", "yaml", "tqdm", "distributed", "trimesh", "coacd"},
    "experience": ARRAYS | {"rosbags", "zstandard", "lz4", "yaml", "tqdm", "PIL"},
    "pipeline": ARRAYS,
    "evaluation": ARRAYS | {"torch", "safetensors", "tqdm"},
    "report": ARRAYS | {"matplotlib", "PIL", "tqdm", "sklearn", "threadpoolctl"},
    "cli": ARRAYS | {"yaml", "PIL", "tqdm"},
}
# Commands that run over ROS; they import gmi_ros.ros inside their functions, so that the others start without it.
ROS_COMMANDS = {"bench.py", "demo.py", "doctor.py", "record.py", "up.py"}
GENERATED = {"msg", "srv", "action"}
PROGRAMS = {"__main__.py", "demo.py", "up.py"}  # They talk to a person at a terminal, as all of cli/ does.
UNSAFE_PACKAGES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
MAX_LINES = 400


def room_of(path: str) -> str:
    """`gmi_ros/core/errors.py` -> `core`, `gmi_ros/pipeline.py` -> `pipeline`, `gmi_ros/__init__.py` -> ``."""
    first = path.split("/")[1].removesuffix(".py")
    return "" if first == "__init__" else first


def imported_modules(node: ast.AST, path: str) -> list[str]:
    """Absolute names that an import statement may load; `from gmi_ros import core` gives gmi_ros.core."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = path.removesuffix(".py").split("/")[: -node.level]
        base = ".".join([*package, *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names] if base == "gmi_ros" else [base]


def import_violations(path: str, tree: ast.Module) -> list[str]:
    """Imports against the arrows of the rooms."""
    room, name = room_of(path), path.split("/")[-1]
    if room == "ros":
        return []
    if room not in ROOMS:
        return [f"{path}: '{room}' is not a room of the house ({', '.join(filter(None, ROOMS))}, ros)"]
    top_level = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        for module in imported_modules(node, path):
            package, _, rest = module.partition(".")
            inner = rest.split(".")[0]
            if package == "gmi_ros":
                lazy_ros = room == "cli" and inner == "ros" and name in ROS_COMMANDS and id(node) not in top_level
                if inner and inner != room and inner not in ROOMS[room] and not lazy_ros:
                    found.append(f"{path}:{node.lineno}: {room} may not import gmi_ros.{inner}")
            elif package not in sys.stdlib_module_names and package not in PACKAGES[room]:
                found.append(f"{path}:{node.lineno}: {room} may not import {package}")
    return found


def call_violations(path: str, tree: ast.Module) -> list[str]:
    """Calls that execute data, and prints outside the command line."""
    found = []
    room, prints = room_of(path), room_of(path) == "cli" or path.split("/")[-1] in PROGRAMS
    for node in ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        for module in imported_modules(node, path):
            if module.split(".")[0] in UNSAFE_PACKAGES:
                found.append(f"{where}: {module} runs code from data")
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if called in ("eval", "exec"):
            found.append(f"{where}: {called}() runs code from data")
        if called == "torch.load" and keywords.get("weights_only") != "True":
            found.append(f"{where}: torch.load without weights_only=True")
        if keywords.get("allow_pickle", "False") != "False":
            found.append(f"{where}: allow_pickle must stay False")
        if called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"):
            found.append(f"{where}: {called}, use yaml.safe_load")
        if called.split(".")[-1] in ("import_module", "__import__") and room not in ("cli", "ros"):
            found.append(f"{where}: {called} hides an import from this test")
        if called == "print" and not prints:
            found.append(f"{where}: print in the library, use logging")
    return found


def violations(path: str, source: str) -> list[str]:
    """All rules for one file; `path` is relative to the checkout, with slashes."""
    tree = ast.parse(source, path)
    found = import_violations(path, tree) + call_violations(path, tree)
    if (lines := source.count("\n")) > MAX_LINES:
        found.append(f"{path}: {lines} lines, at most {MAX_LINES}: split it by concept")
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_keeps_the_rules(source: Path):
    path = source.relative_to(ROOT).as_posix()
    assert violations(path, source.read_text(encoding="utf-8")) == []


def test_no_room_is_called_like_a_generated_package():
    assert not [p for p in (ROOT / "gmi_ros").iterdir() if p.stem in GENERATED]


def test_the_arrows_have_no_cycle():
    done: set[str] = set()
    while len(done) < len(ROOMS):
        ready = {room for room, below in ROOMS.items() if room not in done and below <= done}
        assert ready, f"a cycle among {set(ROOMS) - done}"
        done |= ready


@pytest.mark.parametrize(
    "path, source, complaint",
    [
        ("gmi_ros/core/a.py", "import torch", "core may not import torch"),
        ("gmi_ros/core/a.py", "def f():\n    import rclpy", "core may not import rclpy"),
        ("gmi_ros/core/a.py", "from gmi_ros.hand import wrist", "core may not import gmi_ros.hand"),
        ("gmi_ros/core/a.py", "from ..hand import wrist", "core may not import gmi_ros.hand"),
        ("gmi_ros/core/a.py", "from gmi_ros import hand", "core may not import gmi_ros.hand"),
        ("gmi_ros/learning/a.py", "import gmi_ros.sim.cell", "learning may not import gmi_ros.sim"),
        ("gmi_ros/pipeline.py", "import torch", "pipeline may not import torch"),
        ("gmi_ros/evaluation/a.py", "import mujoco", "evaluation may not import mujoco"),
        ("gmi_ros/experience/a.py", "from gmi_ros.msg import Grasp", "experience may not import gmi_ros.msg"),
        ("gmi_ros/report/a.py", "from sensor_msgs.msg import Image", "report may not import sensor_msgs"),
        ("gmi_ros/cli/demo.py", "from gmi_ros.ros import demo", "cli may not import gmi_ros.ros"),
        ("gmi_ros/cli/train.py", "def f():\n    import gmi_ros.ros", "cli may not import gmi_ros.ros"),
        ("gmi_ros/utils/a.py", "", "'utils' is not a room"),
        ("gmi_ros/ros/a.py", "import pickle", "pickle runs code from data"),
        ("gmi_ros/ros/a.py", "eval('1')", "eval() runs code from data"),
        ("gmi_ros/learning/a.py", "import torch\ntorch.load('w')", "torch.load without weights_only=True"),
        (
            "gmi_ros/learning/a.py",
            "import numpy as np\nnp.load('f', allow_pickle=True)",
            "allow_pickle must stay False",
        ),
        ("gmi_ros/hand/a.py", "import yaml\nyaml.load('')", "use yaml.safe_load"),
        ("gmi_ros/core/a.py", "import importlib\nimportlib.import_module('rclpy')", "hides an import"),
        ("gmi_ros/sim/a.py", "print(1)", "print in the library"),
        ("gmi_ros/sim/a.py", "\n" * 401, "401 lines, at most 400"),
    ],
)
def test_the_checker_sees(path: str, source: str, complaint: str):
    assert any(complaint in found for found in violations(path, source))


@pytest.mark.parametrize(
    "path, source",
    [
        ("gmi_ros/cli/demo.py", "def run():\n    from gmi_ros.ros import demo\n    print(demo)"),
        ("gmi_ros/ros/a.py", "import rclpy\nfrom gmi_ros.msg import Grasp\nfrom gmi_ros.sim import cell"),
        ("gmi_ros/learning/a.py", "import torch\ntorch.load('w', weights_only=True)\nmodel.eval()"),
        ("gmi_ros/hand/a.py", "from gmi_ros.core.errors import GmiError\nfrom gmi_ros.hand import wrist"),
    ],
)
def test_the_checker_lets_pass(path: str, source: str):
    assert violations(path, source) == []
