"""What is shipped agrees with itself: version, dependencies, interfaces, installed files."""

import dataclasses
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gmi_ros.core.errors import ErrorCode
from gmi_ros.core.grasp import WristStatus
from gmi_ros.core.settings import SynthesisSettings

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ElementTree.parse(ROOT / "package.xml")
VERSION = PACKAGE.findtext("version")
INTERFACES = sorted(p for folder in ("msg", "srv", "action") for p in (ROOT / folder).iterdir())
FIELD = re.compile(r"^(?P<type>[a-z][\w/]*)(?P<array>\[\d*\])?\s+(?P<name>[A-Za-z_]\w*)")
REALS = {"float64"}
DIRECTED = {"geometry_msgs/Point", "geometry_msgs/Vector3", "geometry_msgs/Pose", "geometry_msgs/PoseStamped"}


def declarations(path: Path) -> list[tuple[re.Match, str]]:
    """Each field or constant of an interface file with its comment: on its line, or on the line above."""
    found, above = [], ""
    for line in path.read_text().splitlines():
        code, _, comment = line.partition("#")
        if code.strip() and code.strip() != "---":
            match = FIELD.match(code)
            assert match, f"{path.name}: cannot read {line!r}"
            found.append((match, comment.strip() or above))
        above = comment.strip() if not code.strip() else ""
    return found


