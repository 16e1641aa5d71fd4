"""The life cycle, over the middleware: what each state answers, what a transition stops, and what a failed one says."""

import shutil
import threading
from pathlib import Path

import pytest
import torch  # noqa: F401  in a condition below
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState

from gmi_ros.core.errors import ErrorCode
from gmi_ros.ros.lifecycle import ACTIVE, FINALIZED, INACTIVE, UNCONFIGURED
from gmi_ros.srv import SynthesizeGrasp

pytestmark = pytest.mark.ros

CONFIGURE, CLEAN_UP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


class Manager:
    """Changes the state as `ros2 lifecycle set` does."""

    def __init__(self, robot):
        self._live = robot.live
        self._change = robot.user.create_client(ChangeState, "/grasp_synthesizer/change_state")
        self._get = robot.user.create_client(GetState, "/grasp_synthesizer/get_state")

    def change(self, transition: int, label: str = "") -> bool:
        return self._live.call(
            self._change, ChangeState.Request(transition=Transition(id=transition, label=label))
        ).success

    def state(self) -> str:
        return self._live.call(self._get, GetState.Request()).current_state.label


@pytest.fixture
def idle(make_robot):
    """A robot whose node has not been configured."""
    return make_robot(autostart=False)


def test_each_state_answers_and_the_way_there_and_back_can_be_gone_again(idle):
    manager = Manager(idle)
    assert manager.state() == UNCONFIGURED
    answer = idle.ask()
    assert answer.error_code == ErrorCode.NOT_ACTIVE and "not configured" in answer.message and answer.age != answer.age
    for _ in range(2):
        assert manager.change(CONFIGURE) and manager.state() == INACTIVE
        answer = idle.ask()
        assert answer.error_code == ErrorCode.NOT_ACTIVE and "activate it" in answer.message
        assert manager.change(ACTIVATE) and manager.state() == ACTIVE
        idle.find_inputs()
        idle.show()
        assert idle.ask().success
        assert manager.change(DEACTIVATE) and manager.state() == INACTIVE
        assert "deactivated" in idle.ask().message
        assert manager.change(CLEAN_UP) and manager.state() == UNCONFIGURED
        assert idle.ask().error_code == ErrorCode.NOT_ACTIVE


def test_it_starts_by_itself_and_ends_finalized(robot):
    assert Manager(robot).state() == ACTIVE
    robot.node.finish()
    assert robot.node.state == FINALIZED and robot.ask().error_code == ErrorCode.NOT_ACTIVE


def test_a_transition_that_there_is_not_is_refused_and_the_node_lives(robot):
    manager = Manager(robot)
    assert not manager.change(CONFIGURE) and not manager.change(CLEAN_UP) and not manager.change(0, "fly")
    assert manager.state() == ACTIVE
    robot.show()
    assert robot.ask().success


def test_weights_that_are_missing_leave_it_unconfigured_and_are_told(make_robot, weights, tmp_path):
    folder = tmp_path / "weights"
    robot = make_robot(model=str(folder), wait=False)
    manager = Manager(robot)
    assert manager.state() == UNCONFIGURED
    assert robot.ask().error_code == ErrorCode.WEIGHTS_MISSING and not manager.change(CONFIGURE)
    shutil.copytree(weights, folder)
    assert manager.change(CONFIGURE) and robot.ask().error_code == ErrorCode.NOT_ACTIVE and manager.change(ACTIVATE)
    robot.find_inputs()
    robot.show()
    assert robot.ask().success


def test_other_weights_are_taken_when_it_is_configured_again(robot, weights, tmp_path):
    manager, folder = Manager(robot), Path(shutil.copytree(weights, tmp_path / "weights"))
    content = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(content[:-10])
    refused = robot.set(model=str(folder))
    assert not refused.successful and "not a whole safetensors file" in refused.reason  # test_new_weights has the rest
    assert manager.change(DEACTIVATE) and manager.change(CLEAN_UP) and robot.set(model=str(folder)).successful
    assert not manager.change(CONFIGURE) and robot.ask().error_code == ErrorCode.WEIGHTS_DAMAGED
    (folder / "weights.safetensors").write_bytes(content)
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE)
    assert robot.node._configuration.folder == folder


def test_a_defect_in_a_transition_is_a_failure_and_not_an_exception(idle, monkeypatch):
    manager = Manager(idle)
    with monkeypatch.context() as patch:
        patch.setattr("gmi_ros.ros.grasp_synthesizer.make_configuration", lambda *_: 1 / 0)
        assert not manager.change(CONFIGURE) and manager.state() == UNCONFIGURED
    answer = idle.ask()
    assert answer.error_code == ErrorCode.INTERNAL and "ZeroDivisionError" in answer.message
    assert manager.change(CONFIGURE) and manager.change(ACTIVATE) and manager.state() == ACTIVE


def test_deactivating_ends_what_is_being_worked_on_and_what_waits(robot, monkeypatch):
    robot.show()
    working, gate = threading.Semaphore(0), threading.Event()
    sample = robot.node._configuration.model.sample

    def held(image, n, seed):
        working.release()
        assert gate.wait(10.0)
        return sample(image, n, seed)

    monkeypatch.setattr(robot.node._configuration.model, "sample", held)
    futures = [robot.client.call_async(SynthesizeGrasp.Request(seed=1)) for _ in range(2)]
    assert working.acquire(timeout=5.0)
    robot.live.until(lambda: len(robot.node._worker._waiting) == 1, "a waiting request")
    assert Manager(robot).change(DEACTIVATE)
    robot.live.until(lambda: all(f.done() for f in futures), "both answers, though the work is still held")
    assert {f.result().error_code for f in futures} == {int(ErrorCode.NOT_ACTIVE)}
    gate.set()
    monkeypatch.undo()
    assert Manager(robot).change(ACTIVATE)
    robot.find_inputs()
    robot.show()
    assert robot.ask().success


def test_a_request_that_a_deactivation_overtakes_is_told_so(robot, monkeypatch):
    robot.show()
    do, held, gate = robot.node._worker.do, threading.Event(), threading.Event()

    def late(work, deadline):
        held.set()
        assert gate.wait(10.0)
        return do(work, deadline)

    monkeypatch.setattr(robot.node._worker, "do", late)
    future = robot.client.call_async(SynthesizeGrasp.Request(seed=1))
    assert held.wait(5.0)
    assert Manager(robot).change(DEACTIVATE)
    gate.set()
    robot.live.until(future.done, "an answer")
    assert future.result().error_code == ErrorCode.NOT_ACTIVE and "deactivated" in future.result().message


def test_a_frame_that_nobody_can_transform_to_is_told_where_there_is_no_tf2(make_robot, monkeypatch):
    monkeypatch.setattr("gmi_ros.ros.compat.tf2_ros", None)
    robot = make_robot(target_frame="base_link", wait=False)
    answer = robot.ask()
    assert answer.error_code == ErrorCode.BAD_SETTING and "base_link" in answer.message
    assert "camera_pose" in answer.message and Manager(robot).state() == UNCONFIGURED


@pytest.mark.skipif("torch.cuda.is_available()", reason="there is a GPU")
def test_a_gpu_that_is_asked_for_and_not_there_is_told(make_robot):
    answer = make_robot(device="cuda", wait=False).ask()
    assert answer.error_code == ErrorCode.BAD_SETTING and "no GPU" in answer.message
