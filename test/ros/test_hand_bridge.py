"""hand_bridge over the middleware: picks through every kind of driver in the simulated cell, and refusals."""

import numpy as np
import pytest
import rclpy
from bridge_bench import Bench, GoalStatus, easy_pick, make_goal, needs

from gmi_ros.core import poses
from gmi_ros.core.errors import GmiError
from gmi_ros.msg import Contact
from gmi_ros.ros.bridge import arms
from gmi_ros.ros.bridge.hand_bridge import HandBridge
from gmi_ros.ros.bridge.settings import BridgeSettings

pytestmark = pytest.mark.ros
PHASES = ["opening", "pregrasp", "approach", "closing", "squeeze", "lift", "hold", "verdict"]


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


def test_an_arm_that_takes_poses_is_not_made_to_leap_after_a_pause(live, monkeypatch):
    """A process that was held up goes on from where it was, at the speed that was asked for."""
    now, sent = [10.0], []
    monkeypatch.setattr(arms, "now_of", lambda node: now[0])
    node = rclpy.create_node("held_up", context=live.context)
    try:
        arm = arms.PoseArm(node, BridgeSettings(arm_pose="", pose_rate=50.0))
        monkeypatch.setattr(arm, "_command", sent.append)
        arm._last = np.eye(4)
        task = arm.straight(poses.make(np.eye(3), np.array([0.0, 0.0, 0.3])), 0.2)
        for period in [0.02] * 30 + [1.5] + [0.02] * 120:
            now[0] += period
            arm._send()
    finally:
        node.destroy_node()
    heights = np.array([pose[2, 3] for pose in sent])
    assert np.diff(heights).max() <= 2 * 0.02 * 0.2 + 1e-9 and np.diff(heights).min() >= 0.0
    assert heights[-1] == pytest.approx(0.3) and task.ended and task.fault is None


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
