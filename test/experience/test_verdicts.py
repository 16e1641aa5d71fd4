"""A verdict that is replaced changes nothing else, and the earlier ones stay."""

import dataclasses
import time

import numpy as np
import pytest
from episodes import assert_same, make_episode, make_pixels, make_robot_episode

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.store import Store

FELL = {"success": False, "reason": "slipped", "judged_by": "sensor", "note": "", "judged_ns": 0}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "store.db", "rw") as opened:
        opened.add_many([make_robot_episode(1, **FELL), make_robot_episode(2, **FELL), make_episode(3, **FELL)])
        yield opened


@pytest.mark.parametrize(
    "episode", [make_robot_episode(1, **FELL), make_episode(3, **FELL)], ids=["robot", "simulation"]
)
def test_only_the_verdict_changes(store, episode):
    found = store.judge(episode.outcome_id, True, note="it held ü", judged_ns=7)
    verdict = {"success": True, "reason": "held", "judged_by": "person", "note": "it held ü", "judged_ns": 7}
    assert_same(dataclasses.replace(episode, **verdict), found)
    assert_same(found, store.get(episode.outcome_id))
    assert not store.add(episode) and len(store) == 3 == store.verify()
    others = [e for e in store if e.outcome_id != episode.outcome_id]
    assert [(e.success, e.judged_by) for e in others] == [(False, "sensor")] * 2
    assert (store.count(success=True), store.count(judged_by="person")) == (1, 1)
    with Store(store.path) as reader:
        assert_same(found, reader.get(episode.outcome_id))


def test_the_reason_follows_where_it_does_not_fit(store):
    judged = [(False, "slipped"), (True, "held"), (True, "held"), (False, "failed"), (False, "failed")]
    for at, (success, reason) in enumerate(judged, start=1):
        assert store.judge("outcome-1", success, note=str(at)).reason == reason
    store.add(make_robot_episode(5, **FELL | {"reason": ""}))
    assert store.judge("outcome-5", False).reason == "failed"


def test_earlier_verdicts_are_kept_in_order(store):
    store.judge("outcome-1", True, judged_ns=5)
    store.judge("outcome-1", False, judged_by="lift", note="no", judged_ns=3)  # a clock that was set back
    store.judge("outcome-1", True, judged_ns=20)
    told = [(v.success, v.judged_by, v.note, v.judged_ns) for v in store.verdicts("outcome-1")]
    assert told == [
        (False, "sensor", "", 0),
        (True, "person", "", 5),
        (False, "lift", "no", 6),
        (True, "person", "", 20),
    ]
    assert len(store.verdicts("outcome-2")) == 1


def test_the_same_judgement_again_changes_nothing(store):
    before = time.time_ns()
    first = store.judge("outcome-1", True, note="yes")
    assert before <= first.judged_ns <= time.time_ns()
    assert_same(first, store.judge("outcome-1", True, note="yes"))
    assert len(store.verdicts("outcome-1")) == 2


def refusal(function, *args, **named):
    with pytest.raises(GmiError) as error:
        function(*args, **named)
    return error.value.code, error.value.message


def test_refusals_leave_the_verdict(store):
    code, message = refusal(store.judge, "outcome-9", True)
    assert code == ErrorCode.BAD_REQUEST and "no outcome 'outcome-9' among its 3" in message
    assert refusal(store.verdicts, "outcome-9")[0] == ErrorCode.BAD_REQUEST
    for wrong in ({"judged_by": ""}, {"judged_by": None}, {"note": None}):
        assert refusal(store.judge, "outcome-1", True, **wrong)[0] == ErrorCode.BAD_REQUEST
    with Store(store.path) as reader:
        assert refusal(reader.judge, "outcome-1", True)[0] == ErrorCode.STORE_UNWRITABLE
    assert store.get("outcome-1").reason == "slipped" and len(store.verdicts("outcome-1")) == 1


def test_rows_that_are_not_there_are_named(store):
    assert refusal(store.batch, [1, 9, 8]) == (ErrorCode.BAD_REQUEST, f"{store.path} has no row 8 (2 are missing)")
    assert store.batch([]) == [] and store.ids(split="none").shape == (0,)


def test_a_record_gets_the_observation_that_it_lacked_and_keeps_its_verdicts(store):
    whole = make_episode(
        1, split="live", recipe=None, pixels=make_pixels(np.random.default_rng(1)), observation_id="seen"
    )
    lacking = make_episode(
        1,
        split="unpaired",
        outcome_id=whole.outcome_id,
        grasp_id=whole.grasp_id,
        recipe={"observation_missing": "seen"},
    )
    assert store.add(lacking) and not store.complete(lacking)
    store.judge(whole.outcome_id, not whole.success, note="seen to fall", judged_ns=5 * 10**18)
    judged = store.get(whole.outcome_id)
    assert judged.observation_missing
    assert store.complete(whole) and not store.complete(whole)
    found = store.get(whole.outcome_id)
    assert (found.success, found.judged_by, found.note) == (judged.success, judged.judged_by, judged.note)
    assert found.split == "live" and (found.pixels.rgb == whole.pixels.rgb).all() and not found.observation_missing
    assert [v.success for v in store.verdicts(whole.outcome_id)] == [whole.success, not whole.success]
    with store.using() as database:
        ((images,),) = database.execute("SELECT count(*) FROM observations WHERE observation_id = 'seen'")
        ((unused,),) = database.execute(
            "SELECT count(*) FROM observations WHERE id NOT IN (SELECT observation FROM episodes)"
        )
    assert (images, unused) == (1, 0) and store.verify() == len(store)
    assert not store.complete(make_episode(99))  # not there at all
