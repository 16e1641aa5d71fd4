"""What a hand is, as data: the sections of config/hands/*.yaml, read strictly."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import yaml

from gmi_ros.core.errors import ErrorCode, GmiError

SHAPES = {"box": ("low", "high"), "cylinder": ("start", "end", "radius"), "capsule": ("start", "end", "radius")}


@dataclass(frozen=True)
class Kinematics:
    """Lengths [m] and angles [deg] of the manual's modified DH table; signs of F1, F2, F3."""

    spread_axis_offset: float
    spread_axis_height: float
    knuckle_reach: float
    thumb_reach: float
    knuckle_rise: float
    inner_length: float
    inner_offset_deg: float
    outer_offset_deg: float
    tip_reach: float
    tip_height: float
    apex_reach: float
    spread_sign: tuple[float, float, float]
    base_sign: tuple[float, float, float]


@dataclass(frozen=True)
class Coupling:
    """Gear ratios, the inner joint's torque [N m] at which the outer link goes on alone, and how far [rad, of the motor in
    units of the inner joint] it does so when it grasps: a fingertip that slips on would be past the object's edge."""

    motor_per_inner: float
    motor_per_outer: float
    breakaway_torque: float
    curl: float


@dataclass(frozen=True)
class Limits:
    """Lower and upper bounds [rad]."""

    spread_hard: tuple[float, float]
    spread_soft: tuple[float, float]
    inner_hard: tuple[float, float]
    inner_soft: tuple[float, float]
    outer_hard: tuple[float, float]


@dataclass(frozen=True)
class Speeds:
    """Joint speeds [rad/s]."""

    spread_max: float
    spread_normal: float
    inner_max: float
    inner_normal: float
    outer_max_coupled: float
    outer_max_free: float


@dataclass(frozen=True)
class Forces:
    """Forces at a fingertip [N], payload [kg], joint torques [N m]."""

    tip_max: float
    tip_active: float
    payload: float
    spread_torque_max: float
    inner_torque_max: float
    outer_torque_max: float
    inner_torque_grasp: float
    outer_torque_grasp: float


@dataclass(frozen=True)
class Temperature:
    """Motor temperatures [degrees Celsius]."""

    warn: float
    stop: float


@dataclass(frozen=True)
class ReflectedInertia:
    """The rotor's inertia seen at a joint [kg m2]."""

    spread: float
    inner: float
    outer: float


@dataclass(frozen=True)
class Friction:
    """Coulomb coefficients of the two surfaces."""

    pad: float
    metal: float


@dataclass(frozen=True)
class Touch:
    """The rounded end of the pad, where most contacts of a precision grasp lie, in the outer link's frame.

    Centre (reach, height) and radius [m]; direction_deg: usual direction of the contact from the centre, measured from
    the link's x towards its pad side [deg].
    """

    reach: float
    height: float
    radius: float
    direction_deg: float


@dataclass(frozen=True)
class Primitive:
    """A collision shape in its link's frame [m]: a box's low and high corner, or start, end, radius of a round one."""

    name: str
    shape: str
    material: str
    start: np.ndarray
    end: np.ndarray
    radius: float | None

    @property
    def bounds(self) -> np.ndarray:
        """(3, 2) [m]: a box with its edges along the link's axes that holds the shape."""
        ends, beside = np.stack([self.start, self.end]), self.radius or 0.0
        return np.stack([ends.min(axis=0) - beside, ends.max(axis=0) + beside], axis=1)


@dataclass(frozen=True)
class Link:
    """A rigid link in its own frame: mass [kg], com (3,) [m], inertia (3, 3) [kg m2] at the com, shapes [m].

    envelope: capsules as segments (k, 2, 3) [m]; envelope_radii (k,) [m].
    """

    mass: float
    com: np.ndarray
    inertia: np.ndarray
    primitives: tuple[Primitive, ...]
    envelope: np.ndarray
    envelope_radii: np.ndarray


@dataclass(frozen=True)
class Links:
    """The four kinds of link; the housing of F3 belongs to the palm."""

    palm: Link
    knuckle: Link
    inner: Link
    outer: Link


SECTIONS = {
    "kinematics": Kinematics,
    "coupling": Coupling,
    "limits": Limits,
    "speeds": Speeds,
    "forces": Forces,
    "temperature": Temperature,
    "reflected_inertia": ReflectedInertia,
    "friction": Friction,
    "touch": Touch,
}


