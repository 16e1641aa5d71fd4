"""`gmi replay`: one line and one picture per set, the same file each time, refusals counted."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from replay_bags import NAMES, write_bag

from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.episode import Episode, Pixels
from gmi_ros.experience.full_frames import FOLDER, FullFrames
from gmi_ros.experience.store import Store


@pytest.fixture
def bag(tmp_path):
    """Three sets, the second one without an object."""
    return write_bag(tmp_path / "bag")


def report_data(out):
    """What a report's page is made from."""
    text = (out / "report.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_a_replay_is_repeatable(bag, tiny_model, gmi, tmp_path):
    common = ("replay", bag, "--model", tiny_model, "--inference-threads", 1, "--quiet", "--seed", 5)
    status, data, _ = gmi(*common, "--out", tmp_path / "one")
    assert status == 0 and data["frames"] == 3 and data["refused"] == 1 and data["grasps"] > 0
    assert data["reasons"] == {"MASK_EMPTY": 1}
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [
        "000000.png", "000001.png", "000002.png", "grasps.jsonl", "report.html",
    ]  # fmt: skip
    assert Image.open(tmp_path / "one" / "000000.png").size[0] > 100
    gmi(*common, "--out", tmp_path / "two", "--no-pictures", "--no-report")
    assert (tmp_path / "one" / "grasps.jsonl").read_bytes() == (tmp_path / "two" / "grasps.jsonl").read_bytes()
    assert len(list((tmp_path / "two").iterdir())) == 1


def test_an_earlier_replay_stays_until_there_is_another(bag, tiny_model, gmi, tmp_path):
    common = ("--model", tiny_model, "--inference-threads", 1, "--quiet", "--out", tmp_path / "out")
    gmi("replay", bag, *common)
    lines = (tmp_path / "out" / "grasps.jsonl").read_bytes()
    with BagWriter(tmp_path / "empty"):
        pass
    assert gmi("replay", tmp_path / "empty", *common)[0] == 1
    assert (tmp_path / "out" / "grasps.jsonl").read_bytes() == lines
    assert gmi("replay", bag, *common, "--every", 3)[1]["frames"] == 1
    assert [p.name for p in (tmp_path / "out").glob("*.png")] == ["000000.png"]


def test_bags_and_topics_that_are_not_there(bag, tiny_model, gmi, tmp_path):
    common = ("--model", tiny_model, "--out", tmp_path / "out", "--quiet")
    status, data, stderr = gmi("replay", tmp_path / "none", *common)
    assert (status, data["error"]) == (1, "FILE_NOT_FOUND") and "Traceback" not in stderr
    status, data, _ = gmi("replay", bag, *common, "--mask-topic", "/other")
    assert (status, data["error"]) == (1, "BAD_REQUEST") and "/other" in data["message"]


def test_a_folder_that_cannot_be_made(bag, tiny_model, gmi, tmp_path):
    (tmp_path / "file").write_text("in the way")
    status, data, _ = gmi("replay", bag, "--model", tiny_model, "--out", tmp_path / "file" / "out", "--quiet")
    assert (status, data["error"]) == (1, "STORE_UNWRITABLE")


def test_a_second_model_and_few_sets_for_the_report(bag, tiny_model, gmi, tmp_path):
    common = ("replay", bag, "--model", tiny_model, "--inference-threads", 1, "--quiet", "--no-pictures")
    status, data, _ = gmi(*common, "--out", tmp_path / "one", "--compare", tiny_model, "--report-sets", 2)
    told = report_data(tmp_path / "one")
    assert status == 0 and [shown["index"] for shown in told["shown"]] == [0, 2]
    assert [m["name"] for m in told["models"]] == [str(tiny_model)] * 2 and told["answers"][0] == told["answers"][1]
    assert told["messages"] == dict.fromkeys(NAMES, 3)


@pytest.mark.parametrize("option", [("--report-sets", 2), ("--compare", "there")])
def test_options_of_a_report_that_is_not_written(bag, tiny_model, gmi, tmp_path, option):
    given = ("replay", bag, "--model", tiny_model, "--quiet", "--out", tmp_path / "out", "--no-report", *option)
    status, data, _ = gmi(*given)
    assert (status, data["error"]) == (2, "BAD_SETTING") and option[0] in data["message"]
    assert not (tmp_path / "out").exists()


def test_a_second_model_that_is_not_there(bag, tiny_model, gmi, tmp_path):
    given = ("replay", bag, "--model", tiny_model, "--quiet", "--out", tmp_path / "out", "--compare", tmp_path / "none")
    status, data, _ = gmi(*given)
    assert (status, data["error"]) == (1, "WEIGHTS_MISSING") and str(tmp_path / "none") in data["message"]


def test_a_bag_without_a_set_has_a_report_that_says_so(tiny_model, gmi, tmp_path):
    with BagWriter(tmp_path / "bag") as writer:
        for topic, kind in NAMES.items():
            writer.add_topic(topic, f"sensor_msgs/msg/{kind}")
    status, data, _ = gmi("replay", tmp_path / "bag", "--model", tiny_model, "--quiet", "--out", tmp_path / "out")
    assert (status, data["error"]) == (1, "BAD_REQUEST")
    told = report_data(tmp_path / "out")
    assert told["notes"][-1] == f"The replay ended early: {data['message']}" and told["shown"] == []


def test_both_storages_give_the_same_report(tiny_model, gmi, tmp_path):
    told = []
    for storage in ("mcap", "sqlite3"):
        write_bag(tmp_path / storage, storage)
        given = ("--model", tiny_model, "--inference-threads", 1, "--quiet", "--no-pictures")
        gmi("replay", tmp_path / storage, *given, "--out", tmp_path / f"{storage}_out")
        told.append(report_data(tmp_path / f"{storage}_out"))
    for data in told:
        del data["times"], data["bag"]
    assert told[0] == told[1] and len(told[0]["shown"]) == 3


def record(observation_id):
    """Of a bag, whatever it shows."""
    pixels = Pixels(np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32), np.ones((64, 64), bool))
    values = {"outcome_id": f"of {observation_id}", "observation_id": observation_id, "pixels": pixels}
    return Episode(source="bag", success=True, camera_from_object=np.eye(4), **values)


