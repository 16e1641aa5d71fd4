"""The MuJoCo model of the picking task: table, object and, where wanted, the hand."""

import mujoco
import numpy as np

from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.hand.export import mjcf
from gmi_ros.sim.objects import ObjectModel, Part

TABLE_GROUP, OBJECT_GROUP, HAND_GROUP = 0, 1, 3  # geom groups; the camera does not see the parked hand
TIMESTEP = 0.002  # [s]
OBJECT_FRICTION = (0.6, 0.02, 0.001)  # object on table: sliding, torsional [m], rolling [m]
HAND_TORSION = 0.02  # torsional friction of pads and links [m]
WRIST_STIFFNESS, WRIST_DAMPING = 2e4, 4e2  # [N/m], [N s/m]: an arm that carries 1 kg with 0.5 mm of sag
FINGER_STIFFNESS, FINGER_DAMPING = 25.0, 0.35  # [N m/rad], [N m s/rad]: joint servo of the finger drives
SPREAD_STIFFNESS, SPREAD_DAMPING = 40.0, 0.5
_SHAPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
}


def build(objects: list[ObjectModel], hand: BarrettHand | None, mass: float = 1.0) -> mujoco.MjModel:
    """Compile the scene: table top at z = 0, each object free and weldable in place (equality `<name>_pin`).

    Contact settings follow what keeps held objects from creeping: elliptic cones, impratio 10, noslip 2, condim 4.
    MuJoCo takes the larger of two frictions, so the hand's geoms have priority and bring their own.

    Args:
        mass: of each object [kg] (paper: 1 kg).
    """
    spec = mujoco.MjSpec() if hand is None else mujoco.MjSpec.from_string(mjcf(hand))
    option = spec.option
    option.timestep = TIMESTEP
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    option.noslip_iterations = 2
    _add_table(spec)
    for model in objects:
        _add_object(spec, model, mass)
    if hand is not None:
        _add_hand(spec, hand)
    return spec.compile()


def _add_table(spec: mujoco.MjSpec) -> None:
    spec.worldbody.add_geom(
        name="table", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.8, 0.8, 0.02], pos=[0, 0, -0.02],
        group=TABLE_GROUP, friction=OBJECT_FRICTION, condim=4, contype=1, conaffinity=3, rgba=[0.62, 0.55, 0.46, 1],
    )  # fmt: skip


def _add_object(spec: mujoco.MjSpec, model: ObjectModel, mass: float) -> None:
    body = spec.worldbody.add_body(name=model.name)
    body.add_freejoint(name=f"{model.name}_free")
    density = mass / sum(_volume(part) for part in model.parts)  # [kg/m3]
    for i, part in enumerate(model.parts):
        geom = {
            "name": f"{model.name}_{i}", "pos": part.position, "quat": np.roll(part.xyzw, 1), "density": density,
            "group": OBJECT_GROUP, "friction": OBJECT_FRICTION, "condim": 4, "contype": 1, "conaffinity": 3,
            "rgba": [*model.rgb, 1], "solref": [0.005, 1],
        }  # fmt: skip
        if part.shape == "frustum":
            mesh = spec.add_mesh(name=f"{model.name}_{i}_mesh", uservert=_frustum(*part.size).ravel())
            body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, **geom)
        else:
            size = [*part.size, 0.0, 0.0, 0.0][:3]
            body.add_geom(type=_SHAPES[part.shape], size=size, **geom)
    spec.add_equality(
        name=f"{model.name}_pin", type=mujoco.mjtEq.mjEQ_WELD, name1=model.name, name2="world",
        objtype=mujoco.mjtObj.mjOBJ_BODY, active=False, solref=[0.004, 1], solimp=[0.95, 0.99, 0.001, 0.5, 2],
    )  # fmt: skip


def _add_hand(spec: mujoco.MjSpec, hand: BarrettHand) -> None:
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
                rubber = "pad" in geom.name
                geom.friction = [hand.friction.pad if rubber else hand.friction.metal, HAND_TORSION, 1e-4]
                geom.solref, geom.solimp = [0.005, 1], [0.5, 0.99, 0.0001, 0.5, 2]
    for finger in ("f1", "f2", "f3"):
        _add_servo(spec, f"{finger}_inner", FINGER_STIFFNESS, FINGER_DAMPING, hand.forces.inner_torque_max)
        _add_servo(spec, f"{finger}_outer", FINGER_STIFFNESS, FINGER_DAMPING, hand.forces.outer_torque_max)
    for finger in ("f1", "f2"):
        _add_servo(spec, f"{finger}_spread", SPREAD_STIFFNESS, SPREAD_DAMPING, 50.0)


def _add_servo(spec: mujoco.MjSpec, joint: str, stiffness: float, damping: float, limit: float) -> None:
    actuator = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    actuator.set_to_position(kp=stiffness, kv=damping)
    actuator.forcelimited, actuator.forcerange = True, [-limit, limit]


def _frustum(bottom: float, top: float, half_height: float, n: int = 28) -> np.ndarray:
    """Vertices (2 n, 3) [m] of a truncated cone whose axis is z."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    rings = [np.column_stack([ring * r, np.full(n, z)]) for r, z in ((bottom, -half_height), (top, half_height))]
    return np.concatenate(rings)


def _volume(part: Part) -> float:
    """Volume of a part [m3]."""
    size = part.size
    match part.shape:
        case "box":
            return 8 * size[0] * size[1] * size[2]
        case "ellipsoid":
            return 4 / 3 * np.pi * size[0] * size[1] * size[2]
        case "cylinder":
            return 2 * np.pi * size[0] ** 2 * size[1]
        case "capsule":
            return 2 * np.pi * size[0] ** 2 * size[1] + 4 / 3 * np.pi * size[0] ** 3
    bottom, top, half_height = size
    return 2 / 3 * np.pi * half_height * (bottom**2 + bottom * top + top**2)
