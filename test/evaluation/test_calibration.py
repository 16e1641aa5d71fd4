"""Calibration: the line that was put into the outcomes comes out, and a network on it says just that."""

import json
import shutil

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.calibration import calibrate, fitted_line, main
from gmi_ros.evaluation.ranking import Judged
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EVALUATOR
from gmi_ros.learning.evaluator import EvaluatorNetwork


def outcomes(rng, n, slope, offset):
    told = rng.uniform(0.02, 0.98, n)
    return told, rng.uniform(size=n) < expit(slope * logit(told) + offset)


def test_the_line_that_was_put_in_comes_out():
    for slope, offset in ((1.0, 0.0), (0.6, -0.4), (1.7, 0.5)):
        told, held = outcomes(np.random.default_rng(3), 200_000, slope, offset)
        assert fitted_line(told, held) == pytest.approx((slope, offset), abs=0.03)


def test_its_loss_is_the_smallest_there_is():
    told, held = outcomes(np.random.default_rng(4), 500, 0.7, -0.2)

    def loss(slope, offset):
        return np.logaddexp(0, np.where(held, -1, 1) * (slope * logit(told) + offset)).mean()

    line = np.array(fitted_line(told, held))
    for step in np.random.default_rng(5).normal(0, 0.05, (50, 2)):
        assert loss(*line) <= loss(*(line + step)) + 1e-9


def test_what_cannot_be_fitted_is_said():
    told = np.linspace(0.1, 0.9, 20)
    with pytest.raises(GmiError, match="20 of 20 grasps held"):
        fitted_line(told, np.ones(20, bool))
    with pytest.raises(GmiError, match="tell nothing"):
        fitted_line(told, told < 0.5)


def test_a_network_on_a_line():
    network, rng = EvaluatorNetwork(seed=2).eval(), torch.Generator().manual_seed(1)
    inputs = (
        torch.rand(1, 5, 64, 64, generator=rng),
        torch.tensor([0.7]),
        torch.tensor([[0.0, 0.0, 1.0, -0.1]]),
        torch.rand(1, 6, 3, 3, 4, generator=rng),
    )
    with torch.inference_mode():
        before = network(*inputs)
    network.on_line(0.5, -1.5)
    with torch.inference_mode():
        assert torch.allclose(network(*inputs), 0.5 * before - 1.5, atol=1e-5)


def test_a_folder_is_written_whole(tmp_path):
    told, held = outcomes(np.random.default_rng(6), 4000, 0.6, -0.3)
    judged = [Judged("a", told[:2000], held[:2000]), Judged("b", told[2000:], held[2000:])]
    found = calibrate(resource(SHIPPED), judged, tmp_path / EVALUATOR)
    assert found["ece_after"] < found["ece_before"] and found["grasps"] == 4000
    for name in (checkpoint.CONFIG, checkpoint.WEIGHTS):
        shutil.copy(resource(SHIPPED) / name, tmp_path / name)
    old, new = checkpoint.load(resource(SHIPPED)), checkpoint.load(tmp_path)
    assert new.hash != old.hash
    kept = json.loads((tmp_path / EVALUATOR / checkpoint.METRICS).read_text())
    assert kept["calibration"] == found and kept["val_auc"] > 0.8


def test_wrong_options_and_folders(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--instances", "0", "--out", str(tmp_path)])
    assert "at least 1" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="is not a folder"):
        main(["--model", str(tmp_path / "nothing"), "--instances", "1", "--workers", "1", "--out", str(tmp_path)])
