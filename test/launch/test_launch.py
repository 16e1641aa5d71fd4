"""The launch file and `gmi up` start the same: both read one table."""

import ast
import importlib.util
from pathlib import Path

import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros import processes

LAUNCH = Path(__file__).resolve().parents[2] / "launch" / "grasp.launch.py"


def started(**values):
    return {start.name: start for start in processes.node_starts(values)}


def test_the_launch_file_names_no_node_topic_or_parameter_of_its_own():
    tree = ast.parse(LAUNCH.read_text())
    imported = {
        a.name
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom) and n.module.startswith("gmi_ros")
        for a in n.names
    }
    assert imported == {"ARGUMENTS", "node_starts"}
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert not texts & {processes.SYNTHESIZER, processes.RECORDER, processes.SIM_CELL, "rgb/image"}


def test_up_has_every_launch_argument(capsys):
    from gmi_ros.cli.main import main

    with pytest.raises(SystemExit):
        main(["up", "--help"])
    text = capsys.readouterr().out
    for argument in processes.ARGUMENTS:
        assert f"--{argument.name.replace('_', '-')}" in text and argument.help


def test_a_real_camera_is_remapped_and_nothing_executes():
    nodes = started(rgb_topic="/my/rgb")
    assert set(nodes) == {"grasp_synthesizer", "experience_recorder"}
    start = nodes["grasp_synthesizer"]
    assert ("rgb/image", "/my/rgb") in start.remappings and len(start.remappings) == 4
    assert "allow_execution" not in start.parameters


def test_sim_needs_no_remapping_and_may_execute():
    nodes = started(sim="true")
    assert set(nodes) == {"grasp_synthesizer", "experience_recorder", "sim_cell"}
    assert (
        nodes["grasp_synthesizer"].remappings == () and nodes["grasp_synthesizer"].parameters["allow_execution"] is True
    )
    assert set(started(sim="true", record="false")) == {"grasp_synthesizer", "sim_cell"}


def test_ros_arguments_say_the_same(tmp_path):
    extra = tmp_path / "mine.yaml"
    extra.write_text("/**: {ros__parameters: {n_samples: 8}}\n")
    start = started(params_file=str(extra), namespace="left", hand="bh282", use_sim_time="true")["grasp_synthesizer"]
    words = start.ros_arguments
    assert words[0] == "--ros-args" and "__node:=grasp_synthesizer" in words and "__ns:=/left" in words
    assert "use_sim_time:=true" in words and "hand:='bh282'" in words
    files = [words[i + 1] for i, word in enumerate(words) if word == "--params-file"]
    assert (
        files == list(start.parameter_files)
        and files[-1] == str(extra)
        and Path(files[0]).name == "grasp_synthesizer.yaml"
    )


def test_wrong_values_are_refused():
    with pytest.raises(GmiError, match="sim must be one of true, false, got 'perhaps'") as caught:
        started(sim="perhaps")
    assert caught.value.code is ErrorCode.BAD_SETTING
    with pytest.raises(GmiError, match="does not exist"):
        started(params_file="/no/such.yaml")


def test_genuine_launch_reads_the_launch_file():
    pytest.importorskip("launch_ros", reason="launch_ros comes with ROS distributions only")
    from launch import LaunchContext
    from launch.actions import DeclareLaunchArgument

    spec = importlib.util.spec_from_file_location("grasp_launch", LAUNCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    declared = [e.name for e in description.entities if isinstance(e, DeclareLaunchArgument)]
    assert declared == [a.name for a in processes.ARGUMENTS]
    context = LaunchContext()
    context.launch_configurations.update({**processes.defaults(), "sim": "true"})
    assert len(module.start_nodes(context)) == 3
