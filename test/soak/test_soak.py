"""A quarter of an hour beside a bad camera: each answer is that of its set, to the byte, or its damage's error."""

import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from disturbances import SLOP_S, Ring, fate
from message_bytes import difference

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.core.version import version
from gmi_ros.evaluation.bench import frame_ring
from gmi_ros.evaluation.models import load_model
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros.answer import answer_request
from gmi_ros.ros.children import Child, Children
from gmi_ros.ros.configuration import bounded_motion
from gmi_ros.ros.convert import nanoseconds
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.processes import SYNTHESIZER, node_starts
from gmi_ros.ros.response import fill_answer, refuse
from gmi_ros.ros.session import Session
from gmi_ros.ros.settings import NodeSettings
from gmi_ros.ros.worker import Deadline
from gmi_ros.srv import SynthesizeGrasp

pytestmark = [pytest.mark.ros, pytest.mark.soak]
SECONDS = 15 * 60
SCENES = 6
START_S = 180.0  # for a node to start on a busy machine
DELIVERY_S = 0.5  # most of what an answer takes beyond the node's own deadline, and a set beyond its last delay
GROWTH = 1.02  # most of the memory at the end, as a share of that after the start


@dataclass(frozen=True)
class Call:
    """A request and its answer. before_ns, after_ns: the system's clock around it. rss_kb: of the node, after it."""

    request: SynthesizeGrasp.Request
    response: SynthesizeGrasp.Response
    before_ns: int
    after_ns: int
    rss_kb: int

    @property
    def seconds(self) -> float:
        return (self.after_ns - self.before_ns) / 1e9


class Offline:
    """What the set with a number gives, without a node."""

    def __init__(self, ring: Ring, seed: int, settings: NodeSettings):
        self._ring, self._seed = ring, seed
        self._synthesis = SynthesisSettings()
        self._hand = load_hand(settings.hand)
        self._model = load_model(resource(SHIPPED), self._synthesis.inference_threads)
        self._motion = bounded_motion(settings, self._hand)

    def response(self, request: SynthesizeGrasp.Request, number: int, stamp_ns: int) -> SynthesizeGrasp.Response:
        """The whole response, but for times."""
        response = SynthesizeGrasp.Response(seed=request.seed, software_version=version())
        try:
            frame = self._ring.frame(self._seed, number, stamp_ns)
            answer = answer_request(
                request, frame, 0.0, self._model, self._hand, self._synthesis, None, Deadline(START_S)
            )
            fill_answer(response, answer, self._motion)
        except GmiError as error:
            refuse(response, error)
        return response


def complaint(call: Call, sent: dict[int, int], seed: int, offline: Offline, settings: NodeSettings) -> str:
    """What is wrong with an answer; nothing where it is right. sent: number of each complete set by its stamp [ns]."""
    response, age = call.response, call.response.age
    said = f"request {call.request.seed}: {ErrorCode(response.error_code).name}, {response.message}"
    if call.seconds > settings.request_timeout + DELIVERY_S:
        return f"{said}: after {call.seconds:.2f} s"
    if response.objects:
        stamp = nanoseconds(response.objects[0].object_frame.header.stamp)
        if stamp not in sent:
            return f"{said}: of a set stamped {stamp}, which was never sent whole"
        if not 0 <= call.after_ns - stamp <= (settings.max_age + call.seconds) * 1e9:
            return f"{said}: of a set that was {(call.before_ns - stamp) / 1e9:.2f} s old"
        expected = offline.response(call.request, sent[stamp], stamp)
        differs = difference(expected, response)
        return differs and f"{said}: set {sent[stamp]}, {fate(seed, sent[stamp])}, offline another {differs}"
    slack = int(DELIVERY_S * 1e9)
    if response.error_code == ErrorCode.STALE_FRAME:
        # A later one may be on its way; before the first there is nothing to be stale.
        arrived = max((stamp for stamp in sent if stamp <= call.before_ns - slack), default=call.after_ns)
        stale = age > settings.max_age and call.after_ns - arrived > settings.max_age * 1e9
        return "" if stale else f"{said}: a set was sent {(call.before_ns - arrived) / 1e9:.2f} s before"
    since = call.before_ns - (0 if np.isnan(age) else int(age * 1e9)) - slack
    for stamp, number in sent.items():
        if since <= stamp <= call.after_ns and fate(seed, number).damage is not None:
            expected = offline.response(call.request, number, stamp)
            if (expected.error_code, expected.message) == (response.error_code, response.message):
                return ""
    return f"{said}: no set of that time is damaged so"


