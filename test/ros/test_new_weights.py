"""A running node takes other weights on request, and keeps those it has where they are bad."""

import shutil
import threading
from pathlib import Path

import pytest
import torch
from std_srvs.srv import Trigger

from gmi_ros.core.errors import ErrorCode
from gmi_ros.learning import checkpoint
from gmi_ros.ros import new_weights

pytestmark = pytest.mark.ros


def save_others(weights: str, folder: Path) -> str:
    """The same network with other numbers, in `folder`; its hash."""
    network, _ = checkpoint.load_network(Path(weights))
    with torch.no_grad():
        network.normaliser.grasp_std.mul_(0.5)
    checkpoint.save(folder, network, {}, "Other weights, for tests.")
    return checkpoint.load(folder).hash


def load_again(robot) -> Trigger.Response:
    client = robot.user.create_client(Trigger, "/grasp_synthesizer/load_model")
    return robot.live.call(client, Trigger.Request())


def test_a_parameter_names_other_weights_and_the_next_answer_is_theirs(robot, weights, tmp_path):
    robot.show()
    before, other = robot.ask(seed=3), save_others(weights, tmp_path / "new")
    assert robot.set(model=str(tmp_path / "new")).successful
    after = robot.ask(seed=3)
    assert after.success and after.model_hash == other != before.model_hash
    assert robot.node._configuration.folder == tmp_path / "new"
    assert robot.set(model=weights).successful and robot.ask(seed=3).model_hash == before.model_hash


def test_bad_weights_are_refused_with_the_reason_and_the_old_stay(robot, weights, tmp_path):
    robot.show()
    before = robot.ask().model_hash
    damaged = Path(shutil.copytree(weights, tmp_path / "damaged"))
    (damaged / "weights.safetensors").write_bytes((damaged / "weights.safetensors").read_bytes()[:-10])
    for folder, told in ((tmp_path / "nowhere", "is not a folder"), (damaged, "not a whole safetensors file")):
        refused = robot.set(model=str(folder))
        assert not refused.successful and told in refused.reason
        assert robot.ask().model_hash == before and robot.node.settings.model == weights


def test_new_files_in_the_same_folder_are_loaded_when_asked_for(make_robot, weights, tmp_path):
    folder = Path(shutil.copytree(weights, tmp_path / "at_work"))
    robot = make_robot(model=str(folder))
    robot.show()
    before, other = robot.ask().model_hash, save_others(weights, folder)
    assert robot.ask().model_hash == before
    told = load_again(robot)
    assert told.success and other in told.message and robot.ask().model_hash == other
    (folder / "config.json").write_text("{")
    told = load_again(robot)
    assert not told.success and "weights at work stay" in told.message and "not JSON" in told.message
    assert robot.ask().model_hash == other


def test_requests_are_answered_while_weights_load(robot, weights, tmp_path, monkeypatch):
    robot.show()
    before, other = robot.ask().model_hash, save_others(weights, tmp_path / "new")
    begun, gate, load = threading.Event(), threading.Event(), new_weights.load_weights

    def slowly(*given):
        begun.set()
        assert gate.wait(10.0)
        return load(*given)

    monkeypatch.setattr(new_weights, "load_weights", slowly)
    setting = threading.Thread(target=lambda: robot.set(model=str(tmp_path / "new")))
    setting.start()
    assert begun.wait(10.0)
    assert robot.ask().model_hash == before  # served meanwhile
    gate.set()
    setting.join(10.0)
    assert robot.ask().model_hash == other


def test_without_weights_there_is_nothing_to_load_again(make_robot, tmp_path):
    robot = make_robot(model=str(tmp_path / "nowhere"), wait=False)
    told = load_again(robot)
    assert not told.success and "is not a folder" in told.message
    assert robot.ask().error_code == ErrorCode.WEIGHTS_MISSING
