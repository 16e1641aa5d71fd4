"""The launch file and `gmi up` start the same: both read one table."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.ros import processes

LAUNCH = Path(__file__).resolve().parents[2] / "launch" / "grasp.launch.py"
BARRETT = LAUNCH.with_name("barrett.launch.py")


def started(**values):
    return {start.name: start for start in processes.node_starts(values)}


@pytest.mark.parametrize(("file", "starts"), [(LAUNCH, "node_starts"), (BARRETT, "bridge_starts")])
def test_the_launch_file_names_no_node_topic_or_parameter_of_its_own(file, starts):
    tree = ast.parse(file.read_text())
    imported = {
        a.name
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom) and n.module.startswith("gmi_ros")
        for a in n.names
    }
    assert imported == {"ARGUMENTS", starts, "launch_description"}
    texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert not texts & {processes.SYNTHESIZER, processes.RECORDER, processes.SIM_CELL, "rgb/image", "hand_bridge"}


def test_every_executable_names_its_module():
    from gmi_ros.ros.bridge.starts import bridge_starts
    from gmi_ros.ros.children import node_command

    starts = [*processes.node_starts({"sim": "true"}), *processes.node_starts({"bag": str(BAG)})]
    starts += [*bridge_starts({"mock": "free"}), *bridge_starts({"mock": "cell"})]
    modules = {start.name: node_command(start)[3] for start in starts}
    folder = LAUNCH.parents[1] / "scripts"
    named = {p.name: re.search(r'^start\("(.+)"\)$', p.read_text(), re.M) for p in folder.iterdir() if p.is_file()}
    assert {name: found[1] for name, found in named.items() if found} == modules
    for module in modules.values():
        assert (folder.parent / "gmi_ros" / "ros" / f"{module.replace('.', '/')}.py").is_file(), module


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
    assert dict(start.remappings) == {
        "rgb/image": "/my/rgb",
        "depth/image": "/camera/camera/aligned_depth_to_color/image_raw",
        "rgb/camera_info": "/camera/camera/color/camera_info",
        "segmentation/mask": "/segmentation/mask",
    }
    assert not {"allow_execution", "autostart"} & set(start.parameters)  # so that a params_file may say it


def test_sim_needs_no_remapping_and_may_execute():
    nodes = started(sim="true")
    assert set(nodes) == {"grasp_synthesizer", "experience_recorder", "sim_cell"}
    assert (
        nodes["grasp_synthesizer"].remappings == () and nodes["grasp_synthesizer"].parameters["allow_execution"] is True
    )
    assert set(started(sim="true", record="false")) == {"grasp_synthesizer", "sim_cell"}
    assert not [f for f in nodes["grasp_synthesizer"].parameter_files if "cameras" in f]
    assert "rgb_transport" not in started(sim="true", rgb_transport="compressed")["grasp_synthesizer"].parameters


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


def test_what_the_arguments_say_wins_over_the_users_file_and_that_over_the_presets(tmp_path):
    extra = tmp_path / "mine.yaml"
    extra.write_text("/**: {ros__parameters: {n_samples: 8}}\n")
    start = started(camera="zed", params_file=str(extra), depth_transport="compressedDepth", autostart="false")[
        "grasp_synthesizer"
    ]
    assert [Path(f).name for f in start.parameter_files] == ["grasp_synthesizer.yaml", "zed.yaml", "mine.yaml"]
    assert start.parameters["depth_transport"] == "compressedDepth" and start.parameters["autostart"] is False
    assert "rgb_transport" not in start.parameters


def test_rviz_shows_the_topics_of_the_namespace_in_the_frame_of_the_answers():
    start = started(sim="true", rviz="true")["rviz2"]
    assert start.package == "rviz2" and start.remappings == ()
    assert start.arguments[0] == "-d" and Path(start.arguments[1]).is_file() and len(start.arguments) == 2
    start = started(camera="zed", rviz="true", namespace="left")["rviz2"]
    assert start.arguments[2:] == ("-f", "zed_left_camera_frame_optical")
    assert dict(start.remappings)["/grasp_synthesizer/markers"] == "/left/grasp_synthesizer/markers"
    assert dict(start.remappings)["/rgb/image"] == "/zed/zed_node/rgb/color/rect/image"
    assert started(rviz="true", target_frame="base_link")["rviz2"].arguments[2:] == ("-f", "base_link")


def test_every_topic_in_the_configuration_of_rviz_is_one_that_is_remapped():
    config = yaml.safe_load((LAUNCH.parents[1] / processes.RVIZ_CONFIG).read_text())
    displays = config["Visualization Manager"]["Displays"]
    topics = {display["Topic"]["Value"] for display in displays if "Topic" in display}
    assert topics == {new for new, _ in started(camera="zed", rviz="true", namespace="a")["rviz2"].remappings}


def test_gmi_up_without_rviz_says_so_before_it_starts_anything(monkeypatch):
    from gmi_ros.ros import children, up

    monkeypatch.setattr(children.shutil, "which", lambda name: None)
    monkeypatch.setattr(children.Children, "start", lambda *_: pytest.fail("a node was started"))
    with pytest.raises(GmiError, match="rviz2 is not installed") as caught:
        up.up({"rviz": "true", "sim": "true"})
    assert caught.value.code is ErrorCode.BAD_SETTING
    monkeypatch.setattr(children.shutil, "which", lambda name: f"/opt/{name}")
    command = children.node_command(started(rviz="true", sim="true")["rviz2"])
    assert command[:2] == ["/opt/rviz2", "-d"] and command.index("--ros-args") == 3


def test_wrong_values_are_refused():
    with pytest.raises(GmiError, match="sim must be one of true, false, got 'perhaps'") as caught:
        started(sim="perhaps")
    assert caught.value.code is ErrorCode.BAD_SETTING
    with pytest.raises(GmiError, match="rgb_transport must be one of .empty., raw, compressed, got 'theora'"):
        started(rgb_transport="theora")
    with pytest.raises(GmiError, match="does not exist"):
        started(params_file="/no/such.yaml")


BAG = LAUNCH.parents[1] / "test" / "data" / "sim_cell_bag"


def test_a_bag_brings_its_topics_and_its_clock():
    nodes = started(bag=str(BAG), bag_rate="2.5", bag_loop="true")
    assert set(nodes) == {"grasp_synthesizer", "experience_recorder", "bag_replay"}
    names = {"rgb/image", "depth/image", "rgb/camera_info", "segmentation/mask"}
    assert dict(nodes["grasp_synthesizer"].remappings) == {name: f"/{name}" for name in names}
    assert nodes["grasp_synthesizer"].parameters["use_sim_time"] is True
    assert not {"allow_execution"} & set(nodes["grasp_synthesizer"].parameters)
    replay = nodes["bag_replay"].parameters
    assert replay["use_sim_time"] is False and replay["rate"] == 2.5 and replay["loop"] is True
    assert replay["bag"] == str(BAG) and set(replay["wait_for"].split()) == {f"/{name}" for name in names}
    assert "start_paused" not in replay


def test_compressed_topics_of_a_bag_set_the_transports(tmp_path):
    from gmi_ros.experience.bag_writer import BagWriter

    compressed = "sensor_msgs/msg/CompressedImage"
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/cam/color/image_raw/compressed", compressed)
        bag.add_topic("/cam/depth/image/compressedDepth", compressed)
        bag.add_topic("/cam/color/camera_info", "sensor_msgs/msg/CameraInfo")
        bag.add_topic("/sam/mask", "sensor_msgs/msg/Image")
    nodes = started(bag=str(tmp_path / "bag"))
    start = nodes["grasp_synthesizer"]
    assert dict(start.remappings)["rgb/image"] == "/cam/color/image_raw"
    assert [start.parameters[f"{role}_transport"] for role in ("rgb", "depth", "mask")] == [
        "compressed", "compressedDepth", "raw",
    ]  # fmt: skip
    assert "/cam/depth/image/compressedDepth" in nodes["bag_replay"].parameters["wait_for"].split()
    with pytest.raises(GmiError, match="rgb_transport is raw, but the bag has /cam/color/image_raw/compressed"):
        started(bag=str(tmp_path / "bag"), rgb_transport="raw")


@pytest.mark.parametrize(
    ("values", "code", "told"),
    [
        ({"bag": str(BAG), "sim": "true"}, ErrorCode.BAD_SETTING, "exclude each other"),
        ({"bag": "/none"}, ErrorCode.FILE_NOT_FOUND, "no bag at /none"),
        ({"bag": str(BAG), "camera": "realsense"}, ErrorCode.BAD_REQUEST, "/camera/camera/color/image_raw is not in"),
        ({"bag": str(BAG), "mask_topic": "/sam"}, ErrorCode.BAD_REQUEST, "mask: /sam is not in the bag"),
        ({"bag": str(BAG), "bag_rate": "fast"}, ErrorCode.BAD_SETTING, "bag_rate must be a number, got 'fast'"),
    ],
)
def test_bags_that_do_not_fit_are_refused_before_anything_starts(values, code, told):
    with pytest.raises(GmiError) as error:
        processes.node_starts(values)
    assert error.value.code == code and told in error.value.message
