"""The one road: same frame, model and seed give the same grasps to the bit; filters and ranking do what they say."""

import dataclasses
import sys

import numpy as np
import pytest
from scipy.special import expit

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.masks import DILATED, ERODED, EXACT, worsened
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.model import GraspSamples
from gmi_ros.learning.spec import JUDGEMENTS
from gmi_ros.pipeline import STAGES, ranking, synthesize
from gmi_ros.sim.camera import KINECT, Camera, look_at, render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.rehearsal import KINDS, believed

HAND = load_hand()


class Repeats:
    """A model that answers with the hand's own fingertips around an object, the first sample the best."""

    hash, evaluator = "0" * 16, None

    def sample(self, image, n, seed):
        rng = np.random.default_rng(seed)
        joints = np.column_stack([rng.uniform(0.1, 0.4, n), rng.uniform(1.0, 1.2, (n, 3))])
        tips, pads = HAND.touching.tips(joints), HAND.touching.pad_normals(joints)
        object_from_palm = poses.make(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([-0.15, 0, 0]))
        normals = -poses.rotate(object_from_palm, pads)
        centres = poses.transform_points(object_from_palm, tips)
        return GraspSamples(centres - HAND.touch.radius * normals, normals, lambda rows: -rows.astype(float))


@pytest.fixture(scope="module")
def frame():
    cell = Cell(find_object("can_0"), None)
    camera = Camera(KINECT, look_at(np.array([0, 0, 0.05]), 0.3, 1.0, 0.7))
    return render(cell.model, cell.data, camera, {cell.object_body: 1}, stamp_ns=255)


def test_the_same_request_gives_the_same_bits(frame):
    first, second = (synthesize(frame, Repeats(), HAND, seed=3) for _ in range(2))
    assert first.grasps and list(first.stages_ms) == list(STAGES)
    for a, b in zip(first.grasps, second.grasps, strict=True):
        for field in dataclasses.fields(a):
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))
    assert synthesize(frame, Repeats(), HAND, seed=4).grasps[0].grasp_id != first.grasps[0].grasp_id


def test_grasps_come_best_first_and_every_sample_is_accounted_for(frame):
    answer = synthesize(frame, Repeats(), HAND, SynthesisSettings(max_grasps=4096), seed=3)
    scores = [g.score for g in answer.grasps]
    assert scores == sorted(scores, reverse=True)
    assert len(answer.grasps) + sum(answer.rejected.values()) == answer.n_samples


def test_the_wrist_brings_the_fingertips_to_the_contacts(frame):
    best = synthesize(frame, Repeats(), HAND, seed=3).grasps[0]
    assert best.residual.max() < 1e-4
    assert best.camera_from_palm[2, 3] < 0.7  # the palm is on the camera's side
    back = best.camera_from_palm[:3, 3] - best.camera_from_pregrasp[:3, 3]
    np.testing.assert_allclose(back, 0.10 * best.camera_from_palm[:3, 2], atol=1e-9)


REFUSED = [
    ({"max_residual": 0.0}, "unreachable"),
    ({"max_spread": 0.05}, "spread"),
    ({"max_surface_distance": 0.0}, "off_surface"),
    ({"min_contact_separation": 0.5}, "contacts_too_close"),
    ({"max_contact_separation": 0.01}, "contacts_too_far_apart"),
    ({"workspace_low": (1.0, 1.0, 1.0)}, "workspace"),
    ({"approach_axis": (0.0, 0.0, -1.0), "max_approach_angle": 1.0}, "approach_angle"),
    ({"table_clearance": 0.9}, "fingertip_below_table"),
    # the palm at 0.5 m is on its wrong side; on the other all that is seen stands high, and the mask would grow
    ({"table_plane": (0.0, 0.0, 1.0, -0.54), "mask_reach_px": 0}, "hand_below_table"),
    ({"palm_clearance": 0.9}, "palm_in_cloud"),
    ({"finger_clearance": 0.9}, "fingers_in_cloud"),
    ({"min_score": 1e6}, "score"),
]


