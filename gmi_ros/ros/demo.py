"""The demo: see, synthesise, execute, record, between four processes that talk through the middleware."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from std_srvs.srv import Trigger

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.experience.store import Store
from gmi_ros.msg import GraspOutcome, Recorded
from gmi_ros.ros import qos
from gmi_ros.ros.children import Children
from gmi_ros.ros.compat import Synchronizer
from gmi_ros.ros.convert import frame_from_messages, nanoseconds
from gmi_ros.ros.frame_source import TOPICS
from gmi_ros.ros.processes import RECORDER, SIM_CELL, SYNTHESIZER, NodeStart, node_starts, use_image_profile
from gmi_ros.ros.session import Session, own_domain
from gmi_ros.srv import SynthesizeGrasp

START_S, RESET_S, SET_S, ANSWER_S, OUTCOME_S, RECORDED_S = 120.0, 30.0, 20.0, 20.0, 70.0, 15.0  # caps of the waits [s]
_REQUEST_TIMEOUT = 15.0  # of the node, in the demo [s]: a slow machine shall show the demo too
_MAX_AGE = 20.0  # of the node, in the demo [s]: caps that of its requests, which is the age of the scene
_SETTLED_S = 0.25  # images this much younger than the scene are asked for, so that the answer still is in time [s]
_SETS_KEPT = 40
_RETRIED = (ErrorCode.NO_FRAME, ErrorCode.STALE_FRAME, ErrorCode.ACTION_SERVER_ABSENT)


@dataclass(frozen=True)
class Round:
    """One round. frame: the images that the answer is about. answer: the service's. outcome: None where refused.

    synthesis_ms: time of the stages together; answer_ms: as the client saw it, until the goal was accepted.
    """

    number: int
    object_name: str
    frame: Frame | None
    answer: SynthesizeGrasp.Response
    outcome: GraspOutcome | None
    acknowledged: bool
    synthesis_ms: float
    answer_ms: float

    @property
    def success(self) -> bool:
        """Whether the object was held."""
        return self.outcome is not None and self.outcome.success

    @property
    def what_happened(self) -> str:
        """One line for a person."""
        if self.outcome is None:
            return f"refused, {ErrorCode(self.answer.error_code).name}: {self.answer.message}"
        reason, lifted = self.outcome.reason.replace("_", " "), 100 * self.outcome.height_lifted
        stored = "" if self.acknowledged else f", not acknowledged by the recorder within {RECORDED_S:g} s"
        return f"{'success' if self.success else 'failure'}, {reason}, lifted {lifted:.0f} cm{stored}"


def demo(
    rounds: int,
    seed: int,
    store: Path,
    model: Path | None = None,
    on_round: Callable[[Round], None] = lambda done: None,
    on_log: Callable[[str, str], None] = lambda name, line: None,
    full_frames: bool = False,
) -> dict:
    """Run the rounds; every wait has a cap, and the node processes are gone when this returns or raises.

    Args:
        store: experience store, made or appended to.
        model: folder of the weights, None = the shipped ones.
        on_round: called after each round. on_log: called with each line that a node logs, from another thread.
        full_frames: the recorder keeps the whole images of executed grasps too.

    Returns:
        rounds, successes, recorded (successful pairs added), stored (outcomes added), refused, unacknowledged (outcomes
        that the recorder did not confirm in time), seconds.

    Raises:
        GmiError: INTERNAL where a node has died, with its last words; TIMEOUT; the store's errors.
    """
    started = time.monotonic()
    own_domain()
    use_image_profile()
    before = _stored(store)
    with Children(on_log) as children:
        for start in _starts(seed, store, model, full_frames):
            children.start_node(start)
        with Session("gmi_demo", children.check) as session:
            client = _Client(session)
            client.wait_for_nodes()
            done = []
            for number in range(1, rounds + 1):
                done.append(client.round(number, seed))
                on_round(done[-1])
    after = _stored(store)
    return {
        "rounds": rounds,
        "successes": sum(r.success for r in done),
        "recorded": after[1] - before[1],
        "stored": after[0] - before[0],
        "refused": sum(r.outcome is None for r in done),
        "unacknowledged": sum(r.outcome is not None and not r.acknowledged for r in done),
        "seconds": round(time.monotonic() - started, 2),
    }


def _starts(seed: int, store: Path, model: Path | None, full_frames: bool) -> list[NodeStart]:
    """The nodes of `gmi up --sim`, with the demo's seed."""
    values = {"sim": "true", "store": str(store.absolute())}
    if model is not None:
        values["model"] = str(model.absolute())
    extra = {
        SIM_CELL: {"seed": seed},
        RECORDER: {"store_full_frames": full_frames},
        SYNTHESIZER: {"request_timeout": _REQUEST_TIMEOUT, "max_age": _MAX_AGE, "input_reliability": "reliable"},
    }
    return [replace(s, parameters={**s.parameters, **extra.get(s.name, {})}) for s in node_starts(values)]


