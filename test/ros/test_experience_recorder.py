"""Every outcome is stored once, with its observation, and acknowledged only then."""

import numpy as np
import pytest
from rclpy.parameter import Parameter

from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros import qos
from gmi_ros.ros.experience_recorder import ExperienceRecorder

pytestmark = pytest.mark.ros


class Tape:
    """A recorder, and a synthesizer that is played by the test."""

    def __init__(self, live, path, **settings):
        self.live, self.path = live, path
        self.settings = {"store": str(path), "retry_period": 0.1, **settings}
        self.player = live.node("grasp_synthesizer")
        self.outcomes = self.player.create_publisher(GraspOutcome, "grasp_outcome", qos.retained(100))
        self.observations = self.player.create_publisher(Observation, "~/observation", qos.retained(20))
        self.recorded: list[Recorded] = []
        topic = "experience_recorder/recorded"
        self.player.create_subscription(Recorded, topic, self.recorded.append, qos.retained(100))
        self.start()

    def start(self) -> None:
        overrides = [Parameter(name, value=value) for name, value in self.settings.items()]
        node = ExperienceRecorder(context=self.live.context, parameter_overrides=overrides)
        self.recorder = self.live.spin(node, 2)

    def acknowledged(self, n: int) -> list[Recorded]:
        self.live.until(lambda: len(self.recorded) >= n, f"{n} acknowledgements")
        assert len(self.recorded) == n
        return self.recorded


@pytest.fixture
def tape(live, tmp_path):
    return lambda path=tmp_path / "experience.db", **settings: Tape(live, path, **settings)


def test_successes_and_failures_are_stored_with_what_the_network_saw(tape, executed):
    t = tape()
    held, seen, synthesis = executed(0, "a")
    slipped, seen_too, _ = executed(1, "b", "slipped")
    t.outcomes.publish(held)  # before its observation: pairs by id, not by arrival
    t.observations.publish(seen_too)
    t.observations.publish(seen)
    t.live.until(lambda: len(t.recorded) == 1, "the first")
    t.outcomes.publish(slipped)
    first, second = t.acknowledged(2)
    assert (first.outcome_id, first.success, first.stored, first.recorded) == ("a", True, 1, 1)
    assert (second.outcome_id, second.success, second.stored, second.recorded) == ("b", False, 2, 1)
    assert first.paired and not first.duplicate
    with Store(t.path) as store:
        episode = store.get("a")
        assert [e.success for e in store] == [True, False] and store.get("b").reason == "slipped"
    grasp = synthesis.grasps[0]
    np.testing.assert_array_equal(episode.pixels.image, synthesis.observation.image)
    np.testing.assert_allclose(episode.contacts_reached, grasp.contacts, atol=1e-6)
    np.testing.assert_allclose(episode.normals_reached, grasp.normals, atol=1e-4)
    np.testing.assert_allclose(episode.camera_from_palm, grasp.camera_from_palm, atol=1e-6)
    np.testing.assert_allclose(episode.joints, grasp.joints, atol=1e-6)
    assert episode.grasp_id == grasp.grasp_id and episode.observation_id == synthesis.observation_id
    assert episode.source == "robot" and episode.stamp_ns == 1_000_000_000 and episode.camera == "drawn"


def test_an_outcome_that_comes_again_is_acknowledged_as_a_duplicate(tape, executed):
    t = tape()
    outcome, seen, _ = executed(0, "a")
    t.observations.publish(seen)
    t.outcomes.publish(outcome)
    t.acknowledged(1)
    t.outcomes.publish(outcome)
    again = t.acknowledged(2)[1]
    assert again.duplicate and again.stored == 1 and again.recorded == 1


def test_after_a_restart_what_is_retained_is_taken_up(tape, executed):
    t = tape()
    outcome, seen, _ = executed(0, "a")
    t.observations.publish(seen)
    t.outcomes.publish(outcome)
    t.acknowledged(1)
    t.live.stop(t.recorder)
    missed, seen_too, _ = executed(1, "b")
    t.observations.publish(seen_too)
    t.outcomes.publish(missed)
    t.start()
    t.live.until(lambda: {r.outcome_id for r in t.recorded} == {"a", "b"}, "the missed outcome")
    t.live.until(lambda: len(Store(t.path)) == 2, "both in the store")


def test_an_outcome_without_its_observation_is_kept_but_not_for_training(tape, executed):
    t = tape(pair_timeout=0.2)
    outcome, _, _ = executed(0, "a")
    t.outcomes.publish(outcome)
    (recorded,) = t.acknowledged(1)
    assert not recorded.paired and recorded.stored == 1 and recorded.recorded == 0
    with Store(t.path) as store:
        assert store.get("a").pixels is None and store.get("a").split == "unpaired"


def test_a_store_that_cannot_be_written_is_tried_again(tape, executed, tmp_path):
    blocker = tmp_path / "folder"
    blocker.write_text("a file where a folder is wanted")
    t = tape(blocker / "experience.db")
    outcome, seen, _ = executed(0, "a")
    t.observations.publish(seen)
    t.outcomes.publish(outcome)
    t.live.until(lambda: t.recorder.statistics["refused.STORE_UNWRITABLE"] >= 2, "a second attempt")
    assert "STORE_UNWRITABLE" in t.recorder.ledger.fault and str(t.path) in t.recorder.ledger.fault and not t.recorded
    blocker.unlink()
    assert t.acknowledged(1)[0].stored == 1


def test_a_store_that_is_corrupt_is_left_alone_until_it_is_out_of_the_way(tape, executed):
    t = tape()
    t.path.write_bytes(b"this is no database at all, not even a small one" * 100)
    outcome, seen, _ = executed(0, "a")
    t.observations.publish(seen)
    t.outcomes.publish(outcome)
    t.live.until(lambda: t.recorder.statistics["refused.STORE_CORRUPT"] >= 2, "a second attempt")
    assert str(t.path) in t.recorder.ledger.fault and not t.recorded
    t.path.rename(t.path.with_suffix(".bad"))
    assert t.acknowledged(1)[0].stored == 1


def test_a_store_that_is_taken_away_is_made_again(tape, executed):
    t = tape()
    for n, name in enumerate("ab"):
        outcome, seen, _ = executed(n, name)
        t.observations.publish(seen)
        t.outcomes.publish(outcome)
        assert t.acknowledged(n + 1)[n].stored == 1
        t.path.unlink()


def test_an_outcome_that_is_no_record_is_refused_and_the_next_is_stored(tape, executed):
    t = tape()
    outcome, seen, _ = executed(0, "")
    t.outcomes.publish(outcome)
    broken, _, _ = executed(0, "broken")
    broken.grasp.object_pose.orientation.w = float("nan")
    t.observations.publish(seen)
    t.outcomes.publish(broken)
    endless, _, _ = executed(0, "n" * 100_000)
    t.outcomes.publish(endless)
    t.live.until(lambda: t.recorder.statistics["dropped.BAD_REQUEST"] == 3, "the refusals")
    good, _, _ = executed(0, "good")
    t.outcomes.publish(good)
    assert t.acknowledged(1)[0].outcome_id == "good"