def run_python(code: str, **environment: str) -> str:
    """Output of `code` in a fresh Python, in an empty environment but for what is given, from another folder."""
    done = subprocess.run([sys.executable, "-c", code], cwd="/", env=environment, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_is_written_once():
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    places = ["setup.py", "pyproject.toml", "CMakeLists.txt", "Makefile"]
    assert [p for p in places if VERSION in (ROOT / p).read_text()] == []
    assert "Forthcoming" in (ROOT / "CHANGELOG.rst").read_text() or VERSION in (ROOT / "CHANGELOG.rst").read_text()


def test_setup_reads_that_version():
    done = subprocess.run([sys.executable, "setup.py", "--quiet", "--version"], cwd=ROOT, capture_output=True,
                          text=True, timeout=60)
    assert done.stdout.split()[-1:] == [VERSION], done.stderr


def test_package_names_what_the_nodes_need():
    named = {element.text for element in PACKAGE.getroot() if element.tag.endswith("depend")}
    assert {"rclpy", "cv_bridge", "python3-numpy", "python3-scipy", "message_filters", "launch_ros"} <= named
    assert PACKAGE.findtext("export/build_type") == "ament_cmake"


def test_torch_is_for_pip_since_no_apt_package_has_it():
    for file in ("requirements-ros.txt", "requirements-pypi.txt"):
        assert re.search(r"^torch==", (ROOT / file).read_text(), re.MULTILINE), file


def test_package_names_every_interface_package_in_use():
    used = {m["type"].split("/")[0] for p in INTERFACES for m, _ in declarations(p) if "/" in m["type"]} - {"gmi_ros"}
    assert used <= {element.text for element in PACKAGE.getroot().iter("depend")}
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert [p for p in used if p not in cmake] == []


def test_cmake_builds_every_interface_and_installs_the_rest():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert [p.name for p in INTERFACES if f"{p.parent.name}/{p.name}\n" not in cmake] == []
    assert "install(DIRECTORY launch config models DESTINATION share/${PROJECT_NAME})" in cmake
    scripts = [p for p in (ROOT / "scripts").iterdir() if p.is_file()]
    assert [p.name for p in scripts if f"scripts/{p.name}" not in cmake] == []
    assert [p.name for p in scripts if (p.suffix == "") != os.access(p, os.X_OK)] == []


@pytest.mark.parametrize("path", INTERFACES, ids=lambda p: p.name)
def test_every_field_says_what_it_is(path: Path):
    found = declarations(path)
    assert found
    for match, comment in found:
        assert re.search(r"[A-Za-z]{2}", comment), f"{match['name']} has no comment"
        if match["type"] in REALS:
            assert re.search(r"\[[^\]]+\]", comment), f"{match['name']} has no unit"
        if match["type"] in DIRECTED:
            assert re.search(r"frame|header", comment), f"{match['name']} does not say in which frame"
            assert re.search(r"\[[^\]]+\]", comment), f"{match['name']} has no unit"
        assert match["type"] != "float32", f"{match['name']}: all reals are float64"


def constants(file: str, *types: str) -> dict[str, int]:
    """Integer constants of an interface file."""
    text = (ROOT / file).read_text()
    return {name: int(value) for kind, name, value in re.findall(r"^(u\w+) ([A-Z_]+)=(\d+)", text, re.MULTILINE)
            if kind in types}


def test_error_codes_are_those_of_the_library():
    assert constants("srv/SynthesizeGrasp.srv", "uint16") == {code.name: code.value for code in ErrorCode}


def test_wrist_states_are_those_of_the_library():
    assert constants("msg/Grasp.msg", "uint8") == {status.name: status.value for status in WristStatus}


def test_filters_default_to_the_settings():
    text = (ROOT / "msg/GraspFilters.msg").read_text()
    settings = {f.name: f.default for f in dataclasses.fields(SynthesisSettings)}
    compared = 0
    for name, value in re.findall(r"^float64\S* (\w+) (\[[^\]]*\]|[-+.\de]+)", text, re.MULTILINE):
        if name in settings:
            numbers = [float(n) for n in value.strip("[]").split(",")]
            default = settings[name] if isinstance(settings[name], tuple) else (settings[name],)
            assert numbers == list(default), name
            compared += 1
    assert compared >= 6


@pytest.mark.ros
def test_generated_interfaces_load_from_a_plain_shell():
    code = ("import gmi_ros, rclpy\n"
            "from rclpy.type_support import check_for_type_support\n"
            "from gmi_ros.action import ExecuteGrasp\n"
            "from gmi_ros.srv import JudgeGrasp, SynthesizeGrasp\n"
            "from gmi_ros.msg import GraspOutcome\n"
            "for t in (ExecuteGrasp, JudgeGrasp, SynthesizeGrasp, GraspOutcome): check_for_type_support(t)\n"
            "print(SynthesizeGrasp.Response.STALE_FRAME, gmi_ros.__path__[0])")
    number, path = run_python(code, PATH=os.defpath).split()
    assert int(number) == ErrorCode.STALE_FRAME
    assert Path(path) == ROOT / "gmi_ros", "the checkout goes before the install space"


@pytest.mark.ros
def test_the_libraries_are_found_though_another_environment_was_set_up_before():
    code = "from rclpy.type_support import check_for_type_support as c; from gmi_ros.msg import Grasp; c(Grasp)"
    run_python(code, PATH=os.defpath, _ROS_WHEELS_BOOTSTRAP_COMPLETE="1")


@pytest.mark.ros
def test_a_message_goes_over_the_middleware(ros):
    from gmi_ros.msg import Recorded

    received = []
    node = ros.node("packaging_test")
    node.create_subscription(Recorded, "recorded", received.append, 10)
    publisher = node.create_publisher(Recorded, "recorded", 10)
    ros.spin_until(lambda: publisher.get_subscription_count() == 1, what="discovery")
    publisher.publish(Recorded(outcome_id="a", stored=2**40))
    ros.spin_until(lambda: received, what="the message")
    assert (received[0].outcome_id, received[0].stored) == ("a", 2**40)


@pytest.mark.parametrize("named", [False, True])
def test_executables_start_again_in_the_virtual_environment(tmp_path: Path, named: bool):
    workspace = tmp_path / "workspace with a space"
    script = workspace / "install" / "gmi_ros" / "lib" / "gmi_ros" / "probe"
    script.parent.mkdir(parents=True)
    (workspace / "install" / ".colcon_install_layout").write_text("isolated\n")
    (script.parent / "gmi_ros_venv.py").write_text((ROOT / "scripts" / "gmi_ros_venv.py").read_text())
    script.write_text("import sys, gmi_ros_venv\ngmi_ros_venv.enter()\nprint('not reached')\n")
    venv = tmp_path / "elsewhere" if named else workspace / ".venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text('#!/bin/sh\necho "in the venv: $2"\n')
    python.chmod(0o755)
    environment = {"PATH": os.defpath} | ({"GMI_VENV": str(venv)} if named else {})
    done = subprocess.run([sys.executable, str(script), "argument"], env=environment, capture_output=True, text=True,
                          timeout=60)
    assert done.stdout == "in the venv: argument\n", done.stderr


def test_a_wrong_gmi_venv_is_named(tmp_path: Path):
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "gmi")], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.defpath, "GMI_VENV": str(tmp_path)})
    assert done.returncode == 1 and f"GMI_VENV is {tmp_path}, which has no bin/python" in done.stderr
