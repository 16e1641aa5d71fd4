"""`gmi replay`: one line and one picture per set, the same file each time, refusals counted."""

import pytest
from PIL import Image
from replay_bags import write_bag


@pytest.fixture
def bag(tmp_path):
    """Three sets, the second one without an object."""
    return write_bag(tmp_path / "bag", n=3)


def test_a_replay_is_repeatable(bag, tiny_model, gmi, tmp_path):
    common = ("replay", bag, "--model", tiny_model, "--inference-threads", 1, "--quiet", "--seed", 5)
    status, data, _ = gmi(*common, "--out", tmp_path / "one")
    assert status == 0 and data["frames"] == 3 and data["refused"] == 1 and data["grasps"] > 0
    assert data["reasons"] == {"MASK_EMPTY": 1}
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [
        "000000.png", "000001.png", "000002.png", "grasps.jsonl",
    ]  # fmt: skip
    assert Image.open(tmp_path / "one" / "000000.png").size[0] > 100
    gmi(*common, "--out", tmp_path / "two", "--no-pictures")
    assert (tmp_path / "one" / "grasps.jsonl").read_bytes() == (tmp_path / "two" / "grasps.jsonl").read_bytes()
    assert len(list((tmp_path / "two").iterdir())) == 1


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
