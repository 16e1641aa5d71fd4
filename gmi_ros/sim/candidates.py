"""Where to try a grasp: palm poses drawn from the object's surface points and normals, as the paper's data were."""

import mujoco
import numpy as np

from gmi_ros.core import poses
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.closing import ClosingPlan
from gmi_ros.sim.screen import promising
from gmi_ros.sim.trial import GraspPlan, approach_is_free

APPROACH_DISTANCE = 0.10  # straight way from pre-grasp to grasp [m]
CLOSING_SPEED = 2.0  # of the inner joints [rad/s]
TILT = 0.25  # standard deviation of the approach about the surface normal [rad]
TABLE_GAP = 0.004  # least height of the closing fingertips above the table [m]
# Of the candidates: from above, placed by the fingertips' reach; level or slanting, where the object is tall enough for
# the palm to clear the table; along the surface's normal.
KINDS = ("above", "side", "normal")
KIND_SHARES = (0.3, 0.35, 0.35)
LEAST_SIDE_HEIGHT = 0.075  # [m]
SPREADS = (0.0, 1.3)  # range of the spread [rad]
OPENINGS = (0.0, 0.9)  # range of the inner joints before closing [rad]
_OBJECT_ONLY = np.array([0, 1, 0, 0, 0, 0], np.uint8)
_MAX_TRIES = 50
UNSCREENED_SHARE = 0.35
_MAX_PROPOSALS = 50


def sample_plan(cell: Cell, rng: np.random.Generator) -> GraspPlan:
    """One candidate for the object that rests in the cell.

    Most are the first of several proposals that promise to hold (the last, where none does); the others are a proposal
    as it comes, so that every kind of failure is tried too.
    """
    kind = rng.choice(KINDS, p=KIND_SHARES)
    screened = rng.random() >= UNSCREENED_SHARE
    for _ in range(_MAX_PROPOSALS if screened else 1):
        plan = propose(cell, kind, rng)
        if screened and approach_is_free(cell, plan) and promising(cell, plan):
            break
    return plan


def propose(cell: Cell, kind: str, rng: np.random.Generator) -> GraspPlan:
    """A hand of one of KINDS at the object that rests in the cell, whatever it would touch."""
    joints = np.array([rng.uniform(*SPREADS), *np.full(3, rng.uniform(*OPENINGS))])
    if rng.random() < 0.2:
        joints[0] = 0.0  # two fingers parallel against the thumb: the commonest grasp of this hand
    point, normal = surface_point(cell, rng)
    if kind == "above":
        world_from_palm = _from_above(cell, point, joints, rng)
    elif kind == "side" and cell.object_reach(np.eye(3)[2:])[0] > LEAST_SIDE_HEIGHT:
        world_from_palm = _from_side(cell, rng)
    else:
        world_from_palm = _along_normal(cell, point, normal, rng)
    pregrasp = world_from_palm.copy()
    pregrasp[:3, 3] -= APPROACH_DISTANCE * world_from_palm[:3, 2]
    return GraspPlan(pregrasp, world_from_palm, joints, ClosingPlan.together(CLOSING_SPEED))


