"""Sensor-driven: every n-th set of images is answered on the topics, as if somebody had asked."""

import pytest

from gmi_ros.msg import ContactTargets

pytestmark = pytest.mark.ros


def test_every_other_set_is_answered_with_what_a_request_would_get(make_robot):
    robot = make_robot(answer_every=2, answer_seed=5)
    targets = robot.heard(ContactTargets, "/grasp_synthesizer/contact_targets")
    robot.live.until(lambda: robot.node._outputs._targets.get_subscription_count(), "the subscription")
    frames = []
    for n in (1, 2, 3, 4):
        frames.append(robot.show())
        robot.live.until(lambda: len(targets) == n // 2, f"{n // 2} answers")
    stamps = [t.header.stamp.sec * 10**9 + t.header.stamp.nanosec for t in targets]
    assert stamps == [frames[1].stamp_ns, frames[3].stamp_ns]
    asked = robot.ask(seed=5)
    assert asked.grasps[0].grasp_id == targets[-1].grasp_id
    assert str(asked.grasps[0].contacts) == str(targets[-1].contacts)
    assert robot.node.statistics["unasked.answered"] == 2
    assert robot.set(answer_every=0).successful
    robot.show()
    robot.show()
    assert robot.node.statistics["unasked.answered"] == 2


def test_a_set_that_is_refused_is_counted_and_the_next_is_answered(make_robot, draw):
    robot = make_robot(answer_every=1)
    robot.show(draw(()))
    robot.live.until(lambda: robot.node.statistics["unasked.refused.MASK_EMPTY"] == 1, "the refusal")
    robot.show()
    robot.live.until(lambda: robot.node.statistics["unasked.answered"] == 1, "the answer")
