"""Collecting: a store is the same whoever does the work and however often it was interrupted."""

import dataclasses
from collections import deque
from contextlib import suppress
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from made_once import run_once

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation import goal
from gmi_ros.evaluation.collecting import batches, collect
from gmi_ros.evaluation.dataset import load_grasp_data
from gmi_ros.evaluation.goal import Goal, Tally
from gmi_ros.evaluation.recipes import episodes_of, render_episode
from gmi_ros.experience.store import Store
from gmi_ros.sim.collect import CANDIDATES, Batch, Job, TrialOptions, trial_seed
from gmi_ros.sim.objects import ObjectModel, find_object
from gmi_ros.sim.shapes import Part
from gmi_ros.sim.trial import COLLIDED, HELD

OBJECTS = [find_object("random_0"), find_object("random_4")]
TWO_VIEWS = TrialOptions(views=2)


class Here:
    """An engine without processes: `ahead` jobs are taken before the first batch is given; it may die on the way."""

    def __init__(self, batch_of, ahead=1, dies_after=None):
        self.batch_of, self.ahead, self.left = batch_of, ahead, dies_after

    def run(self, jobs):
        jobs = iter(jobs)
        waiting = deque(islice(jobs, self.ahead))
        while waiting:
            if self.left == 0:
                raise KeyboardInterrupt
            yield self.batch_of(waiting.popleft())
            waiting.extend(islice(jobs, 1))
            self.left = None if self.left is None else self.left - 1


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "train.db"
    for trials in (32, 64):
        done = collect(path, "train", OBJECTS, Goal(trials=trials), Here(run_once), 4, TWO_VIEWS, progress=False)
        assert done["trials"] == trials and done["trials_per_s"] > 0
    return path


# What comes next.


CHANCES = {"often_0": 0.3, "seldom_0": 0.01, "never_0": 0.0, "half_0": 0.5, "tenth_0": 0.1}
MODELS = {name: ObjectModel(name.removesuffix("_0"), 0, (), (0.5, 0.5, 0.5)) for name in CHANCES}
GOALS = [Goal(trials=333), Goal(successes=40), Goal(successes=40, each=12), Goal(successes=300, each=1)]


def drawn_batch(job: Job) -> Batch:
    """Trials without physics, of which only what the tally counts is there; each succeeds with its object's chance."""
    name = job.object_model.name
    records = []
    for place in range(CANDIDATES):
        seed = trial_seed(job.seed, job.number, place)
        success = np.random.default_rng([seed, *name.encode()]).random() < CHANCES[name]
        result = SimpleNamespace(success=success, reason=HELD if success else COLLIDED)
        records.append(SimpleNamespace(object_name=name, trial_seed=seed, result=result))
    return Batch(records, 100)


def sequence(wanted, done=(), models=MODELS, **engine):
    """The records that lead to the goal, after those that are done; what a killed engine gave before it was."""
    tally = {name: Tally() for name in models}
    for r in done:
        tally[r.object_name] = tally[r.object_name].plus(r.trial_seed, r.result.success, r.result.reason)
    found = [*done]
    with suppress(KeyboardInterrupt):
        for batch in batches(wanted, tally, Here(drawn_batch, **engine), models, 1, TrialOptions()):
            found += batch.records
    return found


def ids(records):
    return [(r.object_name, r.trial_seed) for r in records]


def n_trials(records):
    return {name: sum(r.object_name == name for r in records) for name in CHANCES}


def n_successes(records):
    return {name: sum(r.object_name == name and r.result.success for r in records) for name in CHANCES}


@pytest.mark.parametrize("wanted", GOALS, ids=str)
def test_what_comes_next_depends_neither_on_who_works_nor_on_where_it_was_interrupted(wanted, monkeypatch):
    monkeypatch.setattr(goal, "TRIES_WITHOUT_SUCCESS", 160)
    one = sequence(wanted)
    assert len(set(ids(one))) == len(one) > 100 and ids(sequence(wanted, ahead=18)) == ids(one)
    rng, cut = np.random.default_rng(1), []
    for _ in range(60):
        cut = sequence(wanted, cut, ahead=int(rng.integers(1, 9)), dies_after=int(rng.integers(0, 9)))
    assert ids(cut) == ids(one)


