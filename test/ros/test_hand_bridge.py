"""hand_bridge over the middleware: picks through every kind of driver in the simulated cell, and refusals."""

import os
from importlib.util import find_spec

import numpy as np
import pytest
from bridge_bench import Bench, GoalStatus, easy_pick, make_goal

from gmi_ros.core.errors import GmiError
from gmi_ros.msg import Contact
from gmi_ros.ros.bridge.hand_bridge import HandBridge

pytestmark = pytest.mark.ros
NEEDS = {"follow_joint_trajectory": "control_msgs", "move_group": "moveit_msgs", "wam": "wam_srvs"}
PHASES = ["opening", "pregrasp", "approach", "closing", "squeeze", "lift", "hold", "verdict"]


def needs(*drivers):
    """Skip, saying so, where the messages of a driver are not installed."""
    for package in {NEEDS.get(driver) for driver in drivers} - {None}:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@pytest.mark.skipif(
    os.environ.get("GMI_SOAK") != "1",
    reason="the mock cell follows the clock: on a machine that tests share a pick may slip; `make soak` runs it alone",
)
@pytest.mark.soak
@pytest.mark.parametrize(
    ("hand", "arm"),
    [
        ("joint_state", "pose"),
        ("follow_joint_trajectory", "follow_joint_trajectory"),
        ("wam", "move_group"),
    ],
)
def test_every_driver_picks_in_the_simulated_cell(live, hand, arm):
    needs(hand, arm)
    bench = Bench(live, hand, arm, cell=True)
    answer = bench.execute(make_goal(*easy_pick()))
    result = answer.result
    assert result.success and result.reason == "held", (result.reason, result.message, bench.mock.fronts.failure)
    assert answer.status == GoalStatus.STATUS_SUCCEEDED and result.error_code == 0
    with bench.mock.fronts.lock:
        told = bench.mock.plant.verdict, bench.mock.plant.cell.world_from_object[2, 3]
    assert told[0] == "held" and told[1] > 0.15, told  # physics says so too
    assert bench.phases == PHASES
    assert [c.state for c in result.contacts_reached] == [Contact.IN_CONTACT] * 3
    assert 0.19 < result.height_lifted < 0.21
    assert "f1_outer" in result.joints_reached.name and result.wrist_pose_reached.header.frame_id


def test_a_driver_without_its_messages_is_refused_in_one_line(live, monkeypatch):
    from gmi_ros.ros import compat

    monkeypatch.setattr(compat, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    for name, value, package in (
        ("hand_driver", "follow_joint_trajectory", "control_msgs"),
        ("arm_driver", "move_group", "moveit_msgs"),
    ):
        from bridge_bench import settings

        with pytest.raises(GmiError, match=f"{name} {value} needs {package}/") as error:
            HandBridge(context=live.context, parameter_overrides=settings(**{name: value}))
        assert "\n" not in error.value.message and "choose another driver" in error.value.message


@pytest.mark.parametrize(
    "changes",
    [
        {"tip_force_limit": 50.0},
        {"finger_speed": np.array([2.0, 2.0, 99.0])},
        {"hand": "bh262"},
        {"lift_height": float("nan")},
        {"approach_speed": 0.0},
    ],
)
def test_goals_beyond_the_hand_are_rejected(live, changes):
    bench = Bench(live)
    assert not bench.send(make_goal(*easy_pick(), **changes)).accepted
