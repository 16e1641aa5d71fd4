"""ROS parameters from a settings dataclass: its fields' help and bounds become the descriptors."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, fields, replace
from difflib import get_close_matches
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings

S = TypeVar("S", bound=Settings)
_OF_ROS = ("qos_overrides.", "use_sim_time", "start_type_description_service")  # rclpy's own
_INT64 = (-(2**63), 2**63 - 1)


class LiveSettings:
    """Settings of a node as its parameters, which may be set while it runs: checked first, then taken over.

    Fields that are not `live` are refused as long as `fixed_because` gives a reason.
    """

    def __init__(
        self,
        node: Node,
        types: Sequence[type[Settings]],
        fixed_because: Callable[[], str],
        check: Callable[[dict[type, Settings]], None],
        taken: Callable[[], None],
    ):
        """Args:
            fixed_because: why fields that are not live cannot be set now; empty where they can.
            check: raises GmiError for settings that do not go together. taken: called when new ones hold.

        Raises:
            GmiError: BAD_SETTING naming the parameter, its value and what would be valid.
        """
        self._fixed_because, self._check, self._taken = fixed_because, check, taken
        self._fields = {field.name: (kind, field) for kind in types for field in fields(kind)}
        self._values: dict[type, Settings] = {kind: declare(node, kind, read_only=False) for kind in types}
        check(self._values)
        node.add_on_set_parameters_callback(self._judge)
        node.add_post_set_parameters_callback(self._take)

    def __getitem__(self, kind: type[S]) -> S:
        """The settings of this type, as they are now."""
        return self._values[kind]

    def _changed(self, given: Sequence[Parameter]) -> dict[type, Settings]:
        changes: dict[type, dict[str, Any]] = {}
        for parameter in given:
            if parameter.name not in self._fields:
                continue
            kind, field = self._fields[parameter.name]
            is_tuple = isinstance(field.default, tuple)
            value = tuple(float(number) for number in parameter.value) if is_tuple else parameter.value
            if value == getattr(self._values[kind], field.name):
                continue
            if not field.metadata["live"] and (why := self._fixed_because()):
                raise GmiError(ErrorCode.BAD_SETTING, f"{field.name} cannot be set now: {why}")
            changes.setdefault(kind, {})[field.name] = value
        return self._values | {kind: replace(self._values[kind], **changed) for kind, changed in changes.items()}

    def _judge(self, given: list[Parameter]) -> SetParametersResult:
        try:
            self._check(self._changed(given))
        except GmiError as error:
            return SetParametersResult(successful=False, reason=error.message)
        return SetParametersResult(successful=True)

    def _take(self, given: list[Parameter]) -> None:
        self._values = self._changed(given)
        self._taken()


def declare(node: Node, settings_type: type[S], read_only: bool = True) -> S:
    """Declare one parameter per field and return the settings with the values that were given.

    Tuples become arrays of doubles.

    Raises:
        GmiError: BAD_SETTING naming the parameter, its value and what would be valid.
    """
    return settings_type(**{field.name: _declare_one(node, field, read_only) for field in fields(settings_type)})


def _declare_one(node: Node, field: Field, read_only: bool) -> Any:
    default = field.default
    is_tuple = isinstance(default, tuple)
    try:
        value = node.declare_parameter(
            field.name, list(default) if is_tuple else default, descriptor(field, read_only)
        ).value
    except InvalidParameterTypeException as error:
        wanted = (
            "array of numbers such as 1.0"
            if is_tuple
            else {float: "number such as 1.0"}.get(type(default), type(default).__name__)
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


def undeclared(node: Node) -> list[str]:
    """What a file or the command line gives a node that has made itself, and that it has no parameter for: one sentence
    each, with the names that come near. ROS says nothing of it."""
    given = getattr(node, "_parameter_overrides", {})  # the only place where rclpy keeps them, if another one still does
    declared = list(node.get_parameters_by_prefix(""))
    unknown = [name for name in given if not node.has_parameter(name) and not name.startswith(_OF_ROS)]
    found = []
    for name in sorted(unknown):
        near = get_close_matches(name, declared, n=3)
        meant = f": did you mean {' or '.join(near)}?" if near else ""
        found.append(f"parameter {name} is given, but {node.get_name()} has none of that name{meant}")
    return found


def descriptor(field: Field, read_only: bool = True) -> ParameterDescriptor:
    """Help, range and choices of a field; read_only: it is not read again after the start."""
    described = ParameterDescriptor(name=field.name, description=field.metadata["help"], read_only=read_only)
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
