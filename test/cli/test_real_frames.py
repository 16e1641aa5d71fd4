"""The shipped weights on frames of a real camera; skipped where the frames are not there."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from gmi_ros.cli.main import main
from gmi_ros.core import poses
from gmi_ros.core.cloud import fit_table
from gmi_ros.core.object_frame import object_frame
from gmi_ros.cli.frame_files import read_frame
from gmi_ros.hand.barrett import load_hand


@pytest.mark.parametrize("number", [0, 2, 8])
def test_a_real_frame_is_answered_with_a_sensible_grasp(primesense, number, capsys):
    folder = primesense / str(number)
    files = {"rgb": folder / "color.png", "depth": folder / "depth.npy", "mask": folder / "mask.png"}
    files["camera"] = primesense / "camera.json"
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    answers = []
    for _ in range(2):
        assert main(["synthesize", *options, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out.splitlines()[-1]))
        answers[-1].pop("stages_ms")
    assert answers[0] == answers[1] and answers[0]["error_code"] == 0

    best, frame, hand = answers[0]["grasps"][0], read_frame(**files), load_hand()
    mask = np.asarray(Image.open(files["mask"])) > 0
    v, u = np.nonzero(mask & frame.valid)
    surface = frame.intrinsics.deproject(np.stack([u, v], axis=-1), frame.depth[v, u])
    camera_from_object = np.array(answers[0]["object_frame"]["pose"])
    contacts = poses.transform_points(camera_from_object, np.array(best["contacts"]))
    assert np.median(cKDTree(surface).query(contacts)[0]) <= 0.020
    palm, joints = np.array(best["wrist_pose"]), np.array(best["joints"])
    assert palm[2, 3] < camera_from_object[2, 3]  # on the camera's side
    table = fit_table(frame, object_frame(frame))
    tips = poses.transform_points(palm, np.concatenate([hand.tips(joints), hand.pad_point(joints, 0.059, 0.0)]))
    assert table.height(tips).min() > -0.005
