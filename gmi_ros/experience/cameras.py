"""Presets of cameras: where their drivers publish, and the parameters that suit them.

A preset is a ROS parameter file (config/cameras/*.yaml): the part for grasp_synthesizer is handed to that node as it
is, the part `camera_topics` says what the inputs are remapped to. Replays take both too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource

FOLDER = "config/cameras"
_TOPICS = "camera_topics"


@dataclass(frozen=True)
class CameraTopics:
    """Where a camera's images are: names of topics, and the frame that they are in (for RViz; empty: unknown)."""

    rgb: str
    depth: str
    camera_info: str
    mask: str = "/segmentation/mask"
    frame: str = ""


@dataclass(frozen=True)
class Camera:
    """A preset: its file, which ROS reads too, and the topics that it names."""

    path: Path
    topics: CameraTopics
    parameters: Mapping[str, Any]  # of grasp_synthesizer, by name; what else they are is the node's to judge


def names() -> list[str]:
    """The presets of this package."""
    return sorted(path.stem for path in resource(FOLDER).glob("*.yaml"))


def load_camera(name_or_file: str) -> Camera:
    """The preset of this name, or in this file.

    Raises:
        GmiError: BAD_SETTING for an unknown name, listing the valid ones, or for a file that is no preset;
            FILE_NOT_FOUND for a file that is not there.
    """
    if "/" in name_or_file or name_or_file.endswith((".yaml", ".yml")):
        path = Path(name_or_file).expanduser().absolute()
        if not path.is_file():
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"camera: there is no preset at {path}")
    elif name_or_file in names():
        path = resource(f"{FOLDER}/{name_or_file}.yaml")
    else:
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"camera must be one of {', '.join(names())}, or a YAML file (with a / or ending in .yaml), "
            f"got {name_or_file!r}",
        )
    content = _content(path)
    return Camera(path, _topics(path, content), _part(content, "/**/grasp_synthesizer") or {})


def _content(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GmiError(ErrorCode.BAD_SETTING, f"{path} is no camera preset: {error}") from error


def _part(content: Any, node: str) -> Any:
    part = content.get(node) if isinstance(content, dict) else None
    return part.get("ros__parameters") if isinstance(part, dict) else None


def _topics(path: Path, content: Any) -> CameraTopics:
    given = _part(content, _TOPICS)
    valid = [f.name for f in fields(CameraTopics)]
    if not isinstance(given, dict) or not {"rgb", "depth", "camera_info"} <= set(given) <= set(valid):
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"{path} is no camera preset: {_TOPICS}: ros__parameters: must name rgb, depth and camera_info, and may "
            f"name mask and frame, got {given!r:.200}",
        )
    wrong = [name for name, value in given.items() if not isinstance(value, str) or (name != "frame" and not value)]
    if wrong:
        raise GmiError(ErrorCode.BAD_SETTING, f"{path}: {', '.join(wrong)} must be names, got {given!r:.200}")
    return CameraTopics(**given)
