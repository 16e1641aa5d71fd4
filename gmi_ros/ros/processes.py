"""Which nodes make up the system, with which names, parameters and remappings: for the launch file and for `gmi up`.

Imports neither rclpy nor messages: a launch file and a process that only starts others must stay light.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource
from gmi_ros.experience.topics import SUFFIXES, TRANSPORTS
from gmi_ros.ros.bag_arguments import of_bag
from gmi_ros.experience.cameras import Camera, CameraTopics, load_camera

IMAGE_PROFILE = "config/fastdds.xml"
RVIZ_CONFIG = "config/rviz/grasp.rviz"
PACKAGE = "gmi_ros"
SYNTHESIZER, RECORDER, SIM_CELL, RVIZ = "grasp_synthesizer", "experience_recorder", "sim_cell", "rviz2"
BAG_REPLAY = "bag_replay"
DEFAULT_CAMERA = "realsense"


@dataclass(frozen=True)
class Argument:
    """A launch argument: `name:=value` of the launch file, `--name value` of `gmi up`."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...] = ()


_SHOWN = ("markers", "wrist_pose", "network_view")  # outputs in RViz
_YES_NO = ("true", "false")
_TRANSPORTS = ("rgb_transport", "depth_transport", "mask_transport")
ARGUMENTS = (
    Argument(
        "camera",
        "",
        "preset of topics and parameters: azure_kinect, kinect_v1, realsense, zed, or a YAML file of that form; "
        f"empty = {DEFAULT_CAMERA}, or none with a bag or the topics of rgb, depth and camera_info (not with sim)",
    ),
    Argument("rgb_topic", "", "colour images; empty = the preset's (not with sim)"),
    Argument("depth_topic", "", "depth registered to them; empty = the preset's (not with sim)"),
    Argument("camera_info_topic", "", "intrinsics of the colour camera; empty = the preset's (not with sim)"),
    Argument("mask_topic", "", "segmentation masks; empty = the preset's, /segmentation/mask (not with sim)"),
    Argument(
        "rgb_transport",
        "",
        "image_transport of the colour images, whose topic is named without its ending; empty = the preset's, raw",
        ("", *TRANSPORTS["rgb"]),
    ),
    Argument("depth_transport", "", "the same of the depth", ("", *TRANSPORTS["depth"])),
    Argument("mask_transport", "", "the same of the masks", ("", *TRANSPORTS["mask"])),
    Argument("sim", "false", "also start the simulated cell, feed from it and allow execution in it", _YES_NO),
    Argument(
        "bag",
        "",
        "also replay this rosbag2 (folder, .mcap or .db3) with its clock; topics that neither a preset nor an argument "
        "names are found in it (not with sim)",
    ),
    Argument("bag_rate", "1.0", "how fast the bag is replayed, 1.0: as it was recorded"),
    Argument("bag_loop", "false", "begin again at the end of the bag", _YES_NO),
    Argument("bag_paused", "false", "begin paused: /bag_replay/pause with data: false goes on", _YES_NO),
    Argument("record", "true", "also start experience_recorder", _YES_NO),
    Argument("rviz", "false", "also start RViz with what the nodes show", _YES_NO),
    Argument("autostart", "true", "configure and activate grasp_synthesizer at once", _YES_NO),
    Argument("allow_execution", "false", "let /synthesize_grasp send goals to execute_grasp; true with sim", _YES_NO),
    Argument("hand", "bh280", "model of the hand", ("bh262", "bh280", "bh282")),
    Argument("model", "", "folder of the network's weights; empty = the shipped ones"),
    Argument("target_frame", "", "frame of the answers; empty = the image's"),
    Argument("store", "", "file of the experience store; empty = ~/.local/share/gmi_ros/experience.db"),
    Argument("params_file", "", "YAML of parameters that is read after the package's own and the preset's"),
    Argument("namespace", "", "namespace of all nodes"),
    Argument("use_sim_time", "false", "follow /clock, as when a bag is played with --clock", _YES_NO),
    Argument("log_level", "info", "of all nodes", ("debug", "info", "warn", "error")),
)


