"""Household objects made from class templates (config/objects/*.yaml): data in, convex parts out."""

import ast
import operator
from dataclasses import dataclass
from functools import cache

import numpy as np
import yaml

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource
from gmi_ros.sim.assorted import assorted
from gmi_ros.sim.composites import composite
from gmi_ros.sim.shapes import Part, parts_of

# config/objects/<file>.yaml: classes to train on, to test on, to choose by, to learn from records with.
FILES = ("household", "different", "dev", "families")
RANDOM, ASSORTED = "random", "assorted"  # the classes of composites and of sim.assorted: no template
_MADE = {RANDOM: composite, ASSORTED: assorted}
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


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
def _templates(file: str) -> dict:
    return yaml.safe_load(resource(f"config/objects/{file}.yaml").read_text())


def class_names(file: str = "household") -> tuple[str, ...]:
    """The classes of one of FILES, in its order."""
    return tuple(_templates(file))


def find_object(name: str) -> ObjectModel:
    """The object of this name: `mug_3`, or `random_17` for composite number 17, `assorted_17` for another without a class.

    Raises:
        GmiError: BAD_REQUEST, listing the classes.
    """
    class_name, _, index = name.rpartition("_")
    if not (index.isascii() and index.isdigit()) or str(int(index)) != index:
        raise _unknown(name)
    return make_object(class_name, int(index))


@cache
def make_object(class_name: str, index: int) -> ObjectModel:
    """Object `index` >= 0 of a class: the template with its own draw of every variable, the same each time.

    Raises:
        GmiError: BAD_REQUEST for an unknown class, FILE_DAMAGED for a bad template.
    """
    if class_name in _MADE:
        return ObjectModel(class_name, index, *_MADE[class_name](index))
    file = next((file for file in FILES if class_name in _templates(file)), None)
    if file is None:
        raise _unknown(f"{class_name}_{index}")
    template = _templates(file)[class_name]
    rng = np.random.default_rng([index, *class_name.encode()])
    variables = {name: float(rng.uniform(*bounds)) for name, bounds in template["vars"].items()}
    try:
        parts = tuple(part for entry in template["parts"] for part in parts_of(_evaluated(entry, variables)))
    except GmiError as error:
        raise GmiError(error.code, f"config/objects/{file}.yaml, {class_name}: {error}") from error
    return ObjectModel(class_name, index, parts, tuple(float(c) for c in rng.uniform(0.15, 0.95, 3)))


def _unknown(name: str) -> GmiError:
    classes = ", ".join(c for file in FILES for c in class_names(file))
    return GmiError(
        ErrorCode.BAD_REQUEST, f"no object {name!r}: use CLASS_INDEX with a class of {classes}, {', '.join(_MADE)}"
    )


def _evaluated(entry: dict, variables: dict[str, float]) -> dict:
    """The entry with every expression replaced by its value."""

    def value(item: str | float | list) -> float | list:
        return [value(i) for i in item] if isinstance(item, list) else _number(item, variables)

    return {key: item if key in ("shape", "mirror") else value(item) for key, item in entry.items()}


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
        raise refusal

    refusal = GmiError(
        ErrorCode.FILE_DAMAGED,
        f"{expression!r}: only numbers, + - * / and the class's vars ({', '.join(variables)}) are understood",
    )
    try:
        return value(ast.parse(str(expression), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError) as error:
        raise refusal from error
