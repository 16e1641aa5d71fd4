"""Grasps proposed by geometry on the object as it is thought to be: candidates of the picking task, on what is seen."""

import numpy as np

from gmi_ros.core import poses
from gmi_ros.sim.candidates import KIND_SHARES, KINDS, propose
from gmi_ros.sim.rehearsal import KINDS as REHEARSALS
from gmi_ros.sim.rehearsal import Stage
from gmi_ros.sim.screen import balanced, meeting
from gmi_ros.sim.trial import approach_is_free


def proposed(
    stage: Stage, o_from_world: np.ndarray, n: int, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Where the fingers of at most n hands would meet the object: contacts [m] and outward unit normals, (k, 3, 3) each,
    in {O}. Those hands are taken that come there freely and close from several sides, of `most` drawn ones.

    Args:
        o_from_world: (4, 4) to {O} from `reconstruction.world_from_camera`.

    Raises:
        GmiError: NO_VALID_DEPTH where what is seen cannot be simulated.
    """
    cell, pose = stage.set_up(REHEARSALS[0])
    cell.reset(pose)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(most):
        plan = propose(cell, rng.choice(KINDS, p=KIND_SHARES), rng)
        met = meeting(cell, plan) if approach_is_free(cell, plan) else None
        if met is not None and balanced(met[1]):
            found.append(met)
        if len(found) == n:
            break
    points, normals = (np.array([met[i] for met in found]).reshape(-1, 3, 3) for i in (0, 1))
    return poses.transform_points(o_from_world, points), poses.rotate(o_from_world, normals)
