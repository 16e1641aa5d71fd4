"""Grasps tried in simulation before one is executed, on the object as it is thought to be.

What a network learned of many objects tells which grasps look like those that held. Whether this one holds depends on where
three fingers meet this surface, and that the cell's own physics tell best: even on a hidden side that is only guessed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import QhullError

from gmi_ros.core.cloud import Table
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import CONTROL_PERIOD, FingerDrives, closing_time
from gmi_ros.sim.protocol_steps import Watch
from gmi_ros.sim.reconstruction import reconstruct
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.trial import HELD, SQUEEZE_TIME, WRIST_PERIOD, GraspPlan, approach_is_free, judge, lift_profile

LIFTED_FOR = 0.4  # [s]: what slips out of the hand mostly does so when its weight comes on
TIMESTEP = 0.004  # [s]
STEADY = np.radians(15)  # most that the closing hand may turn a free object


class Kind(NamedTuple):
    """One way to rehearse. least: how likely what is hidden must be, to be taken for solid. pinned: something holds the object
    while the hand closes; else nothing but the table does, and it may not turn by more than STEADY. grip: part of the hand's
    sliding friction that there is: what holds with less of it holds with some to spare."""

    least: float
    pinned: bool
    grip: float


KINDS = (  # each grasp is rehearsed in this order
    Kind(0.5, True, 0.85),
    Kind(0.9, True, 0.7),
    Kind(0.3, True, 0.85),
    Kind(0.75, False, 1.0),
)


# Log odds that a grasp holds, by how many ways it was rehearsed in: an offset, weights of the log odds of the evaluator's
# score and of each way in which it held. Fitted, as `python -m gmi_ros.evaluation.rehearsals` tells.
BELIEFS = (
    (-0.28, 1.08),
    (-1.37, 0.71, 2.43),
    (-1.51, 0.65, 1.90, 1.16),
    (-1.71, 0.58, 1.03, 1.09, 1.40),
    (-1.91, 0.55, 0.89, 0.94, 1.36, 0.62),
)


class Stage:
    """The object of a frame in a cell for each guess of its hidden side, made when it is first asked for."""

    def __init__(self, frame: Frame, found: ObjectFrame, table: Table, solid: np.ndarray, hand: BarrettHand):
        """solid: (96, 96, LAYERS) as HiddenSideGuesser gives it."""
        self._seen, self._hand = (frame, found, table, solid), hand
        self._cells: dict[float, tuple[Cell, np.ndarray]] = {}

    def holds(self, plan: GraspPlan, kind: Kind) -> bool:
        """Whether the object comes up with the hand and stays.

        Args:
            plan: in the world of `reconstruction.world_from_camera`.

        Raises:
            GmiError: NO_VALID_DEPTH where what is seen cannot be simulated.
        """
        cell, pose = self.set_up(kind)
        cell.grip(kind.grip)
        cell.reset(pose)
        return _holds(cell, plan, kind.pinned)

    def set_up(self, kind: Kind) -> tuple[Cell, np.ndarray]:
        """The cell of this kind, made where it is not there yet, and where the object rests in it (4, 4).

        Raises:
            GmiError: NO_VALID_DEPTH where what is seen cannot be simulated.
        """
        if kind.least not in self._cells:
            self._cells[kind.least] = self._made(kind.least)
        return self._cells[kind.least]

    def _made(self, least: float) -> tuple[Cell, np.ndarray]:
        """The cell and where the object rests in it."""
        model, pose = reconstruct(*self._seen, least)
        try:
            return Cell(model, self._hand, Physics(timestep=TIMESTEP)), pose
        except (ValueError, QhullError) as error:  # of MuJoCo's compiler, of a hull's volume
            message = f"what is seen of the object cannot be simulated: {str(error).splitlines()[0]}"
            raise GmiError(ErrorCode.NO_VALID_DEPTH, message) from error


def _holds(cell: Cell, plan: GraspPlan, pinned: bool) -> bool:
    """A picking trial in short."""
    if not approach_is_free(cell, plan):
        return False
    cell.place_hand(plan.world_from_palm, plan.joints_open)
    watch = Watch(cell)
    try:
        cell.pin(pinned)
        drives = FingerDrives(cell, plan.closing)
        drives.skip_free()
        drives.close(closing_time(cell.hand, plan.closing))
        if judge(cell) != HELD or watch.look().turned > STEADY:
            return False
        cell.pin(False)
        for _ in range(round(SQUEEZE_TIME / CONTROL_PERIOD)):
            drives.advance()
        steps = WRIST_PERIOD / cell.model.opt.timestep
        for i in range(round(LIFTED_FOR / WRIST_PERIOD)):
            cell.command_wrist(np.array([0.0, 0.0, lift_profile(i * WRIST_PERIOD)]))
            cell.step(round((i + 1) * steps) - round(i * steps))
        return judge(cell) == HELD
    except GmiError:  # the simulation diverged
        return False
    finally:
        cell.pin(False)


class Rehearsed(NamedTuple):
    """outcomes: of each of n grasps, whether it held, in the order of KINDS, as far as it was rehearsed. log_odds: (n,) that
    each holds, after that."""

    outcomes: list[tuple[bool, ...]]
    log_odds: np.ndarray


def rehearse(
    stage: Stage,
    plans: Sequence[GraspPlan],
    prior: np.ndarray,
    most: int,
    sure: float,
    at_once: float = np.inf,
    before: Sequence[tuple[bool, ...]] = (),
) -> Rehearsed:
    """Try the grasp that is believed in most, in its next way, until that is one which has been tried and is believed in
    enough; while it is not, others are tried.

    Args:
        prior: (n,) log odds of the evaluator's score. most: trials. sure: log odds that are enough of a grasp that was
            tried in every way; at_once: of one that was tried at all, if that is more. before: outcomes of trials that were
            made already, of all grasps.

    Raises:
        GmiError: as `reconstruct`.
    """
    outcomes = list(before) or [() for _ in plans]
    log_odds = np.array([believed(odds, seen) for odds, seen in zip(prior, outcomes, strict=True)])
    for _ in range(most):
        left = [i for i, seen in enumerate(outcomes) if len(seen) < len(KINDS)]
        best = int(np.argmax(log_odds))
        enough = sure if len(outcomes[best]) == len(KINDS) else max(sure, at_once)
        if not left or outcomes[best] and log_odds[best] >= enough:
            break
        i = max(left, key=lambda i: log_odds[i])
        outcomes[i] += (stage.holds(plans[i], KINDS[len(outcomes[i])]),)
        log_odds[i] = believed(prior[i], outcomes[i])
    return Rehearsed(outcomes, log_odds)


def believed(prior: float, outcomes: Sequence[bool]) -> float:
    """Log odds that a grasp holds of which the evaluator says `prior`, after rehearsals in the order of KINDS."""
    offset, slope, *weights = BELIEFS[len(outcomes)]
    return offset + slope * prior + sum(w for w, held in zip(weights, outcomes, strict=True) if held)
