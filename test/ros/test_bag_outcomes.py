"""Outcomes in a bag become the records that the running recorder would have stored, each once."""

import numpy as np
import pytest
from rclpy.serialization import serialize_message

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.store import Store
from gmi_ros.ros.bag_outcomes import store_outcomes
from gmi_ros.ros.convert_outcome import UNPAIRED, episode_from_messages

pytestmark = pytest.mark.ros
OUTCOMES, OBSERVATIONS = "/left/grasp_outcome", "/left/grasp_synthesizer/observation"


def write_bag(path, stream, storage="mcap"):
    """stream: (topic, message or bytes) in the order of receipt."""
    with BagWriter(path, storage) as bag:
        bag.add_topic(OUTCOMES, "gmi_ros/msg/GraspOutcome")
        bag.add_topic(OBSERVATIONS, "gmi_ros/msg/Observation")
        for stamp, (topic, message) in enumerate(stream):
            bag.write(topic, message if isinstance(message, bytes) else serialize_message(message), stamp)
    return path


def records(path):
    with Store(path) as store:
        return {e.outcome_id: e for e in store.episodes()}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_pairs_are_found_whatever_the_order(executed, tmp_path, storage):
    made = [executed(n, f"outcome_{n}", "slipped" if n == 2 else "held") for n in range(4)]
    (a, seen_a, _), (b, seen_b, _), (c, seen_c, _), (d, _, _) = made
    stream = [
        (OUTCOMES, a), (OBSERVATIONS, seen_b), (OUTCOMES, b), (OUTCOMES, b), (OBSERVATIONS, seen_a),
        (OUTCOMES, d), (OBSERVATIONS, seen_c), (OBSERVATIONS, seen_c), (OUTCOMES, c),
    ]  # fmt: skip
    bag = write_bag(tmp_path / "bag", stream, storage)
    told = store_outcomes(bag, tmp_path / "store.db")
    assert told == {
        "outcomes": 4,
        "stored": 4,
        "duplicates": 0,
        "completed": 0,
        "unpaired": 1,
        "pairs": 2,
        "problems": [],
    }
    found = records(tmp_path / "store.db")
    for outcome, observation in ((a, seen_a), (b, seen_b), (c, seen_c), (d, None)):
        expected, stored = episode_from_messages(outcome, observation), found[outcome.outcome_id]
        assert (stored.success, stored.reason, stored.split) == (expected.success, expected.reason, expected.split)
        assert (stored.pixels is None) == (observation is None) and (stored.split == UNPAIRED) == (observation is None)
        if observation is not None:
            assert stored.source == "bag" and stored.judged_by == outcome.judged_by
            assert (stored.pixels.rgb == expected.pixels.rgb).all()
            assert (stored.pixels.mask == expected.pixels.mask).all()
            assert (stored.contacts_predicted == np.float32(expected.contacts_predicted)).all()  # as stored
    again = store_outcomes(bag, tmp_path / "store.db")
    assert (again["outcomes"], again["stored"], again["duplicates"]) == (4, 0, 4)
    assert len(records(tmp_path / "store.db")) == 4


def test_what_makes_no_sense_is_named_and_the_rest_is_stored(executed, tmp_path):
    outcome, observation, _ = executed(0, "good")
    nameless, _, _ = executed(1, "")
    lying, seen, _ = executed(2, "lying")
    seen.rgb.encoding = "nothing"
    rubbish = b"\0\1\0\0" + b"\xff" * 40
    stream = [
        (OUTCOMES, rubbish),
        (OUTCOMES, nameless),
        (OUTCOMES, outcome),
        (OUTCOMES, lying),
        (OBSERVATIONS, rubbish),
    ]
    bag = write_bag(tmp_path / "bag", [*stream, (OBSERVATIONS, observation), (OBSERVATIONS, seen)])
    told = store_outcomes(bag, tmp_path / "store.db")
    assert (told["outcomes"], told["stored"], told["pairs"]) == (2, 1, 1)
    text = "; ".join(told["problems"])
    for part in ("1 messages of /left/grasp_outcome make no sense", "empty outcome_id", "outcome lying was left out"):
        assert part in text
    assert set(records(tmp_path / "store.db")) == {"good"}


def test_without_outcomes_no_store_is_made(tmp_path):
    told = store_outcomes(write_bag(tmp_path / "bag", []), tmp_path / "store.db")
    assert told["outcomes"] == 0 and not (tmp_path / "store.db").exists()


def test_a_store_that_cannot_be_written_is_an_error(executed, tmp_path):
    outcome, observation, _ = executed(0, "good")
    bag = write_bag(tmp_path / "bag", [(OUTCOMES, outcome), (OBSERVATIONS, observation)])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(GmiError) as error:
        store_outcomes(bag, tmp_path / "file" / "store.db")
    assert error.value.code in (ErrorCode.STORE_UNWRITABLE, ErrorCode.STORE_CORRUPT)


def test_a_bag_completes_what_was_recorded_without_its_observation(executed, tmp_path):
    outcome, seen, _ = executed(0, "late")
    with Store(tmp_path / "store.db", "rw") as store:
        store.add(episode_from_messages(outcome, None))
    bag = write_bag(tmp_path / "bag", [(OUTCOMES, outcome), (OBSERVATIONS, seen)])
    told = store_outcomes(bag, tmp_path / "store.db")
    assert (told["stored"], told["completed"], told["duplicates"], told["pairs"]) == (0, 1, 0, 1)
    found = records(tmp_path / "store.db")["late"]
    assert found.source == "robot" and found.split == "live" and found.pixels is not None
