"""/diagnostics: levels that mean something, counts that add up, and times by stage."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from gmi_ros.pipeline import STAGES
from gmi_ros.ros.diagnostics import BOUNDS_MS, Latency, Statistics

pytestmark = pytest.mark.ros
NAME = "grasp_synthesizer"


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_a_histogram_counts_every_time_once_in_the_bin_it_belongs_to():
    latency, times = Latency(), [0.5, 1.0, 1.5, 7.0, 999.0, 5000.0]
    for time in times:
        latency.add(time)
    told = latency.values()
    bins = dict(pair.split(":") for pair in told["histogram"].split())
    assert [int(bins[str(b)]) for b in (*BOUNDS_MS, "more")] == [2, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1]
    assert float(told["p50"]) == pytest.approx(np.median(times), abs=0.06)


def test_statistics_add_up():
    statistics = Statistics()
    statistics.count("a")
    statistics.count("a", 4)
    statistics.latency("wrist", 3.0)
    assert statistics["a"] == 5 and statistics.values()["a"] == "5"
    assert statistics.values()["latency_ms.wrist.p50"] == "3.0"


def test_before_images_come_it_warns_and_then_it_tells_rates_ages_and_times(robot, weights):
    told = robot.diagnostics()
    assert told[NAME].level == DiagnosticStatus.OK and told[NAME].message == "active"
    node = values(told[NAME])
    assert node["weights"] == robot.node._configuration.model.hash and node["weights_folder"] == weights
    assert (
        told[f"{NAME}: inputs"].level == DiagnosticStatus.WARN and "no complete set" in told[f"{NAME}: inputs"].message
    )
    robot.show()
    answer = robot.ask(n_samples=8)
    told = robot.diagnostics()
    inputs, requests = values(told[f"{NAME}: inputs"]), values(told[f"{NAME}: requests"])
    assert told[f"{NAME}: inputs"].level == DiagnosticStatus.OK and inputs["sets"] == "1"
    for topic in ("/rgb/image", "/depth/image", "/rgb/camera_info", "/segmentation/mask"):
        assert inputs[f"received{topic}"] == "1" and inputs[f"unpaired{topic}"] == "0"
        assert 0 <= float(inputs[f"age_s{topic}"]) < 20
    assert requests["requests"] == requests["answered"] == "1" and requests["sampled"] == "8"
    rejected = {name: count for name, count in zip(answer.rejected_names, answer.rejected_counts)}
    assert {k: int(v) for k, v in requests.items() if k.startswith("rejected.")} == {
        f"rejected.{name}": count for name, count in rejected.items()
    }
    assert {f"latency_ms.{stage}.histogram" for stage in (*STAGES, "request")} <= set(requests)


def test_images_that_are_too_old_are_a_warning(robot):
    robot.show(age=25.0)
    told = robot.diagnostics()[f"{NAME}: inputs"]
    assert told.level == DiagnosticStatus.WARN and "at most 20 s" in told.message


def test_deactivated_is_well_and_missing_weights_are_an_error(robot, make_robot, tmp_path):
    robot.node.trigger_deactivate()
    told = robot.diagnostics()
    assert told[NAME].level == DiagnosticStatus.OK and "deactivated" in told[NAME].message
    assert f"{NAME}: inputs" not in told
    lost = make_robot(model=str(tmp_path), namespace="lost", wait=False)
    told = {}
    lost.live.until(lambda: told.update(lost.diagnostics()) or f"lost/{NAME}" in told, "the other node's report")
    assert told[f"lost/{NAME}"].level == DiagnosticStatus.ERROR and "lacks" in told[f"lost/{NAME}"].message
