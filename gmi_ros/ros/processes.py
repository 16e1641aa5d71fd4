"""Which nodes make up the system, with which names, parameters and remappings: for the launch file and for `gmi up`.

Imports neither rclpy nor messages: a launch file and a process that only starts others must stay light.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource

IMAGE_PROFILE = "config/fastdds.xml"
SYNTHESIZER, RECORDER, SIM_CELL = "grasp_synthesizer", "experience_recorder", "sim_cell"


@dataclass(frozen=True)
class Argument:
    """A launch argument: `name:=value` of the launch file, `--name value` of `gmi up`."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...] = ()


_YES_NO = ("true", "false")
ARGUMENTS = (
    Argument("rgb_topic", "/camera/color/image_raw", "colour images of the camera (not with sim)"),
    Argument("depth_topic", "/camera/aligned_depth_to_color/image_raw", "depth registered to them (not with sim)"),
    Argument("camera_info_topic", "/camera/color/camera_info", "intrinsics of the colour camera (not with sim)"),
    Argument("mask_topic", "/segmentation/mask", "segmentation masks (not with sim)"),
    Argument("sim", "false", "also start the simulated cell, feed from it and allow execution in it", _YES_NO),
    Argument("record", "true", "also start experience_recorder", _YES_NO),
    Argument("allow_execution", "false", "let /synthesize_grasp send goals to execute_grasp; true with sim", _YES_NO),
    Argument("hand", "bh280", "model of the hand", ("bh262", "bh280", "bh282")),
    Argument("model", "", "folder of the network's weights; empty = the shipped ones"),
    Argument("target_frame", "", "frame of the answers; empty = the image's"),
    Argument("store", "", "file of the experience store; empty = ~/.local/share/gmi_ros/experience.db"),
    Argument("params_file", "", "YAML of parameters that is read after the package's own"),
    Argument("namespace", "", "namespace of all nodes"),
    Argument("use_sim_time", "false", "follow /clock, as when a bag is played with --clock", _YES_NO),
    Argument("log_level", "info", "of all nodes", ("debug", "info", "warn", "error")),
)


@dataclass(frozen=True)
class NodeStart:
    """One node to start: its executable and name, parameter files (in order), parameters over them, remappings."""

    name: str
    parameter_files: tuple[str, ...]
    parameters: Mapping[str, str | float | bool | int | list[str]] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    namespace: str = ""
    log_level: str = "info"

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
        GmiError: BAD_SETTING for a value that is not one of an argument's choices; FILE_NOT_FOUND for params_file.
    """
    values = {**defaults(), **values}
    for argument in ARGUMENTS:
        if argument.choices and values[argument.name] not in argument.choices:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{argument.name} must be one of {', '.join(argument.choices)}, got {values[argument.name]!r}",
            )
    extra = values["params_file"]
    if extra and not os.path.isfile(extra):
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"params_file {extra} does not exist")

    sim = values["sim"] == "true"
    common = {"use_sim_time": values["use_sim_time"] == "true"}
    settings = {"hand": values["hand"], "model": values["model"], "target_frame": values["target_frame"]}
    synthesizer = {k: v for k, v in settings.items() if v}
    # Left out when false, so that a params_file may allow execution too.
    if sim or values["allow_execution"] == "true":
        synthesizer["allow_execution"] = True
    starts = [(SYNTHESIZER, synthesizer, () if sim else _camera_remappings(values))]
    if values["record"] == "true":
        starts.append((RECORDER, {"store": values["store"]} if values["store"] else {}, ()))
    if sim:
        starts.append((SIM_CELL, {"hand": values["hand"]}, ()))
    return [
        NodeStart(
            name,
            tuple(filter(None, (str(resource(f"config/{name}.yaml")), extra))),
            {**common, **parameters},
            remappings,
            values["namespace"],
            values["log_level"],
        )
        for name, parameters, remappings in starts
    ]


def use_image_profile() -> None:
    """Let the middleware of this process (and of its children) use shared memory that holds images.

    To be called before rclpy.init by whoever publishes images; a profile that the user has chosen stays.
    """
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        os.environ.setdefault(name, str(resource(IMAGE_PROFILE)))


def _camera_remappings(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("rgb/image", values["rgb_topic"]),
        ("depth/image", values["depth_topic"]),
        ("rgb/camera_info", values["camera_info_topic"]),
        ("segmentation/mask", values["mask_topic"]),
    )


def _yaml(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(v) for v in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)
