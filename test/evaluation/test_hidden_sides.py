"""Views to learn hidden sides from: what they show is true, they are kept, and nobody else learns from these objects."""

import numpy as np
import pytest

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.hidden_sides import SEEN, objects_seen, see, seen
from gmi_ros.learning.config import HIDDEN_SIDE, HiddenSideConfig, TrainingConfig
from gmi_ros.learning.hidden_side_training import train_hidden_side
from gmi_ros.sim.splits import SPLITS, objects_of

VIEWS = (6, 10, 3)  # objects, views, seed


@pytest.fixture(scope="module")
def data():
    return see(*VIEWS, workers=1, progress=False)


def test_where_the_object_is_seen_it_is_as_deep_as_the_table_lets_it(data):
    assert 8 <= len(data.mask) <= 10 and set(data.object_id) <= set(range(6))
    for mask, inside in zip(data.mask, data.stretches, strict=True):
        deep = inside[..., 0, 1]
        assert np.isnan(deep[~mask]).all() and np.isfinite(deep[mask]).mean() > 0.9
        assert (deep[np.isfinite(deep)] >= 0).all() and 0.003 < np.nanmedian(deep) < 0.25
    # The table is under everything: {O}'s origin, on what is seen, is above it.
    assert (data.table[:, 3] < 0).all() and np.allclose(np.linalg.norm(data.table[:, :3], axis=1), 1, atol=1e-5)


def test_the_same_for_any_number_of_workers(data):
    assert see(*VIEWS, workers=2, progress=False).fingerprint() == data.fingerprint()


def test_views_are_kept_and_others_refused(data, tmp_path):
    kept = seen(tmp_path, *VIEWS, workers=1, progress=False)
    assert kept.fingerprint() == data.fingerprint()
    before = (tmp_path / SEEN).stat().st_mtime_ns
    assert seen(tmp_path, *VIEWS, progress=False).fingerprint() == data.fingerprint()
    assert (tmp_path / SEEN).stat().st_mtime_ns == before
    with pytest.raises(GmiError, match="another folder") as refused:
        seen(tmp_path, 6, 10, 4)
    assert refused.value.code == ErrorCode.BAD_SETTING
    (tmp_path / SEEN).write_bytes((tmp_path / SEEN).read_bytes()[:1000])
    with pytest.raises(GmiError, match="made anew") as damaged:
        seen(tmp_path, *VIEWS)
    assert damaged.value.code == ErrorCode.FILE_DAMAGED


def test_a_network_learns_from_them(data, tmp_path):
    config = TrainingConfig(model=HIDDEN_SIDE, network=HiddenSideConfig((4, 8)), batch_size=4, max_epochs=1)
    told = train_hidden_side(config, data, tmp_path, progress=False)
    assert told["n_train"] + told["n_validation"] == len(data.mask)


def test_nothing_else_has_these_objects():
    names = [model.name for model in objects_seen(40)]
    assert len(set(names)) == 40
    assert not set(names) & {model.name for split in SPLITS for model in objects_of(split)}