@pytest.mark.parametrize("setting, reason", REFUSED, ids=[reason for _, reason in REFUSED])
def test_every_filter_counts_what_it_rejects_and_says_what_would_let_some_pass(frame, setting, reason):
    settings = SynthesisSettings(**setting)
    answer = synthesize(frame, Repeats(), HAND, settings, seed=3)
    assert not answer.grasps and answer.error_code == ErrorCode.NO_GRASP
    assert answer.rejected[reason] == max(answer.rejected.values()) > 0
    assert f"{answer.rejected[reason]} {reason}" in answer.message

    remedy = answer.remedy
    assert remedy.reason == reason and remedy.fell == answer.rejected[reason] and 1 <= remedy.passing <= remedy.fell
    assert f"the last {remedy.fell} fell to {reason}: {next(iter(remedy.changes))} " in answer.message
    again = synthesize(frame, Repeats(), HAND, dataclasses.replace(settings, **remedy.changes), seed=3)
    assert again.rejected[reason] == remedy.fell - remedy.passing


def test_a_filter_that_no_value_opens_says_so(frame):
    answer = synthesize(frame, Repeats(), HAND, SynthesisSettings(table_plane=(0.0, 0.0, 1.0, -5.0)), seed=3)
    assert answer.remedy.reason == "fingertip_below_table" and answer.remedy.changes == {}
    assert "no value of its setting would let any past it" in answer.message


def test_grasps_need_no_remedy(frame):
    assert synthesize(frame, Repeats(), HAND, seed=3).remedy is None


def test_all_three_fingers_arrive_together(frame):
    for grasp in synthesize(frame, Repeats(), HAND, seed=3).grasps:
        travel = np.maximum(grasp.joints[1:] - grasp.joints_open[1:], 0)
        np.testing.assert_allclose(
            grasp.finger_start + travel / grasp.finger_speed, travel.max() / grasp.finger_speed[0]
        )


def test_refusals_pass_through(frame):
    with pytest.raises(GmiError) as refused:
        synthesize(frame, Repeats(), HAND, label=9)
    assert refused.value.code == ErrorCode.LABEL_NOT_FOUND


def test_a_given_table_counts_instead_of_the_one_seen(frame):
    seen = synthesize(frame, Repeats(), HAND, seed=3)
    plane = (*seen.table.normal, -seen.table.offset)
    given = synthesize(frame, Repeats(), HAND, SynthesisSettings(table_plane=plane), seed=3)
    assert [g.grasp_id for g in given.grasps] == [g.grasp_id for g in seen.grasps]
    raised = (*seen.table.normal, -seen.table.offset - 0.5)
    assert synthesize(frame, Repeats(), HAND, SynthesisSettings(table_plane=raised), seed=3).rejected[
        "fingertip_below_table"
    ]


def _answers_for(frame, kind):
    """For the exact mask, for one that is off and mended, and for that taken as it is."""
    off = worsened(frame, kind, seed=1)
    return (
        synthesize(seen, Repeats(), HAND, SynthesisSettings(mask_reach_px=reach), seed=3)
        for seen, reach in ((frame, 4), (off, 4), (off, 0))
    )


def test_a_mask_some_pixels_too_large_gives_the_same_answer(frame):
    exact, mended, taken = _answers_for(frame, DILATED)
    assert mended.observation_id == exact.observation_id != taken.observation_id
    assert [g.grasp_id for g in mended.grasps] == [g.grasp_id for g in exact.grasps]
    np.testing.assert_array_equal(mended.grasps[0].camera_from_palm, exact.grasps[0].camera_from_palm)


def test_of_a_mask_some_pixels_too_small_only_the_foot_on_the_table_stays_missing(frame):
    exact, mended, taken = (answer.object_frame for answer in _answers_for(frame, ERODED))
    assert taken.n_pixels < 0.8 * exact.n_pixels and 0.95 * exact.n_pixels < mended.n_pixels <= exact.n_pixels
    assert np.linalg.norm(mended.camera_from_object[:3, 3] - exact.camera_from_object[:3, 3]) < 0.002


