"""Grasps that a user would otherwise take, to compare with: at the centroid of what is seen, and planned on the mesh."""

from dataclasses import replace

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from gmi_ros.core.cloud import fit_table, object_points
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.frame import Frame
from gmi_ros.core.object_frame import object_frame
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.candidates import APPROACH_DISTANCE, CLOSING_SPEED, KIND_SHARES, KINDS, propose
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.screen import meeting
from gmi_ros.sim.trial import GraspPlan, approach_is_free

CENTROID_SPREAD = 0.3  # [rad]: two fingers nearly parallel against the thumb, the commonest preshape of this hand
BEHIND_FRONT = 0.025  # how far behind the front of the object the fingertips are to meet [m]
OPEN_BESIDE = 0.025  # how much wider than the object the hand is opened on each side [m]
TABLE_GAP = 0.004  # least height of the closing fingertips above the table that is seen [m]
_STEP, _MOST_BACK = 0.005, 0.15  # the palm backs off from the table in such steps, as far at most [m]
FRICTION = 0.8  # of fingertip on object
EDGES = 8  # of a linearised friction cone
MESH_PROPOSALS = 400  # drawn for one grasp of the mesh planner
MESH_ENOUGH = 20  # grasps in force closure among which it chooses


def centroid_plan(
    frame: Frame, world_from_camera: np.ndarray, hand: BarrettHand, settings: SynthesisSettings
) -> GraspPlan:
    """The palm along the view, the fingers across the minor axis of the mask, at the centroid of what is seen.

    The fingertips meet BEHIND_FRONT behind the object's front; where they would scrape the table that is seen, the palm
    backs off.

    Raises:
        GmiError: the refusals of `object_frame()`.
    """
    found = object_frame(frame, 0, settings)
    table, points = fit_table(frame, found), object_points(frame, found)
    camera_from_palm = np.eye(4)
    x, y, z = found.camera_from_object[:3, :3].T  # {O}: into the object, minor axis, major axis
    camera_from_palm[:3, :3] = np.stack([np.cross(y, x), y, x], axis=1)
    seen = points - found.camera_from_object[:3, 3]
    width = np.abs(seen @ y).max() + OPEN_BESIDE  # of half the opening [m]
    angles = np.linspace(0.0, hand.limits[1, 1], 100)
    tips = hand.touching.tips(np.column_stack([np.full(100, CENTROID_SPREAD), angles, angles, angles]))  # (100, 3, 3)
    inside = (tips[:, 2, 1] <= width) & (tips[:, 2, 1] >= 0.0)  # of the thumb, which comes from +y
    if not inside.any():
        inside[0] = True  # wider than the hand: as far open as it goes
    sweep, opened = tips[inside].reshape(-1, 3), angles[inside][0]
    meet = sweep[:, 2].mean()  # height above the base plane where the fingertips close
    front = np.quantile(seen @ x, 0.1)
    for back in np.arange(0.0, _MOST_BACK, _STEP):
        camera_from_palm[:3, 3] = found.camera_from_object[:3, 3] + (front + BEHIND_FRONT - meet - back) * x
        lowest = sweep @ camera_from_palm[:3, :3].T + camera_from_palm[:3, 3]
        if table is None or table.height(lowest).min() >= TABLE_GAP + hand.touch.radius:
            break
    world_from_palm = world_from_camera @ camera_from_palm
    pregrasp = world_from_palm.copy()
    pregrasp[:3, 3] -= APPROACH_DISTANCE * world_from_palm[:3, 2]
    joints = np.array([CENTROID_SPREAD, opened, opened, opened])
    return GraspPlan(pregrasp, world_from_palm, joints, ClosingPlan.together(CLOSING_SPEED, hand.coupling.curl))


def mesh_plan(cell: Cell, rng: np.random.Generator) -> GraspPlan:
    """The grasp with the largest epsilon of those in force closure, by a planner that knows the whole mesh.

    Hands are proposed as for the training data and closed on the mesh by kinematics alone, without a simulation. The plan
    closes as the package's own grasps do (`curl`).

    Args:
        cell: the object at rest in it.

    Raises:
        GmiError: NO_GRASP where no proposal is in force closure.
    """
    best, highest, found = None, 0.0, 0
    at_rest = cell.world_from_object
    centre = cell.object_bounds()[0]
    for _ in range(MESH_PROPOSALS):
        cell.reset(at_rest)
        plan = propose(cell, rng.choice(KINDS, p=KIND_SHARES), rng)
        met = meeting(cell, plan) if approach_is_free(cell, plan) else None
        quality = 0.0 if met is None else epsilon(met[0] - centre, met[1])
        found += quality > 0
        if quality > highest:
            best, highest = plan, quality
        if found == MESH_ENOUGH:
            break
    cell.reset(at_rest)
    if best is None:
        raise GmiError(ErrorCode.NO_GRASP, f"none of {MESH_PROPOSALS} proposals is in force closure on the mesh")
    return replace(best, closing=replace(best.closing, curl=cell.hand.coupling.curl))


def epsilon(points: np.ndarray, normals: np.ndarray, friction: float = FRICTION, edges: int = EDGES) -> float:
    """The quality of Ferrari and Canny (1992): the radius of the largest ball about 0 in the hull of the unit contact
    wrenches; 0 without force closure.

    Args:
        points: (k, 3) contacts [m] from the point that torques are about. normals: (k, 3) unit, outward. Torques are in
            units of the contacts' mean distance from their centroid.
    """
    length = np.linalg.norm(points - points.mean(axis=0), axis=1).mean()
    turn = 2 * np.pi * np.arange(edges) / edges
    wrenches = []
    for point, normal in zip(points, normals, strict=True):
        across = np.linalg.svd(normal[None])[2][1:]  # (2, 3)
        forces = -normal + friction * (np.cos(turn)[:, None] * across[0] + np.sin(turn)[:, None] * across[1])
        forces /= np.linalg.norm(forces, axis=1, keepdims=True)
        wrenches.append(np.hstack([forces, np.cross(point, forces) / max(length, 1e-9)]))
    try:
        hull = ConvexHull(np.concatenate(wrenches))
    except QhullError:  # flat: no volume, no closure
        return 0.0
    return float(max(0.0, -hull.equations[:, -1].max()))
