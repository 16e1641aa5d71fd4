"""Eq. 7: the wrist (and the posture) that bring the fingertips onto the contacts, for all samples at once.

(a) `align_wrist`, posture given: the closed form of Kabsch. (b) `solve_wrist`, posture free within the soft limits:
a batched, projected Levenberg-Marquardt method from several starts, which turns to Newton's where contacts cannot all
be met. In (b) the translation is eliminated (at the optimum the centroids coincide), so seven unknowns remain: a
rotation vector and the four joints.
"""

from typing import NamedTuple

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.grasp import WristStatus
from gmi_ros.hand.barrett import BarrettHand, FingerState
from gmi_ros.hand.problem import checked, rotation_from
from gmi_ros.hand.starts import default_starts

MAX_RESIDUAL = 0.010  # default bound of a reachable contact [m]
MAX_ITERATIONS = 200
_FIRST_DAMPING = 1e-3  # relative to the diagonal of the normal equations
_MAX_DAMPING = 1e10  # no descent however short the step
_SMALL_GAIN = 1e-14  # [m^2]: predicted decrease of the cost that ends the search
_NO_BETTER = 1e-14  # [m^2]: where one start of a sample costs less, the others cannot gain anything
_LEAST_PIVOT = 1e-14  # of the largest diagonal element
_CREEPING = 0.1  # share of the cost: Gauss-Newton steps that promise less give way to Newton's
_BEYOND_HOPE = 100.0  # a start that trails by more than this many of its last Newton decrease is dropped
_AXES = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
_LESS_MEAN = np.eye(3) - 1 / 3  # what moving one tip does to each of the three centred tips
_AT_BOUND = 1e-9  # [rad]


class WristSolution(NamedTuple):
    """Wrist and posture per sample: n samples, in the frame of the points.

    frame_from_palm (n, 4, 4); joints (n, 4) [rad]; residual (n, 3) [m] distance tip to contact of F1, F2, F3;
    status (n,) values of WristStatus; cost (n,) [m^2] = sum |tip - p|^2 + weight^2 sum |pad + n|^2.
    """

    frame_from_palm: np.ndarray
    joints: np.ndarray
    residual: np.ndarray
    status: np.ndarray
    cost: np.ndarray