def test_mending_refuses_no_mask_that_was_large_enough(frame):
    exact, *_ = _answers_for(frame, EXACT)
    settings = SynthesisSettings(min_mask_pixels=exact.object_frame.n_pixels + 1)
    taken = synthesize(worsened(frame, DILATED, seed=1), Repeats(), HAND, settings, seed=3)
    assert taken.object_frame.n_pixels > exact.object_frame.n_pixels


def test_table_and_approach_are_in_the_output_frame(frame):
    turn = poses.from_xyzw(np.array([0.3, -0.2, 0.1]), np.array([0.1, 0.5, -0.3, 0.8]))  # output_from_camera
    seen = synthesize(frame, Repeats(), HAND, seed=3)
    normal = turn[:3, :3] @ seen.table.normal
    plane = (*normal, -seen.table.offset - normal @ turn[:3, 3])
    settings = SynthesisSettings(table_plane=plane, approach_axis=tuple(turn[:3, 2]), max_approach_angle=1.2)
    given = synthesize(frame, Repeats(), HAND, settings, seed=3, output_from_camera=turn)
    np.testing.assert_allclose(given.table.normal, seen.table.normal, atol=1e-9)
    assert given.table.offset == pytest.approx(seen.table.offset)
    assert given.grasps and {g.grasp_id for g in given.grasps} <= {
        g.grasp_id for g in synthesize(frame, Repeats(), HAND, SynthesisSettings(max_grasps=64), seed=3).grasps
    }


