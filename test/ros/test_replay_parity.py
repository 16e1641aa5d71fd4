"""Offline and online are one: a replayed bag gives the grasps that the node answers for the same sets and seed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import serialize_message

from gmi_ros.core import poses
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.models import load_model
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.bags import read_sets, set_to_frame
from gmi_ros.hand.barrett import load_hand
from gmi_ros.report import replay as replay_room
from gmi_ros.ros.convert import frame_messages, pose_message
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.settings import NodeSettings

pytestmark = pytest.mark.ros
SEED = 11
ROOT = Path(__file__).resolve().parents[2]
PIPELINE = {name: getattr(SynthesisSettings(), name) for name in ("n_samples", "inference_threads")}


def write_bag(path, frames):
    with BagWriter(path) as bag:
        for kind, name in TOPICS:
            bag.add_topic(f"/{name}", f"sensor_msgs/msg/{kind.__name__}")
        for frame in frames:
            for (_, name), message in zip(TOPICS, frame_messages(frame), strict=True):
                bag.write(f"/{name}", serialize_message(message), frame.stamp_ns)


def test_node_and_replay_agree_to_the_bit(make_robot, draw, weights, tmp_path):
    robot = make_robot()
    shown, answers = [], []
    for box in ((70, 45, 12, 24, 1), (60, 40, 26, 11, 1), (80, 60, 20, 20, 1)):
        shown.append(robot.show(draw(boxes=(box,))))
        answers.append(robot.ask(seed=SEED))
    write_bag(tmp_path / "bag", shown)
    settings = SynthesisSettings(n_samples=8, inference_threads=1)
    told = replay_room.replay(
        tmp_path / "bag",
        tmp_path / "out",
        load_model(weights, 1),
        load_hand(),
        settings,
        SEED,
        pictures=False,
        progress=False,
    )
    lines = [json.loads(line) for line in (tmp_path / "out" / "grasps.jsonl").read_text().splitlines()]
    assert told["frames"] == len(lines) == len(answers) and sum(len(a.grasps) for a in answers) == told["grasps"] > 0
    for answer, line, frame in zip(answers, lines, shown, strict=True):
        assert line["error_code"] == answer.error_code and line["stamps"] == [frame.stamp_ns] * 4
        for grasp, offline in zip(answer.grasps, line["grasps"], strict=True):
            camera_from_object = np.array(line["object_frame"]["pose"])
            contacts = poses.transform_points(camera_from_object, np.array(offline["contacts"]))
            online = np.array([[c.position.x, c.position.y, c.position.z] for c in grasp.contacts])
            assert (contacts == online).all()
            assert grasp.wrist_pose == pose_message(np.array(offline["wrist_pose"]))
            assert list(grasp.joints_closed.position) == offline["joints"]
            assert (grasp.score, grasp.log_density) == (offline["score"], offline["log_density"])
            assert grasp.grasp_id == offline["grasp_id"]


def test_both_see_the_same_sets():
    assert (replay_room.SLOP_S, replay_room.QUEUE_SIZE) == (NodeSettings().slop_s, NodeSettings().queue_size)


def test_the_small_bag_gives_what_the_node_answers(make_robot, tmp_path):
    """The bag and the weights that come with the package, replayed by the command in a process of its own."""
    bag, shown = ROOT / "test" / "data" / "sim_cell_bag", slice(0, None, 15)
    command = [sys.executable, "-m", "gmi_ros.cli", "replay", str(bag), "--out", str(tmp_path), "--seed", str(SEED)]
    subprocess.run([*command, "--no-pictures", "--quiet"], check=True, timeout=300)
    lines = [json.loads(line) for line in (tmp_path / "grasps.jsonl").read_text().splitlines()][shown]
    sets = list(read_sets(bag))[shown]
    assert len(lines) == len(sets) >= 3

    robot = make_robot(model=str(resource(SHIPPED)), **PIPELINE)
    compared = 0
    for line, images in zip(lines, sets, strict=True):
        robot.show(set_to_frame(images))
        answer = robot.ask(seed=SEED)
        assert answer.error_code == line["error_code"] and len(answer.grasps) == len(line["grasps"])
        for grasp, offline in zip(answer.grasps, line["grasps"], strict=True):
            assert list(grasp.joints_closed.position) == offline["joints"]
            assert [c.residual for c in grasp.contacts] == offline["residual_m"] and grasp.score == offline["score"]
            assert grasp.wrist_pose == pose_message(np.array(offline["wrist_pose"]))
            compared += 1
    assert compared > 0
