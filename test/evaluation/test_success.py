"""The shipped weights in the simulated cell: what they are worth is measured, not assumed."""

from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.success import attempts, summary
from gmi_ros.hand.barrett import load_hand
from gmi_ros.sim.splits import objects_of


def test_the_shipped_weights_pick_up_what_they_see():
    found = list(attempts(load_model(), load_hand(), objects_of("train")[:20], 20, seed=5))
    told = summary(found)
    assert told["instances"] == 20 == sum(told["reasons"].values())
    assert told["rate"] >= 0.3, told
    for attempt in found:
        assert attempt.success == (attempt.reason == "held")
        if attempt.success:
            assert attempt.result.height_lifted > 0.15 and attempt.result.in_contact.all()
