"""What grasp_synthesizer says of itself in /diagnostics, once a second.

Levels: ERROR = it cannot answer until somebody does something; WARN = requests would be refused now, or images get
lost; OK = all is well, or somebody has deactivated it.
"""

import math
import platform

import numpy
import torch
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.version import version
from gmi_ros.ros.configuration import Configuration
from gmi_ros.ros.diagnostics import ERROR, OK, WARN, Statistics, diagnostic_array, status
from gmi_ros.ros.frame_source import FrameSource

MOST_UNPAIRED = 0.1  # share of an input's messages without partners from which that is worth a warning


def report(
    stamp: Time,
    name: str,
    state: str,
    refusal: GmiError | None,
    configuration: Configuration | None,
    source: FrameSource | None,
    max_age: float,
    execution: str,
    statistics: Statistics,
) -> DiagnosticArray:
    """Status of the node, its inputs and its requests.

    Args:
        state: of the life cycle. refusal: what requests are told while it is not active. max_age: of images [s].
        execution: `idle`, or which one and its phase.
    """
    hardware = "" if configuration is None else configuration.hand.name
    statuses = [_node(name, hardware, state, refusal, configuration)]
    if source is not None:
        statuses.append(_inputs(f"{name}: inputs", hardware, source, max_age))
    values = {"execution": execution, **statistics.values()}
    answered = f"{statistics['answered']} of {statistics['requests']} requests answered with grasps"
    statuses.append(status(f"{name}: requests", hardware, OK, answered, values))
    return diagnostic_array(stamp, *statuses)


def _node(
    name: str, hardware: str, state: str, refusal: GmiError | None, configuration: Configuration | None
) -> DiagnosticStatus:
    values = {
        "state": state,
        "gmi_ros": version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }
    if configuration is not None:
        values |= {"weights": configuration.model.hash, "weights_folder": str(configuration.folder)}
    if refusal is None:
        return status(name, hardware, OK, state, values)
    level = OK if refusal.code == ErrorCode.NOT_ACTIVE else ERROR
    return status(name, hardware, level, f"{state}: {refusal.message}", values | {"error": refusal.code.name})


def _inputs(name: str, hardware: str, source: FrameSource, max_age: float) -> DiagnosticStatus:
    age, inputs = source.age(), source.statistics()
    level, summary = OK, f"{source.sets_per_s:.1f} sets a second"
    if source.sets == 0:
        level, summary = WARN, "no complete set of images yet"
    elif age > max_age:
        level, summary = WARN, f"the newest set of images is {age:.1f} s old, at most {max_age:g} s (max_age) are used"
    else:
        lossy = [topic for topic, i in inputs.items() if i.unpaired > MOST_UNPAIRED * max(i.received, 1)]
        if lossy:
            level, summary = WARN, f"{summary}; over {MOST_UNPAIRED:.0%} without partners: {', '.join(lossy)}"
    values = {"sets": str(source.sets), "sets_per_s": f"{source.sets_per_s:.2f}", "set_age_s": _seconds(age)}
    for topic, i in inputs.items():
        values |= {
            f"received{topic}": str(i.received),
            f"rate_hz{topic}": f"{i.rate:.2f}",
            f"age_s{topic}": _seconds(i.age),
            f"unpaired{topic}": str(i.unpaired),
        }
    return status(name, hardware, level, summary, values)


def _seconds(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"
