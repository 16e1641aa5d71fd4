"""Which nodes barrett.launch.py starts, and `python -m gmi_ros.ros.bridge.starts` without launch_ros.

Imports neither rclpy nor messages, as ros.processes.
"""

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource
from gmi_ros.ros.processes import Argument, NodeStart

FOLDER = "config/drivers"
_MOCKS = {"free": "mock_drivers", "cell": "mock_cell"}
ARGUMENTS = (
    Argument(
        "drivers", "", "preset of config/drivers (joint_trajectory, moveit, robotnik, wam), or a YAML file of that form"
    ),
    Argument("params_file", "", "YAML of parameters that is read after the preset"),
    Argument(
        "mock",
        "none",
        "also start mock drivers: nothing in their way, or in the simulated cell",
        ("none", "free", "cell"),
    ),
    Argument("namespace", "", "namespace of all nodes"),
    Argument("log_level", "info", "of all nodes", ("debug", "info", "warn", "error")),
)


def bridge_starts(values: Mapping[str, str]) -> list[NodeStart]:
    """The nodes that these arguments ask for; with a mock, hand_bridge follows its clock.

    Raises:
        GmiError: BAD_SETTING for a value that is not one of an argument's choices; FILE_NOT_FOUND.
    """
    values = {**{a.name: a.default for a in ARGUMENTS}, **values}
    for argument in ARGUMENTS:
        if argument.choices and values[argument.name] not in argument.choices:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{argument.name} must be one of {', '.join(argument.choices)}, got {values[argument.name]!r}",
            )
    files = [str(resource("config/hand_bridge.yaml"))]
    if values["drivers"]:
        files.append(_preset(values["drivers"]))
    if values["params_file"]:
        if not os.path.isfile(values["params_file"]):
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"params_file {values['params_file']} does not exist")
        files.append(values["params_file"])
    mock = _MOCKS.get(values["mock"])
    common = {"namespace": values["namespace"], "log_level": values["log_level"], "folder": "bridge"}
    starts = [NodeStart("hand_bridge", tuple(files), {"use_sim_time": mock is not None}, **common)]
    if mock is not None:
        starts.append(NodeStart(mock, tuple(files[1:]), {"publish_clock": True}, **common))
    return starts


def _preset(name: str) -> str:
    if os.path.isfile(name):
        return name
    folder = resource(FOLDER)
    known = sorted(p.stem for p in Path(folder).glob("*.yaml") if p.stem != "barrett")
    if name not in known:
        raise GmiError(ErrorCode.BAD_SETTING, f"drivers must be a YAML file or one of {', '.join(known)}, got {name!r}")
    return str(folder / f"{name}.yaml")


def main() -> int:
    """Start the nodes and stay until Ctrl-C."""
    import logging

    from gmi_ros.ros.children import Children
    from gmi_ros.ros.processes import use_image_profile

    parser = argparse.ArgumentParser(
        prog="python -m gmi_ros.ros.bridge.starts", description="hand_bridge, without launch_ros"
    )
    for a in ARGUMENTS:
        parser.add_argument(f"--{a.name}", default=a.default, help=a.help, choices=a.choices or None)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    log = logging.getLogger("gmi_ros")
    try:
        starts = bridge_starts(vars(parser.parse_args()))
        use_image_profile()
        with Children(on_line=lambda name, line: log.info("[%s] %s", name, line)) as children:
            for start in starts:
                children.start_node(start)
            while True:
                children.check()
                time.sleep(0.2)
    except KeyboardInterrupt:
        return 0
    except GmiError as error:
        log.error("%s: %s", error.code.name, error.message)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