@pytest.mark.ros
def test_the_whole_frames_of_records_are_kept(bag, tiny_model, gmi, tmp_path):
    common = ("replay", bag, "--model", tiny_model, "--inference-threads", 1, "--quiet", "--no-pictures", "--no-report")
    gmi(*common, "--out", tmp_path / "first")
    first = json.loads((tmp_path / "first" / "grasps.jsonl").read_text().splitlines()[0])
    store = tmp_path / "robot.db"
    with Store(store, "rw") as opened:
        opened.add_many([record(first["observation_id"]), record("1-1-other")])
    for _ in range(2):
        status, data, _ = gmi(*common, "--out", tmp_path / "out", "--experience", store, "--full-frames")
        assert status == 0 and data["full_frames"] == {"kept": 1, "refused": 0, "absent": 1}
    frames = FullFrames(store.with_suffix(FOLDER), 0)
    assert len(frames) == 1
    frame = frames.read(first["observation_id"])
    assert frame.rgb.shape == (120, 160, 3) and frame.depth[50, 75] == np.float32(0.6) and frame.mask[50, 75] == 255
    assert gmi(*common, "--out", tmp_path / "out", "--experience", store)[1]["full_frames"] is None


def test_frames_of_no_store_are_not_kept(bag, tiny_model, gmi, tmp_path):
    status, data, _ = gmi("replay", bag, "--model", tiny_model, "--out", tmp_path / "out", "--full-frames")
    assert (status, data["error"]) == (2, "BAD_SETTING") and "--full-frames needs --experience" in data["message"]
