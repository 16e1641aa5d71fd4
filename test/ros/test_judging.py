"""A person's verdict over the service ~/judge: committed when it is accepted, answered in any case, never forgotten."""

import pytest
from rclpy.parameter import Parameter

from gmi_ros.core.errors import ErrorCode
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation
from gmi_ros.ros import qos
from gmi_ros.ros.experience_recorder import ExperienceRecorder
from gmi_ros.ros.judging import LONGEST_NOTE
from gmi_ros.srv import JudgeGrasp

pytestmark = pytest.mark.ros
JUDGE_S = 0.3  # judge_timeout


@pytest.fixture
def judged(live, tmp_path):
    """A recorder whose outcomes wait a minute for their observation, a synthesizer and a person played by the test."""

    class Judged:
        path = tmp_path / "experience.db"

        def __init__(self):
            given = {"store": str(self.path), "pair_timeout": 60.0, "judge_timeout": JUDGE_S}
            overrides = [Parameter(name, value=value) for name, value in given.items()]
            self.recorder = live.spin(ExperienceRecorder(context=live.context, parameter_overrides=overrides))
            player = live.node("grasp_synthesizer")
            self.outcomes = player.create_publisher(GraspOutcome, "grasp_outcome", qos.retained(100))
            self.observations = player.create_publisher(Observation, "~/observation", qos.retained(20))
            self.client = live.node("person").create_client(JudgeGrasp, "/experience_recorder/judge")

        def judge(self, outcome_id: str, success: bool = True, note: str = "") -> JudgeGrasp.Response:
            return live.call(self.client, JudgeGrasp.Request(outcome_id=outcome_id, success=success, note=note))

        def waits(self, n: int) -> None:
            live.until(lambda: self.recorder.ledger.waiting == n, f"{n} outcomes that wait")

        def stored(self, n: int) -> None:
            live.until(
                lambda: self.recorder.store.stored == n and not len(self.recorder.ledger), f"{n} stored outcomes"
            )

    return Judged()


def test_a_person_overrules_the_sensor_and_the_store_keeps_both(judged, executed):
    outcome, seen, _ = executed(0, "a")
    judged.observations.publish(seen)
    judged.outcomes.publish(outcome)
    judged.stored(1)
    answer = judged.judge("a", False, "it fell when nobody looked")
    assert (
        answer.accepted and answer.error_code == ErrorCode.OK and answer.message == "outcome 'a' is stored as a failure"
    )
    with Store(judged.path) as store:
        episode, (first, last) = store.get("a"), store.verdicts("a")
    assert (episode.success, episode.judged_by, episode.note) == (False, "person", "it fell when nobody looked")
    assert (first.success, first.judged_by) == (True, "sensor") and last.judged_by == "person"
    assert judged.recorder.store.recorded == 0
    judged.outcomes.publish(outcome)  # late copies do not bring the sensor's verdict back
    assert judged.judge("a", False, "it fell when nobody looked").accepted
    with Store(judged.path) as store:
        assert not store.get("a").success and len(store.verdicts("a")) == 2


def test_every_refusal_says_what_would_be_valid(judged):
    for outcome_id, note, parts in (
        ("unknown", "", ("'unknown'", "GraspOutcome or Recorded", str(judged.path))),
        ("", "", ("1 to 255 characters, got 0", "GraspOutcome or Recorded")),
        ("n" * 100_000, "", ("1 to 255 characters, got 100000", "nnn")),
        ("a", "x" * (LONGEST_NOTE + 1), (f"at most {LONGEST_NOTE} characters, got {LONGEST_NOTE + 1}",)),
    ):
        answer = judged.judge(outcome_id, note=note)
        assert not answer.accepted and answer.error_code == ErrorCode.BAD_REQUEST
        assert all(part in answer.message for part in parts) and len(answer.message) < 1000


def test_past_the_timeout_it_answers_and_keeps_what_it_was_told(judged, executed):
    outcome, seen, _ = executed(0, "a")
    judged.outcomes.publish(outcome)
    judged.waits(1)
    answer = judged.judge("a", False, "seen by me")
    assert not answer.accepted and answer.error_code == ErrorCode.TIMEOUT
    assert f"{JUDGE_S:g} s (judge_timeout)" in answer.message and "is kept" in answer.message
    judged.observations.publish(seen)
    judged.stored(1)
    with Store(judged.path) as store:
        assert (store.get("a").success, store.get("a").note) == (False, "seen by me")


def test_two_wait_and_a_third_is_told_so_at_once(judged, executed, live):
    judged.outcomes.publish(executed(0, "a")[0])
    judged.waits(1)
    futures = [judged.client.call_async(JudgeGrasp.Request(outcome_id="a", success=True)) for _ in range(3)]
    live.until(lambda: all(future.done() for future in futures), "three answers")
    codes = sorted(future.result().error_code for future in futures)
    assert codes == sorted([ErrorCode.TIMEOUT, ErrorCode.TIMEOUT, ErrorCode.BUSY])
