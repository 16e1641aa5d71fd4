"""The simulated cell as a node: what it publishes, what it executes, what it refuses."""

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import GmiError
from gmi_ros.core.grasp import JOINTS
from gmi_ros.core.object_frame import object_frame
from gmi_ros.msg import Contact
from gmi_ros.ros.convert import frame_from_messages, nanoseconds, pose_message
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.sim_cell import SimCell
from gmi_ros.sim.world import Pick

pytestmark = pytest.mark.ros


class Bench:
    """A cell with one box in it, and somebody who looks, resets and sends goals."""

    def __init__(self, live, **settings):
        given = {"objects": "carton_0", "rate": 5.0, **settings}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        self.live = live
        self.cell = live.spin(SimCell(context=live.context, parameter_overrides=overrides))
        self.user = live.node("user")
        self.sets = {}
        for index, (kind, name) in enumerate(TOPICS):
            self.user.create_subscription(kind, name, lambda m, i=index: self.keep(i, m), 10)
        self.reset_client = self.user.create_client(Trigger, "sim_cell/reset")
        self.action = ActionClient(self.user, ExecuteGrasp, "execute_grasp")
        assert self.action.wait_for_server(timeout_sec=10)

    def keep(self, index, message):
        self.sets.setdefault(nanoseconds(message.header.stamp), {})[index] = message

    def frame(self, after_ns=0):
        """The first complete set stamped after this."""
        stamp = self.live.until(
            lambda: next((s for s in sorted(self.sets) if s > after_ns and len(self.sets[s]) == 4), None), "a set"
        )
        return frame_from_messages(*(self.sets[stamp][i] for i in range(4)))

    def reset(self):
        return self.live.call(self.reset_client, Trigger.Request())

    def goal(self, **changes):
        """A hand that closes in the air above the object, in the newest picture."""
        frame = self.frame(self.user.get_clock().now().nanoseconds)
        goal = ExecuteGrasp.Goal(execution_id="one")
        grasp = goal.grasp
        grasp.header.frame_id = frame.frame_id
        grasp.header.stamp.sec, grasp.header.stamp.nanosec = divmod(frame.stamp_ns, 10**9)
        palm = np.eye(4)
        palm[2, 3] = 0.1  # near the camera: nothing to touch
        grasp.wrist_pose = grasp.pregrasp_wrist_pose = pose_message(palm)
        grasp.joints_open.name, grasp.joints_open.position = list(JOINTS), [0.0] * 4
        grasp.finger_speed, grasp.tip_force_limit = np.full(3, 2.0), 15.0
        for name, value in changes.items():
            setattr(grasp, name, value)
        return goal

    def send(self, goal, feedback=None):
        future = self.action.send_goal_async(goal, feedback_callback=feedback)
        self.live.until(future.done, "the goal's answer")
        return future.result()

    def result(self, handle):
        future = handle.get_result_async()
        self.live.until(future.done, "the result", 30)
        return future.result()


@pytest.fixture
def bench(live):
    return Bench(live)


def test_four_topics_make_a_frame_with_an_object(bench):
    frame = bench.frame()
    assert frame.rgb.shape == (480, 640, 3) and frame.frame_id == "camera_rgb_optical_frame"
    found = object_frame(frame)
    assert found.n_pixels > 500 and 0.4 < found.depth < 1.0
    later = bench.frame(after_ns=frame.stamp_ns)
    np.testing.assert_array_equal(frame.depth, later.depth)  # the scene is at rest, only the stamp moves on


def test_reset_brings_another_scene_and_the_seed_decides_it(bench, live):
    first = bench.frame()
    reply = bench.reset()
    now = bench.user.get_clock().now().nanoseconds
    assert reply.success and reply.message == "carton_0"
    second = bench.frame(after_ns=now)
    assert (first.mask != second.mask).any()


