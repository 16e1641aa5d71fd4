"""The table of likelihoods: intervals over objects, paired margins, what is shown where nothing was measured."""

import json

import numpy as np
import pytest
from learning_toy import toy_data

from gmi_ros.learning.config import MODELS as KNOWN
from gmi_ros.report import table_two
from gmi_ros.evaluation.intervals import by_object
from gmi_ros.report.table_two import MODELS, PAPER, SIZES, SPLITS, cells, margins, table


def put(runs, model, size, split, nll):
    folder = runs / f"{model}_{size}"
    folder.mkdir(exist_ok=True)
    np.save(folder / f"nll_{split}.npy", nll)
    kept = {"model": model, "size": size, "split": split, "nll": float(np.mean(nll)), "standard_error": 0.05}
    (folder / f"likelihood_{split}.json").write_text(json.dumps(kept))


def test_what_was_measured_stands_beside_the_paper_s_and_the_rest_is_a_dash(tmp_path):
    put(tmp_path, "cnn", 42_351, "similar", np.array([20.0, 21.0]))
    put(tmp_path, "r_cvae", 16_384, "different", np.array([12.25]))
    lines = {line.split("|")[1].strip(): line for line in table(cells(tmp_path)).splitlines()}
    assert lines["CNN"].count("–") == 5 and "20.50 ± 0.05 (24.6)" in lines["CNN"]
    assert "12.25 ± 0.05 (14.3)" in lines["R-CVAE"] and "– (12.5)" in lines["R-CVAE"]
    assert lines["CNN with full covariance"].count("–") == 6 and "(" not in lines["CNN with full covariance"]
    assert len({line.count("|") for line in lines.values()}) == 1


def test_every_cell_of_the_paper_s_table_is_there():
    assert set(MODELS) <= set(KNOWN) and sorted(SIZES) == [16_384, 32_768, 42_351]
    assert set(PAPER) == {(m, s) for m in ("cnn", "gsnn", "cvae", "r_cvae") for s in SPLITS}


def test_margins_are_paired(tmp_path):
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 400)  # what makes a pair hard for all
    put(tmp_path, "cnn", 42_351, "similar", 20 + hard)
    put(tmp_path, "cvae", 42_351, "similar", 9 + hard + rng.normal(0, 1, 400))
    found = margins(tmp_path, 42_351, "similar")
    assert set(found) == {"cvae"}
    assert found["cvae"]["below_cnn"] == pytest.approx(11, abs=0.2)
    assert found["cvae"]["standard_error"] == pytest.approx(0.05, rel=0.2)
    assert margins(tmp_path, 16_384, "similar") == {}


def test_an_interval_over_objects_is_wider_where_objects_differ():
    rng = np.random.default_rng(1)
    object_id = np.repeat(np.arange(30), 50)
    alike = rng.normal(0, 1, 1500)
    differing = alike + np.repeat(rng.normal(0, 1, 30), 50)
    narrow, wide = np.diff(by_object(alike, object_id))[0], np.diff(by_object(differing, object_id))[0]
    assert wide > 3 * narrow
    assert narrow == pytest.approx(2 * 1.96 / 1500**0.5, rel=0.4)
    low, high = by_object(differing, object_id)
    assert low < differing.mean() < high


@pytest.fixture
def few_pairs(monkeypatch):
    """In place of the data set: 40 pairs of noise, however they are asked for."""
    data = toy_data(10, 4)
    monkeypatch.setattr(table_two, "load_grasp_data", lambda *_, **__: data)


def test_what_was_measured_is_not_trained_again(tmp_path, few_pairs, monkeypatch):
    def fill(models):
        folders = (tmp_path / name for name in ("data", "runs", "results", "cache"))
        table_two.run(models, [30], *folders, max_epochs=1)

    fill(["cnn"])
    (cell, other) = cells(tmp_path / "results")
    assert (cell.model, cell.size, cell.split, other.split) == ("cnn", 30, "different", "similar")
    values = np.load(tmp_path / "results" / "cnn_30" / "nll_similar.npy")
    assert len(values) == 40 and other.summary["nll"] == pytest.approx(values.mean(), rel=1e-5)
    trained = []
    monkeypatch.setattr(table_two, "train", lambda config, data, folder: trained.append(config.model) or 1 / 0)
    fill(["cnn"])
    with pytest.raises(ZeroDivisionError):
        fill(["cnn", "gsnn"])
    assert trained == ["gsnn"]
