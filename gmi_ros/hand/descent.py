"""Projected Levenberg-Marquardt for Eq. 7, over many problems at once; each leaves the batch when it has converged."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.quadratic import Place, Quadratic, place, quadratic, turned

AT_BOUND = 1e-9  # [rad]
_FIRST_DAMPING = 1e-2  # relative to the diagonal of the normal equations
_MAX_DAMPING = 1e10  # no descent however short the step
_LEAST_PIVOT = 1e-14  # of the largest diagonal element
_SETTLED = 3  # steps after which starts that lie close together have one minimum


@dataclass(frozen=True)
class Effort:
    """How far a search goes, and which starts are given up; the best one of a sample never is.

    steps: at most. tolerance: it ends when the next step promises to lower the cost by less than this squared [m].
    worse: not tried at all is a start that costs more than this many times the best one, each with the rotation that
    suits it best. hope: dropped is one that trails the best by more than this many times what its last Newton step
    promised; near: and one whose joints have come this near to the best one's [rad].
    """

    steps: int
    tolerance: float
    worse: float
    hope: float
    near: float


EXACT = Effort(steps=200, tolerance=1e-7, worse=np.inf, hope=100.0, near=0.0)
# Far below what a camera sees, and seldom another minimum.
QUICK = Effort(steps=16, tolerance=3e-5, worse=4.0, hope=2.0, near=0.2)


def minimise(
    hand: BarrettHand, weight: float, targets, rotation, joints, n_starts: int, effort: Effort
) -> tuple[np.ndarray, ...]:
    """Rotations (3, 3, m), joints (4, m) and costs (m,) of m searches, the `n_starts` of one sample side by side.

    Where contacts cannot all be met, Gauss-Newton creeps: after the first step Newton's take over, and hand back for
    one step whenever one fails to descend. What becomes of a sample does not depend on the others.

    Args:
        targets: (3, 6, m) as `quadratic.place` takes them. rotation: (3, 3, m) and joints: (4, m) to start from, within
            the limits.
    """
    low, high = hand.limits.T[..., None]  # (4, 1)
    enough = effort.tolerance**2  # [m^2]
    here = place(hand, weight, targets, rotation, joints)
    final = here.rotation.copy(), here.joints.copy(), here.cost.copy()

    active = np.arange(joints.shape[1])  # columns of `final` that are still searched; the arrays below follow it
    if np.isfinite(effort.worse):
        bound = effort.worse * np.minimum.reduce(here.cost.reshape(-1, n_starts), 1)
        active = np.flatnonzero(here.cost <= np.repeat(bound, n_starts))
        here, targets = here.at(active), targets.take(active, axis=-1)
    damping = np.full(len(active), _FIRST_DAMPING)
    newton = np.zeros(len(active), bool)
    for taken in range(1, effort.steps + 1):
        if not active.size:
            break
        about = quadratic(here, newton)
        step = _bounded_step(about, damping, low - here.joints, high - here.joints)
        new_joints = np.minimum(np.maximum(here.joints + step[3:], low), high)
        there = place(hand, weight, targets, turned(here.rotation, step[:3]), new_joints)

        slope = 2 * about.gradient + np.add.reduce(about.hessian * step, 1)
        predicted = -np.add.reduce(slope * step, 0)
        gain = here.cost - there.cost
        better = gain > 0
        done = (np.abs(predicted) < enough) & (damping < 1) | (damping > _MAX_DAMPING)
        damping = np.where(better, np.where(gain > 0.75 * predicted, damping * 0.1, damping), damping * 8)
        newton = better
        here = _kept(there, here, np.flatnonzero(~better))

        final[1][:, active], final[2][active] = here.joints, here.cost
        by_sample = final[2].reshape(-1, n_starts)
        sample = active // n_starts
        best = sample * n_starts + by_sample.argmin(axis=1)[sample]
        least = final[2][best]
        leaves = done | newton & (here.cost - effort.hope * predicted > least)
        # Where one start of a sample costs next to nothing, the others cannot gain anything.
        leaves |= least < enough
        if taken >= _SETTLED and effort.near:
            apart = np.maximum.reduce(np.abs(here.joints - final[1].take(best, axis=1)), 0)  # (m,) [rad]
            leaves |= (apart < effort.near) & (active != best)
        if leaves.any():
            gone, stays = np.flatnonzero(leaves), np.flatnonzero(~leaves)
            final[0][..., active[gone]] = here.rotation[..., gone]
            active, damping, newton = active[stays], damping[stays], newton[stays]
            here, targets = here.at(stays), targets.take(stays, axis=-1)
    final[0][..., active] = here.rotation
    return final


def _kept(there: Place, here: Place, worse: np.ndarray) -> Place:
    """`there`, but `here` for the searches `worse`."""
    if worse.size:
        for new, old in zip(there, here, strict=True):
            new[..., worse] = old[..., worse]
    return there


def _bounded_step(about: Quadratic, damping, low, high) -> np.ndarray:
    """Damped step (7, m), scaled by Gauss-Newton's diagonal, with the joints within [low, high] (4, m).

    The bounds are relative to the present joints. One that rests on its bound and is pushed outwards stays there
    (projected Newton); one that would cross its bound stops on it, and the others are solved for once more.
    """
    extra = damping * (about.scale + 1e-3 * np.maximum.reduce(about.scale, 0))  # (7, m)
    system = np.empty((7, 8, len(damping)))  # the right side is the last column
    system[:, :7] = about.hessian
    np.negative(about.gradient, out=system[:, 7])
    diagonal = np.einsum("iim->im", system[:, :7])
    diagonal += extra
    least = _LEAST_PIVOT * np.maximum.reduce(np.abs(diagonal), 0) + np.finfo(float).tiny
    pushed = ((low > -AT_BOUND) & (system[3:, 7] < 0)) | ((high < AT_BOUND) & (system[3:, 7] > 0))

    step = system[:, 7]
    _eliminate(system, 3, least)  # the rotation, which has no bounds, once for both passes
    joints = _partial_solve(system[3:, 3:], pushed, None, least)
    stopped = np.minimum(np.maximum(joints, low), high)
    crossing = joints != stopped
    if crossing.any():
        joints = _partial_solve(system[3:, 3:], pushed | crossing, np.where(crossing, stopped, 0.0), least)
        stopped = np.minimum(np.maximum(joints, low), high)
    step[3:] = stopped
    step[:3] -= np.add.reduce(system[:3, 3:7] * stopped, 1)
    _substitute_back(system, 3)
    return step


def _partial_solve(system, fixed, value, least) -> np.ndarray:
    """Solve systems (4, 5, m), the right side last, with x = value (None = 0) where `fixed`; (4, m)."""
    system = system.copy()
    if fixed.any():
        free = ~fixed
        if value is not None:
            system[:, 4] -= np.add.reduce(system[:, :4] * value, 1)
        system[:, :4] *= free[:, None] & free
        system[:, 4] = np.where(free, system[:, 4], 0.0 if value is None else value)
        diagonal = np.einsum("iim->im", system[:, :4])
        diagonal += fixed
    _eliminate(system, 4, least)
    _substitute_back(system, 4)
    return system[:, 4]


def _eliminate(a: np.ndarray, count: int, least: np.ndarray) -> None:
    """Forward elimination, in place, of the first `count` unknowns of symmetric systems a (k, k + 1, m).

    By L D L^T with |D| for D, no pivot below `least`: an indefinite system still gives a way down. L^T and the right
    side divided by |D| stay in a's upper part. Written over the problems since LAPACK, one small system at a time, is
    slower and cannot mend a pivot.
    """
    for i in range(count):
        row = a[i, i + 1 :]
        row /= np.maximum(np.abs(a[i, i]), least)
        a[i + 1 :, i + 1 :] -= a[i + 1 :, i, None] * row


def _substitute_back(a: np.ndarray, count: int) -> None:
    """The other half of the solution, in place: the first `count` unknowns take the right side's place."""
    for i in range(count - 1, 0, -1):
        a[:i, -1] -= a[:i, i] * a[i, -1]
