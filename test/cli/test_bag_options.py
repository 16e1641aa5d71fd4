"""`gmi bag`, and the options of `gmi replay` that say which topics and what part of a bag are taken."""

import json

import numpy as np
import pytest
from replay_bags import NAMES, write_bag

from gmi_ros.experience.cameras import load_camera

REALSENSE = load_camera("realsense").topics


@pytest.fixture
def bag(tmp_path):
    """Six sets 100 ms apart, the second one without an object."""
    return write_bag(tmp_path / "bag", n=6)


@pytest.fixture
def lines(gmi, tiny_model, tmp_path):
    """Runs `gmi replay`: its data and the lines."""

    def run(bag, *options):
        common = (
            "--model",
            tiny_model,
            "--inference-threads",
            1,
            "--quiet",
            "--no-pictures",
            "--out",
            tmp_path / "out",
        )
        status, data, stderr = gmi("replay", bag, *common, *options)
        assert status == 0, stderr
        return data, [json.loads(line) for line in (tmp_path / "out" / "grasps.jsonl").read_text().splitlines()]

    return run


def test_what_is_in_a_bag(bag, gmi):
    status, data, _ = gmi("bag", bag)
    assert status == 0 and data["messages"] == 24 and data["problems"] == [] and data["guessed"] == []
    assert data["seconds"] == 0.5 and data["topics"]["/depth/image"] == {"type": "sensor_msgs/msg/Image", "messages": 6}
    assert list(data["camera"].values()) == list(NAMES)


def test_what_is_in_a_bag_without_a_mask(tmp_path, gmi):
    status, data, _ = gmi("bag", write_bag(tmp_path / "bag", n=1, leave_out=("/segmentation/mask",)))
    assert status == 0 and data["camera"] is None and "mask: no Image" in data["why_not"]


def test_a_damaged_bag_is_named(bag, gmi, lines, tmp_path):
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-4000])
    status, data, _ = gmi("bag", bag)
    assert status == 0 and any("cut off" in problem for problem in data["problems"])
    data, found = lines(bag)
    assert 0 < len(found) <= 6 and any("cut off" in problem for problem in data["problems"])
    assert "cut off" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")  # among its notes


def test_both_storages_give_the_same_file(bag, tmp_path, lines):
    _, expected = lines(bag)
    assert lines(write_bag(tmp_path / "other", "sqlite3", n=6))[1] == expected


def test_a_part_and_every_other_set(bag, lines):
    _, everything = lines(bag)
    stamps = [line["stamps"] for line in everything]
    assert [line["stamps"] for line in lines(bag, "--every", 2)[1]] == stamps[::2]
    assert [line["stamps"] for line in lines(bag, "--start", 0.15, "--duration", 0.2)[1]] == stamps[2:4]


def test_topics_by_preset_by_hand_by_file_and_guessed(tmp_path, lines):
    names = (REALSENSE.rgb, REALSENSE.depth, REALSENSE.camera_info, "/sam/mask")
    bag = write_bag(tmp_path / "bag", n=1, names=names)
    for options in ((), ("--preset", "realsense")):
        data, _ = lines(bag, *options)
        assert tuple(data["topics"].values()) == names
        assert data["guessed"] == (["mask"] if options else ["rgb", "depth", "camera_info", "mask"])
    data, _ = lines(bag, "--topics", f"rgb={names[0]}", f"depth={names[1][1:]}")
    assert data["guessed"] == ["camera_info", "mask"]
    (tmp_path / "map.yaml").write_text(f"rgb: {names[0]}\nmask: {names[3]}\n")
    assert lines(bag, "--topics", tmp_path / "map.yaml")[0]["guessed"] == ["depth", "camera_info"]


def test_a_preset_brings_the_bounds_of_the_depth(tmp_path, lines):
    """0.6 m is nearer than this camera can see."""
    preset = tmp_path / "far.yaml"
    text = "/**/grasp_synthesizer: {ros__parameters: {min_depth: 2.0, slop_s: 0.01}}\n"
    topics = dict(zip(("rgb", "depth", "camera_info", "mask"), NAMES, strict=True))
    preset.write_text(text + f"camera_topics: {{ros__parameters: {json.dumps(topics)}}}\n")
    bag = write_bag(tmp_path / "bag", n=1)
    assert lines(bag)[0]["refused"] == 0
    assert lines(bag, "--preset", preset)[0]["refused"] == 1
    assert lines(bag, "--preset", preset, "--min-depth", 0.2)[0]["refused"] == 0


def test_clocks_that_differ(tmp_path, lines, gmi, tiny_model):
    bag = write_bag(tmp_path / "bag", n=6, late={"/depth/image": 3_000_000_000})
    common = ("--model", tiny_model, "--quiet", "--no-pictures", "--out", tmp_path / "out")
    status, data, _ = gmi("replay", bag, *common)
    assert (status, data["error"]) == (1, "BAD_REQUEST") and "3.000 s behind" in data["message"]
    data, found = lines(bag, "--by-receipt")
    assert len(found) == 6 and np.ptp(found[0]["stamps"]) == 3_000_000_000


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        (("--topics", "colour=/a"), "BAD_REQUEST", "got 'colour=/a'"),
        (("--topics", "nothing.yaml"), "FILE_NOT_FOUND", "neither ROLE=TOPIC nor a file"),
        (("--preset", "webcam"), "BAD_SETTING", "camera must be one of"),
        (("--preset", "zed"), "BAD_REQUEST", "is not in the bag"),
        (("--start", 9), "BAD_REQUEST", "start must be at most 0.500 s"),
        (("--every", 0), "BAD_REQUEST", "must be an integer in"),
    ],
)
def test_what_does_not_fit_is_refused(bag, gmi, tiny_model, tmp_path, options, error, told):
    status, data, stderr = gmi("replay", bag, "--model", tiny_model, "--out", tmp_path / "out", "--quiet", *options)
    assert status in (1, 2) and data["error"] == error and told in data["message"] and "Traceback" not in stderr
