"""`gmi synthesize`: the JSON of an answer, of a refusal, and that a seed decides everything but the time."""

import json

import numpy as np
import pytest
from PIL import Image

from gmi_ros.core import poses


def arguments(files, model, *more):
    named = [word for name, path in files.items() for word in (f"--{name}", path)]
    return ["synthesize", *named, "--model", model, "--inference-threads", 1, *more]


def test_the_answer_has_what_is_promised(frame_files, tiny_model, gmi, tmp_path):
    picture = tmp_path / "pictures" / "out.png"
    status, data, _ = gmi(*arguments(frame_files, tiny_model, "--picture", picture, "--seed", 7))
    assert status == 0 and data["error_code"] == 0 and data["seed"] == 7 and data["grasps"]
    for grasp in data["grasps"]:
        assert np.shape(grasp["contacts"]) == (3, 3) and np.shape(grasp["joints"]) == (4,)
        np.testing.assert_allclose(np.linalg.norm(grasp["normals"], axis=1), 1, atol=1e-6)
        assert poses.is_rigid(np.array(grasp["wrist_pose"])) and max(grasp["residual_m"]) < 0.021
    scores = [grasp["score"] for grasp in data["grasps"]]
    assert scores == sorted(scores, reverse=True)
    assert poses.is_rigid(np.array(data["object_frame"]["pose"])) and data["object_frame"]["degenerate"] is False
    assert Image.open(picture).size[0] > 100


def test_a_seed_decides_all_but_the_time(frame_files, tiny_model, gmi):
    def answer(seed):
        _, data, _ = gmi(*arguments(frame_files, tiny_model, "--seed", seed))
        data.pop("stages_ms")
        return json.dumps(data)

    assert answer(3) == answer(3) != answer(4)


def test_settings_are_options(frame_files, tiny_model, gmi):
    _, data, _ = gmi(*arguments(frame_files, tiny_model, "--n-samples", 5, "--max-grasps", 2))
    assert data["n_sampled"] == 5 and len(data["grasps"]) <= 2
    status, data, _ = gmi(*arguments(frame_files, tiny_model, "--n-samples", 10_000_000))
    assert status == 2 and data["error_code"] == 80 and "4096" in data["message"]


def spoil_mask(files):
    Image.fromarray(np.zeros((120, 160), np.uint8)).save(files["mask"])


def spoil_depth_units(files):
    np.save(files["depth"], np.load(files["depth"]) * 1000)


def spoil_size(files):
    np.save(files["depth"], np.ones((60, 80), np.float32))


@pytest.mark.parametrize(
    "spoil, name", [(spoil_mask, "MASK_EMPTY"), (spoil_depth_units, "DEPTH_UNITS"), (spoil_size, "SIZE_MISMATCH")]
)
def test_refusals_are_answers_too(spoil, name, frame_files, tiny_model, gmi):
    spoil(frame_files)
    status, data, stderr = gmi(*arguments(frame_files, tiny_model))
    assert (
        status == 1 and data["error"] == name and data["error_code"] != 0 and data["grasps"] == [] and data["seed"] == 1
    )
    assert "Traceback" not in stderr


def test_labels_and_weights_that_are_not_there(frame_files, tiny_model, tmp_path, gmi):
    status, data, _ = gmi(*arguments(frame_files, tiny_model, "--label", 7))
    assert (status, data["error"]) == (1, "LABEL_NOT_FOUND") and "255" in data["message"]
    status, data, _ = gmi(*arguments(frame_files, tmp_path / "nothing"))
    assert (status, data["error"]) == (1, "WEIGHTS_MISSING")


def test_a_picture_that_cannot_be_written(frame_files, tiny_model, tmp_path, gmi):
    status, data, _ = gmi(*arguments(frame_files, tiny_model, "--picture", tmp_path / "out.nonsense"))
    assert (status, data["error"]) == (2, "BAD_SETTING") and ".png" in data["message"]


def test_an_answer_whose_picture_cannot_be_written_is_still_told(frame_files, tiny_model, tmp_path, gmi):
    (tmp_path / "file").touch()
    status, data, _ = gmi(*arguments(frame_files, tiny_model, "--picture", tmp_path / "file" / "out.png"))
    assert (status, data["error_code"]) == (1, 0) and data["grasps"] and "out.png" in data["picture_error"]


@pytest.mark.parametrize("number", [0, 2, 8])
def test_real_frames_are_understood(number, primesense, tiny_model, gmi):
    folder = primesense / str(number)
    files = {"rgb": folder / "color.png", "depth": folder / "depth.npy", "mask": folder / "mask.png"}
    _, data, _ = gmi(*arguments({**files, "camera": primesense / "camera.json"}, tiny_model))
    assert data["error_code"] in (0, 41) and data["object_frame"]["n_pixels"] > 1000
