"""The MuJoCo model of the picking task: table, object and, where wanted, the hand."""

from dataclasses import dataclass

import mujoco
import numpy as np

from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.export import mjcf
from gmi_ros.sim.geometry import volume
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.shapes import ALL, HAND, TABLE

TABLE_GROUP, OBJECT_GROUP, HAND_GROUP = 0, 1, 3  # geom groups; the camera does not see the parked hand
_FOOT_GROUP = 4  # of what only the table meets, which nothing sees
OBJECT_FRICTION = (0.6, 0.02, 0.001)  # object on table: sliding, torsional [m], rolling [m]
WRIST_STIFFNESS, WRIST_DAMPING = 2e4, 4e2  # [N/m], [N s/m]: an arm that carries 1 kg with 0.5 mm of sag
FINGER_STIFFNESS, FINGER_DAMPING = 25.0, 0.35  # [N m/rad], [N m s/rad]: joint servo of the finger drives
SPREAD_STIFFNESS, SPREAD_DAMPING = 40.0, 0.5
_BITS = {
    ALL: (1, 3),
    HAND: (0, 2),
    TABLE: (0, 1),
}  # contype and conaffinity of what meets these; below those of the others
_SHAPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
}


@dataclass(frozen=True)
class Physics:
    """What a simulation assumes. The defaults keep held objects from creeping, and are the paper's (1 kg, one friction).

    mass: of each object [kg]. friction: sliding, of every link of the hand; None = of pads and of metal as the hand's
    description says. torsion: torsional friction of the hand [m]. timestep [s]. elliptic: the friction cone, else
    pyramidal. impratio, noslip: MuJoCo's options of these names (noslip: iterations).
    """

    mass: float = 1.0
    friction: float | None = None
    torsion: float = 0.02
    timestep: float = 0.002
    elliptic: bool = True
    impratio: float = 10.0
    noslip: int = 2


def build(objects: list[ObjectModel], hand: BarrettHand | None, physics: Physics = Physics()) -> mujoco.MjModel:
    """Compile the scene: table top at z = 0, each object free and weldable in place (equality `<name>_pin`).

    MuJoCo takes the larger of two frictions, so the hand's geoms have priority and bring their own.
    """
    spec = mujoco.MjSpec() if hand is None else mujoco.MjSpec.from_string(mjcf(hand))
    option = spec.option
    option.timestep = physics.timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC if physics.elliptic else mujoco.mjtCone.mjCONE_PYRAMIDAL
    option.impratio = physics.impratio
    option.noslip_iterations = physics.noslip
    _add_table(spec)
    for model in objects:
        _add_object(spec, model, physics.mass)
    if hand is not None:
        _add_hand(spec, hand, physics)
    return spec.compile()


def _add_table(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_geom(
        name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.8, 0.8, 0.1], group=TABLE_GROUP,
        friction=OBJECT_FRICTION, condim=6, contype=1, conaffinity=3, rgba=[0.62, 0.55, 0.46, 1],
    )  # fmt: skip


def _add_object(spec: mujoco.MjSpec, model: ObjectModel, mass: float) -> None:
    body = spec.worldbody.add_body(name=model.name)
    body.add_freejoint(name=f"{model.name}_free")
    density = mass / sum(volume(part) for part in model.parts if part.meets != TABLE)  # [kg/m3]
    for i, part in enumerate(model.parts):
        own, others = _BITS[part.meets]
        geom = {
            "name": f"{model.name}_{i}", "pos": part.position, "quat": [part.xyzw[3], *part.xyzw[:3]],
            "density": 0.0 if part.meets == TABLE else density,
            "group": _FOOT_GROUP if part.meets == TABLE else OBJECT_GROUP,
            "friction": OBJECT_FRICTION, "condim": 6, "contype": own, "conaffinity": others,
            "rgba": [*model.rgb, 1], "solref": [0.005, 1],
        }  # fmt: skip
        if part.shape == "hull":
            mesh = spec.add_mesh(name=f"{model.name}_{i}_mesh", uservert=np.ravel(part.vertices))
            body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, **geom)
        else:
            size = [*part.size, 0.0, 0.0, 0.0][:3]
            body.add_geom(type=_SHAPES[part.shape], size=size, **geom)
    spec.add_equality(
        name=f"{model.name}_pin", type=mujoco.mjtEq.mjEQ_WELD, name1=model.name, name2="world",
        objtype=mujoco.mjtObj.mjOBJ_BODY, active=False, solref=[0.004, 1], solimp=[0.95, 0.99, 0.001, 0.5, 2],
    )  # fmt: skip


def _add_hand(spec: mujoco.MjSpec, hand: BarrettHand, physics: Physics) -> None:
    """Hang the hand (already in the spec) on three slides along its own axes, like an arm of fixed orientation."""
    palm = spec.body("palm")
    for axis, name in zip(np.eye(3), ("wrist_x", "wrist_y", "wrist_z"), strict=True):
        palm.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis)
        _add_servo(spec, name, WRIST_STIFFNESS, WRIST_DAMPING, 400.0)
    for body in spec.bodies:
        if body.name == "palm" or body.name.startswith(("f1_", "f2_", "f3_")):
            body.gravcomp = 1.0
            for geom in body.geoms:
                geom.group, geom.contype, geom.conaffinity, geom.priority, geom.condim = HAND_GROUP, 2, 3, 1, 4
                own = hand.friction.pad if "pad" in geom.name else hand.friction.metal
                geom.friction = [own if physics.friction is None else physics.friction, physics.torsion, 1e-4]
                geom.solref, geom.solimp = [0.01, 1], [0.5, 0.99, 0.0001, 0.5, 2]
    for finger in ("f1", "f2", "f3"):
        _add_servo(spec, f"{finger}_inner", FINGER_STIFFNESS, FINGER_DAMPING, hand.forces.inner_torque_max)
        _add_servo(spec, f"{finger}_outer", FINGER_STIFFNESS, FINGER_DAMPING, hand.forces.outer_torque_max)
    for finger in ("f1", "f2"):
        _add_servo(spec, f"{finger}_spread", SPREAD_STIFFNESS, SPREAD_DAMPING, 50.0)


def _add_servo(spec: mujoco.MjSpec, joint: str, stiffness: float, damping: float, limit: float) -> None:
    actuator = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.set_to_position(kp=stiffness, kv=damping)
    actuator.forcelimited, actuator.forcerange = True, [-limit, limit]
