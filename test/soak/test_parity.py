"""300 sets of the running simulated cell, recorded while they are answered: `gmi replay` gives the same grasps, to the
byte, from the bag as it is and as another storage."""

import json
import signal
import sys

import numpy as np
import pytest
from message_bytes import difference
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger

from gmi_ros.cli.main import main
from gmi_ros.core import poses
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.core.version import version
from gmi_ros.evaluation.models import load_model
from gmi_ros.experience.bag import Bag
from gmi_ros.experience.bag_writer import BagWriter
from gmi_ros.experience.bags import read_sets, set_to_frame
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros.answer import answer_request
from gmi_ros.ros.children import Children
from gmi_ros.ros.configuration import bounded_motion
from gmi_ros.ros.convert import nanoseconds, pose_message
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.processes import node_starts, use_image_profile
from gmi_ros.ros.response import fill_answer
from gmi_ros.ros.session import Session
from gmi_ros.ros.settings import NodeSettings
from gmi_ros.ros.worker import Deadline
from gmi_ros.srv import SynthesizeGrasp

pytestmark = [pytest.mark.ros, pytest.mark.soak]
SETS, LEAST = 300, 6
RATE = 2.0  # sets per second [Hz]: time for an answer and for the next object
START_S, ANSWER_S = 180.0, 60.0
GMI = (sys.executable, "-m", "gmi_ros.cli")


def record_answers(bag, folder, seed, n) -> dict[int, SynthesizeGrasp.Response]:
    """Answers by the stamp [ns] of their set, each of another object, while `gmi record` writes the bag."""
    use_image_profile()
    parameters = {
        "grasp_synthesizer": {"request_timeout": ANSWER_S, "max_age": ANSWER_S, "input_reliability": "reliable"},
        "sim_cell": {"rate": RATE, "seed": seed},
    }
    (folder / "parity.yaml").write_text(json.dumps({f"/**/{k}": {"ros__parameters": v} for k, v in parameters.items()}))

    def log(name: str, line: str) -> None:
        with (folder / "log").open("a") as file:
            print(name, line, file=file)

    with Children(log) as children, Session("parity", children.check) as session:
        for start in node_starts({"sim": "true", "record": "false", "params_file": str(folder / "parity.yaml")}):
            children.start_node(start)
        stamps: list[int] = []
        info = lambda message: stamps.append(nanoseconds(message.header.stamp))  # noqa: E731
        session.node.create_subscription(CameraInfo, "rgb/camera_info", info, 10)
        ask = session.node.create_client(SynthesizeGrasp, "synthesize_grasp")
        reset = session.node.create_client(Trigger, "sim_cell/reset")
        session.spin_until(ask.service_is_ready, START_S, "synthesize_grasp")
        session.spin_until(lambda: stamps, START_S, "images")
        recorder = children.start("gmi_record", [*GMI, "record", "--out", str(bag), "--compress", "--quiet"])
        session.spin_until(
            lambda: session.node.count_subscribers("/rgb/camera_info") >= 3, START_S, "the recorder to subscribe"
        )
        session.spin_for(1.0)  # to all four
        answers: dict[int, SynthesizeGrasp.Response] = {}
        while len(answers) < n:
            seen = len(stamps)
            session.spin_until(lambda: len(stamps) > seen, ANSWER_S, "the next set")
            answer = session.call(ask, SynthesizeGrasp.Request(seed=seed), ANSWER_S)
            if answer.objects:
                answers[nanoseconds(answer.objects[0].object_frame.header.stamp)] = answer
            session.call(reset, Trigger.Request(), ANSWER_S)
        session.spin_for(1.0)  # for what is on its way to the recorder
        recorder.signal(signal.SIGINT)
        assert recorder.process.wait(60) == 0, recorder.tail()
        children.children.remove(recorder)
    return answers


