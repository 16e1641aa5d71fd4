"""docs/safety.md: every claim names a test that exists, and what happens when the node's process ends is tried."""

import ast
import re
import signal
import subprocess
import sys
import threading
import time
from functools import cache

import pytest
from doc_pages import ROOT, read, rows, spans

TEST = re.compile(r"^(test/[\w/]+\.py)::(\w+)$")


def named_tests(page: str) -> list[str]:
    """Every `test/file.py::name` in a page."""
    return [span for span in spans(read(page)) if span.startswith("test/") and "::" in span]


@cache
def functions(path: str) -> set[str]:
    """Names of a file's functions."""
    return {node.name for node in ast.parse((ROOT / path).read_text("utf-8")).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", ["safety.md", "security.md"])
def test_the_named_tests_exist(page):
    names = named_tests(page)
    assert len(names) >= 5
    for name in names:
        path, function = TEST.match(name).groups()
        assert function in functions(path), name


def test_every_claim_of_the_table_has_a_test():
    claims = rows(read("safety.md"), "## What it does, and the test that shows it")
    assert len(claims) >= 15
    for claim in claims:
        assert TEST.match(spans(claim[-1])[0]), claim


def test_every_parameter_named_on_the_page_exists():
    settings = pytest.importorskip("gmi_ros.ros.settings")
    known = {field for kind in (settings.NodeSettings, settings.RecorderSettings) for field in kind.__annotations__}
    named = [name for row in rows(read("safety.md"), "## The parameters that matter") for name in spans(row[0])]
    assert set(named) <= known and len(named) >= 10


class Process:
    """grasp_synthesizer as a process of its own, asked through the middleware, with a slow hand beside it."""

    def __init__(self, live, weights):
        from gmi_ros.ros.frame_source import TOPICS
        from gmi_ros.ros.mock_hand import MockHand
        from gmi_ros.srv import SynthesizeGrasp

        self.live, self.request = live, SynthesizeGrasp.Request(seed=1, execute=True)
        self.hand = live.spin(MockHand("slow", context=live.context))
        self.user = live.node("user")
        self.client = self.user.create_client(SynthesizeGrasp, "synthesize_grasp")
        self.cameras = [self.user.create_publisher(kind, name, 5) for kind, name in TOPICS]
        given = {
            "model": f"'{weights}'",
            "n_samples": 8,
            "inference_threads": 1,
            "request_timeout": 20.0,
            "max_age": 20.0,
            "allow_execution": "true",
        }
        words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
        command = [sys.executable, "-m", "gmi_ros.ros.start_node", "grasp_synthesizer", "--ros-args", *words]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def execute(self) -> None:
        """Until a goal is taken; the hand needs 5 s for every phase of it."""
        from ros_fixtures import draw_frame

        from gmi_ros.core.frame import Frame
        from gmi_ros.ros.convert import frame_messages

        self.live.until(lambda: all(p.get_subscription_count() for p in self.cameras), "the inputs", 90.0)
        self.live.until(self.client.service_is_ready, "the service")
        end, drawn = time.monotonic() + 60.0, draw_frame()
        while not self.hand.goals:
            assert time.monotonic() < end, "no goal was taken"
            stamp = self.user.get_clock().now().nanoseconds
            frame = Frame(drawn.rgb, drawn.depth, drawn.mask, drawn.intrinsics, stamp, drawn.frame_id)
            for publisher, message in zip(self.cameras, frame_messages(frame), strict=True):
                publisher.publish(message)
            future, patience = self.client.call_async(self.request), time.monotonic() + 5.0
            while not (future.done() or self.hand.goals) and time.monotonic() < patience:
                time.sleep(0.01)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20.0)


@pytest.fixture
def process(live, weights):
    """A `Process`, ended after the test."""
    running = Process(live, weights)
    yield running
    running.close()


@pytest.fixture
def told(monkeypatch):
    """Reasons that the mock hand ends with."""
    from gmi_ros.ros import mock_hand

    reasons, result = [], mock_hand.execution_result

    def note(goal, reason, *more):
        reasons.append(reason)
        return result(goal, reason, *more)

    monkeypatch.setattr(mock_hand, "execution_result", note)
    return reasons


@pytest.mark.ros
def test_ctrl_c_on_the_process_cancels_what_is_executed(process, told):
    process.execute()
    assert not told
    process.process.send_signal(signal.SIGINT)
    process.live.until(lambda: told == ["cancelled"], "the hand to be told", 4.0)  # a phase takes 5 s
    assert process.process.wait(20.0) == 0


@pytest.fixture
def gate(monkeypatch):
    """What a hand that is made after it waits for before it answers a goal."""
    from gmi_ros.ros.mock_hand import MockHand

    gate, take = threading.Event(), MockHand._on_goal

    def slow_to_decide(hand, goal):
        answer = take(hand, goal)
        assert gate.wait(20.0)
        return answer

    monkeypatch.setattr(MockHand, "_on_goal", slow_to_decide)
    return gate


@pytest.mark.ros
def test_ctrl_c_cancels_a_goal_that_is_on_its_way(gate, process, told):
    process.execute()  # returns while the hand still thinks
    process.process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # by then it waits for nothing but the answer
    assert process.process.poll() is None and not told
    gate.set()
    process.live.until(lambda: told == ["cancelled"], "the hand to be told", 4.0)
    assert process.process.wait(20.0) == 0


@pytest.mark.ros
def test_a_goal_that_is_accepted_too_late_is_cancelled(live, make_robot, told, monkeypatch):
    from gmi_ros.core.errors import ErrorCode
    from gmi_ros.ros.mock_hand import MockHand
    from gmi_ros.srv import SynthesizeGrasp

    deciding, gate, take = threading.Event(), threading.Event(), MockHand._on_goal

    def slow_to_decide(hand, goal):
        deciding.set()
        assert gate.wait(20.0)
        return take(hand, goal)

    monkeypatch.setattr(MockHand, "_on_goal", slow_to_decide)
    robot = make_robot(allow_execution=True, request_timeout=3.0)
    live.spin(MockHand("slow", context=live.context))
    robot.show()
    answer = live.call(robot.client, SynthesizeGrasp.Request(seed=1, execute=True))
    assert deciding.is_set()
    assert answer.error_code == ErrorCode.TIMEOUT and not answer.goal_accepted and "accepts later" in answer.message
    gate.set()
    live.until(lambda: told == ["cancelled"], "the late goal to be cancelled", 4.0)
