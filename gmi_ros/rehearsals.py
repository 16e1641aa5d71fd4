"""What the pipeline asks of simulation: trials of the grasps of one frame on the object as it is thought to be."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from gmi_ros.core import poses
from gmi_ros.core.cloud import Table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.grasp import Grasp
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.learning.calibration import Calibration, logits

if TYPE_CHECKING:  # torch is for the processes that run the network
    from gmi_ros.learning.model import GraspSamples

_HANDS = 20  # drawn for each grasp that is to be proposed, at most


def prepare_rehearsals() -> None:
    """Load what rehearsals need, which takes a second that the first answer need not wait for.

    Raises:
        GmiError: BAD_SETTING without mujoco; WEIGHTS_MISSING or WEIGHTS_DAMAGED.
    """
    try:
        import gmi_ros.sim.rehearsal  # noqa: F401
    except ModuleNotFoundError as error:
        message = f"rehearsals need the package {error.name!r}: pip install {error.name}, or set rehearsals to 0"
        raise GmiError(ErrorCode.BAD_SETTING, message) from error
    from gmi_ros.learning.checkpoint import hidden_side

    hidden_side()


class Rehearsals:
    """Trials in simulation of the grasps of one frame. What was tried once is not tried again.

    unable: why the object cannot be simulated; empty where it can be.
    """

    def __init__(
        self, frame: Frame, found: ObjectFrame, table: Table | None, hand: BarrettHand, settings: SynthesisSettings,
        trust: Calibration,
    ):  # fmt: skip
        """trust: in the evaluator's score. Raises GmiError as `prepare_rehearsals`."""
        self._hand, self._settings, self._trust, self.unable = hand, settings, trust, ""
        self._prior: dict[str, float] = {}  # log odds of the evaluator's score, as it is trusted, by grasp_id
        if table is None:
            self.unable = "no table is seen under the object"
            return
        prepare_rehearsals()
        from gmi_ros.learning.checkpoint import hidden_side
        from gmi_ros.sim.reconstruction import world_from_camera
        from gmi_ros.sim.rehearsal import KINDS, Stage

        solid = hidden_side()(frame, found, table.seen_from(found.camera_from_object))
        self._stage, self._world = Stage(frame, found, table, solid, hand), world_from_camera(table, found)
        self._o_from_world = poses.inverse(self._world @ found.camera_from_object)
        try:
            self._stage.set_up(KINDS[0])
        except GmiError as error:
            self.unable = _unable(error)

    def ranked(self, grasps: list[Grasp]) -> list[Grasp]:
        """The same grasps, best first by what trials told too, of these and before; as they are where it is unable."""
        if self.unable:
            return grasps
        from gmi_ros.sim.rehearsal import rehearse
        from gmi_ros.sim.trial import plan_of

        plans = [plan_of(grasp, self._world, self._hand) for grasp in grasps]
        for grasp in grasps:
            self._prior.setdefault(grasp.grasp_id, float(logits(self._trust(np.array([grasp.score])))[0]))
        prior = np.array([self._prior[grasp.grasp_id] for grasp in grasps])
        sure, at_once = logits(np.array([self._settings.sure_rehearsed, self._settings.sure_at_once])).tolist()
        before = [grasp.rehearsed for grasp in grasps]
        try:
            told = rehearse(self._stage, plans, prior, self._settings.rehearsals, sure, at_once, before)
        except GmiError as error:
            self.unable = _unable(error)
            return grasps
        belief = expit(told.log_odds)
        return [
            replace(grasps[i], hold_probability=float(belief[i]), score=float(belief[i]), rehearsed=told.outcomes[i])
            for i in np.argsort(-told.log_odds, kind="stable")
        ]

    def proposed(self, n: int, seed: int) -> "GraspSamples":
        """At most n grasps that geometry proposes on the same object (sim.proposals), in {O}."""
        from gmi_ros.learning.model import GraspSamples
        from gmi_ros.sim.proposals import proposed

        rng = np.random.default_rng(seed)
        contacts, normals = proposed(self._stage, self._o_from_world, n, _HANDS * n, rng)
        return GraspSamples(contacts, normals, lambda rows: np.full(len(rows), np.nan))


def _unable(error: GmiError) -> str:
    """Why an object cannot be rehearsed on; any other error goes on."""
    if error.code != ErrorCode.NO_VALID_DEPTH:
        raise error
    return error.message
