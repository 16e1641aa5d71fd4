"""Twenty thousand single-field mutations of valid image sets and requests: an answer or an error of ours, soon."""

import copy
import random
import resource
import signal
import time
import traceback
from collections import Counter
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
import rclpy
from mutations import MESSAGES, WHOLE_SET, Mutation, mutations
from rclpy.context import Context
from sets import VARIANTS, as_messages

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.models import load_model
from gmi_ros.hand.barrett import load_hand
from gmi_ros.ros import compat
from gmi_ros.ros.answer import answer_request, request_settings
from gmi_ros.ros.configuration import bounded_motion
from gmi_ros.ros.convert import observation_message
from gmi_ros.ros.frame_source import FrameSource
from gmi_ros.ros.response import fill_answer
from gmi_ros.ros.settings import NodeSettings
from gmi_ros.ros.worker import Deadline
from gmi_ros.srv import SynthesizeGrasp

pytestmark = [pytest.mark.ros, pytest.mark.soak]
MUTATIONS = 20_000
HANG_S = 60.0  # a call that takes longer counts as hung, on a busy machine too
CPU_S = 5.0  # most CPU time of one call; an ordinary one takes 0.03
MEMORY = 2**30  # [bytes] that the process may grow by
# All from 10 to 43 but two: a degenerate frame is answered, and refused only by who executes it (its flag is counted
# here); a transform is asked for only with a target_frame.
EXPECTED = {code for code in ErrorCode if 10 <= code <= 43} - {
    ErrorCode.DEGENERATE_FRAME,
    ErrorCode.TRANSFORM_UNAVAILABLE,
}


class Road:
    """From four messages and a request to the response, as the node goes it, without middleware."""

    def __init__(self, node, weights: Path):
        self.node = node
        self._settings = NodeSettings(max_age=20.0)
        self._source = FrameSource(node, self._settings)
        self._takers = [subscription.callback for subscription in self._source._synchronizer.subscriptions]
        self._hand, self._model = load_hand(), load_model(weights, 1)
        self._motion = bounded_motion(self._settings, self._hand)
        reaches = (SynthesisSettings.mask_reach_px, 0)  # in turn: a mended mask is seldom a wrong one
        self._synthesis = cycle(SynthesisSettings(n_samples=2, inference_threads=1, mask_reach_px=r) for r in reaches)
        self.reached = 0  # how often the network was asked
        sample = self._model.sample
        self._model.sample = lambda *a: (setattr(self, "reached", self.reached + 1), sample(*a))[1]

    def answer(self, messages: list, request: SynthesizeGrasp.Request) -> SynthesizeGrasp.Response:
        """Raises GmiError, and nothing else."""
        self._source._forget()
        for take, message in zip(self._takers, messages, strict=True):
            try:
                take(message)
            except ValueError:  # of message_filters, for a stamp before 1970; the node logs it and goes on
                if compat.message_filters is None:
                    raise
        settings = request_settings(request, next(self._synthesis))
        frame, age = self._source.newest(request.max_age)
        answer = answer_request(
            request, frame, age, self._model, self._hand, settings, None, Deadline(self._settings.request_timeout * 100)
        )
        response = SynthesizeGrasp.Response()
        fill_answer(response, answer, self._motion)
        if answer.first is not None:
            observation_message(answer.first, answer.frame)
        return response


@pytest.fixture
def road(ros_tests, tmp_path):
    ros_tests.save_tiny_network(tmp_path / "weights")
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("fuzz", context=context)
    yield Road(node, tmp_path / "weights")
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def bounds():
    """Memory for MEMORY more than now, and an alarm that ends what hangs."""

    def hung(*_):
        raise TimeoutError(f"no answer within {HANG_S} s")

    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, hung)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, before[1]))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


def valid_sets(ros_tests) -> list[list]:
    frame = ros_tests.draw_frame()
    return [as_messages(frame, *variant) for variant in VARIANTS]


