"""A grasp to try, drawn as trials draw theirs."""

import numpy as np

from gmi_ros.sim.candidates import sample_plan
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.trial import GraspPlan, approach_is_free

_TRIES = 20


def free_plan(cell: Cell, rng: np.random.Generator) -> GraspPlan:
    """The first whose approach is free; the cell's object is where it was."""
    before = cell.world_from_object
    for _ in range(_TRIES):
        plan = sample_plan(cell, rng)
        free = approach_is_free(cell, plan)
        cell.reset(before)
        if free:
            return plan
    raise AssertionError(f"none of {_TRIES} approaches is free")