def read_description(path: Path) -> dict:
    """Read one hand's file: its `name`, a dataclass per section of SECTIONS, and `links`.

    Raises:
        GmiError: FILE_DAMAGED where the file is not YAML or no mapping; BAD_SETTING where a key is missing or unknown,
            or a value has the wrong type, length or order, naming key and value.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is not readable YAML: {error}") from error
    if not isinstance(data, dict):
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} must hold a mapping, got {type(data).__name__}")
    _check_keys(data, ["name", *SECTIONS, "links"], path.name)
    description = {key: _section(cls, data[key], key) for key, cls in SECTIONS.items()}
    _check_keys(data["links"], [f.name for f in fields(Links)], "links")
    links = Links(**{name: _link(data["links"][name], f"links.{name}") for name in data["links"]})
    for f in fields(Limits):
        low, high = getattr(description["limits"], f.name)
        if low >= high:
            raise GmiError(ErrorCode.BAD_SETTING, f"limits.{f.name} must rise, got [{low}, {high}]")
    return {"name": str(data["name"]), **description, "links": links}


def _check_keys(data, wanted: list[str], where: str) -> None:
    if not isinstance(data, dict):
        raise GmiError(ErrorCode.BAD_SETTING, f"{where} must be a mapping with {', '.join(wanted)}, got {data!r}")
    missing = [k for k in wanted if k not in data]
    unknown = [str(k) for k in data if k not in wanted]
    if missing or unknown:
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"{where}: missing keys {missing}, unknown keys {unknown}; valid are {', '.join(wanted)}",
        )


def _section(cls, data, where: str):
    _check_keys(data, [f.name for f in fields(cls)], where)
    values = {}
    for f in fields(cls):
        if f.type is float:
            values[f.name] = _number(data[f.name], f"{where}.{f.name}")
        else:
            length = len(f.type.__args__)
            values[f.name] = tuple(_vector(data[f.name], length, f"{where}.{f.name}").tolist())
    return cls(**values)


def _number(value, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        # YAML 1.1 reads 1e-3 as a string: the message shows the quotes.
        raise GmiError(ErrorCode.BAD_SETTING, f"{where} must be a finite number such as 1.0e-3, got {value!r}")
    return float(value)


def _vector(value, length: int, where: str) -> np.ndarray:
    if not isinstance(value, list) or len(value) != length:
        raise GmiError(ErrorCode.BAD_SETTING, f"{where} must be a list of {length} numbers, got {value!r}")
    vector = np.array([_number(v, where) for v in value])
    vector.setflags(write=False)
    return vector


def _link(data, where: str) -> Link:
    _check_keys(data, ["mass", "com", "inertia", "products", "primitives", "envelope"], where)
    xy, xz, yz = _vector(data["products"], 3, f"{where}.products")
    inertia = np.diag(_vector(data["inertia"], 3, f"{where}.inertia"))
    inertia = inertia - np.array([[0, xy, xz], [xy, 0, yz], [xz, yz, 0]])
    inertia.setflags(write=False)
    mass = _number(data["mass"], f"{where}.mass")
    if mass <= 0 or np.linalg.eigvalsh(inertia)[0] <= 0:
        raise GmiError(ErrorCode.BAD_SETTING, f"{where}: mass {mass} kg and inertia must be positive (definite)")
    if not isinstance(data["primitives"], dict) or not isinstance(data["envelope"], list) or not data["envelope"]:
        raise GmiError(ErrorCode.BAD_SETTING, f"{where}: primitives must be a mapping, envelope a list of capsules")
    primitives = tuple(_primitive(n, p, f"{where}.primitives.{n}") for n, p in data["primitives"].items())
    segments, radii = [], []
    for i, capsule in enumerate(data["envelope"]):
        at = f"{where}.envelope[{i}]"
        _check_keys(capsule, list(SHAPES["capsule"]), at)
        segments.append([_vector(capsule["start"], 3, at), _vector(capsule["end"], 3, at)])
        radii.append(_number(capsule["radius"], at))
    com = _vector(data["com"], 3, f"{where}.com")
    segments, radii = np.array(segments), np.array(radii)  # (k, 2, 3), (k,) [m]
    segments.setflags(write=False)
    radii.setflags(write=False)
    return Link(mass, com, inertia, primitives, segments, radii)


def _primitive(name: str, data, where: str) -> Primitive:
    shape = data.get("shape") if isinstance(data, dict) else None
    if shape not in SHAPES:
        raise GmiError(ErrorCode.BAD_SETTING, f"{where}.shape must be one of {', '.join(SHAPES)}, got {shape!r}")
    first, second, *radius = SHAPES[shape]
    _check_keys(data, ["shape", "material", first, second, *radius], where)
    if data["material"] not in ("pad", "metal"):
        raise GmiError(ErrorCode.BAD_SETTING, f"{where}.material must be pad or metal, got {data['material']!r}")
    start, end = _vector(data[first], 3, f"{where}.{first}"), _vector(data[second], 3, f"{where}.{second}")
    if shape == "box" and not (start < end).all():
        raise GmiError(ErrorCode.BAD_SETTING, f"{where}: low {start.tolist()} must be below high {end.tolist()}")
    if shape != "box" and (start == end).all():
        raise GmiError(ErrorCode.BAD_SETTING, f"{where}: start and end must differ, both are {start.tolist()}")
    size = _number(data["radius"], f"{where}.radius") if radius else None
    return Primitive(str(name), shape, data["material"], start, end, size)
