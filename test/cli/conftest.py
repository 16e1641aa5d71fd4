"""A tiny untrained network, a drawn frame as files, and the command as a function."""

import json

import numpy as np
import pytest
from PIL import Image

from gmi_ros.cli.main import main


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of an untrained network whose guess is a grasp from above, varied by a few millimetres."""
    from gmi_ros.learning.checkpoint import save
    from tiny_network import tiny_network

    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save(folder, tiny_network(), {}, "Untrained, for tests.")
    return folder


@pytest.fixture
def frame_files(tmp_path):
    """The options that name the four files of a 160x120 frame: a box 10 cm tall on a table, seen from above."""
    rgb = np.full((120, 160, 3), (120, 110, 100), np.uint8)
    depth, mask = np.full((120, 160), 0.70, np.float32), np.zeros((120, 160), np.uint8)
    box = np.s_[45:69, 70:82]
    rgb[box], depth[box], mask[box] = (200, 40, 40), 0.60, 255
    Image.fromarray(rgb).save(tmp_path / "rgb.png")
    np.save(tmp_path / "depth.npy", depth)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    camera = {"width": 160, "height": 120, "K": [130.0, 0.0, 79.5, 0.0, 130.0, 59.5, 0.0, 0.0, 1.0]}
    (tmp_path / "camera.json").write_text(json.dumps(camera))
    names = {"rgb": "rgb.png", "depth": "depth.npy", "mask": "mask.png", "camera": "camera.json"}
    return {name: tmp_path / file for name, file in names.items()}


@pytest.fixture
def gmi(capfd):
    """Runs `gmi ARGUMENTS --json` in this process: exit status, last line of stdout as JSON (or None), stderr."""

    def run(*arguments):
        try:
            status = main([*map(str, arguments), "--json"])
        except SystemExit as end:
            status = end.code
        captured = capfd.readouterr()
        lines = captured.out.splitlines()
        return status, json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None, captured.err

    return run
