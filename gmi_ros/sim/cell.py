"""The cell: the scene's model and state, and the few moves that a trial is made of."""

from functools import cached_property
from typing import NamedTuple

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.hand.barrett import BarrettHand
from gmi_ros.sim.objects import ObjectModel
from gmi_ros.sim.geometry import reach
from gmi_ros.sim.scene import HAND_GROUP, Physics, build
from gmi_ros.sim.shapes import Part

PARKED = poses.make(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 1.5]))  # world_from_palm, out of the way
_STILL = 2e-3  # speed below which an object has settled [m/s, rad/s]


class Overlaps(NamedTuple):
    """on_object: link's body id -> point (3,) [m] and the object's outward normal (3,), in the world."""

    on_object: dict[int, tuple[np.ndarray, np.ndarray]]
    on_table: bool


class Cell:
    """Table, one object and (unless `hand` is None) the hand on an ideal arm.

    World frame: z up, table top at z = 0. Poses are 4x4, `world_from_object` and `world_from_palm`.
    n_steps: simulation steps made so far.
    """

    def __init__(self, object_model: ObjectModel, hand: BarrettHand | None, physics: Physics = Physics()):
        self.object_model, self.hand, self.physics = object_model, hand, physics
        self.model = build([object_model], hand, physics)
        self.data = mujoco.MjData(self.model)
        self.object_body = self.model.body(object_model.name).id
        self._pin = self.model.equality(f"{object_model.name}_pin").id
        joint = self.model.joint(f"{object_model.name}_free")
        self._object_qpos, self._object_dof = int(joint.qposadr[0]), int(joint.dofadr[0])
        hand_bodies = self.model.geom_bodyid[self.model.geom_group == HAND_GROUP]
        self._is_hand = np.isin(np.arange(self.model.nbody), hand_bodies)
        if hand is not None:
            self._palm_body = self.model.body("palm").id
            self._wrist_qpos = [int(self.model.joint(f"wrist_{a}").qposadr[0]) for a in "xyz"]
            self._wrist_ctrl = [self.model.actuator(f"wrist_{a}").id for a in "xyz"]
            fingers = ("f1", "f2", "f3")
            self.inner_qpos, self.outer_qpos = (
                np.array([int(self.model.joint(f"{f}_{link}").qposadr[0]) for f in fingers])
                for link in ("inner", "outer")
            )
            self.inner_ctrl, self.outer_ctrl = (
                np.array([self.model.actuator(f"{f}_{link}").id for f in fingers]) for link in ("inner", "outer")
            )
            self._outer_joint = [self.model.joint(f"{f}_outer").id for f in fingers]
            self._spread_qpos = [int(self.model.joint(f"{f}_spread").qposadr[0]) for f in fingers[:2]]
            self._spread_ctrl = [self.model.actuator(f"{f}_spread").id for f in fingers[:2]]
            bodies = [self.model.body(f"{f}_outer").id for f in fingers]
            self.distal_bodies = np.array(bodies)
            self._hand_geoms = self.model.geom_group == HAND_GROUP
            self._friction = self.model.geom_friction[self._hand_geoms, 0].copy()
        self.n_steps = 0
        self.reset(np.eye(4))

    @cached_property
    def _parts(self) -> list[tuple[Part, np.ndarray, np.ndarray]]:
        """Each part of the object with its rotation (3, 3) and position (3,) [m]."""
        return [(p, Rotation.from_quat(p.xyzw).as_matrix(), np.array(p.position)) for p in self.object_model.parts]

    def reset(self, world_from_object: np.ndarray) -> None:
        """Place the object at rest, unpinned, the hand parked and open."""
        mujoco.mj_resetData(self.model, self.data)
        position, xyzw = world_from_object[:3, 3], poses.to_xyzw(world_from_object)
        start = self._object_qpos
        self.data.qpos[start : start + 3] = position
        self.data.qpos[start + 3 : start + 7] = np.roll(xyzw, 1)  # MuJoCo: wxyz
        if self.hand is not None:
            self.place_hand(PARKED, np.zeros(4))
        mujoco.mj_forward(self.model, self.data)

    @property
    def world_from_object(self) -> np.ndarray:
        """(4, 4) pose of the object now."""
        start = self._object_qpos
        q = self.data.qpos[start : start + 7]
        return poses.from_xyzw(q[:3].copy(), np.roll(q[3:], -1))

    @property
    def world_from_palm(self) -> np.ndarray:
        """(4, 4) pose of {P} now."""
        return poses.make(self.data.xmat[self._palm_body].reshape(3, 3), self.data.xpos[self._palm_body].copy())

    @property
    def joints(self) -> np.ndarray:
        """(4,) [rad]: spread, f1, f2, f3 (inner) now."""
        return np.concatenate([self.data.qpos[self._spread_qpos[:1]], self.data.qpos[self.inner_qpos]])

    def grip(self, share: float) -> None:
        """Let the hand have that share of its sliding friction, until it is told again."""
        self.model.geom_friction[self._hand_geoms, 0] = share * self._friction

    def place_hand(self, world_from_palm: np.ndarray, joints: np.ndarray) -> None:
        """Put the hand there at once, at rest, with outer joints coupled (inner / 3)."""
        self.model.body_pos[self._palm_body] = world_from_palm[:3, 3]
        mujoco.mju_mat2Quat(
            self.model.body_quat[self._palm_body], np.ascontiguousarray(world_from_palm[:3, :3]).ravel()
        )
        self.data.qpos[self._wrist_qpos] = 0.0
        self.data.ctrl[self._wrist_ctrl] = 0.0
        self.place_joints(joints)
        self.data.qvel[:] = 0.0
        mujoco.mj_kinematics(self.model, self.data)

    def place_joints(self, joints: np.ndarray) -> None:
        """Set spread and inner joints (4,) [rad] at once, outer joints coupled; kinematics are not brought up to date."""
        self.data.qpos[self._spread_qpos] = joints[0]
        self.data.ctrl[self._spread_ctrl] = joints[0]
        outer = self.hand.coupled_outer(joints[1:])
        self.data.qpos[self.inner_qpos], self.data.qpos[self.outer_qpos] = joints[1:], outer
        self.data.ctrl[self.inner_ctrl], self.data.ctrl[self.outer_ctrl] = joints[1:], outer

    def place_wrist(self, offset: np.ndarray) -> None:
        """Move the hand at once to `offset` (3,) [m], in the world, from where it was placed; kinematics as above."""
        rotation = self.data.xmat[self._palm_body].reshape(3, 3)
        self.data.qpos[self._wrist_qpos] = rotation.T @ offset

    def command_wrist(self, offset: np.ndarray) -> None:
        """Send the wrist to where it was placed plus `offset` (3,) [m] in the world."""
        rotation = self.data.xmat[self._palm_body].reshape(3, 3)
        self.data.ctrl[self._wrist_ctrl] = rotation.T @ offset

    def pin(self, active: bool) -> None:
        """Hold the object where it is (the authors' simulator does so while the hand closes), or let go."""
        if active:
            relative = self.world_from_object
            # Weld data: anchor (3), relative pose of body 2 in body 1 (3 + wxyz 4), torque scale.
            eq = self.model.eq_data[self._pin]
            eq[:3] = 0.0
            inverse = poses.inverse(relative)
            eq[3:6], eq[6:10] = inverse[:3, 3], np.roll(poses.to_xyzw(inverse), 1)
        self.data.eq_active[self._pin] = int(active)

    def step(self, n: int = 1) -> None:
        """Advance n time steps.

        Raises:
            GmiError: INTERNAL where the simulation has diverged.
        """
        before = self.data.time
        mujoco.mj_step(self.model, self.data, n)
        self.n_steps += n
        if self.data.time < before:  # MuJoCo begins anew from time 0 when positions or speeds are not finite
            raise GmiError(ErrorCode.INTERNAL, f"the simulation diverged after {before:.3f} s")

    def collides(self) -> bool:
        """Whether any part of the hand touches the object or the table, as placed now."""
        self._collide()
        bodies = self.model.geom_bodyid[self.data.contact.geom]
        mixed = self._is_hand[bodies[:, 0]] != self._is_hand[bodies[:, 1]]
        return bool((mixed & (self.data.contact.dist < 0)).any())

    def overlaps(self) -> Overlaps:
        """What the hand reaches into, as placed now; of several contacts of a link the deepest."""
        self._collide()
        contact, found, on_table = self.data.contact, {}, False
        bodies = self.model.geom_bodyid[contact.geom].tolist()
        for i in np.argsort(-contact.dist):  # the deepest last
            if contact.dist[i] >= 0 or self._is_hand[bodies[i][0]] == self._is_hand[bodies[i][1]]:
                continue
            own, sign = (1, 1.0) if bodies[i][0] == self.object_body else (0, -1.0)
            if self.object_body in bodies[i]:
                found[bodies[i][own]] = contact.pos[i], sign * contact.frame[i, :3]
            else:
                on_table = True
        return Overlaps(found, on_table)

    def tip_way(self, finger: int, point: np.ndarray) -> np.ndarray:
        """Unit direction (3,) in which a point (3,) of a distal link goes when its outer joint closes, in the world."""
        joint = self._outer_joint[finger]
        way = np.cross(self.data.xaxis[joint], point - self.data.xanchor[joint])
        return way / np.linalg.norm(way)

    def _collide(self) -> None:
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_collision(self.model, self.data)

    def touching_links(self) -> set[int]:
        """Body ids of the hand's links that touch the object, as of the last step."""
        bodies = self.model.geom_bodyid[self.data.contact.geom]
        bodies = bodies[(bodies == self.object_body).any(axis=1)]
        return set(bodies[self._is_hand[bodies]].tolist())

    def hand_contacts(self) -> list[tuple[int, np.ndarray, np.ndarray, float]]:
        """Contacts of hand and object: the hand's body id, point (3,), the object's outward normal (3,), force [N]."""
        found, force = [], np.zeros(6)
        for i, (first, second) in enumerate(self.model.geom_bodyid[self.data.contact.geom].tolist()):
            if self.object_body not in (first, second):
                continue
            other = second if first == self.object_body else first
            if not self._is_hand[other]:
                continue
            contact = self.data.contact[i]
            # MuJoCo's normal points from geom 1 to geom 2.
            sign = 1.0 if first == self.object_body else -1.0
            mujoco.mj_contactForce(self.model, self.data, i, force)
            found.append((other, contact.pos.copy(), sign * contact.frame[:3], float(force[0])))
        return found

    def object_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Centre (3,) and half extents (3,) [m] of the object's axis-aligned box in the world."""
        high, low = np.split(self.object_reach(np.concatenate([np.eye(3), -np.eye(3)])), 2)
        return (high - low) / 2, (high + low) / 2

    def object_reach(self, directions: np.ndarray) -> np.ndarray:
        """How far (n,) [m] the object reaches from the world's origin in these directions (n, 3) of the world."""
        rotation, position = self.data.xmat[self.object_body].reshape(3, 3), self.data.xpos[self.object_body]
        own = directions @ rotation
        farthest = np.max([own @ place + reach(part, own @ turn) for part, turn, place in self._parts], axis=0)
        return farthest + directions @ position

    def object_speed(self) -> float:
        """Largest of the object's linear [m/s] and angular [rad/s] speed."""
        return float(np.abs(self.data.qvel[self._object_dof : self._object_dof + 6]).max())

    def settle(self, max_time: float = 3.0) -> bool:
        """Let the object come to rest; False where it has not after `max_time` [s]."""
        quiet = 0
        for _ in range(int(max_time / self.model.opt.timestep / 10)):
            self.step(10)
            quiet = quiet + 1 if self.object_speed() < _STILL else 0
            if quiet >= 5:
                return True
        return False