def surface_point(cell: Cell, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A point (3,) of the object's surface in the world [m] and its outward unit normal: where a random ray hits."""
    centre, extent = cell.object_bounds()
    geom, normal = np.zeros(1, np.int32), np.zeros(3)
    for _ in range(_MAX_TRIES):
        start = centre + 2 * np.linalg.norm(extent) * _unit(rng)
        aim = centre + rng.uniform(-0.9, 0.9, 3) * extent
        ray = (aim - start) / np.linalg.norm(aim - start)
        distance = mujoco.mj_ray(cell.model, cell.data, start, ray, _OBJECT_ONLY, 1, -1, geom, normal)
        point = start + distance * ray
        if distance >= 0 and point[2] > 0.002:
            return point, normal.copy()
    return centre + [0, 0, extent[2]], np.array([0.0, 0.0, 1.0])


def _along_normal(cell: Cell, point: np.ndarray, normal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Approach against the surface normal, tilted a little; half of the time aimed past the point at the middle."""
    approach = -normal + TILT * rng.standard_normal(3)
    centre, extent = cell.object_bounds()
    if rng.random() < 0.5:
        point = point + np.append((centre - point)[:2] * rng.uniform(0.5, 1.0), (centre - point)[2] * rng.uniform(0, 1))
        offset = rng.uniform(0.10, 0.17)
    else:
        offset = rng.uniform(0.085, 0.15)
    return _palm(point, approach, offset, rng.uniform(-np.pi, np.pi))


def _from_side(cell: Cell, rng: np.random.Generator) -> np.ndarray:
    """Approach at the object's middle, level or slanting down, mostly closing in a plane that is nearly level."""
    centre, extent = cell.object_bounds()
    heading, slope = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(-5, 50))
    approach = np.array([np.cos(heading) * np.cos(slope), np.sin(heading) * np.cos(slope), -np.sin(slope)])
    target = np.append(centre[:2] + rng.uniform(-0.3, 0.3, 2) * extent[:2], rng.uniform(0.04, centre[2] + extent[2]))
    roll = rng.choice([0.0, np.pi]) + 0.3 * rng.standard_normal() if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
    return _palm(target, approach, rng.uniform(0.09, 0.17), roll)


def _from_above(cell: Cell, point: np.ndarray, joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Approach from above with the fingertips' lowest sweep just over the table, or higher on a tall object."""
    centre, extent = cell.object_bounds()
    reach = lowest_sweep(cell.hand, joints)
    top = centre[2] + extent[2]
    height = max(reach + TABLE_GAP, top + 0.08) + rng.exponential(0.012)
    height = min(height, top + 0.16) if top + 0.16 > reach + TABLE_GAP else reach + TABLE_GAP
    target = np.append(centre[:2] + rng.uniform(0, 1) * (point - centre)[:2], 0.0)
    approach = np.array([0, 0, -1.0]) + 0.12 * rng.standard_normal(3)
    # Half of the time the fingers close across the object's narrow side.
    roll = rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.5:
        roll = _narrow_direction(cell) + rng.choice([0.0, np.pi]) + 0.2 * rng.standard_normal()
    palm = _palm(target, approach, 0.0, roll)
    palm[:3, 3] -= palm[:3, 2] * (height / -palm[2, 2])
    return palm


def lowest_sweep(hand: BarrettHand, joints: np.ndarray) -> float:
    """Farthest that a fingertip's apex comes from the base plane while closing from `joints` to a pinch [m]."""
    angles = np.linspace(joints[1], 1.5, 16)
    sweep = np.column_stack([np.full(16, joints[0]), angles, angles, angles])
    return float(hand.pad_point(sweep, hand.kinematics.apex_reach, 0.0)[..., 2].max())


def _narrow_direction(cell: Cell) -> float:
    """Heading [rad] about z of the object's thinnest horizontal extent."""
    headings = np.linspace(0, np.pi, 24, endpoint=False)
    directions = np.column_stack([np.cos(headings), np.sin(headings), np.zeros(24)])
    width = cell.object_reach(directions) + cell.object_reach(-directions)
    return float(headings[np.argmin(width)])


def _palm(point: np.ndarray, approach: np.ndarray, offset: float, roll: float) -> np.ndarray:
    """World pose of {P} with +z along `approach`, `offset` [m] before `point`.

    At roll 0 the fingers' closing direction (palm y) is horizontal where that is defined; from above, roll is the
    heading of palm y.
    """
    z_axis = approach / np.linalg.norm(approach)
    if abs(z_axis[2]) > 0.7:
        y_axis = np.array([np.cos(roll), np.sin(roll), 0.0])
    else:
        side = np.array([-z_axis[1], z_axis[0], 0.0])
        side /= np.linalg.norm(side)
        y_axis = np.cos(roll) * side + np.sin(roll) * np.cross(z_axis, side)
    y_axis = y_axis - z_axis * (y_axis @ z_axis)
    y_axis /= np.linalg.norm(y_axis)
    rotation = np.stack([np.cross(y_axis, z_axis), y_axis, z_axis], axis=1)
    return poses.make(rotation, point - offset * z_axis)


def _unit(rng: np.random.Generator) -> np.ndarray:
    """A direction (3,), uniform on the sphere."""
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)
