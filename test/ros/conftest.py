"""Nodes on executors in threads of their own, a small drawn frame, and a network whose untrained guess is good."""

import gc
import threading
import time

import numpy as np
import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException
from rclpy.parameter import Parameter

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.frame import Frame, Intrinsics
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import load_hand
from gmi_ros.learning.checkpoint import load, save
from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.networks import RCVAE
from gmi_ros.msg import GraspOutcome, Observation
from gmi_ros.pipeline import synthesize
from gmi_ros.ros import qos
from gmi_ros.ros.configuration import bounded_motion
from gmi_ros.ros.convert import frame_messages, grasp_message, header_message, observation_message, stamp_message
from gmi_ros.ros.convert_outcome import outcome_message
from gmi_ros.ros.executor import ThreadsExecutor
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.grasp_synthesizer import GraspSynthesizer
from gmi_ros.ros.mock_hand import execution_result
from gmi_ros.ros.settings import NodeSettings
from gmi_ros.srv import SynthesizeGrasp

TABLE_DEPTH, BOX_DEPTH = 0.70, 0.60  # [m] under a camera that looks straight down


def draw_frame(boxes=((70, 45, 12, 24, 1),), stamp_ns: int = 1_000_000_000) -> Frame:
    """160x120: boxes (u, v, width, height, label) [px], 10 cm tall, on a table."""
    intrinsics = Intrinsics(160, 120, 130.0, 130.0, 79.5, 59.5)
    rgb = np.full((120, 160, 3), (120, 110, 100), np.uint8)
    depth, mask = np.full((120, 160), TABLE_DEPTH, np.float32), np.zeros((120, 160), np.uint16)
    for u, v, width, height, label in boxes:
        box = np.s_[v : v + height, u : u + width]
        rgb[box], depth[box], mask[box] = (200, 40, 40), BOX_DEPTH, label
    return Frame(rgb, depth, mask, intrinsics, stamp_ns, "camera_rgb_optical_frame")


def save_tiny_network(folder) -> None:
    """An untrained network whose mean is a grasp from above with F1 and F2 opposite F3, varied by a few millimetres."""
    hand = load_hand()
    joints = np.array([0.0, 1.45, 1.45, 1.45])
    tips, pads = hand.tips(joints), hand.pad_normals(joints)
    # {P}'s z (the approach) along O_x, its y along O_y, so its x along -O_z; tips 2 cm below the top of the object.
    object_from_palm = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    contacts = (tips - tips.mean(axis=0)) @ object_from_palm.T + [0.02, 0.0, 0.0]
    normals = -pads @ object_from_palm.T
    network = RCVAE(NetworkConfig(kernels=(7, 5, 5, 5, 3), channels=(2, 2, 2, 2, 2), hidden=8, latent=4), seed=3)
    with torch.no_grad():
        network.normaliser.grasp_mean.copy_(torch.from_numpy(np.concatenate([contacts, normals]).ravel()))
        network.normaliser.grasp_std.fill_(0.003)
    save(folder, network, {}, "Untrained, for tests.")


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> str:
    """Folder of a tiny untrained network."""
    folder = tmp_path_factory.mktemp("weights") / "r_cvae"
    save_tiny_network(folder)
    return str(folder)