def _stored(store: Path) -> tuple[int, int]:
    """Outcomes and successful pairs in the store."""
    if not store.exists():
        return 0, 0
    with Store(store) as opened:
        return opened.count(), sum(1 for e in opened.episodes(success=True) if e.pixels is not None)


class _Client:
    """Who asks: a camera's viewer, the service's client, and an ear for outcomes and acknowledgements."""

    def __init__(self, session: Session):
        self._session, node = session, session.node
        self._sets: OrderedDict[int, tuple] = OrderedDict()  # stamp of the rgb image [ns] -> set
        self._outcomes: dict[str, GraspOutcome] = {}
        self._recorded: dict[str, Recorded] = {}
        self._synchronizer = Synchronizer(node, TOPICS, qos.inputs("reliable"), 10, 0.05, self._keep)
        self._reset = node.create_client(Trigger, f"{SIM_CELL}/reset")
        self._synthesize = node.create_client(SynthesizeGrasp, "synthesize_grasp")
        kept = qos.retained(qos.OUTCOMES_KEPT)
        node.create_subscription(
            GraspOutcome, "grasp_outcome", lambda m: self._outcomes.setdefault(m.outcome_id, m), kept
        )
        node.create_subscription(
            Recorded, "experience_recorder/recorded", lambda m: self._recorded.setdefault(m.outcome_id, m), kept
        )

    def wait_for_nodes(self) -> None:
        """Until every node answers."""
        node = self._session.node
        for what, there in (
            ("sim_cell", self._reset.service_is_ready),
            ("grasp_synthesizer", self._synthesize.service_is_ready),
            ("experience_recorder", lambda: node.count_publishers("experience_recorder/recorded") > 0),
            ("the recorder to hear outcomes", lambda: node.count_subscribers("grasp_outcome") > 1),
        ):
            self._session.spin_until(there, START_S, what)

    def round(self, number: int, seed: int) -> Round:
        """See, synthesise, execute, record."""
        reply = self._session.call(self._reset, Trigger.Request(), RESET_S)
        if not reply.success:
            raise GmiError(ErrorCode.INTERNAL, f"sim_cell refused to reset: {reply.message}")
        scene_since = self._session.node.get_clock().now().nanoseconds
        # Within the request's field whatever the seed, and never 0, which draws one.
        answer, answer_ms = self._ask(scene_since, 1 + (seed + number - 1) % 2**62)
        outcome, acknowledged = None, False
        if answer.goal_accepted:
            name = answer.execution_id
            outcome = self._session.spin_until(
                lambda: self._outcomes.get(name), OUTCOME_S, f"the outcome of execution {name}"
            )
            acknowledged = self._acknowledged(name)
        frame = self._frame_of(answer)
        return Round(number, reply.message, frame, answer, outcome, acknowledged, sum(answer.stage_ms), answer_ms)

    def _acknowledged(self, name: str) -> bool:
        """Whether the recorder has said in time that it stored the outcome."""
        try:
            self._session.spin_until(
                lambda: name in self._recorded, RECORDED_S, f"the recorder to store outcome {name}"
            )
        except GmiError as error:
            if error.code is not ErrorCode.TIMEOUT:
                raise
            return False
        return True

    def _ask(self, scene_since_ns: int, seed: int) -> tuple[SynthesizeGrasp.Response, float]:
        """Ask for a grasp of what is on the table now, and that it be executed.

        The oldest image allowed is one of the present scene: where the node has none yet, it is asked again.
        """
        clock = self._session.node.get_clock()
        young = scene_since_ns + int(_SETTLED_S * 1e9)
        self._session.spin_until(lambda: any(s > young for s in self._sets), SET_S, "images of the new scene")
        end = time.monotonic() + SET_S
        while True:
            max_age = (clock.now().nanoseconds - scene_since_ns) / 1e9
            start = time.perf_counter()
            request = SynthesizeGrasp.Request(seed=seed, max_age=max_age, execute=True)
            answer = self._session.call(self._synthesize, request, ANSWER_S)
            if answer.error_code not in _RETRIED or time.monotonic() > end:
                return answer, (time.perf_counter() - start) * 1e3
            self._session.spin_for(0.1)

    def _frame_of(self, answer: SynthesizeGrasp.Response) -> Frame | None:
        """The images that the answer is about; the newest ones where it names none."""
        stamp = nanoseconds(answer.object_frame.header.stamp)
        images = self._sets.get(stamp) or next(reversed(self._sets.values()), None)
        return None if images is None else frame_from_messages(*images)

    def _keep(self, *images) -> None:
        self._sets[nanoseconds(images[0].header.stamp)] = images
        while len(self._sets) > _SETS_KEPT:
            self._sets.popitem(last=False)
