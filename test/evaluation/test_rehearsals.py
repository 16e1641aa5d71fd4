"""What rehearsals are worth: the fit finds what trials were drawn from, and grasps are rehearsed as they are tried."""

import numpy as np
import pytest
from scipy.special import expit

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.rehearsals import Rehearsed, fitted, objects_rehearsed, rehearse_views, told
from gmi_ros.sim.rehearsal import BELIEFS, KINDS
from gmi_ros.sim.splits import SPLITS, objects_of


def drawn(weights, n_views=400, k=16, seed=0):
    """Grasps that hold as these weights of offset, prior and outcomes say."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n_views):
        prior = np.sort(rng.normal(0, 1.5, k))[::-1]
        outcomes = rng.random((k, len(KINDS))) < 0.5
        odds = weights[0] + weights[1] * prior + outcomes @ weights[2:]
        found.append(Rehearsed(f"thing_{i}", prior, outcomes, rng.random(k) < expit(odds)))
    return found


def test_the_fit_finds_what_the_trials_were_drawn_from():
    weights = np.array([-1.5, 0.6, 1.2, 0.9, 0.7, 0.5])
    found = fitted(drawn(weights))
    assert [len(row) for row in found] == [2, 3, 4, 5, 6]
    np.testing.assert_allclose(found[-1], weights, atol=0.15)


def test_each_rehearsal_tells_more():
    views = drawn(np.array([-1.5, 0.6, 1.2, 0.9, 0.7, 0.5]))
    areas = [row["auc"] for row in told(views, fitted(views))]
    assert areas == sorted(areas) and areas[-1] > areas[0] + 0.03


def test_trials_that_all_end_alike_tell_nothing():
    with pytest.raises(GmiError, match="32 of 32") as refused:
        fitted([view._replace(held=np.ones(16, bool)) for view in drawn(np.zeros(6), 2)])
    assert refused.value.code == ErrorCode.BAD_REQUEST


def test_grasps_are_rehearsed_in_every_way_and_tried():
    views = list(rehearse_views(resource(SHIPPED), 2, 4, 31, workers=1))
    assert any(view is not None for view in views)
    for view in filter(None, views):
        assert view.outcomes.shape == (len(view.held), len(KINDS)) and 1 <= len(view.held) <= 4
        assert (np.diff(view.prior[:2]) <= 0).all()


def test_the_objects_are_in_no_split():
    names = {model.name for model in objects_rehearsed(60)}
    assert len(names) == 60 and not names & {model.name for split in SPLITS for model in objects_of(split)}
    assert len(BELIEFS) == len(KINDS) + 1
