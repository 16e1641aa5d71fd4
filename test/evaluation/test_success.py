"""Success in simulation: the shipped weights are worth something, and how it is counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from gmi_ros.cli.main import main
from gmi_ros.core.errors import GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.instances import free_instance, recorded_instances
from gmi_ros.evaluation.intervals import by_object, rate_by_object
from gmi_ros.evaluation.models import load_model
from gmi_ros.evaluation.success import FREE, MEAN, Conditions, attempt, free_attempts, recorded_attempts, summary
from gmi_ros.sim.splits import objects_of

FOLDER = Path(resource(SHIPPED))
STORE = Path(resource("data/dev.db.zst"))


@pytest.fixture(scope="module")
def found():
    """Of twenty free views of training objects."""
    return list(free_attempts(FOLDER, objects_of("train")[:20], 20, Conditions(seed=5), workers=1))


def test_the_shipped_weights_pick_up_what_they_see(found):
    told = summary(found)
    assert told["instances"] == 20 == sum(told["reasons"].values()) == told["objects"]
    assert told["rate"] >= 0.3 and told["ci95"][0] <= told["rate"] <= told["ci95"][1], told
    for one in found:
        assert one.success == (one.reason == "held")


def test_processes_change_nothing(found):
    again = list(free_attempts(FOLDER, objects_of("train")[:20], 20, Conditions(seed=5), workers=2))
    assert [(a.number, a.object_name, a.verdict) for a in again] == [
        (a.number, a.object_name, a.verdict) for a in found
    ]


def test_free_instances_depend_on_seed_and_number_only():
    objects = objects_of("dev")[:3]
    one, same, other = (free_instance(objects, 4, seed) for seed in (1, 1, 2))
    assert one.object_model.name == objects[1].name
    assert np.array_equal(one.frame().depth, same.frame().depth)
    assert not np.array_equal(one.world_from_object, other.world_from_object)
    noisy = free_instance(objects, 4, 1, noise=True)
    assert np.array_equal(noisy.world_from_object, one.world_from_object)
    assert not np.array_equal(noisy.frame().depth, one.frame().depth)


def test_recorded_instances_are_views_along_a_grasp_that_held():
    instances = recorded_instances([STORE], 12, seed=3)
    assert [i.number for i in instances] == list(range(12))
    for instance in instances:
        assert (instance.frame().mask == 1).sum() > 30
    assert [i.object_model.name for i in recorded_instances([STORE], 12, seed=3)] == [
        i.object_model.name for i in instances
    ]
    with pytest.raises(GmiError, match="1000000 recorded views were asked for, the stores hold 30"):
        recorded_instances([STORE], 1_000_000, seed=3)


def test_the_one_prediction_is_executed_whatever_the_filters_say():
    """`mean` has no second choice, so that a filter's refusal may not hide how it would have ended."""
    instances, conditions = recorded_instances([STORE], 8, seed=3), Conditions(policy=MEAN, planner=FREE)
    found = list(recorded_attempts(FOLDER, instances, conditions, workers=1))
    assert all(a.synthesis.n_samples == 1 and len(a.synthesis.grasps) <= 1 for a in found)
    assert sum(a.verdict is not None for a in found) >= 4
    model = load_model()
    again = [attempt(i, model, conditions) for i in instances]
    assert [a.verdict for a in again] == [a.verdict for a in found]


def test_a_prediction_along_the_view_is_always_tried():
    instances = recorded_instances([STORE], 12, seed=3)
    found = list(recorded_attempts(FOLDER, instances, Conditions(policy=MEAN), workers=1))
    assert all(a.verdict is not None for a in found) and 3 <= sum(a.success for a in found) < 12
    with pytest.raises(GmiError, match="no planner 'else'"):
        Conditions(policy=MEAN, planner="else")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--planner", "free"], "--planner free needs --policy mean"),
        (["--policy", "mesh", "--model", "x"], "--model x needs a policy that asks a network"),
        (["--protocol", "strict", "--free"], "--free needs --protocol lift"),
        (["--views", "recorded", "--noise"], "--noise needs --views free"),
        (["--data", "x.db"], "needs --views recorded"),
        (["--scale", "2"], "--scale 2.0 needs --meshes DIR"),
        (["--views", "recorded", "--meshes", "m"], "--meshes m needs --views free"),
        (["--out", "no/where.json"], "there is no folder no"),
        (["--policy", "mean", "--samples", "9"], "--samples 9 needs --policy best"),
        (["--views", "recorded", "--split", "random"], "--views recorded --split random needs --data"),
        (["--model", "nowhere"], "nowhere"),
        (["--views", "recorded", "--data", "nowhere.db"], "nowhere.db"),
    ],
)
def test_options_without_effect_are_refused(words, told, capsys):
    assert main(["evaluate", "success", "--quiet", "--instances", "1", *words]) != 0
    assert told in capsys.readouterr().err


def test_where_all_objects_agree_the_interval_is_that_of_as_many_trials():
    objects = np.arange(40) // 2
    for held in (np.ones(40), np.zeros(40)):
        exact = binomtest(int(held.sum()) // 2, 20).proportion_ci(method="exact")
        assert rate_by_object(held, objects) == pytest.approx([exact.low, exact.high])
    mixed = np.arange(40) % 4 > 0
    assert rate_by_object(mixed, objects) == by_object(mixed.astype(float), objects)


def test_meshes_that_cannot_be_used_are_named(tmp_path, capsys):
    (tmp_path / "bad.obj").write_text("no mesh")
    assert main(["evaluate", "success", "--quiet", "--instances", "1", "--meshes", str(tmp_path)]) != 0
    told = capsys.readouterr().err
    assert "skipped bad" in told and "none of the 1 meshes" in told


def test_the_largest_seed_is_a_seed():
    objects = objects_of("dev")[:1]
    found = list(free_attempts(FOLDER, objects, 2, Conditions(seed=2**63 - 1), workers=1))
    assert [a.synthesis.seed for a in found] == [2**63 - 1, 0]


def test_an_unknown_policy_is_named():
    with pytest.raises(GmiError, match="no policy 'median': choose one of best, mean"):
        Conditions(policy="median")


def test_the_command_tells_the_rate_and_keeps_every_instance(tmp_path, capsys):
    out = tmp_path / "found.json"
    words = ["--instances", "2", "--split", "dev", "--workers", "1", "--protocol", "six_force", "--out", str(out)]
    assert main(["evaluate", "success", "--quiet", "--json", *words]) == 0
    told, kept = json.loads(capsys.readouterr().out.splitlines()[-1]), json.loads(out.read_text())
    assert told["instances"] == 2 == len(kept["attempts"])
    assert told["rate"] == sum(a["success"] for a in kept["attempts"]) / 2
