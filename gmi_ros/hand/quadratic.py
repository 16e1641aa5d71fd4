"""Eq. 7's cost about wrists and postures, to second order, for many problems at once.

The problems lie along the last axis, so that every operation runs over all of them. The translation is eliminated: at
the optimum the centroids coincide. What remains are seven unknowns, a rotation vector in {P} and the four joints.
"""

from typing import NamedTuple

import numpy as np

from gmi_ros.hand.barrett import BarrettHand


class Place(NamedTuple):
    """Where m searches are. Rows of 6 are the tips [m] of F1, F2, F3 and their pad normals times the weight [m].

    rotation: (3, 3, m) and joints: (4, m) [rad]. cost: (m,) [m^2]. model: (3, 6, m) xyz of the rows in {P}, the tips
    less their centroid. error: (3, 6, m) the model less the targets, turned into {P}; its tips sum to zero.
    direction, rate: (2, 6, m) and profile: (3, 2, 6, m), as `FingerState` has them for three fingers.
    """

    rotation: np.ndarray
    joints: np.ndarray
    cost: np.ndarray
    model: np.ndarray
    error: np.ndarray
    direction: np.ndarray
    rate: np.ndarray
    profile: np.ndarray

    def at(self, lanes: np.ndarray) -> "Place":
        """These searches alone."""
        return Place(*(part.take(lanes, axis=-1) for part in self))


class Quadratic(NamedTuple):
    """Half the cost to second order. hessian: (7, 7, m), gradient: (7, m); scale: (7, m) Gauss-Newton's diagonal."""

    hessian: np.ndarray
    gradient: np.ndarray
    scale: np.ndarray


def model_of(hand: BarrettHand, weight: float, joints: np.ndarray) -> tuple[np.ndarray, ...]:
    """`model`, `direction`, `rate` and `profile` of a Place at joints (4, m)."""
    state = hand.fingers(joints)
    direction, rate = np.concatenate([state.direction] * 2, axis=1), np.concatenate([state.rate] * 2, axis=1)
    profile = state.profile
    profile[:, :, 3:] *= weight
    model = np.empty((3, *profile.shape[2:]))
    np.multiply(profile[0, 0], direction, out=model[:2])
    model[0, :3] += state.offset
    model[2] = profile[0, 1]
    model[:, :3] -= _sum(model[:, :3], 1)[:, None] / 3
    return model, direction, rate, profile


def place(hand: BarrettHand, weight: float, targets: np.ndarray, rotation: np.ndarray, joints: np.ndarray) -> Place:
    """The searches with these rotations (3, 3, m) and joints (4, m).

    targets: (3, 6, m) xyz of the centred contacts [m] and of the inward normals times the weight.
    """
    model, direction, rate, profile = model_of(hand, weight, joints)
    error = model - _sum(rotation[:, :, None] * targets[:, None], 0)  # R^T y
    cost = _sum(_sum(error * error, 0), 0)
    return Place(rotation, joints, cost, model, error, direction, rate, profile)


def quadratic(here: Place, newton: np.ndarray) -> Quadratic:
    """Newton's about the places where `newton` (m,) is true, Gauss and Newton's, without the curvature, elsewhere.

    With J's columns w x model for the rotation, the curvature of exp(w) turns J^T J into the same expression with
    `model - error` for one of its two models.
    """
    model, error = here.model, here.error
    (across, _), (across_1, up_1), (across_2, up_2) = here.profile
    by_inner = np.empty_like(model)
    np.multiply(across_1, here.direction, out=by_inner[:2])
    by_inner[2] = up_1
    by_spread = across * here.rate  # (2, 6, m), no height
    outwards = _sum(here.direction * error[:2], 0)  # (6, m) the error along the finger, and across it
    sideways = _sum(here.rate * error[:2], 0)
    closing = _fingers(across_1 * outwards + up_1 * error[2])  # (3, m)

    m = model.shape[-1]
    gradient = np.empty((7, m))
    gradient[:3] = _sum(_cross(model, error), 1)
    gradient[3] = _sum(across * sideways, 0)
    gradient[4:] = closing

    seen = model - newton * error if newton.any() else model
    moment = _sum(model[:, None] * seen[None], 2)  # (3, 3, m)
    trace = moment[0, 0] + moment[1, 1] + moment[2, 2]
    hessian = np.empty((7, 7, m))
    hessian[:3, :3] = (moment + moment.swapaxes(0, 1)) * -0.5
    for i in range(3):
        hessian[i, i] += trace
    mixed = hessian[:3, 3:]
    mixed[0, 0] = -_sum(seen[2] * by_spread[1], 0)
    mixed[1, 0] = _sum(seen[2] * by_spread[0], 0)
    mixed[2, 0] = _sum(seen[0] * by_spread[1] - seen[1] * by_spread[0], 0)
    turned = _cross(seen, by_inner)
    mixed[:, 1:] = turned[:, :3] + turned[:, 3:]
    hessian[3:, :3] = mixed.swapaxes(0, 1)

    drift = _sum(by_spread[:, :3], 1)  # (2, m) of the three tips together
    own = hessian[3:, 3:]
    own[0, 0] = _sum(_sum(by_spread * by_spread, 0), 0) - _sum(drift * drift, 0) / 3
    own[0, 1:] = -_sum(drift[:, None] * by_inner[:2, :3], 0) / 3
    steps = by_inner[:, :3]
    own[1:, 1:] = _sum(steps[:, :, None] * steps[:, None], 0) / -3
    squares = _fingers(_sum(by_inner * by_inner, 0))
    for i in range(3):
        own[1 + i, 1 + i] += squares[i]
    scale = np.empty((7, m))
    if newton.any():
        for i in range(3):  # Gauss-Newton's, from the model alone
            scale[i] = _sum(model[i - 1] ** 2 + model[i - 2] ** 2, 0)
        for i in range(4):
            scale[3 + i] = own[i, i]
        own[0, 0] -= newton * _sum(across * outwards * _sum(here.rate * here.rate, 0), 0)
        own[0, 1:] += newton * _fingers(across_1 * sideways)
        bend = newton * _fingers(across_2 * outwards + up_2 * error[2])
        for i in range(3):
            own[1 + i, 1 + i] += bend[i]
    else:
        for i in range(7):
            scale[i] = hessian[i, i]
    own[1:, 0] = own[0, 1:]
    return Quadratic(hessian, gradient, scale)


def turned(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Rotations (3, 3, m) turned further by rotation vectors (3, m) in {P} [rad], by Cayley's map.

    It agrees with the exponential to second order and is a rotation for every vector, without sine or root.
    """
    half = 0.5 * vector
    once = _cross(rotation.swapaxes(0, 1), half[:, None])  # (3 columns, 3 rows, m): R [c]
    twice = _cross(once, half[:, None])
    return rotation + (once + twice).swapaxes(0, 1) * (2 / (1 + _sum(half * half, 0)))


def _sum(array: np.ndarray, axis: int) -> np.ndarray:
    """Along a short axis, in the order of its elements whatever the shape."""
    return np.add.reduce(array, axis)


def _fingers(rows: np.ndarray) -> np.ndarray:
    """What a finger's tip and its pad (6, m) give together, (3, m)."""
    return rows[:3] + rows[3:]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products, xyz along the first axis."""
    product = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        np.subtract(a[j] * b[k], a[k] * b[j], out=product[i])
    return product