def replayed(bag, out, seed) -> bytes:
    """grasps.jsonl of `gmi replay`."""
    assert main(["replay", str(bag), "--out", str(out), "--seed", str(seed), "--no-pictures", "--quiet"]) == 0
    return (out / "grasps.jsonl").read_bytes()


def as_sqlite(bag, out) -> None:
    """The same messages in the other storage."""
    with Bag(bag) as source, BagWriter(out, "sqlite3") as copy:
        for topic in source.topics.values():
            copy.add_topic(topic.name, topic.type)
        for message in source.messages():
            copy.write(*message[::2], message.time_ns)


def check_line(line: dict, answer: SynthesizeGrasp.Response) -> None:
    """What a line of the replay says is what was answered, bit for bit."""
    assert line["error_code"] == answer.error_code and len(line["grasps"]) == len(answer.grasps)
    assert line.get("observation_id", "") == answer.observation_id
    if not answer.grasps:
        return
    camera_from_object = np.array(line["object_frame"]["pose"])
    assert pose_message(camera_from_object) == answer.object_frame.pose
    for offline, live in zip(line["grasps"], answer.grasps, strict=True):
        for name, turn in (("position", poses.transform_points), ("normal", poses.rotate)):
            vectors = [getattr(contact, name) for contact in live.contacts]
            online = np.array([[v.x, v.y, v.z] for v in vectors])
            told = np.array(offline["contacts" if name == "position" else "normals"])
            assert online.tobytes() == turn(camera_from_object, told).tobytes()
        assert live.grasp_id == offline["grasp_id"]
        assert live.wrist_pose == pose_message(np.array(offline["wrist_pose"]))
        assert live.pregrasp_wrist_pose == pose_message(np.array(offline["pregrasp_wrist_pose"]))
        assert list(live.joints_closed.position) == offline["joints"]
        assert list(live.joints_open.position) == offline["joints_open"]
        assert (live.score, live.hold_probability) == (offline["score"], offline["hold_probability"])


def test_replay_answers_as_the_node_did(tmp_path, soak_seed, soak_scale):
    n = max(LEAST, round(SETS * soak_scale))
    bag = tmp_path / "bag"
    answers = record_answers(bag, tmp_path, soak_seed, n)
    lines = replayed(bag, tmp_path / "out", soak_seed)
    by_stamp = {line["stamps"][0]: line for line in map(json.loads, lines.splitlines())}
    assert len(answers) == n and set(answers) <= set(by_stamp)
    for stamp, answer in answers.items():
        check_line(by_stamp[stamp], answer)
    assert sum(len(answer.grasps) for answer in answers.values()) >= n

    # Whole responses, with what the replay's lines leave out: the bag's sets through the node's own words.
    hand, settings, compared = load_hand(), SynthesisSettings(), 0
    model, motion = load_model(resource(SHIPPED), settings.inference_threads), bounded_motion(NodeSettings(), hand)
    for images in read_sets(bag):
        answer = answers.get(images.stamps[0])
        if answer is None:
            continue
        request = SynthesizeGrasp.Request(seed=soak_seed)
        expected = SynthesizeGrasp.Response(seed=soak_seed, software_version=version())
        frame = set_to_frame(images)
        fill_answer(
            expected, answer_request(request, frame, 0.0, model, hand, settings, None, Deadline(START_S)), motion
        )
        assert difference(expected, answer) == ""
        compared += 1
    assert compared == n

    as_sqlite(bag, tmp_path / "sqlite")
    assert replayed(tmp_path / "sqlite", tmp_path / "out_sqlite", soak_seed) == lines
    print(f"{n} sets answered, {len(by_stamp)} in the bag, {sum(len(a.grasps) for a in answers.values())} grasps alike")


def test_both_see_the_same_inputs():
    """What the recorder takes by default is what the node looks at."""
    from gmi_ros.ros.recording import CAMERA_TOPICS

    assert CAMERA_TOPICS == tuple(f"/{name}" for _, name in TOPICS)