@pytest.mark.parametrize("asked, made", [(1, 32), (32, 32), (33, 64), (321, 352)])
def test_trials_are_rounded_up_to_batches_spread_over_the_objects(asked, made):
    records = sequence(Goal(trials=asked), ahead=7)
    batches_of = [n // CANDIDATES for n in n_trials(records).values()]
    assert len(records) == made and max(batches_of) - min(batches_of) <= 1
    assert batches_of == sorted(batches_of, reverse=True)


def test_easy_objects_do_not_crowd_out_the_others(monkeypatch):
    monkeypatch.setattr(goal, "TRIES_WITHOUT_SUCCESS", 640)
    got = n_successes(sequence(Goal(successes=300, each=20)))
    assert sum(got.values()) >= 300 and max(got.values()) < 2 * 300 / len(got) + CANDIDATES
    assert all(n >= 20 or name == "never_0" for name, n in got.items())


def test_objects_that_never_succeed_are_given_up_and_the_others_make_up_for_them():
    models = {name: MODELS[name] for name in ("often_0", "never_0")}
    records = sequence(Goal(successes=300, each=50), models=models, ahead=6)
    assert n_trials(records)["never_0"] == 2016 and 300 <= n_successes(records)["often_0"] < 300 + CANDIDATES
    alone = {name: MODELS[name] for name in ("never_0",)}
    assert len(sequence(Goal(successes=10), models=alone, ahead=6)) == 2016


def test_an_easy_object_exceeds_its_share_where_the_others_were_given_up(monkeypatch):
    monkeypatch.setattr(goal, "TRIES_WITHOUT_SUCCESS", 160)
    models = {name: MODELS[name] for name in ("often_0", "seldom_0", "never_0")}
    records = sequence(Goal(successes=300), models=models)
    assert ids(records) == ids(sequence(Goal(successes=300), models=models, ahead=9))
    assert ids(records) == ids(sequence(Goal(successes=300), records[:320], models=models))
    assert n_successes(records)["often_0"] > 2 * 300 / len(models) and sum(n_successes(records).values()) >= 300


def test_a_higher_goal_goes_on_where_the_lower_ended():
    first = sequence(Goal(successes=50))
    assert ids(sequence(Goal(successes=50), first)) == ids(first)
    more = sequence(Goal(successes=80), first)
    assert ids(more)[: len(first)] == ids(first) and 80 <= sum(n_successes(more).values()) < 80 + CANDIDATES
    assert ids(sequence(Goal(trials=64), sequence(Goal(trials=32)))) == ids(sequence(Goal(trials=64)))


def test_an_object_that_no_hand_can_hold_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(goal, "TRIES_WITHOUT_SUCCESS", 32)
    sheet = Part("box", (0.1, 0.1, 0.003), (0.0, 0.0, 0.003), (0.0, 0.0, 0.0, 1.0))
    objects = [ObjectModel("sheet", 0, (sheet,), (0.5, 0.5, 0.5))]
    done = collect(tmp_path / "x.db", "train", objects, Goal(successes=1), Here(run_once), progress=False)
    assert (done["trials"], done["given_up"]) == (32, ["sheet_0"])


@pytest.mark.parametrize(
    "bad, told",
    [({}, "say how much"), ({"trials": 1, "successes": 1}, "say how much"), ({"trials": 0}, "at least 1, got 0"),
     ({"successes": -3}, "at least 1, got -3"), ({"successes": 3, "each": -1}, "at least 0, .*got -1"),
     ({"trials": 3, "each": 2}, "0 for a number of trials, got 2")],
)  # fmt: skip
def test_goals_that_are_none(bad, told):
    with pytest.raises(GmiError, match=told):
        Goal(**bad)


# What is stored.


def trials(path):
    with Store(path) as kept:
        return [e.outcome_id for e in kept]


def test_a_resumed_collection_holds_what_one_run_would(store):
    jobs = [Job(model, 0, 4, TWO_VIEWS) for model in OBJECTS]
    wanted = [e for job in jobs for r in run_once(job).records for e in episodes_of(r, "train")]
    with Store(store) as kept:
        found = list(kept)
    assert [e.outcome_id for e in found] == [e.outcome_id for e in wanted]
    for a, b in zip(found, wanted, strict=True):
        assert a.success == b.success and a.reason == b.reason and a.recipe == b.recipe
        np.testing.assert_allclose(a.camera_from_palm, b.camera_from_palm, atol=1e-6)


@pytest.mark.parametrize(
    "other, told",
    [({"seed": 5}, "begun with seed 4, not 5"), ({"views": 1}, "other options"), ({"pinned": False}, "other options"),
     ({"objects": OBJECTS[:1]}, "'random_4'.* 1 objects given")],
    ids=str,
)  # fmt: skip
def test_a_store_begun_otherwise_is_refused_and_left_alone(store, other, told):
    before = trials(store)
    options = {"seed": 4, "objects": OBJECTS} | {k: other[k] for k in ("seed", "objects") if k in other}
    varied = {k: v for k, v in other.items() if k not in options}
    with pytest.raises(GmiError, match=told) as refused:
        kind = dataclasses.replace(TWO_VIEWS, **varied)
        collect(store, "train", goal=Goal(trials=96), engine=Here(run_once), options=kind, progress=False, **options)
    assert refused.value.code == ErrorCode.BAD_REQUEST and str(store) in refused.value.message
    assert trials(store) == before


@pytest.mark.parametrize("bad", [{"seed": -1}, {"seed": 2**31}, {"objects": []}], ids=str)
def test_bad_requests_make_no_store(tmp_path, bad):
    with pytest.raises(GmiError) as refused:
        collect(tmp_path / "x.db", "train", **{"objects": OBJECTS, "goal": Goal(5), "engine": Here(run_once)} | bad)
    assert refused.value.code == ErrorCode.BAD_REQUEST and not (tmp_path / "x.db").exists()


def test_another_split_in_the_same_store_is_a_collection_of_its_own(store, tmp_path):
    both = tmp_path / "both.db"
    both.write_bytes(store.read_bytes())
    done = collect(both, "dev", OBJECTS, Goal(trials=32), Here(run_once), 4, TWO_VIEWS, progress=False)
    assert done["trials"] == 32 and [i for i in trials(both) if not i.startswith("dev/")] == trials(store)


# What it is good for.


def test_successes_become_training_pairs_with_their_contacts_on_the_object(store):
    data = load_grasp_data([store], workers=1, progress=False)
    assert len(data.grasps) > 0 and data.mask[data.image_index].any(axis=(1, 2)).all()
    contacts = data.grasps.reshape(-1, 2, 3, 3)[:, 0]
    assert np.abs(contacts).max() < 0.25
    normals = data.grasps.reshape(-1, 2, 3, 3)[:, 1]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-3)


