"""`gmi evaluate`: the answers' keys, and what is told where it cannot answer."""

import json

import numpy as np
import pytest

from gmi_ros.cli.main import main
from gmi_ros.evaluation.recipes import episodes_of
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import Job, TrialOptions, run_batch
from gmi_ros.sim.objects import find_object


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "soap.db"
    records = run_batch(Job(find_object("soap_1"), 0, 7, TrialOptions())).records
    with Store(path, "rw") as kept:
        kept.add_many([e for r in records for e in episodes_of(r, "similar")])
    return path


def answer(capsys, *argv):
    status = main([*map(str, argv), "--json"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_likelihood(store, tiny_model, capsys):
    asked = ("evaluate", "likelihood", "--model", tiny_model, "--data", store, "--quiet", "--samples", "3")
    status, found = answer(capsys, *asked)
    assert status == 0 and found["model"] == "r_cvae" and found["estimator"] == "importance"
    assert found["samples"] == 3 and found["n"] > 0 and np.isfinite(found["nll"])
    assert answer(capsys, *asked)[1] == found


def test_modes(store, tiny_model, capsys):
    status, found = answer(capsys, "evaluate", "modes", "--model", tiny_model, "--data", store, "--quiet")
    assert status == 0 and found["objects"] == 1 and 0 <= found["recall"] <= 1 and found["known"] >= found["views"]


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["likelihood", "--data", "nowhere.db"], 1, "no store at nowhere.db"),
        (["likelihood", "--data", "STORE", "--within", "91"], 2, "within must be an angle in [0, 90] degrees, got 91"),
        (["likelihood", "--data", "STORE", "--samples", "-1"], 2, "samples must be >= 0"),
        (["modes", "--data", "STORE", "--model", "nowhere"], 1, "nowhere is not a folder"),
        (["beauty", "--data", "STORE"], 2, "invalid choice"),
    ],
)
def test_refusals(store, tiny_model, capsys, argv, status, words):
    argv = [str(store) if word == "STORE" else word for word in argv]
    argv += [] if "--model" in argv or argv[0] == "beauty" else ["--model", str(tiny_model)]
    found_status, found = answer(capsys, "evaluate", *argv)
    assert found_status == status and words in found["message"]
