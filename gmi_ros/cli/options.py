"""Options that several commands share, made from the same fields that document and bound the nodes' parameters."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import Settings

MAX_SEED = 2**63 - 1
S = TypeVar("S", bound=Settings)


def add_settings(
    parser: argparse.ArgumentParser, kind: type[Settings], without: tuple[str, ...] = (), title: str = "settings"
) -> None:
    """One option for each field of a settings class: `n_samples` becomes --n-samples, with its help and bounds."""
    group = parser.add_argument_group(title)
    for f in fields(kind):
        if f.name in without:
            continue
        name = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            told = f"{f.metadata['help']} (default: {'yes' if f.default else 'no'})"
            group.add_argument(name, action=argparse.BooleanOptionalAction, default=None, help=told)
            continue
        low, high, choices = (f.metadata.get(key) for key in ("low", "high", "choices"))
        bounds = "" if low is None and high is None else f"; at least {low}" if high is None else f"; {low} to {high}"
        is_tuple = isinstance(f.default, tuple)
        shown = " ".join(f"{v:g}" for v in f.default) if is_tuple else f.default
        group.add_argument(
            name,
            type=type(f.default[0]) if is_tuple else type(f.default),
            nargs=_n_values(f.default),
            choices=choices,
            metavar=None if choices else "N" if isinstance(f.default, int) else "X",
            help=f"{f.metadata['help']}{bounds} (default: {shown})",
        )


def settings_from(args: argparse.Namespace, kind: type[S], without: tuple[str, ...] = ()) -> S:
    """The settings that the options ask for; fields that were not given keep their default.

    Raises:
        GmiError: BAD_SETTING, naming the field, the value and the bound.
    """
    given: dict[str, Any] = {}
    for f in fields(kind):
        value = getattr(args, f.name, None)
        if value is not None and f.name not in without:
            given[f.name] = tuple(value) if isinstance(value, list) else value
    return kind(**given)


def _n_values(default: Any) -> int | str | None:
    """How many words an option takes: a vector its length, a list of sizes (integers) any number."""
    if not isinstance(default, tuple):
        return None
    return "+" if isinstance(default[0], int) else len(default)


def add_model(parser: argparse.ArgumentParser) -> None:
    """--model and --hand."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="folder of the weights (default: the shipped ones)")
    parser.add_argument("--hand", default="bh280", choices=("bh262", "bh280", "bh282"), help="model of the hand")


def seed(text: str) -> int:
    """A seed: an integer in [1, 2^63 - 1]; 0 means "draw one" to the node, so it is no seed."""
    return _bounded(text, 1, MAX_SEED)


def count(text: str) -> int:
    """A number of things, at least 1."""
    return _bounded(text, 1, 10**9)


def label(text: str) -> int:
    """A label of the mask; 0 means the largest object."""
    return _bounded(text, 0, 65535)


def threads(text: str) -> int:
    """A number of CPU threads."""
    return _bounded(text, 1, 64)


def seconds(text: str) -> float:
    """A positive time [s]."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"must be a time in (0, 1e9) s, got {text!r}")
    return value


def positive(text: str) -> float:
    """A number greater than 0."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number greater than 0, got {text!r}")
    return value


class Between:
    """A number in [low, high]."""

    def __init__(self, low: float, high: float):
        self.low, self.high = low, high

    def __call__(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high:
            raise argparse.ArgumentTypeError(f"must be a number in [{self.low:g}, {self.high:g}], got {text!r}")
        return value


def refuse_idle(*given: tuple[str, Any, Any, str]) -> None:
    """Refuse options that would have no effect: each is its name, its value, whether it has one, and what it needs.

    Raises:
        GmiError: BAD_SETTING.
    """
    for option, value, fits, other in given:
        if value is not None and value is not False and not fits:
            shown = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            told = option if value is True else f"{option} {shown}"
            raise GmiError(ErrorCode.BAD_SETTING, f"{told} needs {other}")


def _bounded(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"must be an integer in [{low}, {high}], got {text!r}")
    return value
