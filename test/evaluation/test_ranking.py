"""How well the evaluator ranks: counted from trials, the same for any workers."""

import json
import shutil

import numpy as np
import pytest

from gmi_ros.cli.main import main
from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.evaluation.ranking import Judged, candidates_summary, judge_views, summary
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EvaluatorConfig
from gmi_ros.learning.evaluator import EvaluatorNetwork
from gmi_ros.sim.splits import objects_of

TINY = EvaluatorConfig(across=1, along=4, up=3, filters=(8,), finger_units=16, finger_features=8, hand_units=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The shipped network, ranked by an evaluator that knows nothing."""
    folder = tmp_path_factory.mktemp("ranked") / "model"
    folder.mkdir()
    for name in (checkpoint.CONFIG, checkpoint.WEIGHTS):
        shutil.copy(resource(SHIPPED) / name, folder / name)
    checkpoint.save(folder / "evaluator", EvaluatorNetwork(TINY, 1), {}, "")
    return folder


def test_grasps_are_tried_best_first_whoever_does_it(folder):
    objects = objects_of("dev")[:4]
    one, two = (list(judge_views(folder, objects, 4, 3, 32, 5, workers)) for workers in (1, 2))
    told = [view for view in one if view is not None]
    assert len(one) == 4 and len(told) >= 2
    for a, b in zip(one, two, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert np.array_equal(a.held, b.held) and np.array_equal(a.probability, b.probability)
            assert len(a.held) <= 3 and 0 < a.probability.min() <= a.probability.max() < 1


def test_what_is_told_of_known_outcomes():
    views = [
        Judged("a", np.array([0.9, 0.2]), np.array([True, False]), 0.0),
        Judged("b", np.array([0.8, 0.7, 0.1]), np.array([False, True, False]), 0.0),
        Judged("c", np.array([0.9]), np.array([True]), 0.0),
        None,
    ]
    told = summary(views)
    assert (told["views"], told["grasps"], told["held"]) == (4, 6, 0.5)
    assert told["auc"] == pytest.approx((3 + 2 + 3) / 9)  # of the pairs; 0.9 comes twice
    assert told["auc_within"] == pytest.approx((1 + 0.5) / 2)
    assert told["rate_best"] == 0.5 and told["rate_oracle"] == 0.75
    assert told["rate_random"] == pytest.approx((0.5 + 1 / 3 + 1) / 4)


def test_candidates_of_a_store(folder):
    data = load_judged([resource("data/dev.db.zst")], workers=1, progress=False)
    told = candidates_summary(checkpoint.load(folder).evaluator, data)
    assert told["candidates"] == len(data) > 6000 and 0.3 < told["auc"] < 0.7  # it knows nothing
    assert told["held"] == pytest.approx(data.held.mean())


def test_without_an_evaluator_there_is_nothing_to_measure(tmp_path, capsys):
    for name in (checkpoint.CONFIG, checkpoint.WEIGHTS):
        shutil.copy(resource(SHIPPED) / name, tmp_path / name)
    assert main(["evaluate", "ranking", "--model", str(tmp_path), "--instances", "1"]) == 1
    assert "has no evaluator" in capsys.readouterr().err
    with pytest.raises(GmiError, match="none of the 2 views"):
        summary([None, None])


def test_the_command(folder, capsys):
    words = ["evaluate", "ranking", "--model", str(folder), "--split", "dev", "--instances", "4", "--tried", "2"]
    assert main([*words, "--samples", "32", "--workers", "1", "--quiet", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["views"] == 4 and 0 <= told["ece_best"] <= 1
    assert main([*words, "--cache", "x"]) == 2
    assert "--cache x needs --data" in capsys.readouterr().err
