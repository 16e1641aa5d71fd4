"""From a request and a frame to ranked grasps: what the service answers, before it becomes a message."""

import secrets
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from geometry_msgs.msg import Vector3

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.grasp import Grasp
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.learning.checkpoint import GraspModel
from gmi_ros.msg import GraspFilters
from gmi_ros.pipeline import Synthesis, synthesize
from gmi_ros.ros.worker import Deadline
from gmi_ros.srv import SynthesizeGrasp


@dataclass(frozen=True)
class ObjectAnswer:
    """One object of the request: its synthesis, or why it was refused."""

    label: int
    synthesis: Synthesis | None
    refusal: GmiError | None

    @property
    def error_code(self) -> ErrorCode:
        """OK, NO_GRASP, or the refusal's."""
        return self.synthesis.error_code if self.refusal is None else self.refusal.code

    @property
    def message(self) -> str:
        """One sentence."""
        return self.synthesis.message if self.refusal is None else self.refusal.message


@dataclass(frozen=True)
class Answer:
    """Grasps of all objects that were asked for, best first, each with the synthesis it is from.

    age: of the frame when the work began [s]. output_from_camera: (4, 4), None where that is the camera's frame.
    """

    frame: Frame
    age: float
    output_from_camera: np.ndarray | None
    objects: list[ObjectAnswer]
    ranked: list[tuple[Grasp, Synthesis]]
    seed: int

    @property
    def first(self) -> Synthesis | None:
        """The best grasp's object; without a grasp, the first that was looked at wholly."""
        if self.ranked:
            return self.ranked[0][1]
        return next((o.synthesis for o in self.objects if o.synthesis is not None), None)

    @property
    def error_code(self) -> ErrorCode:
        """OK where there is a grasp, else what the first object says."""
        return ErrorCode.OK if self.ranked else self.objects[0].error_code

    @property
    def message(self) -> str:
        """One sentence per object."""
        if len(self.objects) == 1:
            return self.objects[0].message
        return "; ".join(f"label {o.label}: {o.message}" for o in self.objects)


def answer_request(
    request: SynthesizeGrasp.Request,
    frame: Frame,
    age: float,
    model: GraspModel,
    hand: BarrettHand,
    settings: SynthesisSettings,
    output_from_camera: np.ndarray | None,
    deadline: Deadline,
) -> Answer:
    """Synthesise for one object or for all of them; `settings` are those of the request already.

    Raises:
        GmiError: what `synthesize()` refuses (for one object; with all_objects each has its own report), MASK_EMPTY,
            TIMEOUT between two objects.
    """
    seed = int(request.seed) or 1 + secrets.randbelow(2**32 - 1)
    labels = frame.labels() if request.all_objects else [int(request.target_label)]
    if not labels:
        raise GmiError(ErrorCode.MASK_EMPTY, "the mask is empty: no pixel has a label above 0")
    objects = []
    for label in labels:
        deadline.check()
        try:
            synthesis = synthesize(frame, model, hand, settings, seed, label, output_from_camera)
            objects.append(ObjectAnswer(synthesis.object_frame.label, synthesis, None))
        except GmiError as refusal:
            if not request.all_objects:
                raise
            # A new one: the traceback of this one holds arrays as large as the image, and there may be 65,535 labels.
            objects.append(ObjectAnswer(label, None, GmiError(refusal.code, refusal.message)))
    found = [(grasp, o.synthesis) for o in objects if o.synthesis is not None for grasp in o.synthesis.grasps]
    ranked = sorted(found, key=lambda pair: -pair[0].score)[: settings.max_grasps]  # stable: the larger object first
    return Answer(frame, age, output_from_camera, objects, ranked, seed)


def request_settings(request: SynthesizeGrasp.Request, settings: SynthesisSettings) -> SynthesisSettings:
    """The node's settings with what the request sets: zeros and `use: false` leave the parameters.

    Raises:
        GmiError: BAD_REQUEST naming the field, its value and its bound.
    """
    changes: dict[str, Any] = {
        name: int(getattr(request, name)) for name in ("n_samples", "max_grasps") if getattr(request, name)
    }
    if request.filters.use:
        changes |= _filters(request.filters)
    if not np.isfinite(request.max_age):
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"max_age must be finite [s] (<= 0 = the parameter), got {request.max_age}"
        )
    try:
        return replace(settings, **changes)
    except GmiError as error:
        raise GmiError(ErrorCode.BAD_REQUEST, error.message) from error


def _filters(filters: GraspFilters) -> dict[str, Any]:
    """The filters of the request as settings of the pipeline, which have the same names."""
    changes = {}
    for name in filters.get_fields_and_field_types():
        value = getattr(filters, name)
        if isinstance(value, Vector3):
            value = (value.x, value.y, value.z)
        if name != "use":
            changes[name] = tuple(float(n) for n in value) if isinstance(value, (np.ndarray, tuple)) else value
    return changes
