"""Household objects made from class templates (config/objects/*.yaml): data in, primitives out."""

import ast
import operator
from dataclasses import dataclass
from functools import cache

import numpy as np
import yaml
from scipy.spatial.transform import Rotation

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource

OBJECTS_PER_CLASS = 3
_SIZES = {
    "box": ("size",),
    "ellipsoid": ("size",),
    "cylinder": ("radius", "half_height"),
    "capsule": ("radius", "half_height"),
    "frustum": ("bottom", "top", "half_height"),
}
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


@dataclass(frozen=True)
class Part:
    """One convex piece: its shape, size as listed in the YAML's header [m], and pose in the object."""

    shape: str
    size: tuple[float, ...]
    position: tuple[float, float, float]
    xyzw: tuple[float, float, float, float]


@dataclass(frozen=True)
class ObjectModel:
    """One object of a class. rgb: its colour in [0, 1]."""

    class_name: str
    index: int
    parts: tuple[Part, ...]
    rgb: tuple[float, float, float]

    @property
    def name(self) -> str:
        """Unique name, `class_index`."""
        return f"{self.class_name}_{self.index}"


@cache
def _templates() -> dict:
    return yaml.safe_load(resource("config/objects/household.yaml").read_text())


def class_names() -> tuple[str, ...]:
    """The classes in the order of the file."""
    return tuple(_templates())


def all_objects() -> list[ObjectModel]:
    """The objects of the picking task, OBJECTS_PER_CLASS of each class."""
    return [make_object(name, index) for name in class_names() for index in range(OBJECTS_PER_CLASS)]


def find_object(name: str) -> ObjectModel:
    """The object of this name.

    Raises:
        GmiError: BAD_REQUEST, listing the classes.
    """
    class_name, _, index = name.rpartition("_")
    if class_name not in _templates() or not index.isdigit():
        raise GmiError(
            ErrorCode.BAD_REQUEST, f"no object {name!r}: use CLASS_INDEX with a class of {', '.join(class_names())}"
        )
    return make_object(class_name, int(index))


@cache
def make_object(class_name: str, index: int) -> ObjectModel:
    """Object `index` of a class: the template with its own draw of every variable, the same each time."""
    template = _templates()[class_name]
    rng = np.random.default_rng([index, *class_name.encode()])
    variables = {name: float(rng.uniform(*bounds)) for name, bounds in template["vars"].items()}
    parts = tuple(_part(entry, variables) for entry in template["parts"])
    return ObjectModel(class_name, index, parts, tuple(float(c) for c in rng.uniform(0.15, 0.95, 3)))


def _part(entry: dict, variables: dict[str, float]) -> Part:
    size = []
    for key in _SIZES[entry["shape"]]:
        values = entry[key] if isinstance(entry[key], list) else [entry[key]]
        size += [_number(v, variables) for v in values]
    position = tuple(_number(v, variables) for v in entry["at"])
    turn = [_number(v, variables) for v in entry.get("turn", (0, 0, 0))]
    return Part(entry["shape"], tuple(size), position, tuple(Rotation.from_euler("xyz", turn).as_quat()))


def _number(expression: str | float, variables: dict[str, float]) -> float:
    """Value of an arithmetic expression in the class's variables; nothing else is understood."""

    def value(node: ast.AST) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in variables:
                return variables[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](value(left), value(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
        raise GmiError(
            ErrorCode.FILE_DAMAGED,
            f"{expression!r}: only numbers, + - * / and the class's vars ({', '.join(variables)}) are understood",
        )

    return value(ast.parse(str(expression), mode="eval").body)
