"""From an entry of a class template, all numbers, to convex parts: the vocabulary of config/objects/*.yaml."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from gmi_ros.core.errors import ErrorCode, GmiError

THINNEST = 0.001  # of a part, across [m]
_ROUND = 28  # sides of what stands for a circle
_EXTRAS = ("shape", "at", "turn", "repeat", "mirror")
MEETS = ALL, HAND, TABLE = "all", "hand", "table"


@dataclass(frozen=True, eq=False)
class Part:
    """One convex piece of an object.

    shape: box, ellipsoid, cylinder, capsule or hull. size [m]: half extents of a box, semi-axes of an ellipsoid,
    (radius, half height) of cylinder and capsule along z, () of a hull. position [m], xyzw: pose in the object.
    vertices: (n, 3) float64 [m] in the part's frame; its convex hull is the part. None but for a hull. meets: what touches
    it, one of MEETS; what only the table meets has no mass. volume: [m3] where it is known, about,
    and need not be found: what an object weighs is as near.
    """

    shape: str
    size: tuple[float, ...]
    position: tuple[float, float, float]
    xyzw: tuple[float, float, float, float]
    vertices: np.ndarray | None = None
    meets: str = ALL
    volume: float | None = None


def parts_of(entry: dict) -> tuple[Part, ...]:
    """The convex parts that one entry stands for, in the object's frame.

    Args:
        entry: `shape` and its keys; `at` its place [m], `turn` its roll, pitch, yaw [rad]; `mirror` (letters of x, y,
            z): also the image with that coordinate negated; `repeat`: as many copies, evenly about the object's z.

    Raises:
        GmiError: FILE_DAMAGED for an unknown shape or key, one that is missing, a wrong number or too thin a part.
    """
    if entry.get("shape") not in _SHAPES:
        raise _damaged(entry, f"shape must be one of {', '.join(_SHAPES)}")
    keys, build = _SHAPES[entry["shape"]]
    given = set(entry) - set(_EXTRAS)
    if given != set(keys):
        raise _damaged(entry, f"{entry['shape']} takes {', '.join(keys)} and of {', '.join(_EXTRAS)} what is wanted")
    copies, mirror = entry.get("repeat", 1), entry.get("mirror", "")
    if not (1 <= copies == int(copies)) or not set(mirror) <= set("xyz"):
        raise _damaged(entry, "repeat must be a whole number >= 1 and mirror letters of x, y, z")
    try:
        place, turn = (np.array(entry.get("at", (0, 0, 0)), float), np.array(entry.get("turn", (0, 0, 0)), float))
        parts = [_placed(part, place, turn) for part in build(*(entry[key] for key in keys))]
    except (TypeError, ValueError, QhullError) as error:
        raise _damaged(entry, f"not the numbers of a {entry['shape']} ({str(error).splitlines()[0]})") from error
    for part in parts:
        if not width(part) >= THINNEST or not np.isfinite(corners(part)).all():
            raise _damaged(entry, f"a part is {width(part):.4f} m across: finite and at least {THINNEST} m is needed")
    for axis in mirror:
        parts += [_mirrored(part, axis) for part in parts]
    return tuple(_turned(part, 2 * np.pi * i / copies) for i in range(int(copies)) for part in parts)


def corners(part: Part) -> np.ndarray:
    """Points (n, 3) [m] in the object's frame whose convex hull is the part (inscribed, where the part is round)."""
    match part.shape:
        case "hull":
            local = part.vertices
        case "box":
            local = _signs() * part.size
        case "ellipsoid":
            local = sphere() * part.size
        case "cylinder":
            local = _rings([[part.size[0], -part.size[1]], [part.size[0], part.size[1]]])
        case _:
            ball = sphere()
            local = part.size[0] * ball + np.where(ball[:, 2:] > 0, 1, -1) * [0, 0, part.size[1]]
    return Rotation.from_quat(part.xyzw).apply(local) + part.position


def moved(part: Part, shift: np.ndarray) -> Part:
    """The same part elsewhere. shift: (3,) [m]."""
    return replace(part, position=_floats(np.array(part.position) + shift))


def width(part: Part) -> float:
    """How thick the part is between two parallel planes, at its thinnest [m]; NaN or <= 0 where that is undefined."""
    if part.shape != "hull":
        return 2 * min(part.size[:1] if part.shape == "capsule" else part.size)
    faces = ConvexHull(part.vertices).equations  # (f, 4)
    return float(-(part.vertices @ faces[:, :3].T + faces[:, 3]).min(axis=0).max())


def _primitive(shape: str) -> Callable[..., list[Part]]:
    def build(*sizes: float | list[float]) -> list[Part]:
        size = tuple(float(v) for value in sizes for v in np.atleast_1d(np.asarray(value, float)))
        if len(size) != (3 if shape in ("box", "ellipsoid") else 2):
            raise ValueError(f"{len(size)} sizes")
        return [Part(shape, size, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))]

    return build


def _hull(points: list[list[float]]) -> list[Part]:
    vertices = np.array(points, float).reshape(len(points), 3)
    ConvexHull(vertices)  # raises QhullError where they span no volume
    return [Part("hull", (), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0), vertices)]


def _frustum(bottom: float, top: float, half_height: float) -> list[Part]:
    return _hull(_rings([[bottom, -half_height], [top, half_height]]))


