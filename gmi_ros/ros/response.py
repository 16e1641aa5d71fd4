"""The answer as the service's response."""

import uuid
from collections.abc import Iterable

import numpy as np
from std_msgs.msg import Header

from gmi_ros import msg
from gmi_ros.core.errors import GmiError
from gmi_ros.ros.answer import Answer, ObjectAnswer
from gmi_ros.ros.convert import Motion, grasp_messages, header_message, pose_stamped
from gmi_ros.srv import SynthesizeGrasp


def new_execution_id() -> str:
    """32 hexadecimal digits, never the same twice."""
    return uuid.uuid4().hex


def refuse(response: SynthesizeGrasp.Response, error: GmiError) -> None:
    """Say why; what is already known (the grasps of a goal that was rejected) stays."""
    response.success = False
    response.error_code, response.message = int(error.code), error.message


def fill_answer(response: SynthesizeGrasp.Response, answer: Answer, motion: Motion, output_frame: str = "") -> None:
    """Everything but goal_accepted and execution_id. output_frame: of the answers; empty: the camera's."""
    output = np.eye(4) if answer.output_from_camera is None else answer.output_from_camera
    header = header_message(answer.frame, output_frame)
    response.error_code, response.message = int(answer.error_code), answer.message
    response.success = bool(answer.ranked)
    response.grasps = grasp_messages(answer.ranked, motion, header, answer.output_from_camera)
    response.objects = [_report(item, answer, header, output) for item in answer.objects]
    response.seed, response.age = answer.seed, answer.age
    first = answer.first
    if first is not None:
        response.object_frame = pose_stamped(output @ first.object_frame.camera_from_object, header)
        response.degenerate = bool(first.object_frame.degenerate)
        response.observation_id, response.model_hash = first.observation_id, first.model_hash
    whole = [item.synthesis for item in answer.objects if item.synthesis is not None]
    response.n_sampled = sum(synthesis.n_samples for synthesis in whole)
    rejected, stages = _summed(s.rejected for s in whole), _summed(s.stages_ms for s in whole)
    response.rejected_names, response.rejected_counts = list(rejected), list(rejected.values())
    response.stage_names, response.stage_ms = list(stages), list(stages.values())


def _report(item: ObjectAnswer, answer: Answer, header: Header, output: np.ndarray) -> msg.ObjectReport:
    report = msg.ObjectReport(label=item.label, error_code=int(item.error_code), message=item.message)
    report.object_frame.header = header
    synthesis = item.synthesis
    if synthesis is not None:
        found = synthesis.object_frame
        report.observation_id = synthesis.observation_id
        report.object_frame = pose_stamped(output @ found.camera_from_object, header)
        report.degenerate, report.n_pixels = bool(found.degenerate), found.n_pixels
        report.n_grasps = sum(1 for _, source in answer.ranked if source is synthesis)
    return report


def _summed(dicts: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for values in dicts:
        for name, value in values.items():
            total[name] = total.get(name, 0) + value
    return total
