"""Table III: what is printed is what was measured."""

import json

import numpy as np
import pytest

from gmi_ros.report.table_three import MODELS, PAPER, SIZES, SPLITS, load, paired, table


def put(folder, model, size, split, held, planner="view"):
    objects = [f"o_{i % 3}" for i in range(len(held))]
    kept = {"model": model, "size": size, "split": split, "planner": planner, "rate": float(np.mean(held)),
            "ci95": [0.1, 0.9], "held": held, "objects_tried": objects}  # fmt: skip
    (folder / f"{model}_{size}_{split}_{planner}.json").write_text(json.dumps(kept))


def test_rows_are_what_was_measured(tmp_path):
    put(tmp_path, "r_cvae", 42_351, "similar", [1, 1, 0, 1])
    put(tmp_path, "r_cvae", 42_351, "different", [0, 0, 0, 0], planner="free")
    lines = table(load(tmp_path), "view").splitlines()
    assert len(lines) == 2 + len(MODELS) and lines[-1].startswith("| R-CVAE |")
    assert "75.0 [10.0, 90.0] (36.2)" in lines[-1] and lines[-1].count("–") == 5
    assert table(load(tmp_path), "free").count("0.0 [10.0, 90.0] (31.5)") == 1


def test_networks_are_compared_view_by_view(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.random(300) < 0.3
    better = base | (rng.random(300) < 0.2)
    put(tmp_path, "cnn", 42_351, "similar", base.astype(int).tolist())
    put(tmp_path, "r_cvae", 42_351, "similar", better.astype(int).tolist())
    told = paired(load(tmp_path), "r_cvae", "cnn", 42_351, "similar", "view")
    assert told["points"] == pytest.approx(100 * (better.mean() - base.mean()))
    assert 0 < told["ci95"][0] < told["points"] < told["ci95"][1]
    assert told["ratio"] == pytest.approx(better.mean() / base.mean())
    assert paired(load(tmp_path), "r_cvae", "cnn", 42_351, "different", "view") is None


def test_the_papers_figures_are_all_there():
    assert set(PAPER) == {(m, s) for m in MODELS if m != "cnn_full" for s in SPLITS}
    assert all(len(row) == len(SIZES) for row in PAPER.values())
    assert PAPER["r_cvae", "similar"][-1] == 36.2 and PAPER["cnn", "different"][0] == 10.6
