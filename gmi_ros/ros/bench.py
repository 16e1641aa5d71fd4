"""Speed figures of the running node: its service from another process, its idling, its start."""

import gc
import os
import sys
import time
from itertools import count
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.bench import percentiles
from gmi_ros.ros.children import Child, Children
from gmi_ros.ros.image_source import READY
from gmi_ros.ros.processes import SYNTHESIZER, node_starts, use_image_profile
from gmi_ros.ros.session import Session, own_domain
from gmi_ros.srv import SynthesizeGrasp

SERVICE_RATE, IDLE_RATE = 10.0, 30.0  # of the images [Hz]
_WAIT_S, _ANSWER_S = 60.0, 20.0
_ANSWERED = (ErrorCode.OK, ErrorCode.NO_GRASP)


def bench_service(calls: int, scenes: int, seed: int, model: Path | None = None) -> dict:
    """`service_ms` of /synthesize_grasp as a client in another process sees it, and `startup_s`.

    The images come at 10 Hz from a third process and show rendered scenes in turn.

    Raises:
        GmiError: INTERNAL where a process dies or the node refuses every request; TIMEOUT.
    """
    with _Bench() as (children, session):
        client = session.node.create_client(SynthesizeGrasp, "synthesize_grasp")
        source = _start_source(children, SERVICE_RATE, scenes, seed)
        session.spin_until(
            lambda: any(READY in line for line in list(source.lines)), _WAIT_S + 5 * scenes, "the image source"
        )
        started = time.perf_counter()
        _start_synthesizer(children, model)
        session.spin_until(client.service_is_ready, _WAIT_S, "synthesize_grasp")
        numbers = count(1)
        refusals: list[str] = []

        def answered() -> bool:
            answer = session.call(client, SynthesizeGrasp.Request(seed=next(numbers)), _ANSWER_S)
            refusals.append(f"{ErrorCode(answer.error_code).name}: {answer.message}")
            return answer.error_code in _ANSWERED

        session.spin_until(answered, _WAIT_S, "an answer of synthesize_grasp")
        startup = time.perf_counter() - started
        times = []
        gc.collect()
        gc.freeze()  # the pauses of this process's collector are not the service's
        for _ in range(calls):
            start = time.perf_counter()
            if answered():
                times.append((time.perf_counter() - start) * 1e3)
    if not times:
        raise GmiError(ErrorCode.INTERNAL, f"every request was refused, the last one with {refusals[-1]}")
    return {"service_ms": {**percentiles(times), "refused": calls - len(times)}, "startup_s": round(startup, 2)}


def bench_idle(seconds: float, model: Path | None = None) -> dict:
    """`cpu_percent` (of one core), `rss_mb` (RssAnon) and `sets_per_s` of grasp_synthesizer fed at 30 Hz, uncalled."""
    with _Bench() as (children, session):
        node = _start_synthesizer(children, model)
        _start_source(children, IDLE_RATE, 0, 1)
        sets: list[tuple[float, int]] = []  # time [s], complete sets so far

        def listen(message: DiagnosticArray) -> None:
            values = {v.key: v.value for status in message.status for v in status.values}
            if int(values.get("sets", 0)):
                sets.append((time.monotonic(), int(values["sets"])))

        session.node.create_subscription(DiagnosticArray, "/diagnostics", listen, 10)
        # Two reports with sets: the stream is under way, and a report lies at either end of the interval.
        session.spin_until(lambda: len(sets) >= 2, _WAIT_S, "sets of images in /diagnostics")
        sets.clear()
        session.spin_until(lambda: sets, _ANSWER_S, "/diagnostics")
        cpu, start = _cpu_seconds(node), time.monotonic()
        end = sets[0][0] + seconds
        session.spin_until(lambda: sets[-1][0] >= end, seconds + _ANSWER_S, "/diagnostics")
        elapsed, cpu = time.monotonic() - start, _cpu_seconds(node) - cpu
        (first, before), (last, after) = sets[0], sets[-1]
        return {
            "cpu_percent": round(100 * cpu / elapsed, 1),
            "rss_mb": round(_anonymous_kb(node) / 1024, 1),
            "sets_per_s": round((after - before) / (last - first), 2),
            "seconds": round(elapsed, 1),
        }


class _Bench:
    """Processes and a session on a domain of their own, all gone at the end."""

    def __enter__(self) -> tuple[Children, Session]:
        own_domain()
        use_image_profile()
        self._children = Children().__enter__()
        try:
            self._session = Session("gmi_bench", self._children.check)
        except BaseException:
            self._children.stop()
            raise
        return self._children, self._session

    def __exit__(self, *error) -> None:
        self._session.__exit__(*error)
        self._children.__exit__(*error)


def _start_source(children: Children, rate: float, scenes: int, seed: int) -> Child:
    options = ["--rate", str(rate), "--scenes", str(scenes), "--seed", str(seed)]
    return children.start("image_source", [sys.executable, "-m", "gmi_ros.ros.image_source", *options])


def _start_synthesizer(children: Children, model: Path | None) -> Child:
    """The node as `gmi up` starts it, but for its input topics, which are the plain ones."""
    values = {"record": "false", "sim": "false", "model": str(model.absolute()) if model else ""}
    topics = {"rgb_topic": "rgb/image", "depth_topic": "depth/image"}
    topics |= {"camera_info_topic": "rgb/camera_info", "mask_topic": "segmentation/mask"}
    (start,) = node_starts({**values, **topics})
    assert start.name == SYNTHESIZER
    return children.start_node(start)


def _cpu_seconds(child: Child) -> float:
    """User and system time of a process so far [s] (proc(5): fields 14 and 15 of stat, after the name)."""
    stat = Path(f"/proc/{child.process.pid}/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _anonymous_kb(child: Child) -> int:
    """Memory of a process that no file backs [kB]."""
    for line in Path(f"/proc/{child.process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise GmiError(
        ErrorCode.INTERNAL, f"/proc/{child.process.pid}/status has no RssAnon: not a Linux kernel of 4.5 or later?"
    )
