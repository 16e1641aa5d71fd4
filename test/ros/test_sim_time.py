"""With use_sim_time the node lives in the time of /clock, whatever the wall clock says."""

import pytest
from rosgraph_msgs.msg import Clock

from gmi_ros.core.errors import ErrorCode
from gmi_ros.ros.convert import stamp_message

pytestmark = pytest.mark.ros


@pytest.fixture
def robot(make_robot):
    return make_robot(use_sim_time=True)


@pytest.fixture
def set_clock(robot):
    """Sets the time of the simulation [s], and waits until the node lives in it."""
    publisher = robot.user.create_publisher(Clock, "/clock", 1)
    robot.live.until(publisher.get_subscription_count, "the node to listen to /clock")

    def set_to(seconds: int) -> None:
        publisher.publish(Clock(clock=stamp_message(seconds * 10**9)))
        robot.live.until(lambda: robot.node.get_clock().now().nanoseconds == seconds * 10**9, f"{seconds} s")

    return set_to


def test_age_is_measured_on_the_clock_of_the_simulation(robot, set_clock):
    set_clock(1000)
    frame = robot.show()
    assert frame.stamp_ns == 1000 * 10**9  # decades ago by the wall clock
    answer = robot.ask()
    assert answer.success and answer.age == 0.0
    set_clock(1010)
    assert robot.ask().age == 10.0
    set_clock(1030)
    stale = robot.ask()
    assert stale.error_code == ErrorCode.STALE_FRAME and "30.000 s old, at most 20.000 s" in stale.message


def test_a_jump_back_forgets_what_was_seen(robot, set_clock):
    set_clock(1000)
    robot.show()
    assert robot.ask().success
    set_clock(500)  # as a bag that starts again
    assert robot.ask().error_code == ErrorCode.NO_FRAME
    robot.show()
    assert robot.ask().success