def align_wrist(tips: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eq. 7 for a given posture: the rigid motion with the least sum of squared distances, in closed form (Kabsch).

    Args:
        tips: (n, 3, 3) [m] in {P}. targets: (n, 3, 3) [m] in any one frame.

    Returns:
        target_from_palm (n, 4, 4), always a proper rotation, and the residuals (n, 3) [m] per finger. Where the tips
        are collinear or coincide, one of the many best rotations.

    Raises:
        GmiError: BAD_REQUEST for wrong or different shapes and numbers that are not finite.
    """
    tips, targets = checked("tips", tips, (3, 3)), checked("targets", targets, (3, 3))
    _check_counts(tips=tips, targets=targets)
    centre, goal = tips.mean(axis=1, keepdims=True), targets.mean(axis=1, keepdims=True)
    rotation = _kabsch(np.einsum("nfi,nfj->nij", targets - goal, tips - centre))
    pose = poses.make(rotation, goal[:, 0] - np.einsum("nij,nj->ni", rotation, centre[:, 0]))
    return pose, np.linalg.norm(poses.transform_points(pose, tips) - targets, axis=-1)


def solve_wrist(
    hand: BarrettHand,
    points: np.ndarray,
    normals: np.ndarray,
    normal_weight: float,
    starts: np.ndarray | None = None,
    max_residual: float = MAX_RESIDUAL,
) -> WristSolution:
    """Eq. 7 for wrist and posture together, within the soft limits: the best of all starts.

    Args:
        points: (n, 3, 3) contacts [m]. normals: (n, 3, 3) unit, OUTWARD of the object. Any one frame.
        normal_weight: metres that a unit of normal error counts, >= 0.
        starts: (n, s, 4) joints [rad], clipped to the limits; default `default_starts`.
        max_residual: a sample with a farther fingertip is UNREACHABLE [m].

    Raises:
        GmiError: BAD_REQUEST for wrong shapes, numbers that are not finite, a negative weight or bound.
    """
    points, normals = checked("points", points, (3, 3)), checked("normals", normals, (3, 3))
    _check_counts(points=points, normals=normals)
    for name, value in (("normal_weight", normal_weight), ("max_residual", max_residual)):
        if not (np.isfinite(value) and value >= 0):
            raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must be finite and >= 0 [m], got {value}")
    if starts is None:
        starts = default_starts(hand, points, normals, normal_weight)
    starts = np.asarray(starts, float)
    if starts.ndim != 3 or len(starts) != len(points) or not starts.shape[1] or starts.shape[2] != 4:
        raise GmiError(ErrorCode.BAD_REQUEST, f"starts must have shape ({len(points)}, s >= 1, 4), got {starts.shape}")
    checked("starts", starts, starts.shape[1:])
    starts = np.clip(starts, *hand.limits.T)

    n, s = starts.shape[:2]
    goal = points.mean(axis=1, keepdims=True)
    stacked = np.concatenate([points - goal, -normal_weight * normals], axis=1)  # (n, 6, 3): where tips and pads belong
    rotation, joints, cost = _minimise(hand, np.repeat(stacked, s, axis=0), normal_weight, starts.reshape(-1, 4), s)
    best = np.arange(n) * s + cost.reshape(n, s).argmin(axis=1)
    rotation, joints, cost = rotation[best], joints[best], cost[best]

    tips = hand.tips(joints)
    pose = poses.make(rotation, goal[:, 0] - np.einsum("nij,nj->ni", rotation, tips.mean(axis=1)))
    residual = np.linalg.norm(poses.transform_points(pose, tips) - points, axis=-1)
    at_limit = (np.abs(joints[..., None] - hand.limits) < _AT_BOUND).any(axis=(1, 2))
    status = np.where(at_limit, int(WristStatus.AT_LIMIT), int(WristStatus.SOLVED))
    status = np.where(residual.max(axis=1) > max_residual, int(WristStatus.UNREACHABLE), status)
    return WristSolution(pose, joints, residual, status, cost)


def _check_counts(**arrays) -> None:
    if len({len(a) for a in arrays.values()}) != 1:
        listed = ", ".join(f"{name} {a.shape}" for name, a in arrays.items())
        raise GmiError(ErrorCode.BAD_REQUEST, f"one count of samples expected, got {listed}")


def _kabsch(cross_covariance: np.ndarray) -> np.ndarray:
    """Proper rotations (n, 3, 3) that maximise trace(R^T C) for C = sum target tip^T (n, 3, 3)."""
    u, _, vt = np.linalg.svd(cross_covariance)
    u[..., :, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[:, None]
    return u @ vt


class _Quadratic(NamedTuple):
    """Half the cost to second order about m points, by a rotation vector in {P} and the four joints.

    cost (m,) the whole of it; hessian (m, 7, 7) = J^T J; curvature (m, 7, 7) = sum r d2r, which Gauss and Newton's
    method leaves out; gradient (m, 7) = J^T r.
    """

    cost: np.ndarray
    hessian: np.ndarray
    curvature: np.ndarray
    gradient: np.ndarray


def _minimise(hand: BarrettHand, targets, weight: float, joints, n_starts: int) -> tuple[np.ndarray, ...]:
    """Projected Levenberg-Marquardt over m problems at once; each leaves the batch when it has converged.

    Where contacts cannot all be met, Gauss-Newton creeps: once its steps promise little, Newton's take over, and hand
    back whenever one fails to descend.

    targets: (m, 6, 3) centred contacts and weighted inward normals, the `n_starts` rows of a sample side by side.
    joints: (m, 4) starts within the limits. Returns rotations (m, 3, 3), joints (m, 4) and costs (m,).
    """
    low, high = hand.limits.T
    rotation = _kabsch(np.swapaxes(targets, 1, 2) @ _centred(hand.fingers(joints).points, weight))
    here = _quadratic(hand, weight, targets, rotation, joints)
    final = rotation.copy(), joints.copy(), here.cost.copy()

    active = np.arange(len(joints))  # rows of `final` that are still searched; the arrays below follow it
    damping = np.full(len(joints), _FIRST_DAMPING)
    newton = np.zeros(len(joints), bool)
    for _ in range(MAX_ITERATIONS):
        if not len(active):
            break
        hessian = here.hessian + newton[:, None, None] * here.curvature
        step = _bounded_step(hessian, here.gradient, here.hessian, damping, low - joints, high - joints)
        new_joints = np.clip(joints + step[:, 3:], low, high)
        new_rotation = rotation @ rotation_from(step[:, :3])
        there = _quadratic(hand, weight, targets, new_rotation, new_joints)

        predicted = -((2 * here.gradient + (hessian @ step[..., None])[..., 0]) * step).sum(axis=1)
        gain = here.cost - there.cost
        better = gain > 0
        done = (np.abs(predicted) < _SMALL_GAIN) & (damping < 1) | (damping > _MAX_DAMPING)
        damping = np.where(better, np.where(gain > 0.75 * predicted, damping * 0.1, damping), damping * 8)
        newton = better & (newton | (predicted < _CREEPING * here.cost))

        rotation = np.where(better[:, None, None], new_rotation, rotation)
        joints = np.where(better[:, None], new_joints, joints)
        here = _Quadratic(*(_where(better, new, old) for new, old in zip(there, here)))
        for whole, part in zip(final, (rotation, joints, here.cost)):
            whole[active] = part

        # A Newton step's decrease is about all that is left: a start that trails the sample's best by far more is lost.
        least = final[2].reshape(-1, n_starts).min(axis=1)[active // n_starts]
        hopeless = newton & (here.cost - _BEYOND_HOPE * predicted > least)
        keep = ~(done | hopeless | (least < _NO_BETTER))
        if not keep.all():
            active, rotation, joints, targets = active[keep], rotation[keep], joints[keep], targets[keep]
            damping, newton, here = damping[keep], newton[keep], _Quadratic(*(part[keep] for part in here))
    return final


def _where(choose, new, old) -> np.ndarray:
    """Rows of `new` where `choose` (m,), else of `old`."""
    return np.where(choose.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def _centred(points, weight: float) -> np.ndarray:
    """Rows of the hand (m, 6, 3) as the problem sees them: tips less their centroid, pad normals times the weight."""
    rows = points.copy()
    rows[:, :3] -= rows[:, :3].mean(axis=1, keepdims=True)
    rows[:, 3:] *= weight
    return rows


def _quadratic(hand: BarrettHand, weight: float, targets, rotation, joints) -> _Quadratic:
    """The cost about (rotation, joints), with the residuals turned into {P}."""
    state = hand.fingers(joints)
    model = _centred(state.points, weight)
    error = model - targets @ rotation  # (m, 6, 3); its first three rows sum to zero
    columns = np.zeros((len(joints), 6, 3, 7))
    for a, b, c in _AXES:  # d/dw of w x row
        columns[:, :, b, a] = -model[:, :, c]
        columns[:, :, c, a] = model[:, :, b]
    columns[..., 3] = _centred(state.by_spread, weight)
    for finger in range(3):
        columns[:, :3, :, 4 + finger] = state.by_inner[:, finger, None] * _LESS_MEAN[finger][:, None]
        columns[:, 3 + finger, :, 4 + finger] = weight * state.by_inner[:, 3 + finger]
    columns = columns.reshape(-1, 18, 7)
    transposed = np.swapaxes(columns, 1, 2)
    gradient = (transposed @ error.reshape(-1, 18, 1))[..., 0]
    curvature = _curvature(state, model, error, weight)
    return _Quadratic((error**2).sum(axis=(1, 2)), transposed @ columns, curvature, gradient)


def _curvature(state: FingerState, model, error, weight: float) -> np.ndarray:
    """sum r d2r (m, 7, 7): of exp(w) x, of w x dx/dq and of the hand itself."""
    scaled = error.copy()
    scaled[:, 3:] *= weight
    moment = np.swapaxes(model, 1, 2) @ error  # (m, 3, 3)
    curvature = np.zeros((len(error), 7, 7))
    curvature[:, :3, :3] = (moment + np.swapaxes(moment, 1, 2)) / 2
    curvature[:, :3, :3] -= np.trace(moment, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    for a, b, c in _AXES:  # (dx/dq) x r
        by_spread = state.by_spread[..., b] * scaled[..., c] - state.by_spread[..., c] * scaled[..., b]  # (m, 6)
        by_inner = state.by_inner[..., b] * scaled[..., c] - state.by_inner[..., c] * scaled[..., b]
        curvature[:, a, 3] = curvature[:, 3, a] = by_spread.sum(axis=1)
        curvature[:, a, 4:] = curvature[:, 4:, a] = by_inner[:, :3] + by_inner[:, 3:]
    both = (state.by_both * scaled).sum(axis=2)
    inner = (state.by_inner_twice * scaled).sum(axis=2)
    curvature[:, 3, 3] = (state.by_spread_twice * scaled).sum(axis=(1, 2))
    curvature[:, 3, 4:] = curvature[:, 4:, 3] = both[:, :3] + both[:, 3:]
    finger = np.arange(4, 7)
    curvature[:, finger, finger] = inner[:, :3] + inner[:, 3:]
    return curvature


def _bounded_step(hessian, gradient, metric, damping, low, high) -> np.ndarray:
    """Damped step (m, 7), scaled by the diagonal of `metric` (m, 7, 7), with the joints within [low, high] (m, 4).

    The bounds are relative to the present point. A joint that rests on its bound and is pushed outwards stays there
    (projected Newton); one that would cross its bound stops on it, and the others are solved for again.
    """
    scale = np.einsum("nii->ni", metric)
    system = hessian + np.eye(7) * (damping[:, None] * (scale + 1e-3 * scale.max(axis=1, keepdims=True)))[:, None]
    pushed = ((low > -_AT_BOUND) & (gradient[:, 3:] > 0)) | ((high < _AT_BOUND) & (gradient[:, 3:] < 0))
    fixed = np.concatenate([np.zeros((len(pushed), 3), bool), pushed], axis=1)
    value = np.zeros_like(gradient)
    step = _partial_solve(system, -gradient, fixed, value)
    rows = np.arange(len(step))
    for _ in range(4):  # each pass fixes at least one more joint
        below, above = step[rows, 3:] < low[rows], step[rows, 3:] > high[rows]
        crossing = (below | above) & ~fixed[rows, 3:]
        some = crossing.any(axis=1)
        rows, below, crossing = rows[some], below[some], crossing[some]
        if not len(rows):
            break
        value[rows, 3:] = np.where(crossing, np.where(below, low[rows], high[rows]), value[rows, 3:])
        fixed[rows, 3:] |= crossing
        step[rows] = _partial_solve(system[rows], -gradient[rows], fixed[rows], value[rows])
    return step


def _partial_solve(system, right, fixed, value) -> np.ndarray:
    """Solve system x = right (m, 7) with x = value where `fixed`."""
    free = ~fixed
    moved = np.where(free, right - (system @ value[..., None])[..., 0], value)
    reduced = system * (free[:, :, None] & free[:, None, :]) + np.eye(7) * fixed[:, None]
    return _descent_solve(reduced, moved)


def _descent_solve(system, right) -> np.ndarray:
    """Solve symmetric systems (m, k, k) by L D L^T, with |D| for D: an indefinite one still gives a way down.

    Written over the samples since LAPACK, one small system at a time, is slower and cannot mend a pivot.
    """
    a = np.ascontiguousarray(np.moveaxis(system, 0, -1))  # (k, k, m)
    x = np.ascontiguousarray(right.T)  # (k, m)
    size = len(x)
    least = _LEAST_PIVOT * np.abs(np.einsum("iim->im", a)).max(axis=0) + np.finfo(float).tiny
    pivots = np.empty_like(x)
    for i in range(size):
        pivots[i] = np.maximum(np.abs(a[i, i]), least)
        column = a[i + 1 :, i] / pivots[i]
        a[i + 1 :, i + 1 :] -= column[:, None] * a[i, i + 1 :]
        a[i + 1 :, i] = column
        x[i + 1 :] -= column * x[i]
    x /= pivots
    for i in range(size - 1, 0, -1):
        x[:i] -= a[i, :i] * x[i]
    return x.T
