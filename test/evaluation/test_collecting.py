"""Collecting and rendering back: a store is the same however often the work was interrupted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.collecting import collect
from gmi_ros.evaluation.dataset import load_grasp_data
from gmi_ros.evaluation.recipes import episodes_of, render_episode
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import run_batch


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "train.db"
    first = collect(path, n_trials=32, workers=1, seed=4, n_views=2, progress=False)
    second = collect(path, n_trials=64, workers=1, seed=4, n_views=2, progress=False)
    assert first["trials"] < second["trials"]
    return path


def test_a_resumed_collection_holds_what_one_run_would(store):
    wanted = [e for batch in (0, 1) for r in run_batch(batch, 4, 2).records for e in episodes_of(r, "train")]
    with Store(store) as kept:
        found = list(kept)
    assert [e.outcome_id for e in found] == [e.outcome_id for e in wanted]
    for a, b in zip(found, wanted, strict=True):
        assert a.success == b.success and a.reason == b.reason and a.recipe == b.recipe
        np.testing.assert_allclose(a.camera_from_palm, b.camera_from_palm, atol=1e-6)


def test_another_seed_or_number_of_views_is_refused(store):
    for other in ({"seed": 5, "n_views": 2}, {"seed": 4, "n_views": 1}):
        with pytest.raises(GmiError, match="was begun with another seed"):
            collect(store, n_trials=96, workers=1, progress=False, **other)


def test_the_installed_command_collects(tmp_path):
    """Worker processes import the script again: it must not start the command once more."""
    gmi = Path(sys.executable).with_name("gmi")
    if not gmi.exists():
        pytest.skip("gmi is not installed beside this Python")
    command = [gmi, "collect", "--trials", "32", "--workers", "1", "--out", tmp_path / "x.db", "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["trials"] == 32


def test_successes_become_training_pairs_with_their_contacts_on_the_object(store):
    data = load_grasp_data([store], workers=1, progress=False)
    assert len(data.grasps) > 0 and data.mask[data.image_index].any(axis=(1, 2)).all()
    contacts = data.grasps.reshape(-1, 2, 3, 3)[:, 0]
    assert np.abs(contacts).max() < 0.25
    normals = data.grasps.reshape(-1, 2, 3, 3)[:, 1]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-3)


def test_failures_are_kept_with_their_reason(store):
    with Store(store) as kept:
        reasons = {e.reason for e in kept.episodes(success=False)}
    assert reasons and "" not in reasons


def test_an_episode_is_rendered_as_it_was_seen(store):
    record = next(r for r in run_batch(0, 4, 2).records if r.result.success)
    episode = episodes_of(record, "train")[0]
    seen = render_episode(episode)
    assert seen.mask.any() and abs(float(np.median(seen.depth[seen.mask]))) < 0.01


@pytest.mark.parametrize(
    "bad", [{"n_trials": 0}, {}, {"n_trials": 5, "split": "nonsense"}, {"n_trials": 5, "workers": 0}]
)
def test_bad_requests(tmp_path, bad):
    with pytest.raises(GmiError) as refused:
        collect(tmp_path / "x.db", progress=False, **bad)
    assert refused.value.code == ErrorCode.BAD_REQUEST


def test_nothing_to_train_on(tmp_path):
    with Store(tmp_path / "empty.db", "rw"):
        pass
    with pytest.raises(GmiError, match="no successful grasp"):
        load_grasp_data([tmp_path / "empty.db"], progress=False)
