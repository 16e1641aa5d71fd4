"""What the settings of the simulation do to its labels: measured on the same picks, the same whoever asks."""

import json

import numpy as np
import pytest

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation import physics
from gmi_ros.evaluation.physics import Pick, draw, measure, retry, table
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.shapes import Part
from gmi_ros.sim.splits import objects_of
from gmi_ros.sim.trial import GraspPlan

FEW = {"defaults, again": Physics(), "no friction": Physics(friction=0.01)}


def box() -> ObjectModel:
    return ObjectModel("test_box", 0, (Part("box", (0.04, 0.03, 0.06), (0, 0, 0.06), (0, 0, 0, 1.0)),), (0.5, 0.5, 0.5))


def pick_of_box(height: float, reason: str) -> Pick:
    palm = poses.make(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, height]))
    plan = GraspPlan(palm, palm, np.array([0.2, 0.6, 0.6, 0.6]), ClosingPlan.together(2.0))
    return Pick(box(), np.eye(4), plan, reason)


@pytest.fixture(scope="module")
def found():
    return measure(2, workers=1, objects=objects_of("train")[:3], settings=FEW, progress=False)


def test_the_same_settings_give_the_same_labels(found):
    assert found["changed"]["defaults, again"] == {"held": 0.0, "dropped": 0.0}


def test_without_friction_every_label_of_a_held_object_changes(found):
    assert found["changed"]["no friction"] == {"held": 1.0, "dropped": 0.0}


def test_drops_closed_the_hand(found):
    assert sum(found["drops"].values()) == found["n"] == 2 and set(found["drops"]) <= set(physics.DROPS)


def test_two_workers_find_what_one_does(found):
    assert measure(2, workers=2, objects=objects_of("train")[:3], settings=FEW, progress=False) == found


def test_picks_are_a_function_of_object_and_seed():
    model = objects_of("train")[0]
    first, second = draw(model, 3), draw(model, 3)
    assert [p.reason for p in first] == [p.reason for p in second]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.plan.world_from_palm, b.plan.world_from_palm)
        np.testing.assert_array_equal(a.world_from_object, b.world_from_object)
    assert (draw(model, 4)[0].world_from_object != first[0].world_from_object).any()


def test_a_box_in_a_firm_grasp_neither_creeps_nor_sinks_in():
    _, hold = retry(pick_of_box(0.22, "held"), {})
    assert 0 < hold.penetration < 1e-3 and 0 < hold.creep < 1e-3


def test_what_is_not_held_has_no_hold():
    held, hold = retry(pick_of_box(0.6, "no_contact"), FEW)
    assert hold is None and not any(held.values())


def test_the_table_and_the_json_say_the_same(found, monkeypatch, capsys):
    text = table(found)
    assert all(name in text for name in FEW) and "100.0%" in text
    monkeypatch.setattr(physics, "measure", lambda *_: found)
    assert physics.main(["--n", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    assert physics.main(["--n", "2"]) == 0 and capsys.readouterr().out == text + "\n"


@pytest.mark.parametrize("option", ["--n", "--workers"])
def test_bad_numbers_are_bad_usage(option, capsys):
    with pytest.raises(SystemExit) as ended:
        physics.main([option, "0"])
    assert ended.value.code == 2 and f"{option[2:]} must be at least 1, got 0" in capsys.readouterr().err


def test_too_few_picks_are_told(monkeypatch):
    monkeypatch.setattr(physics, "_MAX_ROUNDS", 2)
    monkeypatch.setattr(physics, "draw", lambda *_: [])
    with pytest.raises(GmiError, match="1 held and 1 dropped picks wanted, 0 and 0 found in 2 resting poses") as caught:
        measure(1, workers=1, objects=[box()], settings={}, progress=False)
    assert caught.value.code is ErrorCode.NO_GRASP
