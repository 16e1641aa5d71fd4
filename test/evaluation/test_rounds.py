"""Rounds of own trials: each part is kept, the same command goes on, and what comes out ranks grasps."""

import json
from pathlib import Path

import pytest

from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation import rounds
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.rounds import Rounds, main, run_round, run_rounds
from gmi_ros.learning.config import EvaluatorConfig, TrainingConfig
from gmi_ros.sim.splits import objects_of

TINY = EvaluatorConfig(across=1, along=4, up=3, filters=(8,), finger_units=16, finger_features=8, hand_units=16)
WANTED = Rounds(
    generator=Path(resource(SHIPPED)), candidates=(Path(resource("data/dev.db.zst")),), views=4, instances=2, samples=32,
    training=TrainingConfig(
        model="evaluator", network=TINY, batch_size=64, grasps_per_image=8, max_epochs=1, device="cpu"
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rounds")
    return folder, run_rounds(folder, 1, WANTED, cache=folder / "cache", workers=1, progress=False)


def test_a_round_leaves_a_policy_and_its_figures(done):
    folder, lines = done
    assert [line["round"] for line in lines] == [0, 1]
    assert lines[1]["dev"]["instances"] == 2 and lines[1]["trials"] > 0 and 0 <= lines[1]["val_auc"] <= 1
    model = load_model(folder / "round_1" / "model", 1)
    assert model.evaluator is not None and model.hash != load_model(WANTED.generator, 1).hash
    assert json.loads((folder / "rounds.json").read_text()) == lines


def test_what_is_done_is_not_done_again(done, monkeypatch):
    folder, lines = done

    def must_not(*_, **__):
        raise AssertionError("done already")

    for name in ("collect_own", "load_judged", "train_evaluator", "free_attempts"):
        monkeypatch.setattr(rounds, name, must_not)
    assert run_rounds(folder, 1, WANTED, workers=1, progress=False) == lines


def test_an_ended_round_goes_on_where_it_was(done, monkeypatch):
    """Ended before the policy was measured: the trials and the training are there."""
    folder, lines = done
    told = (folder / "round_1" / "dev.json").read_bytes()
    (folder / "round_1" / "dev.json").unlink()
    line = run_round(1, folder, WANTED, folder / "cache", 1, False)
    assert (folder / "round_1" / "dev.json").read_bytes() == told and line == lines[1]


def test_a_round_needs_the_one_before(done, tmp_path):
    with pytest.raises(GmiError, match="round 2 needs round 1"):
        run_round(2, tmp_path, WANTED, None, 1, False)


def test_rounds_stop_when_they_no_longer_help(tmp_path, monkeypatch):
    rates = iter([0.5, 0.6, 0.6, 0.9])

    def line(number, *_):
        return {"round": number, "trials": 1, "val_auc": 0.9, "dev": {**held, "rate": next(rates)}}

    held = {"successes": 1, "instances": 2}
    monkeypatch.setattr(rounds, "measure", lambda *_: {**held, "rate": next(rates)})
    monkeypatch.setattr(rounds, "run_round", line)
    assert [line["round"] for line in run_rounds(tmp_path, 3, WANTED, progress=False)] == [0, 1, 2]


def test_choices_are_made_on_dev(monkeypatch):
    seen = []
    monkeypatch.setattr(rounds, "free_attempts", lambda model, objects, *_, **__: seen.append(objects) or [])
    monkeypatch.setattr(rounds, "summary", lambda found: {})
    rounds.measure(WANTED.generator, 1, 32, 1, False)
    assert seen == [objects_of("dev")]


def test_bad_options_are_told(tmp_path, capsys):
    given = ["--generator", "/nowhere", "--data", "x.db", "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="is not a folder"):
        main(given)
    with pytest.raises(SystemExit):
        main([*given, "--views", "0"])
    assert "at least 1" in capsys.readouterr().err
