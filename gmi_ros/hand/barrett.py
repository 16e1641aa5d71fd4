"""Forward kinematics of the BarrettHand in closed form: tips, pad normals, Jacobians, link frames, batched.

The palm frame {P} has its origin on the centre of the base plane and z out of the palm; F1 stands at x = -Aw and
points to -y at spread 0, F2 at x = +Aw, F3 (which does not spread) points to +y. Joints are [spread, f1, f2, f3].
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.grasp import FINGERS, JOINTS
from gmi_ros.core.resources import resource
from gmi_ros.hand import description
from gmi_ros.hand.description import read_description

HANDS = tuple(sorted(path.stem for path in resource("config/hands").glob("*.yaml")))


class FingerState(NamedTuple):
    """The fingers at one posture, each in its plane through the spread axis, the postures along the last axes.

    profile: (3, 2, 6, ...): value, first and second derivative by the finger's inner joint, of the way along the
    finger's direction and of the height, of the tips [m] of F1, F2, F3 (rows 0-2) and of their pad normals (rows 3-5).
    direction, rate: (2, 3, ...) xy of each finger's direction in {P}, and its derivative by the spread.
    offset: (3, 1, ...) [m] x of the spread axes in {P}; their y is 0.
    """

    profile: np.ndarray
    direction: np.ndarray
    rate: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class BarrettHand:
    """One model of the hand: its figures (sections of config/hands/<name>.yaml) and what follows from them.

    Every method takes joints (..., 4) [rad] in the order spread, f1, f2, f3 with any leading axes, and optionally
    outer (..., 3) [rad], the outer joints relative to the inner links; without it they follow the gears (inner / 3).

    Raises (all methods):
        GmiError: BAD_REQUEST where joints or outer have the wrong shape.
    """

    name: str
    kinematics: description.Kinematics
    coupling: description.Coupling
    limits_by_joint: description.Limits
    speeds: description.Speeds
    forces: description.Forces
    temperature: description.Temperature
    reflected_inertia: description.ReflectedInertia
    friction: description.Friction
    touch: description.Touch
    links: description.Links

    @cached_property
    def limits(self) -> np.ndarray:
        """(4, 2) soft limits [rad] of spread, f1, f2, f3."""
        by_joint = self.limits_by_joint
        return _frozen([by_joint.spread_soft, *[by_joint.inner_soft] * 3])

    @cached_property
    def hard_limits(self) -> np.ndarray:
        """(4, 2) mechanical limits [rad] of spread, f1, f2, f3."""
        by_joint = self.limits_by_joint
        return _frozen([by_joint.spread_hard, *[by_joint.inner_hard] * 3])

    @cached_property
    def max_speed(self) -> np.ndarray:
        """(4,) fastest speed of the drives [rad/s]."""
        return _frozen([self.speeds.spread_max, *[self.speeds.inner_max] * 3])

    @cached_property
    def normal_speed(self) -> np.ndarray:
        """(4,) speed of everyday use [rad/s]."""
        return _frozen([self.speeds.spread_normal, *[self.speeds.inner_normal] * 3])

    @property
    def max_tip_force(self) -> float:
        """What one finger bears [N]."""
        return self.forces.tip_max

    @property
    def active_tip_force(self) -> float:
        """What one finger exerts at its tip [N]."""
        return self.forces.tip_active

    @property
    def mass(self) -> float:
        """Of the whole hand [kg]."""
        links = self.links
        return links.palm.mass + 2 * links.knuckle.mass + 3 * (links.inner.mass + links.outer.mass)

    @property
    def outer_ratio(self) -> float:
        """Outer per inner joint angle before breakaway."""
        return self.coupling.motor_per_inner / self.coupling.motor_per_outer

    @cached_property
    def touching(self) -> "BarrettHand":
        """The same hand with each tip at the centre of the pad's rounded end, and the pad's normal where it touches.

        A round fingertip of radius r touches a surface at p with outward normal n when its centre is at p + r n, so
        Eq. 7 with `touching` and p + r n places a hand that does touch at p, which the DH tip point would not.
        Turning the outer link's frame by the touch direction makes this a matter of figures alone.
        """
        turn = np.radians(90.0 - self.touch.direction_deg)
        reach, height = self.touch.reach, self.touch.height
        kinematics = replace(
            self.kinematics,
            outer_offset_deg=self.kinematics.outer_offset_deg - float(np.degrees(turn)),
            tip_reach=float(reach * np.cos(turn) - height * np.sin(turn)),
            tip_height=float(reach * np.sin(turn) + height * np.cos(turn)),
        )
        return replace(self, kinematics=kinematics)

    def coupled_outer(self, inner: np.ndarray | float) -> np.ndarray | float:
        """Outer joint angles [rad] before breakaway."""
        return inner * self.outer_ratio

    def outer_after_breakaway(self, motor: np.ndarray | float, lock: np.ndarray | float) -> np.ndarray | float:
        """Outer joint angles [rad] once the inner ones stopped at `lock` and the motors went on.

        motor: the motor's angle seen at the inner joint (motor / 125) [rad], at least `lock`.
        The outer link's angle from the knuckle keeps following the motor: outer = 4 motor / 3 - lock.
        """
        return motor * (1 + self.outer_ratio) - lock

    def tips(self, joints: np.ndarray, outer: np.ndarray | None = None) -> np.ndarray:
        """The DH tip points of F1, F2, F3, (..., 3, 3) [m] in {P}."""
        k = self.kinematics
        return self.pad_point(joints, k.tip_reach, k.tip_height, outer)

    def pad_point(self, joints: np.ndarray, along: float, height: float, outer: np.ndarray | None = None) -> np.ndarray:
        """The point (along, height, 0) [m] of each outer link's frame, (..., 3, 3) [m] in {P}."""
        spread, a2, a3 = self._angles(joints, outer)
        radial, up = self._planar(a2, a3, along, height)
        return self._point(spread, radial, up)

    def pad_normals(self, joints: np.ndarray, outer: np.ndarray | None = None) -> np.ndarray:
        """Unit normals out of the pads, (..., 3, 3) in {P}."""
        spread, _, a3 = self._angles(joints, outer)
        return _vector(self._direction(spread), -np.sin(a3), np.cos(a3))

    def jacobian(self, joints: np.ndarray) -> np.ndarray:
        """d tips / d joints with the coupling in force, (..., 3, 3, 4): finger, xyz, joint [m/rad]."""
        return self._by_joint(joints)[..., :3, :, :]

    def normal_jacobian(self, joints: np.ndarray) -> np.ndarray:
        """d pad normals / d joints with the coupling in force, (..., 3, 3, 4): finger, xyz, joint [1/rad]."""
        return self._by_joint(joints)[..., 3:, :, :]

    def fingers(self, joints: np.ndarray) -> "FingerState":
        """Tips, pad normals and derivatives at joints (4, ...) in one pass, with the coupling in force: for solvers."""
        k, more = self.kinematics, (3, *[1] * (np.ndim(joints) - 1))  # of the fingers' figures
        phi2, phi3 = np.radians([k.inner_offset_deg, k.outer_offset_deg])
        gain = 1 + self.outer_ratio
        sign, base = self._spread_sign.reshape(more), self._base_sign.reshape(more)
        angles = np.concatenate([sign * joints[:1], joints[1:] + phi2, gain * joints[1:] + (phi2 + phi3)])
        angles = angles.reshape(3, 3, *angles.shape[1:])
        (sin1, sin2, sin3), (cos1, cos2, cos3) = np.sin(angles), np.cos(angles)
        inner_out, inner_up = k.inner_length * cos2, k.inner_length * sin2
        tip_out, tip_up = k.tip_reach * cos3 - k.tip_height * sin3, k.tip_reach * sin3 + k.tip_height * cos3

        profile = np.empty((3, 2, 6, *sin1.shape[1:]))
        value, first, second = profile
        np.add(inner_out + self._reach.reshape(more), tip_out, out=value[0, :3])
        np.add(inner_up + (k.spread_axis_height + k.knuckle_rise), tip_up, out=value[1, :3])
        np.negative(sin3, out=value[0, 3:])
        value[1, 3:] = cos3
        np.subtract(-gain * tip_up, inner_up, out=first[0, :3])
        np.add(gain * tip_out, inner_out, out=first[1, :3])
        np.multiply(cos3, -gain, out=first[0, 3:])
        np.multiply(sin3, -gain, out=first[1, 3:])
        np.subtract(-(gain**2) * tip_out, inner_out, out=second[0, :3])
        np.subtract(-(gain**2) * tip_up, inner_up, out=second[1, :3])
        np.multiply(value[:, 3:], -(gain**2), out=second[:, 3:])
        direction = np.stack([base * sin1, -base * cos1])
        rate = np.stack([-sign * direction[1], sign * direction[0]])
        return FingerState(profile, direction, rate, k.spread_axis_offset * sign)

    def knuckle_frames(self, joints: np.ndarray) -> np.ndarray:
        """palm_from_knuckle of F1, F2, F3, (..., 3, 4, 4): x along the finger, z up. F3's is fixed to the palm."""
        spread, _, _ = self._angles(joints, None)
        x = _vector(self._direction(spread), np.ones(3), np.zeros(3))
        z = np.broadcast_to([0.0, 0.0, 1.0], x.shape)
        k = self.kinematics
        return _pose(x, np.cross(z, x), z, self._point(spread, np.zeros(3), np.full(3, k.spread_axis_height)))

    def inner_frames(self, joints: np.ndarray) -> np.ndarray:
        """palm_from_inner of F1, F2, F3, (..., 3, 4, 4): origin on the inner joint's axis, which is z; y to the pad."""
        k = self.kinematics
        spread, a2, _ = self._angles(joints, None)
        at = self._point(spread, self._reach, np.full(3, k.spread_axis_height + k.knuckle_rise))
        return self._link_pose(spread, a2 - np.radians(k.inner_offset_deg), at)

    def distal_frames(self, joints: np.ndarray, outer: np.ndarray | None = None) -> np.ndarray:
        """palm_from_outer of F1, F2, F3, (..., 3, 4, 4): origin on the outer joint's axis (z), y out of the pad."""
        spread, a2, a3 = self._angles(joints, outer)
        return self._link_pose(spread, a3, self._point(spread, *self._planar(a2, a3, 0.0, 0.0)))

    def link_segments(self, joints: np.ndarray, outer: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Coarse capsules of the hand for drawing and quick clearance checks.

        Returns:
            segments (..., n, 2, 3) [m] in {P} and radii (n,) [m]: the palm's, then of each finger F1, F2, F3 the
            knuckle's (F3's is part of the palm), the inner link's and the outer link's.
        """
        k, links = self.kinematics, self.links
        spread, a2, a3 = self._angles(joints, outer)
        base = np.full(3, k.spread_axis_height)
        # The knuckle's y and z, turned into those of a link that lies level.
        level = links.knuckle.envelope[..., [0, 2, 1]] * [1, 1, -1]
        parts = [
            self._ends(spread, np.zeros_like(a2), np.zeros(3), base, level),
            self._ends(spread, a2 - np.radians(k.inner_offset_deg), self._reach, base + k.knuckle_rise,
                       links.inner.envelope),
            self._ends(spread, a3, *self._planar(a2, a3, 0.0, 0.0), links.outer.envelope),
        ]  # fmt: skip
        segments = [np.broadcast_to(links.palm.envelope, (*a2.shape[:-1], *links.palm.envelope.shape))]
        radii = [links.palm.envelope_radii]
        for finger in range(len(FINGERS)):
            chain = list(zip(parts, (links.knuckle, links.inner, links.outer), strict=True))
            for ends, link in chain[0 if k.spread_sign[finger] else 1 :]:
                segments.append(ends[..., finger, :, :, :])
                radii.append(link.envelope_radii)
        return np.concatenate(segments, axis=-3), np.concatenate(radii)

    def _ends(self, spread, angle, radial, up, envelope) -> np.ndarray:
        """An envelope (k, 2, 3) of links as `_link_pose` places them, (..., 3, k, 2, 3) [m] in {P}: for all fingers."""
        x, y, z = np.moveaxis(envelope, -1, 0)  # (k, 2)
        direction = self._direction(spread)[..., None, None, :]  # (..., 3, 1, 1, 2)
        cosine, sine = (part[..., None, None] for part in (np.cos(angle), np.sin(angle)))  # (..., 3, 1, 1)
        ends = np.empty((*angle.shape, *envelope.shape))
        across = radial[..., None, None] + cosine * x - sine * y
        np.multiply(across[..., None], direction, out=ends[..., :2])
        ends[..., 0] += z * direction[..., 1] + (self.kinematics.spread_axis_offset * self._spread_sign)[:, None, None]
        ends[..., 1] -= z * direction[..., 0]
        ends[..., 2] = up[..., None, None] + sine * x + cosine * y
        return ends

    def _angles(self, joints, outer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spread (..., 1), and the angles a2, a3 (..., 3) of inner and outer link above the palm's plane [rad]."""
        joints = _checked(joints)
        inner = joints[..., 1:]
        relative = self.coupled_outer(inner) if outer is None else np.asarray(outer, float)
        if relative.ndim == 0 or relative.shape[-1] != len(FINGERS):
            raise GmiError(ErrorCode.BAD_REQUEST, f"outer joints must be (..., 3), got {relative.shape}")
        phi2, phi3 = np.radians([self.kinematics.inner_offset_deg, self.kinematics.outer_offset_deg])
        return joints[..., :1], inner + phi2, inner + relative + (phi2 + phi3)

    def _planar(self, a2, a3, along: float, height: float) -> tuple[np.ndarray, np.ndarray]:
        """A point of the outer link: distance from the spread axis and height above the base, (..., 3) [m] each."""
        k = self.kinematics
        radial = self._reach + k.inner_length * np.cos(a2) + along * np.cos(a3) - height * np.sin(a3)
        base = k.spread_axis_height + k.knuckle_rise
        return radial, base + k.inner_length * np.sin(a2) + along * np.sin(a3) + height * np.cos(a3)

    @cached_property
    def _spread_sign(self) -> np.ndarray:
        return _frozen(self.kinematics.spread_sign)

    @cached_property
    def _reach(self) -> np.ndarray:
        """(3,) [m] from each finger's spread axis to its inner joint."""
        return _frozen([self.kinematics.knuckle_reach] * 2 + [self.kinematics.thumb_reach])

    @cached_property
    def _base_sign(self) -> np.ndarray:
        return _frozen(self.kinematics.base_sign)

    def _direction(self, spread) -> np.ndarray:
        """Unit vectors (..., 3, 2) in the palm's plane along each finger, at the manual's angle r Th1 - j 90 deg."""
        turn = self._spread_sign * spread
        direction = np.empty((*turn.shape, 2))
        direction[..., 0], direction[..., 1] = self._base_sign * np.sin(turn), -self._base_sign * np.cos(turn)
        return direction

    def _by_joint(self, joints) -> np.ndarray:
        """d (tips, pad normals) / d joints, (..., 6, 3, 4): a finger depends on the spread and its own joint only."""
        joints = _checked(joints)
        state = self.fingers(np.moveaxis(joints, -1, 0))
        (across, _), (across_1, up_1), _ = np.moveaxis(state.profile, 2, -1)  # (..., 6)
        jacobian = np.zeros((*across.shape, 3, len(JOINTS)))
        for row in range(6):
            finger = row % 3
            rate, direction = np.moveaxis(state.rate[:, finger], 0, -1), np.moveaxis(state.direction[:, finger], 0, -1)
            jacobian[..., row, :2, 0] = across[..., row, None] * rate
            jacobian[..., row, :2, finger + 1] = across_1[..., row, None] * direction
            jacobian[..., row, 2, finger + 1] = up_1[..., row]
        return jacobian

    def _point(self, spread, radial, up) -> np.ndarray:
        """Points (..., 3, 3) [m] in {P} at `radial` from each finger's spread axis and `up` above the base plane."""
        point = _vector(self._direction(spread), radial, up)
        point[..., 0] += self.kinematics.spread_axis_offset * self._spread_sign
        return point

    def _link_pose(self, spread, angle, origin) -> np.ndarray:
        """Poses (..., 3, 4, 4) of frames whose x stands `angle` above the palm's plane, within each finger's plane."""
        direction = self._direction(spread)
        x, y = _vector(direction, np.cos(angle), np.sin(angle)), _vector(direction, -np.sin(angle), np.cos(angle))
        z = _vector(np.stack([direction[..., 1], -direction[..., 0]], axis=-1), np.ones(3), np.zeros(3))  # x cross y
        return _pose(x, y, z, origin)


