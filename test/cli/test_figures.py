"""`gmi figures`: the files that it names, and what it refuses."""

import json

import numpy as np
import pytest

from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import Job, TrialOptions, run_batch
from gmi_ros.sim.objects import find_object


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """A store with the successes of one object, as if of split similar and of split different."""
    found = [r for r in run_batch(Job(find_object("block_20"), 0, 1, TrialOptions())).records if r.result.success]
    path = tmp_path_factory.mktemp("records") / "both.db"
    with Store(path, "rw") as store:
        store.add_many(e for r in found[:3] for split in ("similar", "different") for e in episodes_of(r, split))
    return path


def test_four_files_and_of_one_split_the_same_picture_again(gmi, records, tiny_model, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    wanted = ["figures", "--model", tiny_model, "--data", records, "--samples", 50, "--objects", 1, "--quiet"]
    status, report, _ = gmi(*wanted, "--out", tmp_path / "both")
    names = ["figure_4.png", "figure_5.png", "figure_6.png", "grasps.html"]
    assert status == 0 and report["files"] == [str(tmp_path / "both" / name) for name in names]
    assert all((tmp_path / "both" / name).stat().st_size > 10_000 for name in names)
    status, report, _ = gmi(*wanted, "--splits", "similar", "--out", tmp_path / "one")
    assert status == 0 and report["files"] == [str(tmp_path / "one" / name) for name in names if name != names[2]]
    first, again = ((tmp_path / name / "figure_5.png").read_bytes() for name in ("both", "one"))
    assert first == again


@pytest.fixture
def refused(gmi, records, tiny_model, tmp_path):
    """Runs the command with these options changed; the message, after checking that nothing was written."""

    def run(status=1, **changes):
        options = {"model": tiny_model, "data": records, "samples": 50, "objects": 1, **changes}
        words = [word for name, value in options.items() for word in (f"--{name}", *np.atleast_1d(value))]
        ended, report, told = gmi("figures", *words, "--out", tmp_path / "out", "--quiet")
        assert ended == status and report["message"] in told and "Traceback" not in told
        assert not (tmp_path / "out").exists()
        return report["error"], report["message"]

    return run


def test_a_split_that_the_data_lack_is_named(refused):
    error, message = refused(splits=["similar", "dev"])
    assert error == "BAD_REQUEST" and "no simulated success of split dev" in message
    assert message.endswith("there is: different, similar")


def test_an_object_that_the_data_lack_is_named(refused):
    error, message = refused(names=["block_20", "mug_99"])
    assert error == "BAD_REQUEST" and message.startswith("no success of mug_99 in similar and different")
    assert message.endswith("there are block_20")


def test_data_without_a_success_are_refused(refused, tmp_path):
    with Store(tmp_path / "empty.db", "rw"):
        pass
    assert refused(data=tmp_path / "empty.db")[0] == "BAD_REQUEST"


def test_files_that_are_no_stores_are_refused(refused, tmp_path):
    assert refused(data=tmp_path / "none.db")[0] == "FILE_NOT_FOUND"
    (tmp_path / "text.db").write_text("no store")
    assert refused(data=tmp_path / "text.db")[0] == "STORE_CORRUPT"


def test_a_store_of_another_version_is_refused(refused, records, tmp_path):
    import sqlite3

    (tmp_path / "newer.db").write_bytes(records.read_bytes())
    with sqlite3.connect(tmp_path / "newer.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    error, message = refused(data=tmp_path / "newer.db")
    assert error == "STORE_CORRUPT" and "store version 99" in message


def test_models_with_a_missing_file_or_another_architecture_are_refused(refused, tiny_model, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    config = json.loads((tiny_model / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config))
    error, message = refused(model=folder)
    assert error == "WEIGHTS_MISSING" and "lacks weights.safetensors" in message
    (folder / "weights.safetensors").write_bytes((tiny_model / "weights.safetensors").read_bytes())
    (folder / "config.json").write_text(json.dumps({**config, "architecture": "cvae"}))
    error, message = refused(model=folder)
    assert error == "WEIGHTS_DAMAGED"


@pytest.mark.parametrize("samples", [1, 49, 5001])
def test_too_few_and_too_many_samples_are_bad_usage(refused, samples):
    error, message = refused(status=2, samples=samples)
    assert error == "BAD_SETTING" and message == f"samples must be in [50, 5000], got {samples}"


def test_a_folder_that_cannot_be_written_is_named(gmi, records, tiny_model, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    (tmp_path / "file").write_text("")
    status, report, _ = gmi(
        "figures", "--model", tiny_model, "--data", records, "--samples", 50, "--splits", "similar", "--objects", 1,
        "--quiet", "--out", tmp_path / "file" / "out",
    )  # fmt: skip
    assert status == 1 and report["error"] == "STORE_UNWRITABLE"
