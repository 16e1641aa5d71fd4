"""`gmi train --model evaluator`: from a store to a folder that ranks."""

import json

import pytest

from gmi_ros.cli.main import main
from gmi_ros.core.resources import resource
from gmi_ros.learning import checkpoint

SMALL = "--filters 8 --finger-units 16 --finger-features 8 --hand-units 16 --along 4 --up 3 --across 1".split()


def words(out, *more):
    data = str(resource("data/dev.db.zst"))
    given = ["train", "--model", "evaluator", "--data", data, "--out", str(out), "--max-epochs", "1", "--quiet", "--json"]
    return [*given, "--batch-size", "200", "--grasps-per-image", "10", *SMALL, *more]


def test_an_evaluator_is_trained_and_loads(tmp_path, capsys):
    assert main(words(tmp_path / "evaluator")) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["epochs"] == 1 and 0.4 < told["val_auc"] <= 1 and told["n_train"] > told["n_validation"] > 0
    assert checkpoint.load_evaluator(tmp_path / "evaluator").hash
    assert "area under the ROC" in (tmp_path / "evaluator" / checkpoint.CARD).read_text()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--within", "20"], "--within 20.0 needs a grasp model"),
        (["--highest", "0.9"], "highest must be in [0.0, 0.4]"),
    ],
)
def test_options_that_do_nothing_or_harm_are_refused(tmp_path, capsys, more, told):
    assert main(words(tmp_path, *more)) != 0
    assert told in json.loads(capsys.readouterr().out.splitlines()[-1])["message"]