@dataclass(frozen=True)
class NodeStart:
    """One node to start: its executable and name, parameter files (in order), parameters over them, remappings.

    package: whose executable it is. folder: of the node's module, below gmi_ros.ros. arguments: what stands before
    `--ros-args`.
    """

    name: str
    parameter_files: tuple[str, ...] = ()
    parameters: Mapping[str, str | float | bool | int | list[str]] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    namespace: str = ""
    log_level: str = "info"
    package: str = PACKAGE
    folder: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Of a node of this package, below gmi_ros.ros."""
        return f"{self.folder}.{self.name}" if self.folder else self.name

    @property
    def ros_arguments(self) -> list[str]:
        """What stands behind `--ros-args` where no launch system adds it."""
        words = ["--ros-args", "-r", f"__node:={self.name}", "--log-level", self.log_level]
        if self.namespace:
            words += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for old, new in self.remappings:
            words += ["-r", f"{old}:={new}"]
        for path in self.parameter_files:
            words += ["--params-file", path]
        for name, value in self.parameters.items():
            words += ["-p", f"{name}:={_yaml(value)}"]
        return words


def defaults() -> dict[str, str]:
    """Every argument with its default."""
    return {a.name: a.default for a in ARGUMENTS}


def node_starts(values: Mapping[str, str]) -> list[NodeStart]:
    """The nodes that these arguments ask for.

    Raises:
        GmiError: BAD_SETTING for a value that is not one of an argument's choices, or an unknown camera;
            FILE_NOT_FOUND for params_file or the camera's file.
    """
    values = {**defaults(), **values}
    for argument in ARGUMENTS:
        if argument.choices and values[argument.name] not in argument.choices:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{argument.name} must be one of {', '.join(c or '(empty)' for c in argument.choices)}, "
                f"got {values[argument.name]!r}",
            )
    if values["params_file"] and not os.path.isfile(values["params_file"]):
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"params_file {values['params_file']} does not exist")

    sim = values["sim"] == "true"
    camera = None if sim else _camera(values)
    if values["bag"]:
        values = of_bag(values, camera)
    remappings = () if sim else _camera_remappings(values, camera)
    # RViz first: where it is not installed, nothing has been started yet.
    starts = [_rviz(values, camera, remappings)] if values["rviz"] == "true" else []
    starts.append(_start(SYNTHESIZER, values, _synthesizer_parameters(values, sim), remappings, camera))
    if values["record"] == "true":
        # It looks at the images too where it is to keep full frames.
        names = ("store", *(() if sim else _TRANSPORTS))
        parameters = {name: values[name] for name in names if values[name]}
        starts.append(_start(RECORDER, values, parameters, remappings, camera))
    if sim:
        starts.append(_start(SIM_CELL, values, {"hand": values["hand"]}))
    if values["bag"]:
        starts.append(_bag_replay(values))
    return starts


def _start(
    name: str,
    values: Mapping[str, str],
    parameters: Mapping[str, str | bool],
    remappings: tuple[tuple[str, str], ...] = (),
    camera: Camera | None = None,
) -> NodeStart:
    """A node of this package: its own file, the camera's, the user's, then what the arguments say."""
    files = (resource(f"config/{name}.yaml"), camera and camera.path, values["params_file"])
    return NodeStart(
        name,
        tuple(str(file) for file in files if file),
        {"use_sim_time": values["use_sim_time"] == "true", **parameters},
        remappings,
        values["namespace"],
        values["log_level"],
    )


def _synthesizer_parameters(values: Mapping[str, str], sim: bool) -> dict[str, str | bool]:
    names = ("hand", "model", "target_frame", *(() if sim else _TRANSPORTS))
    parameters: dict[str, str | bool] = {name: values[name] for name in names if values[name]}
    # Both left out where they are the default, so that a params_file may say otherwise.
    if values["autostart"] == "false":
        parameters["autostart"] = False
    if sim or values["allow_execution"] == "true":
        parameters["allow_execution"] = True
    return parameters


def _rviz(values: Mapping[str, str], camera: Camera | None, remappings: tuple[tuple[str, str], ...]) -> NodeStart:
    """RViz, whose configuration names the topics of the root namespace and the frame of the simulated camera."""
    frame = values["target_frame"] or (camera.topics.frame if camera else "")
    space = f"/{values['namespace'].strip('/')}" if values["namespace"] else ""
    shown = [(f"/{SYNTHESIZER}/{topic}", f"{space}/{SYNTHESIZER}/{topic}") for topic in _SHOWN] if space else []
    rgb = dict(remappings).get("rgb/image", f"{space}/rgb/image")
    return NodeStart(
        RVIZ,
        parameters={"use_sim_time": values["use_sim_time"] == "true"},
        remappings=(*shown, *([("/rgb/image", rgb)] if rgb != "/rgb/image" else [])),
        namespace=values["namespace"],
        log_level=values["log_level"],
        package=RVIZ,
        arguments=("-d", str(resource(RVIZ_CONFIG)), *(("-f", frame) if frame else ())),
    )


def use_image_profile() -> None:
    """Let the middleware of this process (and of its children) use shared memory that holds images.

    To be called before rclpy.init by whoever publishes images; a profile that the user has chosen stays.
    """
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        os.environ.setdefault(name, str(resource(IMAGE_PROFILE)))


def _bag_replay(values: Mapping[str, str]) -> NodeStart:
    try:
        rate = float(values["bag_rate"])
    except ValueError as error:
        raise GmiError(ErrorCode.BAD_SETTING, f"bag_rate must be a number, got {values['bag_rate']!r}") from error
    endings = {role: values.get(f"{role}_transport", "raw") for role in ("rgb", "depth", "camera_info", "mask")}
    topics = [values[f"{role}_topic"] + SUFFIXES[transport] for role, transport in endings.items()]
    parameters: dict[str, str | float | bool] = {"bag": values["bag"], "wait_for": " ".join(topics), "rate": rate}
    for name, argument in (("loop", "bag_loop"), ("start_paused", "bag_paused")):
        if values[argument] == "true":  # left out where it is the default, so that a params_file may say otherwise
            parameters[name] = True
    # On its own clock: it is the one who makes the time of the others.
    return _start(BAG_REPLAY, {**values, "use_sim_time": "false"}, parameters)


def _camera(values: Mapping[str, str]) -> Camera | None:
    """The preset that is asked for; none where nobody named one and all that a camera publishes is given, or a bag."""
    if not values["camera"] and values["bag"]:
        return None
    if not values["camera"] and all(values[n] for n in ("rgb_topic", "depth_topic", "camera_info_topic")):
        return None
    return load_camera(values["camera"] or DEFAULT_CAMERA)


def _camera_remappings(values: Mapping[str, str], camera: Camera | None) -> tuple[tuple[str, str], ...]:
    preset = camera.topics if camera else CameraTopics("", "", "")
    return (
        ("rgb/image", values["rgb_topic"] or preset.rgb),
        ("depth/image", values["depth_topic"] or preset.depth),
        ("rgb/camera_info", values["camera_info_topic"] or preset.camera_info),
        ("segmentation/mask", values["mask_topic"] or preset.mask),
    )


def _yaml(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(v) for v in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)