class Live:
    """Nodes in one context, each on an executor with threads of its own."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self._running = []

    def spin(self, node, threads: int = 6):
        """Spin `node`, made with `context=live.context`, until the test ends; returns it."""
        executor = ThreadsExecutor(threads, context=self.context)
        executor.add_node(node)
        thread = threading.Thread(target=self._spin, args=(executor,), daemon=True)
        thread.start()
        self._running.append((node, executor, thread))
        return node

    def node(self, name: str, namespace: str = ""):
        """A plain node that spins."""
        return self.spin(rclpy.create_node(name, context=self.context, namespace=namespace), 2)

    def stop(self, node, destroy: bool = True) -> None:
        """Stop spinning one node; without `destroy` it stays in the graph and answers nothing any more."""
        for entry in [e for e in self._running if e[0] is node]:
            self._running.remove(entry)
            _, executor, thread = entry
            executor.shutdown(timeout_sec=5.0)
            thread.join(5.0)
            if destroy:
                node.destroy_node()

    def close(self) -> None:
        for node, *_ in reversed(list(self._running)):
            self.stop(node)
        rclpy.shutdown(context=self.context)
        gc.collect()  # a managed node stays in the graph until rclpy's cycle of references is found

    @staticmethod
    def until(condition, what: str = "the condition", timeout: float = 10.0):
        """Wait until `condition()` is true and return its value; fails with what was waited for."""
        end = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < end, f"waited {timeout} s for {what}"
            time.sleep(0.005)
        return value

    def call(self, client, request, timeout: float = 10.0):
        """The answer of a service."""
        assert client.wait_for_service(timeout_sec=timeout), f"no service {client.srv_name}"
        future = client.call_async(request)
        return self.until(lambda: future.done() and future.result(), f"the answer of {client.srv_name}", timeout)

    @staticmethod
    def _spin(executor):
        try:
            executor.spin()
        except ExternalShutdownException:
            pass


@pytest.fixture
def live():
    """A `Live`, closed after the test."""
    session = Live()
    yield session
    session.close()


@pytest.fixture(scope="module")
def shared_robot(weights):
    """A `Robot` with default parameters for all tests of a module: each finds it as the one before has left it."""
    session = Live()
    yield Robot(session, weights)
    session.close()


class Robot:
    """A grasp_synthesizer with a camera that shows what the test wants, and everything that comes out of it."""

    def __init__(self, live: Live, weights: str, namespace: str = "", wait: bool = True, **settings):
        """wait: for the inputs of a node that starts by itself."""
        self.live = live
        # Ages and times that hold on a busy machine too.
        patient = {"max_age": 20.0, "request_timeout": 10.0}
        given = {"model": weights, "n_samples": 8, "inference_threads": 1, **patient, **settings}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = GraspSynthesizer(context=live.context, parameter_overrides=overrides, namespace=namespace)
        self.node = live.spin(node)
        self.user = live.node("user", namespace)
        self.client = self.user.create_client(SynthesizeGrasp, "synthesize_grasp")
        self._cameras = [self.user.create_publisher(kind, name, 5) for kind, name in TOPICS]
        if wait and settings.get("autostart", True):
            self.find_inputs()

    def find_inputs(self) -> None:
        """Wait until the node, once active, listens to the camera."""
        self.live.until(lambda: all(p.get_subscription_count() for p in self._cameras), "the inputs")

    def set(self, **settings):
        """Set parameters of the running node, over the middleware; the first one's result."""
        client = self.user.create_client(SetParameters, "grasp_synthesizer/set_parameters")
        given = [Parameter(name, value=value).to_parameter_msg() for name, value in settings.items()]
        return self.live.call(client, SetParameters.Request(parameters=given)).results[0]

    def diagnostics(self) -> dict[str, DiagnosticStatus]:
        """The next report in /diagnostics, by the statuses' names."""
        heard = []
        listener = self.user.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 10)
        self.live.until(lambda: heard, "/diagnostics")
        self.user.destroy_subscription(listener)
        return {status.name: status for status in heard[-1].status}

    def heard(self, kind, topic: str, retained: bool = False) -> list:
        """A list that messages of a topic are appended to."""
        messages = []
        publishers = self.user.count_publishers(topic)
        self.user.create_subscription(kind, topic, messages.append, qos.retained(20) if retained else 20)
        self.live.until(lambda: self.user.count_publishers(topic) >= max(publishers, 1), f"a publisher of {topic}")
        return messages

    def show(self, frame: Frame | None = None, age: float = 0.0, change=lambda *messages: None) -> Frame:
        """Publish a frame stamped `age` seconds ago; `change` may spoil rgb, depth, info and mask first."""
        frame = draw_frame() if frame is None else frame
        stamp_ns = self.node.get_clock().now().nanoseconds - int(age * 1e9)
        frame = Frame(frame.rgb, frame.depth, frame.mask, frame.intrinsics, stamp_ns, frame.frame_id)
        messages = frame_messages(frame)
        change(*messages)
        sets = self.node._source.sets
        for publisher, message in zip(self._cameras, messages):
            publisher.publish(message)
        self.live.until(lambda: self.node._source.sets > sets, "the set of images")
        return frame

    def ask(self, **fields) -> SynthesizeGrasp.Response:
        """Call synthesize_grasp; seed 1 unless given."""
        return self.live.call(self.client, SynthesizeGrasp.Request(**{"seed": 1, **fields}))


@pytest.fixture
def draw():
    """`draw_frame`."""
    return draw_frame


@pytest.fixture
def make_robot(live, weights):
    """Makes a `Robot` with these parameters."""
    return lambda **settings: Robot(live, settings.pop("model", weights), **settings)


@pytest.fixture
def robot(make_robot):
    """A `Robot` with default parameters and a tiny network."""
    return make_robot()


@pytest.fixture(scope="session")
def executed(weights):
    """Makes an outcome of this name, its observation and its synthesis, of the n-th frame."""
    hand, model = load_hand(), load(weights)

    def make(n: int, name: str, reason: str = "held") -> tuple[GraspOutcome, Observation, object]:
        frame = draw_frame(stamp_ns=1_000_000_000 + n * 100_000_000)
        synthesis = synthesize(frame, model, hand, SynthesisSettings(n_samples=8), 1)
        motion = bounded_motion(NodeSettings(), hand)
        grasp = grasp_message(synthesis.grasps[0], synthesis, motion, header_message(frame))
        goal = ExecuteGrasp.Goal(grasp=grasp, execution_id=name)
        result = execution_result(goal, reason)
        outcome = outcome_message(goal, result, 0, "", stamp_message(5), 1, "drawn", model.hash)
        return outcome, observation_message(synthesis, frame, "drawn"), synthesis

    return make
