"""Is it a good grasp? Three tests and one road to them: `lift` (paper, V-B), `six_force` and `strict`.

docs/protocols.md tells what moves when. Figures: `six_force` as in the simulator of D(R,O) (zhenyuwei2003/DRO-Grasp,
validation/isaac_validator.py), `strict` as in DexGraspBench (config/task/eval.yaml, src/task/eval_func/).
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.cell import Cell
from gmi_ros.sim.geometry import digest, volume
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.protocol_steps import (
    PUSHES,
    Watch,
    close_and_squeeze,
    floating,
    penetration,
    push,
    raise_wrist,
    restore,
    snapshot,
)
from gmi_ros.sim.scene import Physics
from gmi_ros.sim.trial import COLLIDED, DIVERGED, HELD, NO_CONTACT, SLIPPED, GraspPlan, approach_is_free, run

PROTOCOLS = LIFT, SIX_FORCE, STRICT = "lift", "six_force", "strict"
MOVED, TURNED, PENETRATED = "moved", "turned", "penetrated"  # reasons beside trial.REASONS

SIX_FORCE_DENSITY = 500.0  # [kg/m3] (D(R,O))
SIX_FORCE_FRICTION = 3.0  # sliding (D(R,O): of hand and object)
SIX_FORCE_PUSH, SIX_FORCE_TIME = 0.5, 1.0  # [m/s2], [s] in each direction (D(R,O))
SIX_FORCE_MOVED = 0.02  # most that the object may move [m] (D(R,O))

STRICT_MASS = 0.1  # [kg] (DexGraspBench)
STRICT_FRICTION, STRICT_TORSION = 0.6, 0.02  # sliding, torsional [m] (DexGraspBench)
STRICT_PUSH, STRICT_TIME = 10.0, 2.0  # [N/kg], [s] in each direction (DexGraspBench)
STRICT_MOVED, STRICT_TURNED = 0.05, np.radians(15)  # most that the object may move [m] and turn [rad] (DexGraspBench)
STRICT_PENETRATION = 0.01  # deepest that a link may be in the object [m] (DexGraspBench)
STRICT_LIFT = 0.1  # [m] (DexGraspBench)
STRICT_TIP_FORCE = 15.0  # [N] with which a fingertip may press (the hand's data sheet: active force)
STRICT_LOOK = 0.2  # between two looks at an object that is pushed [s] (DexGraspBench)

_CELLS_KEPT = 64


@dataclass(frozen=True)
class Verdict:
    """What came of a grasp.

    reason: one of trial.REASONS, MOVED, TURNED, PENETRATED. part: of the test, that decided: `approach`, `closing`, one
    of PUSHES, `lift`. moved [m], turned [rad]: the most seen of the object's centre of mass and of its rotation; 0 for
    protocol `lift`, which asks for contacts instead.
    """

    success: bool
    reason: str
    part: str
    moved: float = 0.0
    turned: float = 0.0


def physics_of(protocol: str, object_model: ObjectModel) -> Physics:
    """What a protocol assumes of this object. The mass of `six_force` counts what two parts share twice.

    Raises:
        GmiError: BAD_REQUEST for an unknown protocol.
    """
    if protocol == LIFT:
        return Physics()
    if protocol == SIX_FORCE:
        mass = SIX_FORCE_DENSITY * sum(volume(part) for part in object_model.parts)
        return Physics(mass=float(mass), friction=SIX_FORCE_FRICTION)
    if protocol == STRICT:
        return Physics(mass=STRICT_MASS, friction=STRICT_FRICTION, torsion=STRICT_TORSION)
    raise GmiError(ErrorCode.BAD_REQUEST, f"no protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")


def judge_grasp(
    object_model: ObjectModel,
    hand: BarrettHand,
    protocol: str,
    world_from_object: np.ndarray,
    plan: GraspPlan,
    pinned: bool = True,
) -> Verdict:
    """Try a grasp of an object that rests on the table, under the protocol's physics.

    Args:
        world_from_object: (4, 4) resting pose; the table's top is z = 0.
        pinned: of `lift`: hold the object while the hand closes. The other two never do.

    Raises:
        GmiError: BAD_REQUEST for an unknown protocol or a pose that is not rigid.
    """
    physics = physics_of(protocol, object_model)
    given = {"world_from_object": world_from_object}
    given |= {name: getattr(plan, name) for name in ("world_from_pregrasp", "world_from_palm")}
    for name, pose in given.items():
        if not poses.is_rigid(pose):
            raise GmiError(ErrorCode.BAD_REQUEST, f"{name} must be a rigid 4x4 pose, got {np.asarray(pose).tolist()}")
    cell = _cell(_Scene(digest(object_model), hand, physics, object_model))
    cell.reset(world_from_object)
    if protocol == LIFT:
        result = run(cell, plan, pinned)
        return Verdict(result.success, result.reason, LIFT)
    return six_force(cell, plan) if protocol == SIX_FORCE else strict(cell, plan)


@dataclass(frozen=True)
class _Scene:
    object_digest: str
    hand: BarrettHand
    physics: Physics
    object_model: ObjectModel = field(compare=False)


@lru_cache(maxsize=_CELLS_KEPT)
def _cell(scene: _Scene) -> Cell:
    return Cell(scene.object_model, scene.hand, scene.physics)


def six_force(cell: Cell, plan: GraspPlan) -> Verdict:
    """Weak pushes one after the other on an object without weight that the hand has closed on.

    Held where the object's centre of mass is within SIX_FORCE_MOVED of where it was at the end of the squeeze, at the
    end of every push.

    Args:
        cell: the object at rest in it.
    """
    watch, part = Watch(cell), "approach"
    try:
        if not approach_is_free(cell, plan):
            return _verdict(COLLIDED, part, watch)
        with floating(cell):
            part = "closing"
            close_and_squeeze(cell, plan)
            touched = bool(cell.touching_links())
            watch = Watch(cell)
            for part, way in PUSHES.items():
                push(cell, SIX_FORCE_PUSH * way, SIX_FORCE_TIME)
                if watch.look().moved > SIX_FORCE_MOVED:
                    return _verdict(MOVED if touched else NO_CONTACT, part, watch)
    except GmiError:
        return _verdict(DIVERGED, part, watch)
    return _verdict(HELD, part, watch)


def strict(cell: Cell, plan: GraspPlan) -> Verdict:
    """Strong pushes, each after a closing of its own, on an object without weight; then a lift from the table.

    The object may not leave the bounds about its pose before closing, at any look; the first failure ends the test.

    Args:
        cell: the object at rest in it.
    """
    watch, part, at_rest = Watch(cell), "approach", cell.world_from_object
    try:
        if not approach_is_free(cell, plan):
            return _verdict(COLLIDED, part, watch)
        with floating(cell):
            part = "closing"
            if reason := _grip(cell, plan, watch):
                return _verdict(reason, part, watch)
            closed = snapshot(cell)  # nothing is random, so the six closings are one and the same
            for part, way in PUSHES.items():
                restore(cell, closed)
                for _ in range(round(STRICT_TIME / STRICT_LOOK)):
                    push(cell, STRICT_PUSH * way, STRICT_LOOK)
                    if reason := _out_of_bounds(watch):
                        return _verdict(reason, part, watch)
        part = "lift"
        cell.reset(at_rest)
        reason = _grip(cell, plan, watch) or _lift(cell, watch) or HELD
    except GmiError:
        reason = DIVERGED
    return _verdict(reason, part, watch)


def closing_turn(
    object_model: ObjectModel, hand: BarrettHand, world_from_object: np.ndarray, plan: GraspPlan
) -> float | None:
    """How far [rad] the hand turns an object while it closes and squeezes, where nothing else holds it: `strict`'s closing.

    A grasp that turns it little was in balance. Whether the approach is free is not looked at. Args: as `judge_grasp`.

    Returns:
        None where nothing touches the object afterwards, or the physics diverged.
    """
    cell = _cell(_Scene(digest(object_model), hand, physics_of(STRICT, object_model), object_model))
    cell.reset(world_from_object)
    watch = Watch(cell)
    try:
        with floating(cell):
            close_and_squeeze(cell, plan, STRICT_TIP_FORCE)
            return watch.look().turned if cell.touching_links() else None
    except GmiError:
        return None


def _grip(cell: Cell, plan: GraspPlan, watch: Watch) -> str | None:
    """Close and squeeze with at most STRICT_TIP_FORCE; why the grasp has failed already, if it has."""
    close_and_squeeze(cell, plan, STRICT_TIP_FORCE)
    if not cell.touching_links():
        return NO_CONTACT
    if penetration(cell).max(initial=0.0) > STRICT_PENETRATION:
        return PENETRATED
    return _out_of_bounds(watch)


def _lift(cell: Cell, watch: Watch) -> str | None:
    """Raise the wrist by STRICT_LIFT and hold; why the object did not come along, if it did not."""
    if not raise_wrist(cell, STRICT_LIFT):
        return SLIPPED
    return _out_of_bounds(watch, STRICT_LIFT)


def _out_of_bounds(watch: Watch, raised: float = 0.0) -> str | None:
    seen = watch.look(raised)
    if seen.moved > STRICT_MOVED:
        return MOVED
    return TURNED if seen.turned > STRICT_TURNED else None


def _verdict(reason: str, part: str, watch: Watch) -> Verdict:
    return Verdict(reason == HELD, reason, part, *watch.most)
