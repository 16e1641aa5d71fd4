"""Imagined trials: of which views, in whose frame, continued to the same end, and never of what cannot be seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation import tuning
from gmi_ros.evaluation.imagined import REHEARSAL, imagine
from gmi_ros.evaluation.instances import Instance
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.picks import record_picks
from gmi_ros.evaluation.recipes import camera_of, object_of, resting_pose
from gmi_ros.evaluation.tuning import IMAGINED, Tuning, fine_tune
from gmi_ros.experience.episode import Pixels
from gmi_ros.experience.full_frames import FOLDER, FullFrames
from gmi_ros.experience.store import Store
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.networks import RCVAE
from gmi_ros.learning.tuning import GENERATOR_TUNING, Mixture
from gmi_ros.pipeline import synthesize
from gmi_ros.sim.splits import objects_of

WORK = Path(resource(SHIPPED))
SMALL = NetworkConfig(kernels=(7, 5, 5, 5), channels=(2, 2, 4, 4), hidden=8, latent=2)
VIEWS = 3
HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def picks(tmp_path_factory):
    out = tmp_path_factory.mktemp("picks") / "picks.db"
    record_picks(out, WORK, "dev", objects_of("dev")[:2], VIEWS, 5, progress=False)
    with Store(out, "rw") as store:  # the last one failed, a person says
        last = list(store)[-1]
        store.judge(last.outcome_id, False, judged_by="person")
    return out


@pytest.fixture(scope="module")
def dreamt(picks, tmp_path_factory):
    out = tmp_path_factory.mktemp("dreamt") / "imagined.db"
    return out, imagine(out, WORK, (picks,), VIEWS, progress=False)


def episodes_of(path):
    with Store(path) as store:
        return list(store)


def test_the_views_of_records_are_learned_from_again(picks, dreamt):
    out, told = dreamt
    recorded, found = {e.observation_id: e for e in episodes_of(picks)}, episodes_of(out)
    assert told == {
        "views": VIEWS, "unseen": 0, "empty": 0, "trials": len(found), "successes": sum(e.success for e in found)
    }  # fmt: skip
    assert 0 < told["successes"] < told["trials"]
    assert found[0].observation_id == next(e.observation_id for e in recorded.values() if not e.success)
    for e in found:
        pick = recorded[e.observation_id]
        assert e.judged_by == REHEARSAL and e.model_hash == load_model(WORK, 1).hash and e.hold_share is None
        assert e.outcome_id.startswith(f"{pick.outcome_id}/imagined/")
        assert (e.object_name, e.recipe) == (pick.object_name, pick.recipe)
        np.testing.assert_allclose(e.camera_from_object, pick.camera_from_object, atol=1e-6)
        np.testing.assert_array_equal(e.contacts_reached, e.contacts_predicted)


def test_the_hand_of_an_imagined_trial_is_at_its_contacts(dreamt):
    assert max(map(off_contacts, episodes_of(dreamt[0]))) < 0.02


def off_contacts(episode) -> float:
    """How far [m] the fingertips' spheres are from where Eq. 7 was to bring them, as the record's palm and joints tell."""
    hand, e = load_hand(), episode
    o_from_palm = poses.inverse(e.camera_from_object.astype(float)) @ e.camera_from_palm.astype(float)
    centres = poses.transform_points(o_from_palm, hand.touching.tips(e.joints.astype(float)))
    wanted = e.contacts_predicted + hand.touch.radius * e.normals_predicted
    return float(np.linalg.norm(centres - wanted, axis=1).max())


def test_who_was_stopped_goes_on_to_the_same_end(picks, dreamt, tmp_path):
    for views in (1, VIEWS):
        imagine(tmp_path / "again.db", WORK, (picks,), views, progress=False)
    for a, b in zip(episodes_of(dreamt[0]), episodes_of(tmp_path / "again.db"), strict=True):
        assert (a.outcome_id, a.success) == (b.outcome_id, b.success)
        np.testing.assert_array_equal(a.camera_from_palm, b.camera_from_palm)


def test_a_store_of_other_records_is_not_gone_on_with(picks, dreamt, tmp_path):
    other = tmp_path / "other.db"
    with Store(other, "rw") as store:
        first = episodes_of(picks)[0]
        store.add(replace(first, outcome_id="other", observation_id="other"))
    before = [e.outcome_id for e in episodes_of(dreamt[0])]
    with pytest.raises(GmiError, match="begun with other records"):
        imagine(dreamt[0], WORK, (other,), VIEWS, progress=False)
    assert [e.outcome_id for e in episodes_of(dreamt[0])] == before


def test_a_robots_views_count_where_their_frames_were_kept(picks, dreamt, tmp_path):
    """The same picks as a robot would record them, one with its frame; that one's {O} is half a turn off."""
    store_path = tmp_path / "robot.db"
    frames, model = FullFrames(store_path.with_suffix(FOLDER), 10**9), load_model(WORK, 1)
    twins = episodes_of(picks)[:2]
    with Store(store_path, "rw") as store:
        for pick in twins:
            frame = Instance(0, object_of(pick), resting_pose(pick), camera_of(pick)).frame()
            answer = synthesize(frame, model, load_hand(), seed=1)
            turned = (answer.object_frame.camera_from_object @ HALF_TURN).astype(np.float32)
            robot = replace(
                pick, source="robot", recipe=None, pixels=Pixels.of(answer.observation), camera_from_object=turned,
                observation_id=answer.observation_id, outcome_id=f"robot/{pick.outcome_id}",
            )  # fmt: skip
            store.add(robot)
            if pick is twins[0]:
                frames.write(robot.observation_id, frame)
                kept = robot
    told = imagine(tmp_path / "imagined.db", WORK, (store_path,), VIEWS, progress=False)
    assert told["views"] == told["unseen"] == 1 and told["trials"] > 0
    found = episodes_of(tmp_path / "imagined.db")
    assert {e.observation_id for e in found} == {kept.observation_id}
    assert max(map(off_contacts, found)) < 0.02  # contacts in the record's own {O}, the palm in the camera's frame
    seen = [e for e in episodes_of(dreamt[0]) if e.observation_id == twins[0].observation_id]
    cloud = np.concatenate([_in_camera(e) for e in seen])
    for e in found:  # of the same object in the same place
        assert e.source == "robot" and np.abs(_in_camera(e).mean(axis=0) - cloud.mean(axis=0)).max() < 0.1


