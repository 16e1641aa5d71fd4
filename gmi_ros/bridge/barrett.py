"""What is to be known of BarrettHand drivers: config/drivers/barrett.yaml, read strictly, and what follows from it."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import yaml

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import resource

FILE = "config/drivers/barrett.yaml"
_KEYS = {"ticks_per_rad", "ready_states", "states"}


@dataclass(frozen=True)
class Knowledge:
    """ticks_per_rad: by hand, of finger and spread. states: number of the driver's state -> its name; ready_states: those
    in which the hand moves."""

    ticks_per_rad: dict[str, tuple[float, float]]
    states: dict[int, str]
    ready_states: tuple[int, ...]


@cache
def knowledge() -> Knowledge:
    """The file's. Raises GmiError FILE_NOT_FOUND, FILE_DAMAGED."""
    path = resource(FILE)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        if set(data) != _KEYS:
            raise ValueError(f"keys must be {', '.join(sorted(_KEYS))}, got {', '.join(map(str, data))}")
        ticks = {hand: (float(t["finger"]), float(t["spread"])) for hand, t in data["ticks_per_rad"].items()}
        states = {int(number): str(name) for number, name in data["states"].items()}
        ready = tuple(n for n, name in states.items() if name in data["ready_states"])
        return Knowledge(ticks, states, ready)
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path}: {error}") from error


def ticks_per_rad(hand: str) -> np.ndarray:
    """(4,) encoder ticks per radian of spread, f1, f2, f3. Raises GmiError BAD_SETTING for a hand without figures."""
    known = knowledge().ticks_per_rad
    if hand not in known:
        raise GmiError(ErrorCode.BAD_SETTING, f"ticks are known of {', '.join(known)}, not of {hand!r}: use radians")
    finger, spread = known[hand]
    return np.array([spread, finger, finger, finger])
