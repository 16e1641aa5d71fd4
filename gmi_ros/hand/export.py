"""The hand as URDF and MJCF, made of primitives from the same figures as the kinematics.

`python -m gmi_ros.hand.export` writes models/hand/<name>.{urdf,xml} of every hand (or into --out).

Names are stable, since simulators and drivers refer to them: bodies (links) palm, f1_knuckle, f1_inner, f1_outer,
f2_*, f3_inner, f3_outer; joints f1_spread, f2_spread, f1_inner, f1_outer, ...; sites (URDF: fixed links) f1_tip ..
f3_tip; every geom's name starts with its link's. The root is the palm, its frame {P}. There are no actuators, no
coupling of the joints and no surroundings: these belong to whoever simulates.
"""

import argparse
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.grasp import FINGERS
from gmi_ros.hand.barrett import HANDS, BarrettHand, load_hand
from gmi_ros.hand.description import Kinematics, Link, Primitive

_UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # knuckle from inner link at zero


def mjcf(hand: BarrettHand) -> str:
    """A standalone MJCF model of the hand (MuJoCo). Adjacent links do not collide, all others do."""
    root = ElementTree.Element("mujoco", model=hand.name)
    ElementTree.SubElement(root, "compiler", angle="radian", autolimits="true")
    world = ElementTree.SubElement(root, "worldbody")
    palm = _body(world, "palm", np.zeros(3), np.eye(3), hand.links.palm, hand)
    excluded = []
    for index, finger in enumerate(f.lower() for f in FINGERS):
        _finger(palm, finger, index, hand, excluded)
    contact = ElementTree.SubElement(root, "contact")
    for parent, child in excluded:
        ElementTree.SubElement(contact, "exclude", body1=parent, body2=child)
    return _text(root)


def urdf(hand: BarrettHand) -> str:
    """A URDF of the hand. F2's spread mimics F1's, the outer joints the inner ones (as before breakaway)."""
    root = ElementTree.Element("robot", name=hand.name)
    _urdf_link(root, "palm", hand.links.palm)
    k, limits, forces, speeds = hand.kinematics, hand.limits_by_joint, hand.forces, hand.speeds
    for index, finger in enumerate(f.lower() for f in FINGERS):
        palm_from_knuckle = _knuckle_pose(hand, index)
        knuckle_from_inner = poses.make(_UPRIGHT, [_reach(k, index), 0.0, k.knuckle_rise])
        if k.spread_sign[index]:
            _urdf_link(root, f"{finger}_knuckle", hand.links.knuckle)
            joint = _urdf_joint(root, f"{finger}_spread", "palm", f"{finger}_knuckle", palm_from_knuckle)
            axis = [0.0, 0.0, k.spread_sign[index]]
            _urdf_drive(joint, axis, limits.spread_hard, forces.spread_torque_max, speeds.spread_max)
            if finger != "f1":
                ElementTree.SubElement(joint, "mimic", joint="f1_spread", multiplier="1")
            parent, parent_from_inner = f"{finger}_knuckle", knuckle_from_inner
        else:
            parent, parent_from_inner = "palm", palm_from_knuckle @ knuckle_from_inner
        _urdf_link(root, f"{finger}_inner", hand.links.inner)
        joint = _urdf_joint(root, f"{finger}_inner", parent, f"{finger}_inner", parent_from_inner)
        _urdf_drive(joint, [0.0, 0.0, 1.0], limits.inner_hard, forces.inner_torque_max, speeds.inner_max)
        _urdf_link(root, f"{finger}_outer", hand.links.outer)
        joint = _urdf_joint(root, f"{finger}_outer", f"{finger}_inner", f"{finger}_outer", _inner_from_outer(hand))
        _urdf_drive(joint, [0.0, 0.0, 1.0], limits.outer_hard, forces.outer_torque_max, speeds.outer_max_free)
        ElementTree.SubElement(joint, "mimic", joint=f"{finger}_inner", multiplier=_numbers(hand.outer_ratio))
        ElementTree.SubElement(root, "link", name=f"{finger}_tip")
        outer_from_tip = poses.make(np.eye(3), [k.tip_reach, k.tip_height, 0.0])
        _urdf_joint(root, f"{finger}_tip_fixed", f"{finger}_outer", f"{finger}_tip", outer_from_tip, "fixed")
    return _text(root)