def test_ids_name_what_was_seen(frame):
    """Under simulated time, and from files, stamps come again with other pictures."""
    first = synthesize(frame, Repeats(), HAND, seed=3)
    darker = dataclasses.replace(frame, rgb=frame.rgb // 2)
    assert synthesize(darker, Repeats(), HAND, seed=3).observation_id != first.observation_id
    assert synthesize(frame, Repeats(), HAND, seed=4).observation_id == first.observation_id


class Doubts:
    """An evaluator that finds every grasp as likely as it was told."""

    calibration, trust = Calibration(), Calibration()

    def __init__(self, probability):
        self.probability = probability

    def probabilities(self, image, distance, table, fingers, planned):
        assert planned.shape == (len(fingers), 3, 6) and np.isfinite(planned).all()
        assert table.shape == (4,) and fingers.shape[1:] == (3, 4, 4) and 0.2 < distance < 2
        return np.full((len(fingers), len(JUDGEMENTS)), self.probability)


def ranked_by(probability):
    model = Repeats()
    model.evaluator = Doubts(probability)
    return model


def test_a_doubtful_best_grasp_makes_it_draw_again(frame):
    settings = SynthesisSettings(n_samples=16, max_grasps=8, sure_score=0.8, max_batches=3, rehearsals=0)
    sure = synthesize(frame, ranked_by(0.9), HAND, settings, seed=3)
    doubtful, again = (synthesize(frame, ranked_by(0.5), HAND, settings, seed=3) for _ in range(2))
    assert sure.n_samples == 16 and doubtful.n_samples == 48
    assert sum(doubtful.rejected.values()) <= 48 and len(doubtful.grasps) == 8
    assert len({g.grasp_id for g in doubtful.grasps}) == 8
    assert [g.grasp_id for g in again.grasps] == [g.grasp_id for g in doubtful.grasps]
    assert doubtful.grasps[0].hold_probability == doubtful.grasps[0].score == 0.5
    # Without an evaluator there is nothing to doubt.
    plain = synthesize(frame, Repeats(), HAND, settings, seed=3)
    assert plain.n_samples == 16 and np.isnan(plain.grasps[0].hold_probability)


def test_a_least_score_is_a_probability_with_an_evaluator(frame):
    refused = synthesize(
        frame, ranked_by(0.5), HAND, SynthesisSettings(n_samples=16, min_score=0.7, rehearsals=0), seed=3
    )
    assert not refused.grasps and refused.rejected["score"] > 0 and "min_score <= 0.5" in refused.message


def test_each_answer_raises_the_score_and_only_the_first_the_probability():
    told = np.array([[0.6, 0.5, 0.7], [0.7, 0.5, 0.7], [0.6, 0.6, 0.7], [0.6, 0.5, 0.8]])
    hold, score = ranking(told, Calibration())
    np.testing.assert_array_equal(hold, told[:, 0])
    assert (score[1:] > score[0]).all() and score[3] > score[1]
    odds = np.prod((told / (1 - told)) ** [0.3, 0.3, 0.4], axis=1)
    np.testing.assert_allclose(score, odds / (1 + odds))
    np.testing.assert_allclose(ranking(np.full((1, 3), 0.9), Calibration())[1], 0.9)
    assert np.isfinite(ranking(np.array([[0.0, 1.0, 0.5]]), Calibration())[1]).all()
    assert [part.shape for part in ranking(np.empty((0, 3)), Calibration())] == [(0,), (0,)]
    np.testing.assert_allclose(ranking(told[:, :2], Calibration())[1], told[:, :2].mean(axis=1))  # without the third


def test_rehearsals_change_the_order_and_nothing_else(frame):
    plain = synthesize(frame, ranked_by(0.7), HAND, SynthesisSettings(max_grasps=256, rehearsals=0), seed=3)
    few, again = (
        synthesize(
            frame,
            ranked_by(0.7),
            HAND,
            SynthesisSettings(max_grasps=256, rehearsals=7, sure_rehearsed=1.0, max_redraws=0),
            seed=3,
        )
        for _ in range(2)
    )
    assert not any(grasp.rehearsed for grasp in plain.grasps) and "rehears" not in plain.message
    assert sum(len(grasp.rehearsed) for grasp in few.grasps) == 7 and "7 rehearsals" in few.message
    assert {g.grasp_id for g in few.grasps} == {g.grasp_id for g in plain.grasps}
    scores = [grasp.score for grasp in few.grasps]
    assert scores == sorted(scores, reverse=True) == [grasp.hold_probability for grasp in few.grasps]
    prior = np.log(0.7 / 0.3)
    for grasp in few.grasps:
        assert grasp.score == pytest.approx(expit(believed(prior, grasp.rehearsed)))
    assert [(g.grasp_id, g.score, g.rehearsed) for g in few.grasps] == [
        (g.grasp_id, g.score, g.rehearsed) for g in again.grasps
    ]


def test_the_evaluator_counts_for_what_it_is_trusted_beside_rehearsals(frame):
    settings = SynthesisSettings(max_grasps=256, rehearsals=7, sure_rehearsed=1.0, max_redraws=0)
    model = ranked_by(0.7)
    model.evaluator.trust = Calibration(1.8, 0.0, -0.4)
    answer = synthesize(frame, model, HAND, settings, seed=3)
    prior = 1.8 * np.log(0.7 / 0.3) - 0.4
    for grasp in answer.grasps:
        assert grasp.score == pytest.approx(expit(believed(prior, grasp.rehearsed)))
    plain = synthesize(frame, model, HAND, dataclasses.replace(settings, rehearsals=0), seed=3)
    assert [grasp.score for grasp in plain.grasps] == pytest.approx([0.7] * len(plain.grasps))


def test_who_wants_to_be_sure_has_every_grasp_rehearsed_in_every_way(frame):
    settings = SynthesisSettings(n_samples=8, max_batches=1, rehearsals=1000, sure_rehearsed=1.0, max_redraws=0)
    answer = synthesize(frame, ranked_by(0.7), HAND, settings, seed=3)
    assert answer.grasps and all(len(grasp.rehearsed) == len(KINDS) for grasp in answer.grasps)


def test_one_that_is_believed_in_at_once_need_not_be_rehearsed_in_every_way(frame):
    at_once, patient = (
        synthesize(
            frame, ranked_by(0.7), HAND, SynthesisSettings(max_grasps=64, sure_rehearsed=0.5, sure_at_once=p), seed=3
        )
        for p in (0.5, 1.0)
    )
    assert 1 <= len(at_once.grasps[0].rehearsed) < len(KINDS) == len(patient.grasps[0].rehearsed)
    assert at_once.grasps[0].score >= 0.5
    outcomes = {grasp.grasp_id: grasp.rehearsed for grasp in patient.grasps}
    for grasp in at_once.grasps:
        assert outcomes[grasp.grasp_id][: len(grasp.rehearsed)] == grasp.rehearsed


def test_where_none_is_believed_in_more_are_drawn_and_what_was_tried_is_not_tried_again(frame):
    settings = SynthesisSettings(n_samples=8, max_batches=1, max_grasps=64, rehearsals=1000, sure_rehearsed=1.0)
    once, thrice = (
        synthesize(frame, ranked_by(0.7), HAND, dataclasses.replace(settings, max_redraws=n), seed=3) for n in (0, 2)
    )
    assert once.n_samples == 8 and thrice.n_samples == 24
    assert all(len(grasp.rehearsed) == len(KINDS) for grasp in thrice.grasps)
    first = {grasp.grasp_id: grasp for grasp in once.grasps}
    again = {grasp.grasp_id: grasp for grasp in thrice.grasps}
    assert set(first) < set(again) and all(again[i].rehearsed == first[i].rehearsed for i in first)
    content = synthesize(frame, ranked_by(0.7), HAND, dataclasses.replace(settings, sure_rehearsed=0.0), seed=3)
    assert content.n_samples == 8


def test_a_least_score_holds_after_rehearsals_too(frame):
    sure = SynthesisSettings(
        n_samples=16, max_batches=1, max_grasps=64, rehearsals=1000, sure_rehearsed=1.0, max_redraws=0
    )
    everything = synthesize(frame, ranked_by(0.7), HAND, sure, seed=3)
    least = float(np.median([grasp.score for grasp in everything.grasps])) + 1e-6
    few = synthesize(frame, ranked_by(0.7), HAND, dataclasses.replace(sure, min_score=min(least, 0.69)), seed=3)
    assert all(grasp.score >= min(least, 0.69) for grasp in few.grasps)
    assert len(few.grasps) + sum(few.rejected.values()) == few.n_samples
    none = synthesize(frame, ranked_by(0.7), HAND, dataclasses.replace(sure, min_score=0.999), seed=3)
    assert not none.grasps and "min_score <= " in none.message


def test_nothing_is_rehearsed_without_an_evaluator_or_a_table(frame):
    unranked = synthesize(frame, Repeats(), HAND, SynthesisSettings(rehearsals=9), seed=3)
    hanging = dataclasses.replace(frame, depth=np.where(frame.mask == 1, frame.depth, 0).astype(np.float32))
    model = ranked_by(0.7)
    model.evaluator.probabilities = lambda image, distance, table, fingers, planned: np.full((len(fingers), 3), 0.7)
    untabled = synthesize(hanging, model, HAND, SynthesisSettings(rehearsals=9), seed=3)
    assert untabled.table is None and "not rehearsed: no table is seen" in untabled.message
    assert "rehears" not in unranked.message
    for answer in (unranked, untabled):
        assert answer.grasps and not any(grasp.rehearsed for grasp in answer.grasps)


def test_what_cannot_be_rebuilt_is_told_and_ranked_as_before(frame, monkeypatch):
    def fails(*_):
        raise GmiError(ErrorCode.NO_VALID_DEPTH, "what is seen of the object is too little to be simulated")

    monkeypatch.setattr("gmi_ros.sim.rehearsal.reconstruct", fails)
    answer = synthesize(frame, ranked_by(0.7), HAND, SynthesisSettings(max_grasps=64), seed=3)
    plain = synthesize(frame, ranked_by(0.7), HAND, SynthesisSettings(max_grasps=64, rehearsals=0), seed=3)
    assert "not rehearsed: what is seen of the object is too little" in answer.message
    assert [g.grasp_id for g in answer.grasps] == [g.grasp_id for g in plain.grasps]


def test_rehearsals_without_mujoco_are_refused_by_name(frame, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("gmi_ros.sim")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(GmiError, match="'mujoco': pip install") as refused:
        synthesize(frame, ranked_by(0.7), HAND, seed=3)
    assert refused.value.code == ErrorCode.BAD_SETTING
    assert synthesize(frame, ranked_by(0.7), HAND, SynthesisSettings(rehearsals=0), seed=3).grasps
