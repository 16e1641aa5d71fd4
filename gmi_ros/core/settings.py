"""What a person tunes: frozen dataclasses whose fields carry help and bounds, shared by nodes, CLI and tests."""

import math
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any

from gmi_ros.core.errors import ErrorCode, GmiError

_LEAST_LENGTH = 1e-9  # of a normal that says a direction
_FARTHEST_TABLE = 100.0  # from the output frame's origin [m]


def setting(default, help: str, low=None, high=None, choices: tuple | None = None, live: bool = False):
    """A dataclass field with its documentation and bounds. live: a running node takes a new value at once."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices, "live": live})


def _is_of(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of a field's default: a whole number may stand for a number, nothing else for another."""
    if isinstance(default, tuple):
        return isinstance(value, (tuple, list)) and all(_is_of(v, default[0]) for v in value if default)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    kind = {int: Integral, float: Real, str: str}.get(type(default), object)  # others are settings of their own
    return isinstance(value, kind)


def _kind(default: Any) -> str:
    if isinstance(default, tuple):
        return f"a list, each {_kind(default[0])}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[type(default)]


class Settings:
    """Base of all settings: checks every field against its kind and bounds when made.

    Raises:
        GmiError: BAD_SETTING, naming the field, the value and the bound.
    """

    def __post_init__(self):
        for f in fields(self):
            value, low, high = getattr(self, f.name), f.metadata.get("low"), f.metadata.get("high")
            if not _is_of(value, f.default):
                raise GmiError(ErrorCode.BAD_SETTING, f"{f.name} must be {_kind(f.default)}, got {value!r:.200}")
            choices = f.metadata.get("choices")
            if choices and value not in choices:
                raise GmiError(ErrorCode.BAD_SETTING, f"{f.name} must be one of {', '.join(choices)}, got {value!r}")
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, bool) or not isinstance(number, (int, float)):
                    continue
                beyond = (low is not None and number < low) or (high is not None and number > high)
                if beyond or not math.isfinite(number):
                    bounds = f"[{'-inf' if low is None else low}, {'inf' if high is None else high}]"
                    raise GmiError(ErrorCode.BAD_SETTING, f"{f.name} must be in {bounds}, got {number}")


