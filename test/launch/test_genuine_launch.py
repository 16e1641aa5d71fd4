"""The launch files under genuine launch_ros, launch_testing and ros2cli, in a workspace that is built and sourced."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BAG = HERE.parent / "data" / "sim_cell_bag"
LONGEST_S = 150.0

pytestmark = pytest.mark.launch
for module in ("launch_ros", "launch_testing"):
    pytest.importorskip(module, reason=f"{module} comes with ROS distributions only")


@pytest.fixture(autouse=True)
def _sourced():
    """Skip where `ros2 launch` would not find this package."""
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        folder = Path(get_package_prefix("gmi_ros")) / "lib" / "gmi_ros"
    except PackageNotFoundError:
        pytest.skip("gmi_ros is not in a sourced workspace: colcon build, and source install/setup.bash")
    if not (folder / "grasp_synthesizer").exists():
        pytest.skip(f"{folder} has no executables: colcon build")


def load(name: str):
    """The module of a launch file."""
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), HERE.parents[1] / "launch" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_launch_files_declare_all_arguments():
    from gmi_ros.ros import processes
    from gmi_ros.ros.bridge import starts

    tables = {"grasp": processes.ARGUMENTS, "sim": processes.ARGUMENTS, "barrett": starts.ARGUMENTS}
    for name, table in tables.items():
        declared = load(f"{name}.launch.py").generate_launch_description().get_launch_arguments()
        assert [a.name for a in declared] == [a.name for a in table]
        assert all(a.description for a in declared)


@pytest.mark.parametrize(
    ("name", "given", "nodes"), [("grasp", {"sim": "true", "rviz": "true"}, 4), ("barrett", {"mock": "cell"}, 2)]
)
def test_the_arguments_make_the_nodes(name, given, nodes):
    from launch import LaunchContext

    description = load(f"{name}.launch.py").generate_launch_description()
    context = LaunchContext()
    context.launch_configurations.update({a.name: a.default_value[0].text for a in description.get_launch_arguments()})
    context.launch_configurations.update(given)
    assert len(description.entities[-1].execute(context)) == nodes


def test_the_nodes_of_sim_launch_answer_and_end(tmp_path):
    """The tests in check_sim_launch.py, by launch_testing's own runner."""
    command = [sys.executable, "-m", "launch_testing.launch_test", str(HERE / "check_sim_launch.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST_S)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@pytest.mark.parametrize(
    ("name", "given", "told", "nodes"),
    [
        # What is told once everything runs: the bag waits for a grasp_synthesizer that is active.
        ("grasp", ["sim:=true"], ["weights"], 3),
        ("replay", [f"bag:={BAG}"], ["weights", "the end of the bag"], 3),
        ("barrett", ["drivers:=robotnik", "mock:=free"], ["arm by pose", "mock of hand joint_state"], 2),
        ("barrett", ["drivers:=robotnik", "mock:=cell"], ["arm by pose", "is on the table"], 2),
    ],
)
def test_ctrl_c_leaves_no_process_behind(tmp_path, name, given, told, nodes):
    ros2 = shutil.which("ros2")
    if ros2 is None:
        pytest.skip("ros2cli comes with ROS distributions only")
    store = [] if name == "barrett" else [f"store:={tmp_path / 'experience.db'}"]
    command = [ros2, "launch", "gmi_ros", f"{name}.launch.py", *given, *store]
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        launched = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=tmp_path, preexec_fn=_as_in_a_terminal
        )
    try:
        end = time.monotonic() + LONGEST_S / 3
        while not all(text in log.read_text() for text in told):
            assert launched.poll() is None and time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.2)
        session = _session(launched.pid)
        assert len(session) == 1 + nodes, log.read_text()[-4000:]
        os.killpg(launched.pid, signal.SIGINT)  # what a terminal does
        launched.wait(LONGEST_S / 3)
        assert launched.returncode == 0 and not _session(launched.pid), log.read_text()[-4000:]
        assert "Traceback" not in log.read_text()
    finally:
        for process in _session(launched.pid):
            os.kill(process, signal.SIGKILL)


def _as_in_a_terminal() -> None:
    """A session of its own; a shell's background job would ignore Ctrl-C."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _session(leader: int) -> list[int]:
    """Processes of a session."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(process.name))
    return found
