"""`gmi experience`: what it lists, shows, exports, merges and verifies, and what it refuses."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from episodes import assert_same, make_older, make_robot_episode
from PIL import Image

from gmi_ros.cli.main import main
from gmi_ros.evaluation.exporting import FIELDS, IMAGES
from gmi_ros.evaluation.recipes import render_episode
from gmi_ros.experience.compressed import unpack
from gmi_ros.experience.schema import VERSION
from gmi_ros.experience.store import Store

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def sim(tmp_path_factory):
    """A store of a few simulated trials, of the data set that comes with the package."""
    folder = tmp_path_factory.mktemp("sim")
    unpack(DATA / "dev.db.zst", folder / "dev.db")
    with Store(folder / "dev.db") as all_of_it, Store(folder / "sim.db", "rw") as store:
        store.add_many(all_of_it.batch([*all_of_it.ids(success=True)[:3], *all_of_it.ids(success=False)[:3]]))
    return folder / "sim.db"


def lost(number):
    """An outcome whose observation never came."""
    missing = {"observation_missing": "gone"}
    return make_robot_episode(number, pixels=None, recipe=missing, split="unpaired", note="", judged_ns=0)


@pytest.fixture
def robot(tmp_path):
    """A store as a recorder leaves it: two grasps of one image, one that was judged, one without its observation."""
    common = {"split": "live", "judged_by": "sensor", "success": False, "reason": "slipped", "note": "", "judged_ns": 0}
    with Store(tmp_path / "robot.db", "rw") as store:
        for i in range(4):
            image = {"observation_id": "image", "pixels_seed": 0} if i < 2 else {"pixels_seed": i}
            stamp = 1_700_000_000_000_000_000 + (0 if i < 2 else i) * 86_400 * 10**9
            store.add(make_robot_episode(i, **common, **image, stamp_ns=stamp))
        store.add(lost(4))
        store.judge("outcome-2", True, note="it held, I saw it", judged_ns=5)
    return tmp_path / "robot.db"


def listed(capfd, *arguments):
    """Exit status, lines and totals of `gmi experience ls ARGUMENTS --json`."""
    status = main(["experience", "ls", *map(str, arguments), "--json"])
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    return status, found[:-1], found[-1]


def test_ls_lists_the_newest_first_and_tells_totals_of_all(robot, capfd):
    status, rows, totals = listed(capfd, robot, "--limit", "2")
    assert status == 0 and [r["outcome_id"] for r in rows] == ["outcome-4", "outcome-3"]
    assert (totals["records"], totals["successes"], totals["failures"], totals["listed"]) == (5, 1, 4, 2)
    assert totals["version"] == VERSION and totals["bytes"] == robot.stat().st_size
    assert len(listed(capfd, robot, "--all")[1]) == 5


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--success", [2]),
        ("--failure", [4, 3, 1, 0]),
        ("--judged-by person", [2]),
        ("--split unpaired", [4]),
        ("--source bag", []),
        ("--object mug_01", [4, 1]),
        ("--object mug --split live", [3, 2, 1, 0]),
        ("--model-hash 0123", [4, 3, 2, 1, 0]),
        ("--model-hash 1", []),
        ("--since 2023-11-16", [3, 2]),
        ("--until 2023-11-16", [4, 2, 1, 0]),
        ("--since 2023-11-16T23:00 --until 2023-11-17T23:13:20+01:00", [3]),
        ("--since 1700172800 --until 1700172800", [2]),
        ("--since 1 --split live --failure", [3, 1, 0]),
    ],
)
def test_ls_filters(robot, capfd, words, found):
    _, rows, totals = listed(capfd, robot, *words.split())
    assert [r["outcome_id"] for r in rows] == [f"outcome-{i}" for i in found] and totals["records"] == len(found)


def test_ls_as_a_table(robot, capfd):
    assert main(["experience", "ls", str(robot), "--limit", "3"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == [
        "outcome",
        "seen",
        "(UTC)",
        "reason",
        "judged",
        "by",
        "object",
        "source",
        "split",
        "model",
    ]
    assert "outcome-2" in lines[3] and "2023-11-16 22:13:20" in lines[3] and "held" in lines[3] and "person" in lines[3]
    assert lines[-1] == "5 outcomes, 1 held, 4 failed; 3 listed"


def test_show_tells_everything_and_draws(robot, sim, gmi, tmp_path):
    out = tmp_path / "shown.png"
    status, report, _ = gmi("experience", "show", robot, "outcome-2", "--out", out)
    assert status == 0 and report["picture"] == str(out) and report["success"] and report["note"] == "it held, I saw it"
    assert [(v["success"], v["judged_by"]) for v in report["verdicts"]] == [(False, "sensor"), (True, "person")]
    with Image.open(out) as picture:
        assert picture.format == "PNG" and min(picture.size) > 600
    with Store(sim) as store:
        name = store.summaries(1)[0].outcome_id
    status, report, _ = gmi("experience", "show", sim, name, "--out", out)  # rendered again
    assert status == 0 and report["recipe"]["version"] == 2 and Image.open(out).size[0] > 600


def test_show_without_an_observation(robot, gmi, tmp_path):
    status, report, _ = gmi("experience", "show", robot, "outcome-4", "--out", tmp_path / "none.png")
    assert status == 0 and report["picture"] is None and not (tmp_path / "none.png").exists()


def load(folder, name):
    return np.load(folder / f"{name}.npy", allow_pickle=False)


def test_what_is_exported_is_what_is_stored(robot, gmi, tmp_path):
    out = tmp_path / "plain"
    status, report, _ = gmi("experience", "export", robot, "--out", out, "--quiet")
    assert status == 0 and (report["records"], report["images"]) == (5, 3)
    assert sorted(report["files"]) == sorted(str(p) for p in out.iterdir())
    texts = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert load(out, "image").tolist() == [0, 0, 1, 2, -1]
    with Store(robot) as store:
        for k, episode in enumerate(store):
            assert texts[k].items() <= vars(episode).items()
            assert texts[k].keys() | FIELDS.keys() | {"pixels", "recipe"} == vars(episode).keys() | {"image"}
            for name, field in FIELDS.items():
                array, value = load(out, name), getattr(episode, name, None)
                assert array.shape == (5, *field.shape) and array.dtype == np.dtype(field.dtype)
                if name != "image":
                    np.testing.assert_array_equal(array[k], np.full(field.shape, np.nan) if value is None else value)
            if episode.pixels is not None:
                for name in IMAGES:
                    np.testing.assert_array_equal(load(out, name)[load(out, "image")[k]], getattr(episode.pixels, name))
    told = json.loads((out / "fields.json").read_text())["arrays"]
    assert told.keys() == FIELDS.keys() | IMAGES.keys()
    assert all(load(out, n).shape == tuple(t["shape"]) and load(out, n).dtype == t["dtype"] for n, t in told.items())
    assert all(f"| {name} |" in (out / "README.md").read_text() for name in told)


def test_simulated_records_are_exported_with_their_images(sim, gmi, tmp_path):
    status, report, _ = gmi(
        "experience", "export", sim, "--out", tmp_path / "a", "--workers", 1, "--quiet", "--success"
    )
    assert status == 0 and (report["records"], report["images"]) == (3, 3)
    with Store(sim) as store:
        for k, episode in enumerate(store.episodes(success=True)):
            seen = render_episode(episode)
            np.testing.assert_array_equal(load(tmp_path / "a", "rgb")[k], seen.rgb)
            np.testing.assert_array_equal(load(tmp_path / "a", "depth")[k], seen.depth)
    status, report, _ = gmi("experience", "export", sim, "--out", tmp_path / "b", "--no-images", "--quiet")
    assert status == 0 and report["images"] == 0 and load(tmp_path / "b", "rgb").shape == (0, 64, 64, 3)


def test_merge_counts_and_names_conflicts(robot, sim, gmi, tmp_path):
    with Store(tmp_path / "other.db", "rw") as store:
        store.add(make_robot_episode(1, split="live"))
    merging = ("experience", "merge", robot, tmp_path / "other.db", sim, "--out", tmp_path / "all.db", "--quiet")
    status, report, _ = gmi(*merging)
    assert status == 0 and (report["records"], report["added"], report["known"]) == (12, 12, 0)
    assert [(c["what"], c["name"]) for c in report["conflicts"]] == [("record", "outcome-1")]
    again = gmi(*merging)[1]
    assert (again["records"], again["added"], again["known"], again["verdicts"]) == (12, 0, 12, 0)
    with Store(robot) as one, Store(tmp_path / "all.db") as all_of_it:
        assert_same(one.get("outcome-2"), all_of_it.get("outcome-2"))


def test_verify_tells_versions_and_looks_at_all(robot, sim, gmi, tmp_path):
    (tmp_path / "text.db").write_text("no store")
    make_older(robot, 2)
    status, report, _ = gmi("experience", "verify", robot, tmp_path / "text.db", tmp_path / "none.db", sim)
    assert status == 1 and not report["ok"] and report["records"] == 11
    assert [s.get("version") for s in report["stores"]] == [2, None, None, VERSION]
    assert [s.get("error") for s in report["stores"]] == [None, "STORE_CORRUPT", "FILE_NOT_FOUND", None]
    assert gmi("experience", "verify", sim)[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("ls none.db", 1, "no store at none.db"),
        ("ls STORE --limit 0", 2, "must be an integer in [1, "),
        ("ls STORE --success --failure", 2, "not allowed with argument"),
        ("ls STORE --since yesterday", 2, "must be a date"),
        ("ls STORE --since 2026-01-02 --until 2025-01-01", 2, "--since is later than --until"),
        ("ls STORE --until 1e300", 2, "must be a date"),
        ("ls STORE --until 1e11", 2, "within 9.2e9 s of 1970"),
        ("ls STORE --since 9999-01-01", 2, "within 9.2e9 s of 1970"),
        ("ls STORE --until nan", 2, "must be a date"),
        ("show STORE outcome-9", 1, "has no outcome 'outcome-9' among its 5"),
        ("show STORE outcome-0 --out none/a.png", 1, "cannot write none/a.png"),
        ("export STORE --out STORE", 1, "exists already"),
        ("export STORE --out a --split none", 1, "is of the kind that was asked for"),
        ("export STORE --out STORE/a", 1, "cannot write"),
        ("merge STORE none.db --out new.db --quiet", 1, "no store at none.db"),
        ("merge STORE --out new.db.zst --quiet", 1, "is packed"),
        ("forget STORE", 2, "invalid choice"),
    ],
)
def test_refusals(robot, gmi, tmp_path, monkeypatch, words, status, told):
    monkeypatch.chdir(tmp_path)
    before = robot.read_bytes()
    found, report, err = gmi(
        "experience", *(str(robot) if w == "STORE" else w for w in words.replace("STORE/", f"{robot}/").split())
    )
    assert found == status and told in report["message"] and report["message"] in err and "Traceback" not in err
    # SQLite leaves an empty log where a store is read.
    assert robot.read_bytes() == before and {p.name.split("-")[0] for p in tmp_path.iterdir()} == {"robot.db"}


def test_what_cannot_be_rendered_leaves_no_half_export(sim, gmi, tmp_path):
    with Store(sim) as store, Store(tmp_path / "bad.db", "rw") as bad:
        episode = store.batch([1])[0]
        bad.add(dataclasses.replace(episode, object_name="nonesuch_7", outcome_id="a"))
        recipe = {name: value for name, value in episode.recipe.items() if name != "depth"}
        bad.add(dataclasses.replace(episode, recipe=recipe, outcome_id="b", observation_id="b"))
    for outcome, words in (("a", "nonesuch_7"), ("b", "depth")):
        for command in (
            ["export", "--out", tmp_path / "out", "--workers", 1, "--quiet"],
            ["show", outcome, "--out", tmp_path / "out"],
        ):
            status, report, _ = gmi("experience", command[0], tmp_path / "bad.db", *command[1:])
            assert status == 1 and report["error"] == "BAD_REQUEST", report
            assert words in report["message"] or command[0] == "export"
            assert not [p for p in tmp_path.iterdir() if "out" in p.name]
