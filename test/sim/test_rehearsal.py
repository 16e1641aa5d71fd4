"""Grasps tried on the object as it is thought to be: what is tried when, and that it tells how the real trial ends."""

import numpy as np
import pytest

from gmi_ros.sim.rehearsal import BELIEFS, KINDS, believed, rehearse


class Scripted:
    """A stage on which grasp number `plan` holds or not as a table (n, kinds) says; keeps what was asked."""

    def __init__(self, outcomes):
        self.outcomes, self.asked = np.asarray(outcomes, bool), []

    def holds(self, plan, kind):
        self.asked.append((plan, kind))
        return bool(self.outcomes[plan, KINDS.index(kind)])


@pytest.fixture(params=range(8))
def case(request):
    """A stage and priors, best first."""
    rng = np.random.default_rng(request.param)
    n = int(rng.integers(1, 12))
    return Scripted(rng.random((n, len(KINDS))) < 0.6), np.sort(rng.normal(0.5, 1.5, n))[::-1]


def test_the_one_believed_in_most_has_been_tried_in_every_way(case):
    stage, prior = case
    found = rehearse(stage, range(len(prior)), prior, 1000, -np.inf)
    assert len(found.outcomes[int(np.argmax(found.log_odds))]) == len(KINDS)
    assert len(stage.asked) == len(set(stage.asked))  # nothing twice


def test_who_is_never_sure_tries_everything(case):
    stage, prior = case
    found = rehearse(stage, range(len(prior)), prior, 1000, np.inf)
    assert found.outcomes == [tuple(row) for row in stage.outcomes.tolist()]


def test_beliefs_follow_from_what_was_seen(case):
    stage, prior = case
    found = rehearse(stage, range(len(prior)), prior, 1000, 1.0)
    for plan, odds in enumerate(prior):
        asked = [kind for which, kind in stage.asked if which == plan]
        assert asked == list(KINDS[: len(asked)])
        assert found.outcomes[plan] == tuple(stage.outcomes[plan, : len(asked)])
        assert found.log_odds[plan] == believed(odds, found.outcomes[plan])


def test_no_more_trials_than_allowed(case):
    stage, prior = case
    for most in (0, 1, 2, 5):
        stage.asked.clear()
        found = rehearse(stage, range(len(prior)), prior, most, np.inf)
        assert sum(map(len, found.outcomes)) == len(stage.asked) == min(most, 3 * len(prior))


def test_one_that_holds_is_believed_in_more_and_a_better_prior_too():
    assert all(len(row) == 2 + k for k, row in enumerate(BELIEFS)) and len(BELIEFS) == len(KINDS) + 1
    for seen in ([False], [True, False], [True, True, False]):
        assert believed(0.3, seen[:-1] + [True]) > believed(0.3, seen)
    for k in range(len(KINDS) + 1):
        assert believed(1.0, [True] * k) > believed(0.0, [True] * k)
    assert believed(0.0, [True] * len(KINDS)) > believed(0.0, []) > believed(0.0, [False])