def test_shared_views_hold_the_own_pairs_and_more_with_the_angle(store):
    own, narrow, wide = (
        load_grasp_data([store], workers=1, progress=False, within=np.radians(degrees)) for degrees in (0, 20, 75)
    )
    assert own.own.all() and (narrow.own.sum(), wide.own.sum()) == (len(own), len(own)) and len(wide) > len(own)
    np.testing.assert_array_equal(wide.grasps[wide.own], own.grasps)
    assert np.array_equal(own.rgb, wide.rgb) and len(own) <= len(narrow) <= len(wide)
    keys = [set(zip(d.image_index.tolist(), d.trial.tolist())) for d in (own, narrow, wide)]
    assert keys[0] <= keys[1] <= keys[2] and len(keys[2]) == len(wide)


def test_failures_are_kept_with_their_reason(store):
    with Store(store) as kept:
        reasons = {e.reason for e in kept.episodes(success=False)}
    assert reasons and "" not in reasons


def test_an_episode_is_rendered_as_it_was_seen(store):
    with Store(store) as kept:
        seen = render_episode(next(kept.episodes(success=True)))
    assert seen.mask.any() and abs(float(np.median(seen.depth[seen.mask]))) < 0.01


def test_nothing_to_train_on(tmp_path):
    with Store(tmp_path / "empty.db", "rw"):
        pass
    with pytest.raises(GmiError, match="no successful grasp"):
        load_grasp_data([tmp_path / "empty.db"], progress=False)