def _revolution(profile: list[list[float]]) -> list[Part]:
    """Outline [[radius, z], ...] from the bottom up: one part for each convex stretch, a cylinder where r is one."""
    outline = np.array(profile, float).reshape(len(profile), 2)
    if len(outline) < 2 or not (np.diff(outline[:, 1]) > 0).all() or (outline[:, 0] < 0).any():
        raise ValueError("radii must be >= 0 and z must rise")
    slopes = np.diff(outline[:, 0]) / np.diff(outline[:, 1])
    breaks = [0, *(np.flatnonzero(np.diff(slopes) > 1e-9) + 1).tolist(), len(slopes)]
    parts = []
    for first, last in pairwise(breaks):
        stretch = outline[first : last + 1]
        if np.ptp(stretch[:, 0]) < 1e-9:
            (cylinder,) = _primitive("cylinder")(stretch[0, 0], np.ptp(stretch[:, 1]) / 2)
            parts.append(replace(cylinder, position=(0.0, 0.0, float(stretch[:, 1].mean()))))
        else:
            parts += _hull(_rings(stretch))
    return parts


def _prism(outline: list[list[float]], half_height: float) -> list[Part]:
    flat = np.array(outline, float).reshape(len(outline), 2)
    return _hull(np.concatenate([np.column_stack([flat, np.full(len(flat), z)]) for z in (-half_height, half_height)]))


def _polygon(sides: float, radius: float, half_height: float) -> list[Part]:
    angle = 2 * np.pi * np.arange(int(sides)) / int(sides)
    return _prism(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), half_height)


def _taper(bottom: list[float], top: list[float], half_height: float) -> list[Part]:
    """A box whose half extents in x and y change from bottom to top."""
    ends = np.array([bottom, top], float)  # (2, 2)
    signs = _signs()
    return _hull(np.column_stack([signs[:, :2] * ends[(signs[:, 2] > 0).astype(int)], signs[:, 2] * half_height]))


def _tube(points: list[list[float]], radius: float) -> list[Part]:
    """Capsules from point to point."""
    path = np.array(points, float).reshape(len(points), 3)
    if len(path) < 2:
        raise ValueError(f"{len(path)} points")
    parts = []
    for start, end in pairwise(path):
        (capsule,) = _primitive("capsule")(radius, np.linalg.norm(end - start) / 2)
        turn, _ = Rotation.align_vectors([(end - start) / np.linalg.norm(end - start)], [[0.0, 0.0, 1.0]])
        parts.append(replace(capsule, position=_floats((start + end) / 2), xyzw=_floats(turn.as_quat())))
    return parts


def _arc(radius: float, tube: float, start: float, end: float, pieces: float) -> list[Part]:
    """Capsules along a circle about z, from one angle to another [rad]; 0 to 2 pi gives a torus."""
    angle = np.linspace(start, end, int(pieces) + 1)
    return _tube(np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1), tube)


_SHAPES: dict[str, tuple[tuple[str, ...], Callable[..., list[Part]]]] = {
    "box": (("size",), _primitive("box")),
    "ellipsoid": (("size",), _primitive("ellipsoid")),
    "cylinder": (("radius", "half_height"), _primitive("cylinder")),
    "capsule": (("radius", "half_height"), _primitive("capsule")),
    "frustum": (("bottom", "top", "half_height"), _frustum),
    "revolution": (("profile",), _revolution),
    "prism": (("outline", "half_height"), _prism),
    "polygon": (("sides", "radius", "half_height"), _polygon),
    "taper": (("bottom", "top", "half_height"), _taper),
    "hull": (("points",), _hull),
    "tube": (("points", "radius"), _tube),
    "arc": (("radius", "tube", "from", "to", "pieces"), _arc),
}


def _placed(part: Part, place: np.ndarray, turn: np.ndarray) -> Part:
    rotation = Rotation.from_euler("xyz", turn)
    position, xyzw = (rotation.apply(part.position) + place, (rotation * Rotation.from_quat(part.xyzw)).as_quat())
    return replace(part, position=_floats(position), xyzw=_floats(xyzw))


def _turned(part: Part, angle: float) -> Part:
    return part if angle == 0 else _placed(part, np.zeros(3), np.array([0, 0, angle]))


def _mirrored(part: Part, axis: str) -> Part:
    """The mirror image M R S = (M R M) (M S); every primitive S is its own mirror image."""
    flip = np.where(np.arange(3) == "xyz".index(axis), -1.0, 1.0)
    rotation = Rotation.from_matrix(flip[:, None] * Rotation.from_quat(part.xyzw).as_matrix() * flip)
    vertices = None if part.vertices is None else part.vertices * flip
    return Part(part.shape, part.size, _floats(flip * part.position), _floats(rotation.as_quat()), vertices)


def _rings(outline: list[list[float]] | np.ndarray) -> np.ndarray:
    """Vertices (n, 3) [m] of a body of revolution about z: one ring for each [radius, z], a point where r = 0."""
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.concatenate(
        [np.column_stack([circle * r, np.full(_ROUND, z)]) if r > 0 else np.array([[0.0, 0.0, z]]) for r, z in outline]
    )


def sphere(n: int = 160) -> np.ndarray:
    """Points (n, 3), evenly over the unit sphere (Fibonacci's spiral)."""
    z = 1 - (2 * np.arange(n) + 1) / n
    heading = np.pi * (1 + 5**0.5) * np.arange(n)
    return np.column_stack([np.sqrt(1 - z**2) * np.cos(heading), np.sqrt(1 - z**2) * np.sin(heading), z])


def _signs() -> np.ndarray:
    """(8, 3): the corners of the cube from -1 to 1."""
    return np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _damaged(entry: dict, why: str) -> GmiError:
    return GmiError(ErrorCode.FILE_DAMAGED, f"{entry}: {why}")
