"""docs/parameters.md from the settings classes: `python -m gmi_ros.ros.parameter_docs docs/parameters.md`."""

import argparse
import re
from dataclasses import Field, dataclass, fields
from pathlib import Path

from gmi_ros.core.settings import Settings, SynthesisSettings
from gmi_ros.ros.bridge.mock_settings import MockCellSettings
from gmi_ros.ros.bridge.settings import BridgeSettings
from gmi_ros.ros.settings import BagReplaySettings, NodeSettings, RecorderSettings
from gmi_ros.ros.sim_cell import SimCellSettings

COLUMNS = ("parameter", "type", "default", "range", "unit", "running", "meaning")
AT_ONCE, UNCONFIGURED, AT_START = "yes", "unconfigured", "no"
_TYPES = {bool: "bool", int: "int", float: "double", str: "string", tuple: "double[]"}

_HEAD = """# Parameters

Made from the settings classes by `python -m gmi_ros.ros.parameter_docs docs/parameters.md`; a test compares.

Three ways to set one, the later wins:

    ros2 launch gmi_ros grasp.launch.py params_file:=mine.yaml      # or: gmi up --params-file mine.yaml
    ros2 run gmi_ros grasp_synthesizer --ros-args -p max_age:=0.5   # one parameter of one node
    ros2 param set /grasp_synthesizer max_age 0.5                   # while it runs

with `mine.yaml` as in `config/grasp_synthesizer.yaml`; `/**/` in front of the node's name holds in every namespace:

    /**/grasp_synthesizer:
      ros__parameters:
        max_age: 0.5
        workspace_low: [0.3, -0.4, 0.0]

A double keeps its point (`1.0`, not `1`). Whatever is out of its range is refused with value and range: at the start
the node ends with status 1, later the call is answered with the reason and nothing changes. `ros2 param describe` shows
the same texts and ranges.

**Running** says what a running node does with a new value. `yes`: it holds from the next request on. `unconfigured`:
it is read when the node is configured, so it is refused while the node is inactive or active; deactivate it and clean
it up first. `no`: it is read once, at the start.
"""


@dataclass(frozen=True)
class Section:
    """The settings of one class as a table. fixed: when a field that is not live can be set."""

    title: str
    text: str
    settings: type[Settings]
    fixed: str


SECTIONS = (
    Section(
        "grasp_synthesizer: images, requests, execution",
        "What `allow_execution`, the limits and the timeouts do: [safety.md](safety.md). Poses, and\n"
        "`hand_mount_from_palm`: [frames.md](frames.md).",
        NodeSettings,
        UNCONFIGURED,
    ),
    Section(
        "grasp_synthesizer: synthesis",
        "The filters among them can be replaced in one request (`gmi_ros/GraspFilters`). The output frame is that of\n"
        "the answers: the image's, or `target_frame`. `gmi synthesize` and `gmi replay` use the same defaults.",
        SynthesisSettings,
        UNCONFIGURED,
    ),
    Section(
        "experience_recorder",
        "Where outcomes go, how long they wait, and what they may take: [recording.md](recording.md). From\n"
        "`queue_size` on it is about images, which count only with `store_full_frames`.",
        RecorderSettings,
        AT_START,
    ),
    Section("sim_cell", "The simulated camera and hand.", SimCellSettings, AT_START),
    Section(
        "hand_bridge",
        "Drivers of hand and arm, and how a grasp is carried out: [your_hand.md](your_hand.md).",
        BridgeSettings,
        AT_START,
    ),
    Section(
        "mock_cell",
        "Mock drivers in the simulated cell. `mock_drivers` takes the same but for the last four. All those of\n"
        "hand_bridge are among them, so that one file serves both.",
        MockCellSettings,
        AT_START,
    ),
    Section("bag_replay", "A bag into a live graph: [your_bags.md](your_bags.md).", BagReplaySettings, AT_START),
)


def parameter_page() -> str:
    """The whole page, Markdown."""
    return "\n".join([_HEAD, *[_section(section) for section in SECTIONS]])


def _section(section: Section) -> str:
    rows = [_row(field, section.fixed) for field in fields(section.settings)]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"## {section.title}\n\n{section.text}\n\n{table}\n"


def _row(field: Field, fixed: str) -> tuple[str, ...]:
    unit, meaning = _unit_and_meaning(field.metadata["help"])
    running = AT_ONCE if field.metadata.get("live", False) else fixed
    if field.name == "autostart":  # read by the constructor, whatever the state
        running = AT_START
    kind = _TYPES[type(field.default)]
    return f"`{field.name}`", kind, _yaml(field.default), _range(field), unit, running, meaning.replace("|", "\\|")


def _unit_and_meaning(help: str) -> tuple[str, str]:
    """What stands in the only [brackets], and the rest; the text keeps brackets that are in the middle of it."""
    units = re.findall(r"\[([^\]]+)\]", help)
    unit = units[0] if len(units) == 1 else ""
    return unit, re.sub(r" \[[^\]]+\](?=$|;)", "", help) if unit else help


def _range(field: Field) -> str:
    low, high, choices = (field.metadata[name] for name in ("low", "high", "choices"))
    if choices:
        return ", ".join(_yaml(choice) for choice in choices)
    if low is None and high is None:
        return ""
    return f"{'-inf' if low is None else _number(low)} to {'inf' if high is None else _number(high)}"


def _yaml(value) -> str:
    """As it would stand in a parameter file."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, tuple):
        text = f"[{', '.join(repr(float(number)) for number in value)}]"
    else:
        text = f'"{value}"' if value == "" else str(value)
    return f"`{text}`"


def _number(value: float) -> str:
    """Short, also for the ends of the integers."""
    if isinstance(value, int) and value > 2**31:
        power = (value + 1).bit_length() - 1
        return f"2^{power}" if value == 2**power else f"2^{power} - 1" if value == 2**power - 1 else str(value)
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path, help="where to write it, e.g. docs/parameters.md")
    parser.parse_args().file.write_text(parameter_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