def load_hand(name: str = "bh280") -> BarrettHand:
    """The hand described by config/hands/<name>.yaml; one for all who ask, so that what is kept for it is kept once.

    Raises:
        GmiError: BAD_SETTING for an unknown name or key, FILE_DAMAGED, FILE_NOT_FOUND.
    """
    if name not in HANDS:
        raise GmiError(ErrorCode.BAD_SETTING, f"hand must be one of {', '.join(HANDS)}, got {name!r}")
    return _load(name)


@cache
def _load(name: str) -> BarrettHand:
    sections = read_description(resource(f"config/hands/{name}.yaml"))
    sections["limits_by_joint"] = sections.pop("limits")
    return BarrettHand(**sections)


def _checked(joints) -> np.ndarray:
    joints = np.asarray(joints, float)
    if joints.ndim == 0 or joints.shape[-1] != len(JOINTS):
        raise GmiError(ErrorCode.BAD_REQUEST, f"joints must be (..., 4): {', '.join(JOINTS)}; got {joints.shape}")
    return joints


def _frozen(rows) -> np.ndarray:
    array = np.array(rows, float)
    array.setflags(write=False)
    return array


def _vector(direction, radial, up) -> np.ndarray:
    """Vectors (..., 3) with `radial` along a direction (..., 2) of the palm's plane and `up` along z."""
    radial, up = np.broadcast_arrays(radial, up)
    height = np.broadcast_to(up[..., None], (*direction.shape[:-1], 1))
    return np.concatenate([radial[..., None] * direction, height], axis=-1)


def _pose(x, y, z, origin) -> np.ndarray:
    """Poses (..., 4, 4) from axes and origin (..., 3)."""
    pose = np.zeros((*origin.shape[:-1], 4, 4))
    pose[..., :3, 0], pose[..., :3, 1], pose[..., :3, 2], pose[..., :3, 3] = x, y, z, origin
    pose[..., 3, 3] = 1.0
    return pose
