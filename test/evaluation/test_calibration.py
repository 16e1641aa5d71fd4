"""Calibration: what was put into the outcomes comes out; calibrations compose, and leave a frame's order alone."""

import json
import shutil

import numpy as np
import pytest
from scipy.special import expit

from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.calibration import calibrate, fitted, main
from gmi_ros.evaluation.ranking import Judged
from gmi_ros.learning import checkpoint
from gmi_ros.learning.calibration import Calibration, logits
from gmi_ros.learning.config import EVALUATOR


def views_of(truth, n, seed, grasps=16):
    """n views whose outcomes follow this calibration."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        told = expit(rng.normal(rng.normal(0, 1.5), 1.5, grasps))
        held = rng.uniform(size=grasps) < truth(told)
        found.append(Judged("a", told, held, float(logits(told).mean())))
    return found


def test_what_was_put_in_comes_out():
    for truth in (Calibration(), Calibration(0.6, 0.3, -0.4), Calibration(1.5, 0.0, 0.5)):
        found = fitted(views_of(truth, 8000, 3))
        assert (found.slope, found.shared, found.offset) == pytest.approx(
            (truth.slope, truth.shared, truth.offset), abs=0.04
        )


def test_what_cannot_be_fitted_is_said():
    told = np.linspace(0.1, 0.9, 20)
    with pytest.raises(GmiError, match="20 of 20 grasps held"):
        fitted([Judged("a", told, np.ones(20, bool), 0.0)])
    with pytest.raises(GmiError, match="did not go with more"):
        fitted([Judged("a", told, told < 0.5, 0.0)])


def test_calibrations_compose_and_leave_the_order_alone():
    rng = np.random.default_rng(7)
    told = rng.uniform(0.001, 0.999, 40)
    first, second = Calibration(0.7, 0.3, -0.2), Calibration(1.2, 0.1, 0.4)
    assert second.after(first)(told) == pytest.approx(second(first(told)), rel=1e-9)
    assert np.array_equal(np.argsort(first(told)), np.argsort(told))
    assert np.array_equal(Calibration()(told), told)
    assert len(first(np.empty(0))) == 0
    assert np.isfinite(logits(first(np.array([0.0, 1.0])))).all()


def test_the_best_of_a_doubtful_frame_is_less_sure():
    calibration = Calibration(0.7, 0.3, 0.0)
    doubtful, sure = np.array([0.9, 0.1, 0.1]), np.array([0.9, 0.9, 0.9])
    assert calibration(doubtful)[0] < calibration(sure)[0] - 0.1


@pytest.mark.parametrize("wrong", [(0.0, 0.0, 0.0), (1.0, -0.1, 0.0), (1.0, 0.0, float("nan")), ("1", 0.0, 0.0)])
def test_wrong_numbers(wrong):
    with pytest.raises(GmiError, match="slope above 0"):
        Calibration(*wrong)


def test_a_folder_is_written_whole(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(resource(SHIPPED), model)
    judged = views_of(Calibration(0.6, 0.3, -0.3), 300, 6)
    before = checkpoint.load_evaluator(model / EVALUATOR)
    told = calibrate(model, judged, model / EVALUATOR)
    assert told["after"]["ece"] < told["before"]["ece"] and told["grasps"] == 4800
    after = checkpoint.load_evaluator(model / EVALUATOR)
    assert after.hash != before.hash
    assert after.calibration == fitted(judged).after(before.calibration)
    metrics = [json.loads((at / EVALUATOR / checkpoint.METRICS).read_text()) for at in (model, resource(SHIPPED))]
    assert metrics[0] == {**metrics[1], "calibrated": told} and metrics[1]["val_nll"] < 0.7  # the others stay
    assert checkpoint.load(model).hash != checkpoint.load(resource(SHIPPED)).hash


@pytest.mark.parametrize("name", [checkpoint.CALIBRATION, checkpoint.TRUST])
@pytest.mark.parametrize("wrong", [{"slope": -1.0}, {"steepness": 2.0}, [1, 2], {"slope": "2"}, 3])
def test_a_damaged_calibration_is_named(tmp_path, name, wrong):
    shutil.copytree(resource(SHIPPED) / EVALUATOR, tmp_path / EVALUATOR)
    config = tmp_path / EVALUATOR / checkpoint.CONFIG
    config.write_text(json.dumps({**json.loads(config.read_text()), name: wrong}))
    with pytest.raises(GmiError, match=f"config.json: {name}"):
        checkpoint.load_evaluator(tmp_path / EVALUATOR)


def test_some_of_a_frame_are_told_as_all_of_it_would_be():
    told, calibration = np.random.default_rng(8).uniform(0.05, 0.95, 30), Calibration(0.7, 0.4, -0.1)
    some = calibration(told[:5], float(logits(told).mean()))
    assert some == pytest.approx(calibration(told)[:5], rel=1e-12)


def test_a_folder_without_its_metrics_is_named(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(resource(SHIPPED), model)
    (model / EVALUATOR / checkpoint.METRICS).unlink()
    with pytest.raises(GmiError, match="is not whole.*metrics.json"):
        calibrate(model, views_of(Calibration(), 20, 1), tmp_path / "out")


def test_wrong_options_and_folders(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--instances", "0", "--out", str(tmp_path)])
    assert "at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="is not a folder"):
        main(["--model", str(tmp_path / "nothing"), "--instances", "1", "--workers", "1", "--out", str(tmp_path)])
