"""Presets of cameras: each is whole, ROS reads it as it is, and what is no preset is named."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.experience import cameras
from gmi_ros.ros import processes
from gmi_ros.ros.settings import InputSettings, NodeSettings


def parameters(path: Path) -> dict:
    return yaml.safe_load(path.read_text())["/**/grasp_synthesizer"]["ros__parameters"]


def test_the_presets_are_those_that_the_argument_names():
    (argument,) = [a for a in processes.ARGUMENTS if a.name == "camera"]
    assert ", ".join(cameras.names()) + ", or" in argument.help and processes.DEFAULT_CAMERA in cameras.names()


@pytest.mark.parametrize("name", cameras.names())
def test_a_preset_is_whole(name):
    camera = cameras.load_camera(name)
    topics = camera.topics
    assert all(t.startswith("/") for t in (topics.rgb, topics.depth, topics.camera_info, topics.mask))
    assert topics.frame and not topics.frame.startswith("/")
    text = camera.path.read_text()
    assert text.startswith("#") and "github.com/" in text  # where the names are from


@pytest.mark.parametrize("name", cameras.names())
def test_its_parameters_are_the_nodes_and_within_bounds(name):
    given = parameters(cameras.load_camera(name).path)
    assert given["camera"] == name
    node = {f.name for f in fields(NodeSettings)}
    synthesis = {f.name for f in fields(SynthesisSettings)}
    assert set(given) <= node | synthesis
    NodeSettings(**{k: v for k, v in given.items() if k in node})
    SynthesisSettings(**{k: v for k, v in given.items() if k in synthesis})


@pytest.mark.ros
def test_a_node_takes_the_preset_and_the_users_file_wins(tmp_path, ros):
    mine = tmp_path / "mine.yaml"
    mine.write_text("/**/grasp_synthesizer: {ros__parameters: {slop_s: 0.5}}\n")
    (start, _) = processes.node_starts({"camera": "zed", "params_file": str(mine)})
    node = ros.node("grasp_synthesizer", cli_args=start.ros_arguments)
    assert node.declare_parameter("camera", "").value == "zed"
    assert node.declare_parameter("slop_s", 0.0).value == 0.5
    assert node.resolve_topic_name("depth/image") == "/zed/zed_node/depth/depth_registered"


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(GmiError, match=f"one of {', '.join(cameras.names())}, or a YAML file.*got 'kodak'") as caught:
        processes.node_starts({"camera": "kodak"})
    assert caught.value.code == ErrorCode.BAD_SETTING


def test_a_file_of_ones_own_serves(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("camera_topics: {ros__parameters: {rgb: /a, depth: /b, camera_info: /c}}\n")
    start = processes.node_starts({"camera": str(path)})[0]
    assert dict(start.remappings)["rgb/image"] == "/a" and dict(start.remappings)["segmentation/mask"]
    assert str(path) in start.parameter_files
    with pytest.raises(GmiError) as caught:
        processes.node_starts({"camera": str(tmp_path / "none.yaml")})
    assert caught.value.code == ErrorCode.FILE_NOT_FOUND


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2",
        "just words",
        "camera_topics: {rgb: /a}",
        "camera_topics: {ros__parameters: {rgb: /a, depth: /b}}",
        "camera_topics: {ros__parameters: {rgb: /a, depth: /b, camera_info: /c, infrared: /d}}",
        "camera_topics: {ros__parameters: {rgb: /a, depth: '', camera_info: /c}}",
        "camera_topics: {ros__parameters: {rgb: /a, depth: 3, camera_info: /c}}",
    ],
)
def test_a_file_that_is_no_preset_is_named(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(GmiError, match="mine.yaml") as caught:
        cameras.load_camera(str(path))
    assert caught.value.code == ErrorCode.BAD_SETTING


def test_no_preset_where_all_topics_are_given():
    topics = {"rgb_topic": "/a", "depth_topic": "/b", "camera_info_topic": "/c"}
    start = processes.node_starts(topics)[0]
    assert [Path(f).name for f in start.parameter_files] == ["grasp_synthesizer.yaml"]
    assert dict(start.remappings)["segmentation/mask"] == "/segmentation/mask"
    start = processes.node_starts({**topics, "camera": "zed"})[0]
    assert Path(start.parameter_files[1]).name == "zed.yaml" and dict(start.remappings)["rgb/image"] == "/a"


@pytest.mark.parametrize("name", cameras.names())
def test_the_recorder_takes_images_in_as_the_synthesizer_does(name):
    content = yaml.safe_load(cameras.load_camera(name).path.read_text())
    recorder = content["/**/experience_recorder"]["ros__parameters"]
    inputs = {f.name for f in fields(InputSettings)}
    assert recorder == {k: v for k, v in parameters(cameras.load_camera(name).path).items() if k in inputs}
    given = {"camera": name, "rgb_transport": "compressed", "store": "/there.db"}
    synthesizer, recorder = processes.node_starts(given)
    assert (
        recorder.remappings == synthesizer.remappings
        and recorder.parameter_files[1:] == synthesizer.parameter_files[1:]
    )
    assert recorder.parameters["rgb_transport"] == "compressed" and recorder.parameters["store"] == "/there.db"
