"""ROS parameters from a settings dataclass: its fields' help and bounds become the descriptors."""

import sys
from dataclasses import Field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings

S = TypeVar("S", bound=Settings)
_INT64 = (-(2**63), 2**63 - 1)


def declare(node: Node, settings_type: type[S]) -> S:
    """Declare one read-only parameter per field and return the settings with the values that were given.

    Tuples become arrays of doubles.

    Raises:
        GmiError: BAD_SETTING naming the parameter, its value and what would be valid.
    """
    return settings_type(**{field.name: _declare_one(node, field) for field in fields(settings_type)})


def _declare_one(node: Node, field: Field) -> Any:
    default = field.default
    is_tuple = isinstance(default, tuple)
    try:
        value = node.declare_parameter(field.name, list(default) if is_tuple else default, descriptor(field)).value
    except InvalidParameterTypeException as error:
        wanted = "array of numbers such as 1.0" if is_tuple else {float: "number such as 1.0"}.get(
            type(default), type(default).__name__
        )
        raise GmiError(ErrorCode.BAD_SETTING, f"parameter {field.name} must be a {wanted}: {error}") from error
    except InvalidParameterValueException as error:
        low, high = _bounds(field)
        raise GmiError(ErrorCode.BAD_SETTING, f"parameter {field.name} must be in [{low}, {high}]: {error}") from error
    if not is_tuple:
        return value
    if len(value) != len(default):
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"parameter {field.name} must have {len(default)} numbers, got {len(value)}: {list(value)}",
        )
    return tuple(float(number) for number in value)


def descriptor(field: Field) -> ParameterDescriptor:
    """Help, range and choices of a field; read-only, since nothing is re-read after the start."""
    described = ParameterDescriptor(name=field.name, description=field.metadata["help"], read_only=True)
    if field.metadata["choices"]:
        described.additional_constraints = f"one of: {', '.join(repr(c) for c in field.metadata['choices'])}"
    if field.metadata["low"] is None and field.metadata["high"] is None:
        return described
    low, high = _bounds(field)
    if isinstance(field.default, bool | str | tuple):
        if isinstance(field.default, tuple):
            described.additional_constraints = f"each in [{low}, {high}]"
    elif isinstance(field.default, int):
        described.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    else:
        described.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    return described


def _bounds(field: Field) -> tuple[Any, Any]:
    low, high = field.metadata["low"], field.metadata["high"]
    least, most = _INT64 if isinstance(field.default, int) else (-sys.float_info.max, sys.float_info.max)
    return least if low is None else low, most if high is None else high
