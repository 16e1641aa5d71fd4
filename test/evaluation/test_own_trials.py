"""Trials of a network's own grasps, and what an evaluator makes of trials: repeatable, continued, seen honestly."""

from pathlib import Path

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.instances import free_instance
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.own_trials import WRIST_OFFSET, OwnTrials, collect_own, main, try_own_grasps
from gmi_ros.evaluation.recipes import camera_of, resting_pose
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.protocols import LIFT, STRICT_TURNED, judge_grasp
from gmi_ros.sim.splits import SPLITS, objects_of, practice_objects
from gmi_ros.sim.trial import REASONS, GraspPlan

FOLDER = Path(resource(SHIPPED))
WANTED = OwnTrials(seed=7, samples=32, tried=4, repeats=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("own") / "own.db"
    told = collect_own(out, FOLDER, "practice", 6, WANTED, workers=1, progress=False)
    assert told["trials"] >= 8 and 0 < told["successes"] < told["trials"]
    return out


def test_a_begun_store_goes_on_to_the_same_end(store, tmp_path):
    again = tmp_path / "again.db"
    for views in (3, 6):
        collect_own(again, FOLDER, "practice", views, WANTED, workers=1, progress=False)
    with Store(store) as one, Store(again) as other:
        for a, b in zip(one, other, strict=True):
            assert (a.outcome_id, a.success, a.hold_share) == (b.outcome_id, b.success, b.hold_share)
            np.testing.assert_array_equal(a.camera_from_palm, b.camera_from_palm)


def test_what_is_kept_of_a_trial(store):
    with Store(store) as found:
        episodes = list(found)
    assert len({e.observation_id for e in episodes}) <= 6
    for e in episodes:
        assert e.hold_share in (0.0, 0.5, 1.0) and e.contacts_predicted is not None and e.reason in REASONS
        assert e.model_hash == load_model(FOLDER, 1).hash and e.split == "practice"
        assert e.closing_turn is None or 0 <= e.closing_turn < np.pi
    assert sum(e.closing_turn is not None for e in episodes) > len(episodes) / 2


def test_a_stored_grasp_ends_as_it_did(store):
    """From the record alone: where the object lay, where the palm went, how far the hand was open."""
    hand, objects = load_hand(), {o.name: o for o in practice_objects(6)}
    with Store(store) as found:
        episode = next(e for e in found if e.success)
    palm = camera_of(episode).world_from_camera @ episode.camera_from_palm.astype(float)
    model = load_model(FOLDER, 1)
    instance = free_instance(list(objects.values()), _number(episode), WANTED.seed, _number(episode) % 2 == 1)
    np.testing.assert_allclose(instance.world_from_object, resting_pose(episode), atol=1e-6)
    from gmi_ros.sim.trial import plan_of
    from gmi_ros.pipeline import synthesize

    synthesis = synthesize(instance.frame(), model, hand, _settings(), seed=episode.seed)
    grasp = min(
        synthesis.grasps, key=lambda g: np.abs(instance.camera.world_from_camera @ g.camera_from_palm - palm).max()
    )
    plan = plan_of(grasp, instance.camera.world_from_camera, load_hand())
    np.testing.assert_allclose(plan.world_from_palm, palm, atol=1e-5)
    assert isinstance(plan, GraspPlan)
    assert judge_grasp(objects[episode.object_name], hand, LIFT, instance.world_from_object, plan).success


def _number(episode) -> int:
    from gmi_ros.evaluation.own_trials import MOST_TRIED
    from gmi_ros.sim.collect import TRIALS_PER_SEED

    return episode.trial_seed % TRIALS_PER_SEED // MOST_TRIED


def _settings():
    from gmi_ros.core.settings import SynthesisSettings

    return SynthesisSettings(n_samples=WANTED.samples, max_grasps=WANTED.samples)


def test_errors_of_the_wrist_are_as_large_as_said():
    from gmi_ros.evaluation.own_trials import _displaced, _errors

    errors = list(_errors(4000, np.random.default_rng(0)))
    offsets, turns = (np.array(part) for part in zip(*errors, strict=True))
    assert np.sqrt((offsets**2).sum(axis=1).mean()) == pytest.approx(WRIST_OFFSET, rel=0.03)
    assert np.degrees(np.sqrt((turns**2).sum(axis=1).mean())) == pytest.approx(3, rel=0.03)
    plan = GraspPlan(np.eye(4), poses.make(np.eye(3), np.array([0.1, 0.2, 0.3])), np.zeros(4), None)
    moved = _displaced(plan, *errors[0])
    assert poses.is_rigid(moved.world_from_palm)
    np.testing.assert_allclose(moved.world_from_palm[:3, 3] - plan.world_from_palm[:3, 3], errors[0][0], atol=1e-12)


def test_half_of_what_is_tried_are_the_best():
    instance, model = free_instance(practice_objects(1), 0, 7), load_model(FOLDER, 1)
    found = [e.camera_from_palm for e in try_own_grasps(instance, model, "practice", OwnTrials(7, 64, 8, 0))]
    best = [e.camera_from_palm for e in try_own_grasps(instance, model, "practice", OwnTrials(7, 64, 4, 0))][:2]
    np.testing.assert_array_equal(found[:2], best)
    assert len(found) == len({pose.tobytes() for pose in found})


def test_practice_objects_are_in_no_split():
    practised = practice_objects(60)
    assert len({o.name for o in practised}) == 60
    assert not {o.name for o in practised} & {o.name for split in SPLITS for o in objects_of(split)}
    assert [o.name for o in practice_objects(20, 10)] == [o.name for o in practised[10:30]]
    assert [o.name for o in practice_objects(2, 7, "assorted")] == ["assorted_7", "assorted_8"]


def test_all_candidates_of_a_pose_are_seen_by_the_same_cameras(tmp_path):
    """Else the view would tell how the trial ended. And the fingers are where the hand was, whoever looks."""
    data = load_judged([Path(resource("data/dev.db.zst"))], workers=1, progress=False)
    held = np.array([data.held[data.image_index == i].mean() for i in range(len(data.rgb))])
    assert 0.3 < data.held.mean() < 0.7 and ((held > 0) & (held < 1)).mean() > 0.8
    assert np.isnan(data.share).all() and np.isnan(data.steady).all() and np.isnan(data.planned).all()
    np.testing.assert_allclose(np.linalg.det(data.fingers[..., :3]), 1, atol=1e-4)
    # Where a grasp held, the object is between the fingers: the mean of the knuckles is about a hand's length away.
    reach = np.linalg.norm(data.fingers[..., 3].mean(axis=1), axis=1)
    assert 0.02 < np.median(reach[data.held]) < 0.2


def test_own_grasps_are_judged_in_their_view(store):
    data = load_judged([store], workers=1, progress=False)
    with Store(store) as found:
        tried = list(found)
    assert len(data) == len(tried) and sorted(data.share) == sorted(np.float32(e.hold_share) for e in tried)
    assert data.held.sum() == sum(e.success for e in tried)
    planned = sorted(e.contacts_predicted[2, 0] for e in tried)
    np.testing.assert_allclose(sorted(data.planned[:, 2, 0]), planned, atol=1e-6)
    turns = np.array([np.nan if e.closing_turn is None else e.closing_turn for e in tried])
    assert np.isfinite(data.steady).sum() == np.isfinite(turns).sum()
    assert (data.steady > 0.5).sum() == (turns < STRICT_TURNED).sum()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--views", "0"], "at least 1"),
        (["--views", "2", "--tried", "65"], "tried must be in"),
        (["--views", "2", "--repeats", "-1"], "repeats must be in"),
        (["--views", "2", "--split", "similar"], "for testing"),
        (["--views", "2", "--model", "/nowhere"], "is not a folder"),
    ],
)
def test_bad_options_are_told(words, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*(["--model", str(FOLDER)] if "--model" not in words else []), "--out", str(tmp_path / "o.db"), *words])
    assert told in capsys.readouterr().err + str(caught.value)


def test_another_run_is_not_continued(store):
    with pytest.raises(GmiError, match="another network or seed"):
        collect_own(store, FOLDER, "practice", 7, OwnTrials(seed=8), workers=1, progress=False)
    with pytest.raises(GmiError, match="for testing"):
        collect_own(store, FOLDER, "similar", 7, WANTED, workers=1, progress=False)