def start_node(children: Children, settings: NodeSettings, folder: Path) -> Child:
    """grasp_synthesizer as `gmi up` starts it, on the plain topics."""
    changed = {"slop_s": settings.slop_s, "max_age": settings.max_age, "request_timeout": settings.request_timeout}
    lines = "".join(f"    {name}: {value}\n" for name, value in changed.items())
    (folder / "soak.yaml").write_text(f"/**/{SYNTHESIZER}:\n  ros__parameters:\n{lines}")
    arguments = ("rgb_topic", "depth_topic", "camera_info_topic", "mask_topic")
    topics = dict(zip(arguments, (name for _, name in TOPICS), strict=True))
    (start,) = node_starts({"record": "false", "params_file": str(folder / "soak.yaml"), **topics})
    return children.start_node(start)


def rss_anon_kb(child: Child) -> int:
    """Memory of the process that no file backs."""
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon:")).split()[1])


def ask(session: Session, node: Child, seconds: float) -> list[Call]:
    """A request every second, once the first one was answered with a set."""
    client = session.node.create_client(SynthesizeGrasp, "synthesize_grasp")

    def call(number: int) -> Call:
        request = SynthesizeGrasp.Request(seed=number, all_objects=number % 3 == 0)
        before = time.time_ns()
        response = session.call(client, request, START_S)
        return Call(request, response, before, time.time_ns(), rss_anon_kb(node))

    session.spin_until(client.service_is_ready, START_S, "synthesize_grasp")
    session.spin_until(lambda: call(1).response.objects, START_S, "an answer")
    calls, start = [], time.monotonic()
    while time.monotonic() - start < seconds:
        calls.append(call(len(calls) + 1))
        session.spin_for(max(0.0, start + len(calls) - time.monotonic()))
    return calls


def test_every_answer_is_that_of_its_set(tmp_path, soak_seed, soak_scale):
    full = soak_scale == 1.0
    # On a machine that runs other things too, nine seconds are no place for its hiccups.
    patient = {} if full else {"max_age": 30.0, "request_timeout": 30.0}
    settings = NodeSettings(slop_s=SLOP_S, **patient)
    Ring(frame_ring(load_hand(), soak_seed, SCENES)).save(tmp_path / "ring.npz")

    def log(name: str, line: str) -> None:
        with (tmp_path / "log").open("a") as file:
            print(name, line, file=file)

    stamps, script = tmp_path / "stamps", Path(__file__).with_name("disturbed_source.py")
    with Children(log) as children, Session("soak", children.check) as session:
        node = start_node(children, settings, tmp_path)
        command = [sys.executable, str(script), str(tmp_path / "ring.npz"), str(stamps), "--seed", str(soak_seed)]
        children.start("disturbed_source", command)
        calls = ask(session, node, SECONDS * soak_scale)

    sent = {int(stamp): int(number) for number, stamp in map(str.split, stamps.read_text().splitlines())}
    offline = Offline(Ring.load(tmp_path / "ring.npz"), soak_seed, settings)
    wrong = [text for call in calls if (text := complaint(call, sent, soak_seed, offline, settings))]
    report(calls, sent, soak_seed)
    early, late = (statistics.median(c.rss_kb for c in part) for part in (calls[120:240] or calls, calls[-120:]))
    print(
        f"RssAnon, medians: {early / 1024:.1f} MB in minutes 2 to 4, {late / 1024:.1f} MB in the last two", flush=True
    )
    assert not wrong, "\n".join(wrong)
    assert any(call.response.success for call in calls)
    if full:
        assert len(calls) >= 0.95 * SECONDS and len({call.response.error_code for call in calls}) >= 5
        assert late <= GROWTH * early, f"RssAnon: {early} kB in minutes 2 to 4, {late} kB in the last two"


def report(calls: list[Call], sent: dict[int, int], seed: int) -> None:
    """Counts of fates and answers; they are seen under `make soak`."""
    fates = Counter(fate(seed, number).kind for number in range(max(sent.values()) + 1))
    codes = Counter(ErrorCode(call.response.error_code).name for call in calls)
    seconds = [call.seconds for call in calls]
    print(f"{sum(fates.values())} sets: {dict(fates)}")
    print(f"{len(calls)} answers: {dict(codes)}")
    print(f"answered in {statistics.median(seconds) * 1e3:.0f} ms (median), {max(seconds) * 1e3:.0f} ms at most")
    every_minute = [round(call.rss_kb / 1024) for call in calls[::60]]
    print(f"RssAnon, every minute: {every_minute} MB")
