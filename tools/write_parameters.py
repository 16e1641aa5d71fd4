"""Write the parameter files of the nodes from the settings classes: `python tools/write_parameters.py`.

config/<node>.yaml then holds every parameter with its default, what it means and its bounds.
"""

import json
from dataclasses import fields
from pathlib import Path

from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.ros.settings import NodeSettings, RecorderSettings

NODES = {
    "grasp_synthesizer": {
        "Images, requests, execution.": NodeSettings,
        "From a frame to ranked grasps.": SynthesisSettings,
    },
    "experience_recorder": {"": RecorderSettings},
}
HEADER = """\
# Parameters of {} with their defaults; read at the start only.
# Numbers with a point must keep it: 1.0, not 1.
"""


def text(node: str) -> str:
    """The file of one node."""
    lines = [HEADER.format(node) + f"/**/{node}:", "  ros__parameters:"]
    for i, (title, settings) in enumerate(NODES[node].items()):
        if title:
            lines += [""] * bool(i) + [f"    # {title}"]
        for f in fields(settings):
            value = list(f.default) if isinstance(f.default, tuple) else f.default
            lines += [f"    # {f.metadata['help']}{_bounds(f.metadata)}", f"    {f.name}: {_scalar(value)}"]
    return "\n".join(lines) + "\n"


def _bounds(metadata) -> str:
    if metadata["choices"]:
        return " (" + ", ".join(c or '""' for c in metadata["choices"]) + ")"
    low, high = metadata["low"], metadata["high"]
    return "" if low is None and high is None else f" ({low} to {high})"


def _scalar(value) -> str:
    if isinstance(value, float) and "e" in repr(value):
        return f"{value:.1f}"  # YAML 1.1 takes 1e9 for text
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value)


if __name__ == "__main__":
    for name in NODES:
        path = Path(__file__).resolve().parents[1] / "config" / f"{name}.yaml"
        path.write_text(text(name), encoding="utf-8")