def mutated(messages: list, mutation: Mutation, rng: random.Random) -> list:
    """The set and a request, all stamped now, with one field changed; what is not changed is shared."""
    label = rng.choice((0, 0, 1))
    changed = [*messages, SynthesizeGrasp.Request(seed=1, target_label=label)]
    if mutation.message == WHOLE_SET:
        changed[:4] = [copy.deepcopy(message) for message in messages]  # one by one: they may share a header
        mutation.apply(changed[:4], rng)
    else:
        index = MESSAGES.index(mutation.message)
        changed[index] = copy.deepcopy(changed[index])
        mutation.apply(changed[index], rng)
    return changed


def check_answer(response: SynthesizeGrasp.Response) -> None:
    """Whatever the input was, what is answered are numbers."""
    assert response.success == bool(response.grasps)
    for grasp in response.grasps:
        poses = [p for pose in (grasp.wrist_pose, grasp.pregrasp_wrist_pose) for p in (pose.position, pose.orientation)]
        points = [p for contact in grasp.contacts for p in (contact.position, contact.normal)]
        numbers = [getattr(p, axis) for p in (*poses, *points) for axis in p.get_fields_and_field_types()]
        assert np.isfinite([*numbers, *grasp.joints_closed.position, grasp.score]).all()


def test_any_single_field_may_be_wrong(road, bounds, ros_tests, soak_seed, soak_scale):
    sets, rng = valid_sets(ros_tests), random.Random(soak_seed)
    for messages in sets:  # they are valid, and what is loaded late is loaded
        stamp_now(road, messages)
        assert road.answer(messages, SynthesizeGrasp.Request(seed=1)).success
    road.reached = 0
    kinds, rounds = mutations(), round(MUTATIONS * soak_scale)
    codes, fields, degenerate, slowest, failures = Counter(), {}, 0, (0.0, ""), []
    for number in range(rounds):
        mutation, messages = kinds[number % len(kinds)], sets[number // len(kinds) % len(sets)]
        what = f"GMI_SOAK_SEED={soak_seed} mutation {number}: {mutation.message} {mutation.field}, {mutation.name}"
        reached = road.reached
        stamp_now(road, messages)
        changed = mutated(messages, mutation, rng)
        signal.setitimer(signal.ITIMER_REAL, HANG_S)
        start = time.process_time()
        try:
            response = road.answer(changed[:4], changed[4])
            check_answer(response)
            code, degenerate = ErrorCode(response.error_code), degenerate + response.degenerate
        except GmiError as error:
            code = error.code
            if not 0 < len(error.message) < 2000:
                failures.append(f"{what}: a message of {len(error.message)} letters")
        except Exception as error:  # noted, so that one run shows all
            code = ErrorCode.INTERNAL
            failures.append(f"{what}: {error!r}")
            traceback.print_exc()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, (time.process_time() - start, what))
        codes[code] += 1
        row = fields.setdefault(f"{mutation.message}.{mutation.field}", Counter())
        row["mutations"] += 1
        row["refused"] += code != ErrorCode.OK
        row["reached"] += road.reached > reached
    report(codes, fields, degenerate, slowest)
    assert not failures, "\n".join(failures)
    assert road.reached >= 0.1 * rounds and degenerate
    assert EXPECTED <= set(codes), f"never came: {sorted(code.name for code in EXPECTED - set(codes))}"
    assert set(codes) <= EXPECTED | {ErrorCode.OK}
    assert slowest[0] < CPU_S, slowest


def stamp_now(road: Road, messages: list) -> None:
    stamp = road.node.get_clock().now().to_msg()
    for message in messages:
        message.header.stamp.sec, message.header.stamp.nanosec = stamp.sec, stamp.nanosec


def report(codes: Counter, fields: dict[str, Counter], degenerate: int, slowest: tuple[float, str]) -> None:
    """The tables; they are seen under `make soak`."""
    print(f"{'field':32} {'mutations':>9} {'refused':>8} {'reached the network':>20}")
    for name, row in (*fields.items(), ("all", sum(fields.values(), Counter()))):
        print(f"{name:32} {row['mutations']:9} {row['refused']:8} {row['reached']:20}")
    for code in sorted(codes):
        print(f"{code:3} {code.name:28} {codes[code]:9}")
    print(f"degenerate {degenerate}; the slowest took {slowest[0]:.2f} s of CPU time: {slowest[1]}", flush=True)
