"""Every constant of SynthesizeGrasp and ExecuteGrasp, and the test that provokes it; a new one fails until it has one."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from gmi_ros.action import ExecuteGrasp
from gmi_ros.core.errors import ErrorCode
from gmi_ros.ros import compat
from gmi_ros.ros.mock_hand import MockHand
from gmi_ros.srv import SynthesizeGrasp

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
INPUT, ASK, RUN = "ros/test_bad_input.py", "ros/test_grasp_synthesizer.py", "ros/test_execution.py"
CYCLE, RECORDER = "ros/test_lifecycle.py", "ros/test_experience_recorder.py"


@dataclass(frozen=True)
class Where:
    """Who says the code, and the test that makes it do so.

    by: `answer` of the service; `outcome` of an execution, on the topic; `recorder`, in the diagnostics, since it
    serves nothing; `command`, its exit: what belongs to files never comes through the service, which takes no paths.
    """

    by: str
    file: str
    test: str


PROVOKED = {
    "OK": Where("answer", ASK, "test_the_answer_is_that_of_synthesize_to_the_bit"),
    "NO_FRAME": Where("answer", INPUT, "test_no_frame_yet"),
    "STALE_FRAME": Where("answer", INPUT, "test_a_frame_older_than_max_age"),
    "FUTURE_FRAME": Where("answer", INPUT, "test_a_stamp_in_the_future"),
    "SIZE_MISMATCH": Where("answer", INPUT, "test_sizes_that_differ"),
    "UNKNOWN_ENCODING": Where("answer", INPUT, "test_an_unknown_encoding"),
    "BAD_INTRINSICS": Where("answer", INPUT, "test_k_of_zeros"),
    "UNREGISTERED_DEPTH": Where("answer", INPUT, "test_depth_of_another_frame"),
    "MASK_EMPTY": Where("answer", INPUT, "test_an_empty_mask"),
    "MASK_TOO_SMALL": Where("answer", INPUT, "test_a_mask_of_fewer_than_30_pixels"),
    "MASK_AT_BORDER": Where("answer", INPUT, "test_a_mask_at_the_border"),
    "LABEL_NOT_FOUND": Where("answer", INPUT, "test_a_label_that_is_not_there"),
    "NO_VALID_DEPTH": Where("answer", INPUT, "test_no_valid_depth"),
    "DEPTH_UNITS": Where("answer", INPUT, "test_depth_that_is_a_thousand_times_off"),
    "BAD_REQUEST": Where("answer", INPUT, "test_fields_out_of_bounds"),
    "NO_GRASP": Where("answer", ASK, "test_filters_of_a_request_replace_the_parameters_for_that_request_only"),
    "DEGENERATE_FRAME": Where("answer", RUN, "test_a_degenerate_frame_is_never_executed"),
    "TRANSFORM_UNAVAILABLE": Where("answer", "ros/test_error_codes.py", "test_a_transform_that_nobody_knows"),
    "EXECUTION_NOT_ALLOWED": Where("answer", INPUT, "test_execution_that_is_not_allowed"),
    "ACTION_SERVER_ABSENT": Where("answer", RUN, "test_nobody_to_execute"),
    "ACTION_SERVER_LOST": Where("outcome", RUN, "test_a_server_that_leaves_in_the_middle_of_a_goal"),
    "GOAL_REJECTED": Where("answer", RUN, "test_a_goal_that_is_rejected"),
    "CANCELLED": Where("outcome", RUN, "test_deactivating_cancels"),
    "EXECUTION_FAILED": Where("outcome", RUN, "test_a_hand_that_breaks_is_told_with_its_words"),
    "EXECUTION_TIMEOUT": Where("outcome", RUN, "test_an_execution_that_takes_too_long_is_cancelled"),
    "BUSY": Where("answer", ASK, "test_one_request_runs_one_waits_and_the_third_is_busy"),
    "TIMEOUT": Where("answer", ASK, "test_a_request_that_takes_too_long_is_answered_and_the_next_is_served"),
    "NOT_ACTIVE": Where("answer", CYCLE, "test_each_state_answers_and_the_way_there_and_back_can_be_gone_again"),
    "WEIGHTS_MISSING": Where("answer", CYCLE, "test_weights_that_are_missing_leave_it_unconfigured_and_are_told"),
    "WEIGHTS_DAMAGED": Where("answer", CYCLE, "test_other_weights_are_taken_when_it_is_configured_again"),
    "STORE_UNWRITABLE": Where("recorder", RECORDER, "test_a_store_that_cannot_be_written_is_tried_again"),
    "STORE_CORRUPT": Where(
        "recorder", RECORDER, "test_a_store_that_is_corrupt_is_left_alone_until_it_is_out_of_the_way"
    ),
    "FILE_NOT_FOUND": Where("command", "cli/test_main.py", "test_a_failure_is_one_line_and_a_json_object"),
    "FILE_DAMAGED": Where("command", "cli/test_frame_files.py", "test_refusals"),
    "BAD_SETTING": Where("answer", CYCLE, "test_a_frame_that_nobody_can_transform_to_is_told_where_there_is_no_tf2"),
    "INTERNAL": Where("answer", INPUT, "test_a_defect_of_ours_is_answered_too"),
}


def constants(message: type) -> dict[str, int]:
    """The constants of a generated message, by name."""
    names = type(message).__prepare__(message.__name__, ())
    return {name: value for name, value in names.items() if name.isupper() and "__" not in name}


@cache
def sources(file: str) -> dict[str, str]:
    """Source of each test of a file, with what is parametrized."""
    text = (ROOT / "test" / file).read_text()
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


def test_the_constants_are_the_error_codes():
    assert constants(SynthesizeGrasp.Response) == {code.name: int(code) for code in ErrorCode}
    assert not constants(SynthesizeGrasp.Request)
    assert not constants(ExecuteGrasp.Goal) and not constants(ExecuteGrasp.Result)  # its codes are the service's


def test_every_code_is_in_the_table():
    assert list(PROVOKED) == list(constants(SynthesizeGrasp.Response))
    assert {where.by for where in PROVOKED.values()} == {"answer", "outcome", "recorder", "command"}


@pytest.mark.parametrize("code", PROVOKED)
def test_the_test_is_there_and_speaks_of_the_code(code, request):
    where = PROVOKED[code]
    source = sources(where.file)[where.test]
    assert re.search(rf"\b{code}\b", source), f"{where.test} does not speak of {code}"
    assert "mark.skip" not in source
    collected = {item.nodeid.partition("[")[0].removeprefix("test/") for item in request.session.items}
    if any(name.startswith(f"{where.file}::") for name in collected) and len(collected) > 50:
        assert f"{where.file}::{where.test}" in collected


def test_a_transform_that_nobody_knows(make_robot, monkeypatch):
    class Unknown(Exception):
        pass

    def refuse(_self, target, source, *_):
        raise Unknown(f'"{target}" passed to lookupTransform does not exist')

    nothing = type(
        "Buffer", (), {"can_transform": lambda *_: False, "lookup_transform": refuse, "clear": lambda _: None}
    )
    listener = SimpleNamespace(unregister=lambda: None)
    tf2 = SimpleNamespace(
        Buffer=lambda node: nothing(), TransformListener=lambda buffer, node: listener, TransformException=Unknown
    )
    monkeypatch.setattr(compat, "tf2_ros", tf2)
    robot = make_robot(target_frame="base_link", tf_timeout=0.1)
    frame = robot.show()
    answer = robot.ask()
    assert answer.error_code == SynthesizeGrasp.Response.TRANSFORM_UNAVAILABLE and not answer.success
    for word in ("base_link", frame.frame_id, f"{frame.stamp_ns / 1e9:.3f} s", "tf_timeout", "does not exist"):
        assert word in answer.message


def test_every_phase_is_fed_back(live, make_robot):
    robot = make_robot(allow_execution=True)
    live.spin(MockHand("fail", context=live.context))  # a grasp that holds ends without the way back
    phases = robot.heard(ExecuteGrasp.Impl.FeedbackMessage, "/execute_grasp/_action/feedback")
    robot.show()
    assert robot.ask(execute=True).goal_accepted
    wanted = constants(ExecuteGrasp.Feedback)

    def told():
        return {m.feedback.phase_name.upper(): m.feedback.phase for m in list(phases)}

    live.until(lambda: told() == wanted, f"the phases {wanted}")
