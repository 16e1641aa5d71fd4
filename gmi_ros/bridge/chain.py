"""An arm's kinematics from its URDF: where the mount is for given joints, and joints that bring it somewhere."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from gmi_ros.bridge.ways import angle, distance
from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError

NEAR, NEAR_ANGLE = 1e-4, 1e-3  # how exact joints are solved for [m], [rad]
_STEPS = 60
_DAMPING = 1e-4
_LENGTH = 0.3  # what a radian of rotation counts as [m]
_MOVABLE = ("revolute", "continuous", "prismatic")


@dataclass(frozen=True)
class _Joint:
    parent_from_joint: np.ndarray
    axis: np.ndarray
    kind: str


class Chain:
    """The joints between two links of a URDF.

    names: of the joints that move, from the base on. limits: (n, 2) [rad] or [m]; continuous joints: +-2 pi. speeds:
    (n,) fastest [rad/s], [m/s].
    """

    def __init__(self, urdf: str, base: str, tip: str):
        """Args:
            urdf: the text. base: first link; empty: the root. tip: last link.

        Raises:
            GmiError: BAD_SETTING where it is no URDF, or has no such links one above the other.
        """
        try:
            root = ElementTree.fromstring(urdf)
        except ElementTree.ParseError as error:
            raise GmiError(ErrorCode.BAD_SETTING, f"the arm's URDF cannot be read: {error}") from error
        by_child = {j.find("child").get("link"): j for j in root.iter("joint") if j.find("child") is not None}
        way, link = [], tip
        while link != base and link in by_child:
            way.append(by_child[link])
            link = by_child[link].find("parent").get("link")
        links = [element.get("name") for element in root.iter("link")]
        if tip not in links or (base and link != base):
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"no chain from link {base or 'the root'!r} to {tip!r} in the arm's URDF; links: {', '.join(links)}",
            )
        self.base = link
        self._joints = [_Joint(_origin(j), _axis(j), j.get("type")) for j in reversed(way)]
        moving = [j for j in reversed(way) if j.get("type") in _MOVABLE]
        if not moving:
            raise GmiError(ErrorCode.BAD_SETTING, f"no joint moves between {base!r} and {tip!r} in the arm's URDF")
        self.names = tuple(j.get("name") for j in moving)
        self.limits = np.array([_limits(j) for j in moving])
        self.speeds = np.array([float(_attribute(j, "limit", "velocity", "1.0")) for j in moving])

    @classmethod
    def load(cls, file: str, base: str, tip: str) -> "Chain":
        """Of a file. Raises GmiError FILE_NOT_FOUND, BAD_SETTING."""
        path = Path(file).expanduser()
        if not path.is_file():
            raise GmiError(ErrorCode.FILE_NOT_FOUND, f"the arm's URDF {file!r} does not exist")
        return cls(path.read_text(encoding="utf-8"), base, tip)

    def pose(self, joints: np.ndarray) -> np.ndarray:
        """base_from_tip (4, 4)."""
        return self._walk(joints)[0]

    def solve(self, base_from_tip: np.ndarray, start: np.ndarray) -> np.ndarray | None:
        """Joints (n,) within the limits that bring the tip there, near `start` (n,); None where none are found."""
        joints, damping = np.clip(start, *self.limits.T), _DAMPING
        pose, jacobian = self._walk(joints)
        error = _error(pose, base_from_tip)
        for _ in range(_STEPS):
            if distance(pose, base_from_tip) < NEAR and angle(pose, base_from_tip) < NEAR_ANGLE:
                return joints
            system = jacobian.T @ jacobian + damping * np.eye(len(joints))
            tried = np.clip(joints + np.linalg.solve(system, jacobian.T @ error), *self.limits.T)
            there, new_jacobian = self._walk(tried)
            new_error = _error(there, base_from_tip)
            if new_error @ new_error < error @ error:
                joints, pose, jacobian, error, damping = tried, there, new_jacobian, new_error, damping / 4
            else:
                damping *= 8
                if damping > 1e4:
                    break
        return None

    def search(self, base_from_tip: np.ndarray, start: np.ndarray, tries: int = 30) -> np.ndarray | None:
        """As `solve`, from `start`, then from other postures, which are drawn alike every time."""
        rng = np.random.default_rng(0)
        starts = [start, *rng.uniform(*np.clip(self.limits.T, -np.pi, np.pi), (tries, len(start)))]
        return next((found for s in starts if (found := self.solve(base_from_tip, s)) is not None), None)

    def _walk(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """base_from_tip (4, 4) and the Jacobian (6, n): motion of the tip, rotation scaled by _LENGTH."""
        pose, axes, at, slides, index = np.eye(4), [], [], [], 0
        for joint in self._joints:
            pose = pose @ joint.parent_from_joint
            if joint.kind not in _MOVABLE:
                continue
            axes.append(pose[:3, :3] @ joint.axis)
            at.append(pose[:3, 3])
            slides.append(joint.kind == "prismatic")
            value, move = float(joints[index]), np.eye(4)
            if slides[-1]:
                move[:3, 3] = value * joint.axis
            else:
                move[:3, :3] = Rotation.from_rotvec(value * joint.axis).as_matrix()
            pose, index = pose @ move, index + 1
        axes, at, slides = np.array(axes), np.array(at), np.array(slides)[:, None]
        linear = np.where(slides, axes, np.cross(axes, pose[:3, 3] - at))
        turning = np.where(slides, 0.0, _LENGTH * axes)
        return pose, np.concatenate([linear, turning], axis=1).T


def _error(pose: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    turn = Rotation.from_matrix(wanted[:3, :3] @ pose[:3, :3].T).as_rotvec()
    return np.append(wanted[:3, 3] - pose[:3, 3], _LENGTH * turn)


def _attribute(joint, element: str, name: str, default: str) -> str:
    found = joint.find(element)
    return default if found is None else found.get(name, default)


def _numbers(text: str) -> np.ndarray:
    return np.array([float(number) for number in text.split()])


def _origin(joint) -> np.ndarray:
    turn = Rotation.from_euler("xyz", _numbers(_attribute(joint, "origin", "rpy", "0 0 0")))
    return poses.make(turn.as_matrix(), _numbers(_attribute(joint, "origin", "xyz", "0 0 0")))


def _axis(joint) -> np.ndarray:
    axis = _numbers(_attribute(joint, "axis", "xyz", "1 0 0"))
    return axis / np.linalg.norm(axis)


def _limits(joint) -> tuple[float, float]:
    if joint.get("type") == "continuous":
        return -2 * np.pi, 2 * np.pi
    return float(_attribute(joint, "limit", "lower", "0")), float(_attribute(joint, "limit", "upper", "0"))
