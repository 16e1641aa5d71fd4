"""The way from the commands to the ROS room: imported late, with one clear line where ROS 2 is not installed."""

import importlib
from types import ModuleType

from gmi_ros.core.errors import ErrorCode, GmiError


def ros_module(name: str) -> ModuleType:
    """The module `gmi_ros.ros.<name>`.

    Raises:
        GmiError: FILE_NOT_FOUND where rclpy or the package's own messages are not installed.
    """
    for needed, cure in (
        ("rclpy", "install ROS 2, or run `make setup`"),
        ("gmi_ros.srv", "build the workspace with colcon and source it, or run `make setup`"),
    ):
        try:
            importlib.import_module(needed)
        except ImportError as error:
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"this command needs {needed}: {error}; {cure}") from error
    return importlib.import_module(f"gmi_ros.ros.{name}")
