"""Grasps tried on the object as it is thought to be: what is tried when, and that it tells how the real trial ends."""

from dataclasses import replace

import numpy as np
import pytest
from seen_objects import resting, view

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.solid import thickness
from gmi_ros.evaluation.baselines import mesh_plan
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import hidden_side
from gmi_ros.sim import rehearsal
from gmi_ros.sim.collect import cell_of
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.protocols import LIFT, judge_grasp
from gmi_ros.sim.reconstruction import world_from_camera
from gmi_ros.sim.rehearsal import BELIEFS, KINDS, Stage, believed, rehearse
from gmi_ros.sim.scene import Physics


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


def test_one_that_is_tried_and_believed_in_at_once_ends_it(case):
    stage, prior = case
    patient = rehearse(stage, range(len(prior)), prior, 1000, 1.0)
    patient_asked = list(stage.asked)
    stage.asked.clear()
    found = rehearse(stage, range(len(prior)), prior, 1000, 1.0, 1.5)
    assert stage.asked == patient_asked[: len(stage.asked)]  # the same trials, as far as they go
    best = int(np.argmax(found.log_odds))
    if found.outcomes[best] and found.log_odds[best] >= 1.5:
        assert stage.asked[-1][0] == best  # and not one more
    else:
        assert stage.asked == patient_asked and found.outcomes == patient.outcomes


def test_to_be_sure_at_once_takes_no_less_than_after_every_way(case):
    stage, prior = case
    found = rehearse(stage, range(len(prior)), prior, 1000, np.inf, -np.inf)
    assert found.outcomes == [tuple(row) for row in stage.outcomes.tolist()]


def test_no_more_trials_than_allowed(case):
    stage, prior = case
    for most in (0, 1, 2, 5):
        stage.asked.clear()
        found = rehearse(stage, range(len(prior)), prior, most, np.inf)
        assert sum(map(len, found.outcomes)) == len(stage.asked) == min(most, len(KINDS) * len(prior))


def test_what_was_tried_before_is_not_tried_again(case):
    stage, prior = case
    first = rehearse(stage, range(len(prior)), prior, 4, np.inf)
    asked = list(stage.asked)
    both = rehearse(stage, range(len(prior)), prior, 1000, np.inf, before=first.outcomes)
    assert len(stage.asked) == len(set(stage.asked)) == len(KINDS) * len(prior) and stage.asked[: len(asked)] == asked
    assert both.outcomes == rehearse(stage, range(len(prior)), prior, 1000, np.inf).outcomes


def test_one_that_holds_is_believed_in_more_and_a_better_prior_too():
    assert all(len(row) == 2 + k for k, row in enumerate(BELIEFS)) and len(BELIEFS) == len(KINDS) + 1
    for seen in ([False], [True, False], [True, True, False]):
        assert believed(0.3, seen[:-1] + [True]) > believed(0.3, seen)
    for k in range(len(KINDS) + 1):
        assert believed(1.0, [True] * k) > believed(0.0, [True] * k)
    assert believed(0.0, [True] * len(KINDS)) > believed(0.0, []) > believed(0.0, [False])


def test_a_guess_is_likelihoods_where_the_object_is_seen_and_nothing_beside():
    frame, found, table, true, _ = view("can_0")
    guess = hidden_side()(frame, found, table.seen_from(found.camera_from_object))
    seen = true[..., 0] > 0
    assert guess.shape == true.shape and (guess[~seen] == 0).all()
    assert (guess[seen] > 0).all() and (guess[seen] <= 1).all()
    off = np.abs(thickness(guess[seen], 0.5) - thickness(true[seen], 0.5))
    assert np.median(off) < 0.015  # it has learned something: half of a can is 0.03 thick


def test_what_cannot_be_simulated_is_refused_and_nothing_else(monkeypatch):
    frame, found, table, solid, _ = view("can_0")
    stage = Stage(frame, found, table, solid, load_hand())

    def fails(*_):
        raise ValueError("mesh volume is too small\nand more")

    monkeypatch.setattr(rehearsal, "Cell", fails)
    with pytest.raises(GmiError, match="cannot be simulated: mesh volume is too small$") as refused:
        stage.holds(None, KINDS[0])
    assert refused.value.code == ErrorCode.NO_VALID_DEPTH


def test_a_hand_about_the_object_holds_it_and_one_beside_does_not():
    """The true hidden side, and a grasp from above that the cell itself holds."""
    cell = cell_of(find_object("can_0"), Physics())
    pose = resting(cell)
    cell.reset(pose)
    plan = mesh_plan(cell, np.random.default_rng(3))
    assert judge_grasp(find_object("can_0"), load_hand(), LIFT, pose, plan).success
    frame, found, table, solid, camera = view("can_0")
    moved = world_from_camera(table, found) @ poses.inverse(camera.world_from_camera)
    stage = Stage(frame, found, table, solid, load_hand())
    there, beside = (
        replace(plan, world_from_pregrasp=to @ plan.world_from_pregrasp, world_from_palm=to @ plan.world_from_palm)
        for to in (moved, poses.make(np.eye(3), np.array([0.2, 0.0, 0.0])) @ moved)
    )
    assert [stage.holds(there, kind) for kind in KINDS if kind.pinned] == [True] * sum(kind.pinned for kind in KINDS)
    assert not any(stage.holds(beside, kind) for kind in KINDS)
    slippery = KINDS[0]._replace(grip=0.0)
    assert [stage.holds(there, kind) for kind in (slippery, KINDS[0], slippery)] == [False, True, False]
