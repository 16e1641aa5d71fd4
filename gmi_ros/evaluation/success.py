"""How often a grasp synthesised from a free view of a simulated object comes up and stays in the hand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gmi_ros.core.errors import GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.grasp import Grasp
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand, load_hand
from gmi_ros.learning.model import GraspModel
from gmi_ros.pipeline import Synthesis, synthesize
from gmi_ros.sim.camera import render
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.objects import ObjectModel, find_object
from gmi_ros.sim.scenario import draw_scenario
from gmi_ros.sim.trial import GraspPlan, TrialResult, run


@dataclass(frozen=True)
class Attempt:
    """One instance: the frame, the answer (None where the frame was refused), what came of its best grasp, and why."""

    object_name: str
    frame: Frame
    synthesis: Synthesis | None
    result: TrialResult | None
    reason: str

    @property
    def success(self) -> bool:
        """Whether the object was held."""
        return self.result is not None and self.result.success


def attempts(
    model: GraspModel,
    hand: BarrettHand,
    objects: list[ObjectModel],
    n_instances: int,
    seed: int,
    settings: SynthesisSettings = SynthesisSettings(),
    pinned: bool = True,
) -> Iterator[Attempt]:
    """Objects in turn, resting pose and camera drawn from the seed, the best grasp executed; a refusal is a failure."""
    for instance in range(n_instances):
        object_model = objects[instance % len(objects)]
        cell = _cell(object_model.name, hand.name)
        scenario = draw_scenario(cell, np.random.default_rng([seed, instance]))
        frame = render(cell.model, cell.data, scenario.camera, {cell.object_body: 1})
        try:
            synthesis = synthesize(frame, model, hand, settings, seed=seed + instance)
        except GmiError as error:
            yield Attempt(object_model.name, frame, None, None, error.code.name.lower())
            continue
        if not synthesis.grasps:
            yield Attempt(object_model.name, frame, synthesis, None, synthesis.error_code.name.lower())
            continue
        cell.reset(scenario.world_from_object)
        result = run(cell, plan_of(synthesis.grasps[0], scenario.camera.world_from_camera), pinned)
        yield Attempt(object_model.name, frame, synthesis, result, result.reason)


def plan_of(grasp: Grasp, world_from_camera: np.ndarray) -> GraspPlan:
    """What the simulated hand is to do for a grasp seen by this camera."""
    return GraspPlan(
        world_from_camera @ grasp.camera_from_pregrasp,
        world_from_camera @ grasp.camera_from_palm,
        grasp.joints_open,
        ClosingPlan(grasp.finger_start, grasp.finger_speed),
    )


def summary(found: list[Attempt]) -> dict:
    """Instances, successes, rate and how the others ended."""
    reasons = Counter(a.reason for a in found)
    successes = sum(a.success for a in found)
    return {"instances": len(found), "successes": successes, "rate": successes / len(found), "reasons": dict(reasons)}


@lru_cache(maxsize=64)
def _cell(object_name: str, hand_name: str) -> Cell:
    return Cell(find_object(object_name), load_hand(hand_name))