def main(arguments: list[str] | None = None) -> int:
    """Write both models of every hand."""
    parser = argparse.ArgumentParser(description="Write URDF and MJCF of the hands.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "models" / "hand")
    out = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    for name in HANDS:
        hand = load_hand(name)
        (out / f"{name}.xml").write_text(mjcf(hand), encoding="utf-8")
        (out / f"{name}.urdf").write_text(urdf(hand), encoding="utf-8")
    return 0


def _reach(k: Kinematics, index: int) -> float:
    return k.knuckle_reach if k.spread_sign[index] else k.thumb_reach


def _knuckle_pose(hand: BarrettHand, index: int) -> np.ndarray:
    """palm_from_knuckle (4, 4) of finger `index` at spread zero."""
    return hand.knuckle_frames(np.zeros(4))[index]


def _inner_from_outer(hand: BarrettHand) -> np.ndarray:
    """inner_from_outer (4, 4) at zero: the outer axis stands phi2 above the link's x, the outer x phi2 + phi3."""
    k = hand.kinematics
    offset = np.radians(k.inner_offset_deg)
    turn = np.radians(k.inner_offset_deg + k.outer_offset_deg)
    rotation = [[np.cos(turn), -np.sin(turn), 0.0], [np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]]
    return poses.make(rotation, [k.inner_length * np.cos(offset), k.inner_length * np.sin(offset), 0.0])


def _finger(palm, finger: str, index: int, hand: BarrettHand, excluded: list[tuple[str, str]]) -> None:
    k, limits, rotor = hand.kinematics, hand.limits_by_joint, hand.reflected_inertia
    palm_from_knuckle = _knuckle_pose(hand, index)
    parent, parent_name, at = palm, "palm", palm_from_knuckle
    knuckle_from_inner = poses.make(_UPRIGHT, [_reach(k, index), 0.0, k.knuckle_rise])
    if k.spread_sign[index]:
        parent_name = f"{finger}_knuckle"
        parent = _body(palm, parent_name, at[:3, 3], at[:3, :3], hand.links.knuckle, hand)
        # One motor turns both spread joints: each carries half of its rotor's inertia.
        _joint(parent, f"{finger}_spread", [0.0, 0.0, k.spread_sign[index]], limits.spread_hard, rotor.spread / 2)
        excluded.append(("palm", parent_name))
        at = np.eye(4)
    at = at @ knuckle_from_inner
    inner = _body(parent, f"{finger}_inner", at[:3, 3], at[:3, :3], hand.links.inner, hand)
    _joint(inner, f"{finger}_inner", [0.0, 0.0, 1.0], limits.inner_hard, rotor.inner)
    excluded.append((parent_name, f"{finger}_inner"))
    at = _inner_from_outer(hand)
    outer = _body(inner, f"{finger}_outer", at[:3, 3], at[:3, :3], hand.links.outer, hand)
    _joint(outer, f"{finger}_outer", [0.0, 0.0, 1.0], limits.outer_hard, rotor.outer)
    excluded.append((f"{finger}_inner", f"{finger}_outer"))
    tip = _numbers([k.tip_reach, k.tip_height, 0.0])
    ElementTree.SubElement(outer, "site", name=f"{finger}_tip", pos=tip, size="0.002")


def _body(parent, name: str, position, rotation, link: Link, hand: BarrettHand):
    body = ElementTree.SubElement(parent, "body", name=name, pos=_numbers(position))
    if not np.array_equal(rotation, np.eye(3)):
        body.set("xyaxes", _numbers([*rotation[:, 0], *rotation[:, 1]]))
    i = link.inertia
    full = _numbers([i[0, 0], i[1, 1], i[2, 2], i[0, 1], i[0, 2], i[1, 2]])
    ElementTree.SubElement(body, "inertial", pos=_numbers(link.com), mass=_numbers(link.mass), fullinertia=full)
    for primitive in link.primitives:
        _geom(body, f"{name}_{primitive.name}", primitive, getattr(hand.friction, primitive.material))
    return body


def _joint(body, name: str, axis, limits, armature: float) -> None:
    ElementTree.SubElement(
        body, "joint", name=name, axis=_numbers(axis), range=_numbers(limits), armature=_numbers(armature)
    )


def _geom(body, name: str, primitive: Primitive, friction: float) -> None:
    geom = ElementTree.SubElement(body, "geom", name=name, type=primitive.shape, mass="0")
    if primitive.shape == "box":
        geom.set("pos", _numbers((primitive.start + primitive.end) / 2))
        geom.set("size", _numbers((primitive.end - primitive.start) / 2))
    else:
        geom.set("fromto", _numbers([*primitive.start, *primitive.end]))
        geom.set("size", _numbers(primitive.radius))
    geom.set("friction", _numbers([friction, 0.005, 0.0001]))  # torsion and rolling: MuJoCo's defaults
    geom.set("rgba", "0.25 0.25 0.28 1" if primitive.material == "pad" else "0.72 0.74 0.78 1")


def _urdf_link(root, name: str, link: Link) -> None:
    element = ElementTree.SubElement(root, "link", name=name)
    inertial = ElementTree.SubElement(element, "inertial")
    ElementTree.SubElement(inertial, "origin", xyz=_numbers(link.com), rpy="0 0 0")
    ElementTree.SubElement(inertial, "mass", value=_numbers(link.mass))
    names = {"ixx": (0, 0), "ixy": (0, 1), "ixz": (0, 2), "iyy": (1, 1), "iyz": (1, 2), "izz": (2, 2)}
    ElementTree.SubElement(inertial, "inertia", {key: _numbers(link.inertia[at]) for key, at in names.items()})
    for primitive in link.primitives:
        for kind in ("visual", "collision"):
            for suffix, centre, rpy, shape, sizes in _urdf_shapes(primitive):
                part = ElementTree.SubElement(element, kind, name=f"{name}_{primitive.name}{suffix}")
                ElementTree.SubElement(part, "origin", xyz=_numbers(centre), rpy=_numbers(rpy))
                geometry = ElementTree.SubElement(part, "geometry")
                ElementTree.SubElement(geometry, shape, {key: _numbers(value) for key, value in sizes.items()})


def _urdf_shapes(primitive: Primitive):
    """URDF has no capsule: it becomes a cylinder and two spheres. Yields suffix, centre, rpy, shape and its sizes."""
    middle, span = (primitive.start + primitive.end) / 2, primitive.end - primitive.start
    if primitive.shape == "box":
        yield "", middle, [0.0, 0.0, 0.0], "box", {"size": span}
        return
    length = np.linalg.norm(span)
    # A cylinder stands on z: pitch it down from z, then yaw it to its direction.
    rpy = [0.0, np.arccos(np.clip(span[2] / length, -1, 1)), np.arctan2(span[1], span[0])]
    yield "", middle, rpy, "cylinder", {"radius": primitive.radius, "length": length}
    if primitive.shape == "capsule":
        yield "_start", primitive.start, [0.0, 0.0, 0.0], "sphere", {"radius": primitive.radius}
        yield "_end", primitive.end, [0.0, 0.0, 0.0], "sphere", {"radius": primitive.radius}


def _urdf_joint(root, name: str, parent: str, child: str, parent_from_child, kind: str = "revolute"):
    joint = ElementTree.SubElement(root, "joint", name=name, type=kind)
    r = parent_from_child[:3, :3]
    # Fixed-axis roll, pitch, yaw; no pitch of this hand comes near 90 degrees.
    rpy = [np.arctan2(r[2, 1], r[2, 2]), np.arctan2(-r[2, 0], np.hypot(r[0, 0], r[1, 0])), np.arctan2(r[1, 0], r[0, 0])]
    ElementTree.SubElement(joint, "origin", xyz=_numbers(parent_from_child[:3, 3]), rpy=_numbers(rpy))
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    return joint


def _urdf_drive(joint, axis, limits, effort: float, velocity: float) -> None:
    ElementTree.SubElement(joint, "axis", xyz=_numbers(axis))
    ElementTree.SubElement(
        joint,
        "limit",
        lower=_numbers(limits[0]),
        upper=_numbers(limits[1]),
        effort=_numbers(effort),
        velocity=_numbers(velocity),
    )


def _numbers(values) -> str:
    """Numbers in their shortest exact form, -0 as 0."""
    return " ".join(repr(float(v) + 0.0) for v in np.ravel(values))


def _text(root) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
