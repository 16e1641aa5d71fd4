"""Objects without a class that are made as things are: turned, bent, cut from a plate, hollow, with handles and legs.

Composites (sim.composites) are lumps; what people grasp has an axis, mirror images, thin parts and holes. As many as there
are numbers; none is modelled on a class of config/objects/.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from gmi_ros.sim.composites import drawn
from gmi_ros.sim.shapes import Part, corners, parts_of

EXTENT = (0.05, 0.22)  # of the longest side of an object's box [m]
THICKNESS = 0.012  # of the shortest, at least [m]

Draw = np.random.Generator
Entries = list[dict]  # of `shapes.parts_of`


def assorted(number: int) -> tuple[tuple[Part, ...], tuple[float, float, float]]:
    """Parts and colour (rgb in [0, 1]) of object `number`, the same each time; it stands on z = 0."""
    rng = np.random.default_rng([number, *b"assorted"])
    make = _KINDS[number % len(_KINDS)]

    def fits(parts: list[Part], extent: np.ndarray) -> bool:
        right = EXTENT[0] <= extent.max() <= EXTENT[1] and extent.min() >= THICKNESS
        return bool(right) and _one_body(parts)

    return drawn(rng, lambda: [part for entry in make(rng) for part in parts_of(entry)], fits)


def _one_body(parts: list[Part]) -> bool:
    """Whether one can get from each part to every other through parts that have a point in common."""
    hulls = [ConvexHull(corners(part)) for part in parts]
    reached, todo = {0}, [0]
    while todo:
        one = hulls[todo.pop()]
        found = [i for i in range(len(hulls)) if i not in reached and _meet(one, hulls[i])]
        reached.update(found)
        todo += found
    return len(reached) == len(hulls)


def _meet(a: ConvexHull, b: ConvexHull) -> bool:
    """Whether two convex bodies have a point in common: one that is inside all faces of both."""
    if (np.maximum(a.min_bound, b.min_bound) > np.minimum(a.max_bound, b.max_bound)).any():
        return False
    faces = np.concatenate([a.equations, b.equations])
    return linprog(np.zeros(3), faces[:, :3], -faces[:, 3], bounds=(None, None)).success


def _between(rng: Draw, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _turned(rng: Draw) -> Entries:
    """A profile about z, with waists and bulges."""
    stations = int(rng.integers(3, 8))
    heights = np.cumsum(np.append(0, rng.uniform(0.006, 0.045, stations - 1)))
    radii = np.clip(_between(rng, 0.012, 0.04) + np.cumsum(rng.normal(0, 0.012, stations)), 0.006, 0.05)
    return [{"shape": "revolution", "profile": np.column_stack([radii, heights]).tolist()}]


def _bent(rng: Draw) -> Entries:
    """A rod with corners, in a plane or not; often with something at its ends."""
    points, heading = [np.zeros(3)], rng.normal(size=3)
    flat = rng.random() < 0.6
    for _ in range(rng.integers(2, 6)):
        heading = heading / np.linalg.norm(heading) + 0.7 * rng.normal(size=3)
        heading[2] *= not flat
        points.append(points[-1] + heading / np.linalg.norm(heading) * _between(rng, 0.02, 0.07))
    radius = _between(rng, 0.006, 0.019)
    found = [{"shape": "tube", "points": np.array(points).tolist(), "radius": radius}]
    for end in (points[0], points[-1]):
        if rng.random() < 0.6:
            found.append(_lump(rng, end, radius, _between(rng, 1.2, 2.8) * radius))
    return found


def _plate(rng: Draw) -> Entries:
    """Flat pieces in a row or a bend, of one thickness or nearly; half of them with a mirror image."""
    half, place, heading, found = _between(rng, 0.006, 0.016), np.zeros(2), 0.0, []
    symmetric = rng.random() < 0.5
    for _ in range(rng.integers(2, 6)):
        length, start, end = _between(rng, 0.012, 0.045), *rng.uniform(0.007, 0.028, 2).tolist()
        ahead = length * np.array([np.cos(heading), np.sin(heading)])
        common = {"at": [*(place + ahead).tolist(), 0.0], "turn": [0.0, 0.0, heading]}
        thick = half * _between(rng, 0.7, 1.0)
        match rng.integers(4):
            case 0:
                found.append({"shape": "cylinder", "radius": max(length * 0.7, 0.01), "half_height": thick, **common})
            case 1 if length > 0.025:
                ring = {"radius": length * 0.75, "tube": max(thick, 0.005), "from": 0.0, "to": 6.2832, "pieces": 8}
                found.append({"shape": "arc", **ring, **common})
            case _:
                outline = [[-1.1 * length, -start], [1.1 * length, -end], [1.1 * length, end], [-1.1 * length, start]]
                found.append({"shape": "prism", "outline": outline, "half_height": thick, **common})
        place = place + 1.8 * ahead
        heading += float(rng.normal(0, 0.6))
    return [{**entry, "mirror": "y"} for entry in found] if symmetric else found


def _vessel(rng: Draw) -> Entries:
    """A floor with walls round it, open above, often with a handle; some are closed by a lid."""
    sides, radius, height = int(rng.choice([4, 5, 6, 8, 12])), _between(rng, 0.024, 0.055), _between(rng, 0.025, 0.13)
    wall, lean = _between(rng, 0.0025, 0.005), _between(rng, -0.25, 0.35)
    across = radius * np.tan(np.pi / sides) * 1.05 + max(0.0, np.sin(lean)) * height * np.tan(np.pi / sides)
    middle = radius + height / 2 * np.tan(lean)
    found: Entries = [
        {"shape": "polygon", "sides": sides, "radius": radius / np.cos(np.pi / sides), "half_height": wall,
         "turn": [0.0, 0.0, np.pi / sides], "at": [0.0, 0.0, wall]},
        {"shape": "box", "size": [wall, across, height / 2 / np.cos(lean)], "at": [middle, 0.0, height / 2 + wall],
         "turn": [0.0, lean, 0.0], "repeat": sides},
    ]  # fmt: skip
    if rng.random() < 0.3:
        lid = (radius + height * np.tan(lean)) / np.cos(np.pi / sides)
        found.append({"shape": "cylinder", "radius": max(lid, 0.01), "half_height": wall, "at": [0, 0, height + wall]})
        found.append(_lump(rng, np.array([0, 0, height + 2 * wall]), 0.008, 0.018))
    if rng.random() < 0.6:
        found += _handle(rng, middle, height)
    return found


def _limbed(rng: Draw) -> Entries:
    """A body with equal limbs about its axis, and often a head."""
    height, radius = _between(rng, 0.012, 0.05), _between(rng, 0.012, 0.034)
    found = [_body(rng, radius, height)]
    reach, thick, tilt = _between(rng, 0.015, 0.045), _between(rng, 0.006, 0.014), _between(rng, 0.4, 2.7)
    at = [
        float(np.sin(tilt)) * (0.6 * radius + reach),
        0.0,
        _between(rng, 0.3, 1.7) * height + float(np.cos(tilt)) * reach,
    ]
    size = {"shape": "capsule", "radius": thick, "half_height": reach}
    if rng.random() < 0.5:
        size = {
            "shape": "taper",
            "bottom": [thick] * 2,
            "top": rng.uniform(0.004, 0.014, 2).tolist(),
            "half_height": reach,
        }
    found.append({**size, "at": at, "turn": [0.0, tilt, 0.0], "repeat": int(rng.integers(2, 7))})
    if rng.random() < 0.5:
        found.append(_lump(rng, np.array([0, 0, 2 * height]), 0.01, 0.028))
    return found


def _handled(rng: Draw) -> Entries:
    """A body with a handle, and sometimes a second one or a spout."""
    radius, height = _between(rng, 0.02, 0.045), _between(rng, 0.015, 0.06)
    found = [_body(rng, radius, height), *_handle(rng, 0.8 * radius, 2 * height)]
    if rng.random() < 0.4:
        out, up = _between(rng, 0.02, 0.05), _between(rng, 0.0, 0.05)
        points = [[-0.6 * radius, 0.0, height], [-radius - out, 0.0, height + up]]
        found.append({"shape": "tube", "points": points, "radius": _between(rng, 0.005, 0.012)})
    return found


def _mirrored(rng: Draw) -> Entries:
    """A spine of pieces along x, and others beside it on both sides alike."""
    found, x = [], 0.0
    for _ in range(rng.integers(1, 4)):
        size = rng.uniform(0.008, 0.03, 3)
        found.append(_lump(rng, np.array([x + size[0], 0.0, _between(rng, 0.0, 0.02)]), 0.008, 0.032))
        x += 1.5 * float(size[0])
    for _ in range(rng.integers(1, 4)):
        at = np.array([_between(rng, -0.2, 1.2) * x, _between(rng, 0.006, 0.04), _between(rng, -0.015, 0.03)])
        if rng.random() < 0.5:
            found.append({**_lump(rng, at, 0.006, 0.022), "mirror": "y"})
        else:
            far = at + [_between(rng, -0.08, 0.08), _between(rng, -0.04, 0.03), _between(rng, -0.03, 0.03)]
            found.append({"shape": "tube", "points": [[x / 2, 0, 0.01], at.tolist(), far.tolist()],
                          "radius": _between(rng, 0.006, 0.013), "mirror": "y"})  # fmt: skip
    return found


def _stacked(rng: Draw) -> Entries:
    """Pieces one on the other, about the same axis or nearly."""
    found, z = [], 0.0
    for _ in range(rng.integers(2, 6)):
        radius, half = _between(rng, 0.008, 0.044), _between(rng, 0.005, 0.035)
        aside = rng.normal(0, 0.004, 2).tolist() if rng.random() < 0.4 else [0.0, 0.0]
        body = _body(rng, radius, half)
        found.append({**body, "at": [*aside, z + half]})
        z += 1.85 * half
    return found


def _body(rng: Draw, radius: float, half: float) -> dict:
    """One thick piece, standing on z = 0: about as wide as twice the radius, 2 half high."""
    other, at = radius * _between(rng, 0.5, 1.0), {"at": [0.0, 0.0, half]}
    match rng.integers(6):
        case 0:
            return {"shape": "box", "size": [radius, other, half], **at}
        case 1:
            return {"shape": "ellipsoid", "size": [radius, other, half], **at}
        case 2:
            return {"shape": "cylinder", "radius": radius, "half_height": half, **at}
        case 3:
            return {"shape": "frustum", "bottom": radius, "top": other, "half_height": half, **at}
        case 4:
            sides = int(rng.integers(3, 9))
            return {"shape": "polygon", "sides": sides, "radius": radius, "half_height": half, **at}
        case _:
            top = (radius * rng.uniform(0.3, 1.2, 2)).tolist()
            return {"shape": "taper", "bottom": [radius, other], "top": top, "half_height": half, **at}


def _lump(rng: Draw, at: np.ndarray, low: float, high: float) -> dict:
    """A piece of sizes between these about a point, turned about z."""
    body = _body(rng, _between(rng, low, high), _between(rng, low, high))
    return {**body, "at": [float(v) for v in at], "turn": [0.0, 0.0, _between(rng, -np.pi, np.pi)]}


def _handle(rng: Draw, radius: float, height: float) -> Entries:
    """A loop at the side, an arch above, or a straight grip, for a body of this radius and height."""
    thick, out = _between(rng, 0.004, 0.012), _between(rng, 0.015, 0.045)
    match rng.integers(3):
        case 0:
            low, high = _between(rng, 0.05, 0.4) * height, _between(rng, 0.6, 0.98) * height
            points = [[0.9 * radius, 0, low], [radius + out, 0, low], [radius + out, 0, high], [0.9 * radius, 0, high]]
            return [{"shape": "tube", "points": points, "radius": thick, "repeat": int(rng.integers(1, 3))}]
        case 1:
            points = [[0.9 * radius, 0, 0.9 * height], [0.8 * radius, 0, height + out], [0, 0, height + 1.3 * out]]
            return [{"shape": "tube", "points": points, "radius": thick, "mirror": "x"}]
        case _:
            z, long = _between(rng, 0.2, 0.9) * height, _between(rng, 0.04, 0.11)
            points = [[0.5 * radius, 0, z], [radius + long, 0, z + _between(rng, -0.3, 0.4) * long]]
            return [{"shape": "tube", "points": points, "radius": max(thick, 0.006)}]


_KINDS: tuple[Callable[[Draw], Entries], ...] = (
    _turned, _bent, _plate, _vessel, _limbed, _handled, _mirrored, _stacked,
)  # fmt: skip
KINDS = tuple(make.__name__[1:] for make in _KINDS)  # object `number` is of kind number % len(KINDS)
