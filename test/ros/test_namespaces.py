"""Two robots on one machine, under namespaces of their own: neither hears, moves or records the other."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from gmi_ros.core.errors import ErrorCode
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Observation, Recorded
from gmi_ros.ros.experience_recorder import ExperienceRecorder
from gmi_ros.ros.mock_hand import MockHand

pytestmark = pytest.mark.ros
BOXES = {"left": (70, 45, 12, 24, 1), "right": (60, 40, 10, 26, 2)}  # label 1 on the left, 2 on the right


class Side:
    """One robot with its hand, its recorder and its store; `heard` is what comes on its topics."""

    def __init__(self, live, make_robot, name: str, store):
        self.live, self.name, self.store = live, name, store
        self.robot = make_robot(namespace=name, allow_execution=True, camera=f"camera of {name}")
        self.hand = live.spin(MockHand("succeed", context=live.context, namespace=name))
        overrides = [Parameter("store", value=str(store))]
        live.spin(ExperienceRecorder(context=live.context, namespace=name, parameter_overrides=overrides), 2)
        topics = {
            "grasp_outcome": GraspOutcome,
            "grasp_synthesizer/observation": Observation,
            "experience_recorder/recorded": Recorded,
        }
        self.heard = {t: self.robot.heard(kind, f"/{name}/{t}", retained=True) for t, kind in topics.items()}

    def show(self, draw):
        return self.robot.show(draw(boxes=(BOXES[self.name],)))

    def outcome(self, execution_id: str) -> GraspOutcome:
        def found():
            return [o for o in self.heard["grasp_outcome"] if o.execution_id == execution_id]

        return self.live.until(found, f"the outcome of {execution_id} on the {self.name}")[0]

    def call(self, kind, service: str, request):
        return self.live.call(self.robot.user.create_client(kind, f"/{self.name}/grasp_synthesizer/{service}"), request)


@pytest.fixture
def sides(live, make_robot, tmp_path):
    return [Side(live, make_robot, name, tmp_path / f"{name}.db") for name in BOXES]


def test_each_sees_its_own_camera_and_answers_for_itself(sides, draw):
    left, right = sides
    left.show(draw)
    assert {g.label for g in left.robot.ask().grasps} == {1}
    assert right.robot.ask().error_code == ErrorCode.NO_FRAME
    right.show(draw)
    assert {g.label for g in right.robot.ask().grasps} == {2}
    assert {g.label for g in left.robot.ask().grasps} == {1}
    for side in sides:
        observations = side.heard["grasp_synthesizer/observation"]
        side.live.until(lambda: observations, "an observation")
        assert {o.camera for o in observations} == {f"camera of {side.name}"}


def test_each_reports_under_its_own_name(sides):
    heard = []
    sides[0].robot.user.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 50)
    nodes = {f"{side.name}/{node}" for side in sides for node in ("grasp_synthesizer", "experience_recorder")}

    def named():
        names = [status.name for array in list(heard) for status in array.status]
        return all(any(name.startswith(node) for name in names) for node in nodes)

    sides[0].live.until(named, f"reports of {sorted(nodes)}")


def test_each_executes_with_its_own_hand_and_records_in_its_own_store(sides, draw):
    answers = []
    for side in sides:
        side.show(draw)
        answers.append(side.robot.ask(execute=True))
    for side, answer in zip(sides, answers, strict=True):
        assert answer.goal_accepted, answer.message
        assert side.outcome(answer.execution_id).success
        assert [goal.execution_id for goal in side.hand.goals] == [answer.execution_id]
        recorded = side.heard["experience_recorder/recorded"]
        side.live.until(lambda: recorded, "the acknowledgement")
        assert [(r.outcome_id, r.stored, r.paired) for r in recorded] == [(answer.execution_id, 1, True)]
        assert [o.execution_id for o in side.heard["grasp_outcome"]] == [answer.execution_id]
        with Store(side.store) as store:
            (episode,) = store
        assert episode.grasp_id == answer.grasps[0].grasp_id and episode.camera == f"camera of {side.name}"
        assert np.isfinite(episode.contacts_reached).all()


def test_what_is_stopped_on_one_side_goes_on_on_the_other(sides, draw):
    left, right = sides
    left.hand.behaviour = "slow"
    for side in sides:
        side.show(draw)
    running = left.robot.ask(execute=True)
    assert running.goal_accepted
    assert not right.call(Trigger, "cancel", Trigger.Request()).success
    deactivate = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert right.call(ChangeState, "change_state", deactivate).success
    assert right.robot.ask().error_code == ErrorCode.NOT_ACTIVE
    right.live.stop(right.hand)
    assert left.robot.node._execution.status.startswith(running.execution_id) and not left.heard["grasp_outcome"]
    assert left.robot.ask().success
    assert left.call(Trigger, "cancel", Trigger.Request()).success
    assert left.outcome(running.execution_id).error_code == ErrorCode.CANCELLED
    assert not right.heard["grasp_outcome"]