def test_a_goal_is_tried_by_physics_and_told_truly(bench):
    phases = []
    handle = bench.send(bench.goal(), lambda message: phases.append(message.feedback.phase_name))
    assert handle.accepted
    answer = bench.result(handle)
    result = answer.result
    assert answer.status == GoalStatus.STATUS_SUCCEEDED  # carried out; the verdict is in the result
    assert not result.success and result.error_code == 0 and result.judged_by == "simulation"
    assert result.reason == "no_contact" and abs(result.height_lifted) < 0.01
    assert [c.state for c in result.contacts_reached] == [Contact.CLOSED_EMPTY] * 3
    assert list(result.joints_reached.name) == list(JOINTS) and result.joints_reached.position[1] > 1.0
    bench.live.until(lambda: "verdict" in phases, "the last phase")
    assert phases == ["approach", "closing", "verdict"]
    assert bench.frame(after_ns=bench.user.get_clock().now().nanoseconds).labels() == [1]


def picked(reason: str, touched=(False, False, False)) -> Pick:
    nothing = np.full((3, 3), np.nan)
    return Pick(reason == "held", reason, nothing, nothing, np.array(touched), np.zeros(4), np.eye(4), 0.0)


@pytest.mark.parametrize("broken", [False, True])
def test_a_picture_from_before_an_attempt_is_no_ground_for_another(bench, monkeypatch, broken):
    def pick(*_):
        if broken:
            raise RuntimeError("the physics broke")
        return picked("slipped")

    monkeypatch.setattr(bench.cell._world, "pick", pick)
    goal = bench.goal()
    answer = bench.result(bench.send(goal))
    assert answer.status == (GoalStatus.STATUS_ABORTED if broken else GoalStatus.STATUS_SUCCEEDED)
    assert not bench.send(goal).accepted
    assert bench.send(bench.goal()).accepted


def test_a_cancel_after_the_end_changes_nothing_and_one_before_it_cancels(bench, monkeypatch):
    for reason, status in (("held", GoalStatus.STATUS_SUCCEEDED), ("cancelled", GoalStatus.STATUS_CANCELED)):

        def pick(plan, tell, cancelled, reason=reason):
            bench.live.until(cancelled, "the cancel")
            return picked(reason)

        monkeypatch.setattr(bench.cell._world, "pick", pick)
        handle = bench.send(bench.goal())
        handle.cancel_goal_async()
        answer = bench.result(handle)
        assert answer.status == status and answer.result.success == (reason == "held")


@pytest.mark.parametrize(
    ("reason", "states"),
    [
        ("no_contact", [Contact.CLOSED_EMPTY, Contact.IN_CONTACT, Contact.CLOSED_EMPTY]),
        ("collided_on_approach", [Contact.UNKNOWN] * 3),
        ("diverged", [Contact.UNKNOWN] * 3),
    ],
)
def test_each_finger_tells_whether_it_touched_once_it_has_closed(bench, monkeypatch, reason, states):
    monkeypatch.setattr(bench.cell._world, "pick", lambda *_: picked(reason, (False, True, False)))
    result = bench.result(bench.send(bench.goal())).result
    assert [c.state for c in result.contacts_reached] == states


@pytest.mark.parametrize(
    "changes",
    [
        {"tip_force_limit": 50.0},
        {"finger_speed": np.array([2.0, 2.0, 99.0])},
        {"finger_start": np.array([-1.0, 0.0, 0.0])},
        {"hand": "bh262"},
    ],
)
def test_goals_beyond_the_hand_are_rejected(bench, changes):
    assert not bench.send(bench.goal(**changes)).accepted


def test_goals_in_another_frame_or_from_before_the_scene_are_rejected(bench):
    goal = bench.goal()
    goal.grasp.header.frame_id = "base_link"
    assert not bench.send(goal).accepted
    goal = bench.goal()
    goal.grasp.joints_open.name = ["a", "b", "c", "d"]
    assert not bench.send(goal).accepted
    goal = bench.goal()
    goal.grasp.wrist_pose.orientation.w = float("nan")
    assert not bench.send(goal).accepted
    goal = bench.goal()
    bench.reset()
    assert not bench.send(goal).accepted


def test_objects_that_do_not_exist_are_named(live):
    overrides = [Parameter("objects", value="carton_0 unicorn_1")]
    with pytest.raises(GmiError, match="no object 'unicorn_1'"):
        SimCell(context=live.context, parameter_overrides=overrides)