def test_without_a_view_nothing_is_written(picks, tmp_path):
    assert imagine(tmp_path / "none.db", WORK, (picks,), 0, progress=False)["trials"] == 0
    assert not list(tmp_path.iterdir())


def _in_camera(episode) -> np.ndarray:
    return poses.transform_points(episode.camera_from_object.astype(float), episode.contacts_predicted)


@pytest.fixture
def wanted(picks, tmp_path):
    """Twelve records, the three picks four times, and an untrained network to go on with."""
    with Store(tmp_path / "twelve.db", "rw") as store:
        for i, pick in enumerate(episodes_of(picks) * 4):
            name = f"{i}/{pick.outcome_id}"
            store.add(replace(pick, outcome_id=name, observation_id=name, grasp_id=name))
    checkpoint.save(tmp_path / "work", RCVAE(SMALL, seed=1), {}, "Untrained.")
    quick = replace(GENERATOR_TUNING, batch_size=8, max_epochs=1, device="cpu")
    store = (tmp_path / "twelve.db",)
    mixture = Mixture(batches=1, imagined=2)
    return Tuning(tmp_path / "work", store, store, store, ("generator",), mixture, generator=quick)


def test_what_was_imagined_is_learned_from_and_never_held_out(wanted, tmp_path):
    found = fine_tune(wanted, tmp_path / "out", workers=1, progress=False)
    held = sum(e.success for e in episodes_of(tmp_path / "out" / IMAGINED))
    alone = fine_tune(
        replace(wanted, mixture=replace(wanted.mixture, imagined=0)), tmp_path / "alone", workers=1, progress=False
    )
    assert found["imagined"]["views"] == 2 and found["imagined"]["successes"] == held > 0
    assert alone["imagined"]["views"] == 0 and not (tmp_path / "alone" / IMAGINED).exists()
    assert found["records"]["successes_held_out"] == alone["records"]["successes_held_out"]
    out = {e.observation_id for e in episodes_of(tmp_path / "out" / IMAGINED)} & held_out_of(wanted)
    expected = alone["records"]["successes"] + sum(
        e.success for e in episodes_of(tmp_path / "out" / IMAGINED) if e.observation_id not in out
    )
    assert found["records"]["successes"] == expected


def test_begun_again_from_nothing_imagines_again(wanted, tmp_path):
    fine_tune(wanted, tmp_path / "out", workers=1, progress=False)
    ids = [e.outcome_id for e in episodes_of(tmp_path / "out" / IMAGINED)]
    other = replace(wanted, mixture=replace(wanted.mixture, imagined=1))
    fine_tune(other, tmp_path / "out", workers=1, progress=False, resume=False)
    again = [e.outcome_id for e in episodes_of(tmp_path / "out" / IMAGINED)]
    assert again == ids[: len(again)] and len(again) < len(ids)


def held_out_of(wanted) -> frozenset[str]:
    return tuning._split(wanted)[0]