@dataclass(frozen=True)
class SynthesisSettings(Settings):
    """How `synthesize()` turns one frame into ranked grasps."""

    n_samples: int = setting(256, "grasps drawn from the network for each frame", 1, 4096, live=True)
    sure_score: float = setting(
        0.85,
        "score of the best grasp below which as many are drawn again, where an evaluator ranks",
        0.0,
        1.0,
        live=True,
    )
    max_batches: int = setting(2, "how often they are drawn at most", 1, 64, live=True)
    rehearsals: int = setting(
        32,
        "trials of the best grasps in simulation, on the object as it is thought to be, before one is chosen; 0: none",
        0,
        100_000,
        live=True,
    )
    sure_rehearsed: float = setting(
        0.85,
        "probability of the best grasp, rehearsed in every way, below which others are rehearsed",
        0.0,
        1.0,
        live=True,
    )
    sure_at_once: float = setting(
        0.9,
        "probability of the best grasp at which no more are rehearsed, in however few ways it was, or sure_rehearsed if more",
        0.0,
        1.0,
        live=True,
    )
    max_redraws: int = setting(
        1, "how often as many are drawn again where none is believed in with sure_rehearsed", 0, 64, live=True
    )
    max_grasps: int = setting(10, "grasps returned, best first", 1, 4096, live=True)
    min_mask_pixels: int = setting(30, "smallest mask that is an object [px]", 3, 1_000_000, live=True)
    depth_erosion_px: int = setting(1, "mask pixels at its edge whose depth is not trusted", 0, 20, live=True)
    mask_reach_px: int = setting(
        4, "how far the mask's edge may be moved to the edge that the depth shows; 0: not at all", 0, 50, live=True
    )
    min_depth: float = setting(0.2, "nearest depth that a Kinect-class camera measures [m]", 0.0, 10.0, live=True)
    max_depth: float = setting(4.0, "farthest depth that is still used [m]", 0.1, 100.0, live=True)
    degenerate_ratio: float = setting(
        0.9, "lambda2/lambda1 of the mask above which the frame is degenerate", 0.0, 1.0, live=True
    )
    max_residual: float = setting(0.020, "largest Eq. 7 residual of any finger [m]", 0.0, 1.0, live=True)
    normal_weight: float = setting(
        0.02, "weight of the normals in Eq. 7: metres that a unit of normal error counts", 0.0, 1.0, live=True
    )
    max_surface_distance: float = setting(
        0.03, "largest median distance of the contacts from the observed object [m]", 0.0, 10.0, live=True
    )
    table_clearance: float = setting(
        0.0, "lowest height of fingertips and contacts above the table [m]; negative is below", -0.1, 1.0, live=True
    )
    palm_clearance: float = setting(
        0.0, "least distance of the observed cloud in front of the palm [m]", -0.1, 1.0, live=True
    )
    finger_clearance: float = setting(
        -0.004, "least distance of the open fingers from the observed cloud [m]", -0.1, 1.0, live=True
    )
    opening_margins: tuple[float, ...] = setting(
        (0.6, 0.4, 0.25, 0.12),
        "how far to open the fingers before closing [rad], first that is free",
        0.0,
        2.44,
        live=True,
    )
    approach_distance: float = setting(0.10, "straight way from the pre-grasp to the grasp [m]", 0.0, 0.5, live=True)
    approach_axis: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0),
        "wanted direction of the approach, output frame; zeros: the camera's viewing direction",
        live=True,
    )
    max_approach_angle: float = setting(
        3.1416, "largest angle between the approach and approach_axis [rad]", 0.0, 3.1416, live=True
    )
    table_plane: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0, 0.0),
        "table a b c d [m], ax + by + cz + d = height above it, output frame; zeros: found in the depth",
        live=True,
    )
    workspace_low: tuple[float, ...] = setting(
        (-10.0, -10.0, -10.0), "lower corner of the contacts' box, output frame [m]", live=True
    )
    workspace_high: tuple[float, ...] = setting(
        (10.0, 10.0, 10.0), "upper corner of the contacts' box, output frame [m]", live=True
    )
    max_spread: float = setting(3.1416, "largest spread [rad]", 0.0, 3.1416, live=True)
    min_contact_separation: float = setting(0.0, "least distance between two contacts [m]", 0.0, 0.5, live=True)
    max_contact_separation: float = setting(10.0, "largest distance between two contacts [m]", 0.0, 10.0, live=True)
    min_score: float = setting(-1.0e9, "lowest score", live=True)
    density_weight: float = setting(1.0, "weight of the model's log density in the score", 0.0, 100.0, live=True)
    residual_weight: float = setting(
        200.0, "weight of the largest Eq. 7 residual in the score [1/m]", 0.0, 1e5, live=True
    )
    inference_threads: int = setting(1, "CPU threads of the network; one value gives one answer to the bit", 1, 64)

    def __post_init__(self):
        super().__post_init__()
        if not self.min_depth < self.max_depth:
            told = f"min_depth must be less than max_depth, got {self.min_depth} and {self.max_depth}"
            raise GmiError(ErrorCode.BAD_SETTING, told)
        for name, length in (("table_plane", 4), ("approach_axis", 3), ("workspace_low", 3), ("workspace_high", 3)):
            if len(getattr(self, name)) != length:
                raise GmiError(ErrorCode.BAD_SETTING, f"{name} must have {length} numbers, got {getattr(self, name)}")
        if any(self.approach_axis) and math.hypot(*self.approach_axis) < _LEAST_LENGTH:
            message = f"approach_axis must be zeros or at least {_LEAST_LENGTH} long, got {self.approach_axis}"
            raise GmiError(ErrorCode.BAD_SETTING, message)
        if any(self.table_plane) and math.hypot(*self.table_plane[:3]) < _LEAST_LENGTH:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"table_plane must be a b c d with a normal a b c of at least {_LEAST_LENGTH}, got {self.table_plane}",
            )
        if any(self.table_plane) and abs(self.table_plane[3]) > _FARTHEST_TABLE * math.hypot(*self.table_plane[:3]):
            message = f"table_plane must be at most {_FARTHEST_TABLE:g} m from the origin, got {self.table_plane}"
            raise GmiError(ErrorCode.BAD_SETTING, message)
