"""docs/your_camera.md: its names are those of the package, and its table_mask.py marks what stands on the table."""

import dataclasses
import importlib.util
import re

import numpy as np
import pytest

from doc_pages import DOCS
from gmi_ros.core.errors import ErrorCode
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object

spec = importlib.util.spec_from_file_location("table_mask", DOCS / "table_mask.py")
table_mask = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table_mask)


@pytest.mark.parametrize("name", ["carton_2", "bottle_0", "mug_0"])
def test_the_mask_of_what_stands_on_the_table(name):
    cell = Cell(find_object(name), None)
    camera = Camera(KINECT, look_at(np.array([0, 0, 0.05]), 0.3, 0.9, 0.7))
    frame = render(cell.model, cell.data, camera, {cell.object_body: 1})
    labels = table_mask.table_mask(frame.depth.astype(float), frame.intrinsics.k)
    truth, found = frame.mask == 1, labels == 1
    assert labels.max() == 1 and labels.shape == frame.mask.shape
    assert (truth & found).sum() / (truth | found).sum() > 0.8
    assert (table_mask.table_mask(frame.depth * np.nan, frame.intrinsics.k) == 0).all()


PAGE = (DOCS / "your_camera.md").read_text(encoding="utf-8")


def test_the_presets_are_those_of_the_package():
    from gmi_ros.experience.cameras import load_camera, names

    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
    told = {name: topics for name, *topics in rows}
    assert sorted(told) == names()
    for name, topics in told.items():
        preset = load_camera(name).topics
        assert topics == [preset.rgb, preset.depth, preset.camera_info]


def test_options_codes_and_settings_exist():
    from gmi_ros.ros.processes import ARGUMENTS
    from gmi_ros.ros.settings import NodeSettings

    launch = {"--" + a.name.replace("_", "-") for a in ARGUMENTS}
    replay = {"--slop", "--queue-size", "--mask-topic", "--out", "--duration", "--topics", "--ros-args"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= launch | replay
    assert {c for c in re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE)} - {
        "ROS_DOMAIN_ID",
        "ROS_AUTOMATIC_DISCOVERY_RANGE",
    } <= {code.name for code in ErrorCode}
    settings = {f.name: f.default for kind in (NodeSettings, SynthesisSettings) for f in dataclasses.fields(kind)}
    for name, value in re.findall(r"`([a-z]+_[a-z_]+)` \((\d+)", PAGE):
        assert settings[name] == float(value), name
