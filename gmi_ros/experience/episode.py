"""One executed grasp and what became of it: the same record for simulation, robot and bags."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from gmi_ros.core import poses
from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.observation import SIZE, Observation

SOURCES = ("simulation", "robot", "bag")
OBSERVATION_MISSING = "observation_missing"  # the key of a recipe that only names the observation that never came

_SHAPES = {
    "camera_from_object": (4, 4),
    "camera_from_palm": (4, 4),
    "contacts_predicted": (3, 3),
    "normals_predicted": (3, 3),
    "contacts_reached": (3, 3),
    "normals_reached": (3, 3),
    "joints": (4,),
}
_TEXTS = (
    "outcome_id grasp_id observation_id split class_name object_name "
    "reason judged_by note model_hash software_version camera"
).split()
_POSE_TOLERANCE = 1e-4  # poses that went through float32 are rigid to about 1e-6
_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Pixels:
    """The part of core.observation.Observation that is kept: what the network saw.

    rgb: (64, 64, 3) uint8. depth: (64, 64) float32 [m], relative to the object. mask: (64, 64) bool.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray

    image = Observation.image  # (64, 64, 5) float32, made by the same code as the live observation's

    @classmethod
    def of(cls, observation: Any) -> "Pixels":
        """From an Observation (or anything with rgb, depth and mask)."""
        return cls(np.asarray(observation.rgb), np.asarray(observation.depth), np.asarray(observation.mask))

    def mismatches(self) -> list[str]:
        """What is wrong with shapes and types, one sentence each."""
        window = (SIZE, SIZE)
        expected = {"rgb": ((*window, 3), np.uint8), "depth": (window, np.float32), "mask": (window, bool)}
        wrong = []
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                wrong.append(f"pixels.{name} must be {shape} {np.dtype(dtype)}, got {array.shape} {array.dtype}")
        return wrong


@dataclass(frozen=True, eq=False, kw_only=True)
class Episode:
    """A grasp that was executed, in the object's frame {O}, with the observation it was made from.

    outcome_id: unique; left empty, it is derived from split, object, trial seed and view (simulation).
    grasp_id, observation_id: left empty, they are the outcome's. Several grasps of one image share observation_id.
    stamp_ns: the image's time [ns]. view: which of several cameras of one trial, 0 the first.
    pixels or recipe: exactly one; a recipe is the small JSON-able dict that a simulation needs to render it again, or
    names the observation that never came (OBSERVATION_MISSING).
    camera_from_object: (4, 4), {O} in the camera's optical frame; degenerate: its flag.
    contacts_*: (3, 3) [m], normals_*: (3, 3) unit, outward, in {O}, row i is finger F(i+1); None where unknown.
    joints: (4,) [rad] spread, f1, f2, f3 as reached. camera_from_palm: (4, 4), {P} at the grasp.
    reason: why it ended so, in a word or two. judged_by: sensor, lift, person, simulation. note: what the judge added.
    judged_ns: when this verdict replaced an earlier one [ns], 0 for the one that came with the outcome.
    contacts_computed: the contacts reached were not felt, or not all of them, but follow from the joints.
    hold_share: of the trials with errors of the wrist, how many held (0 to 1), where there were any.
    closing_turn: how far the object turns while the hand closes, where nothing else holds it [rad]; of simulation.
    height_lifted: [m]. seed: of the synthesis. Integers fit 64 bits.

    Stored as float32 (contacts, joints, poses as quaternion and translation: 0.1 um at 1 m), normals to 3e-5 rad.

    Raises:
        GmiError: BAD_REQUEST, listing everything that is wrong at once.
    """

    source: str
    success: bool
    camera_from_object: np.ndarray
    outcome_id: str = ""
    grasp_id: str = ""
    observation_id: str = ""
    stamp_ns: int = 0
    split: str = ""
    class_name: str = ""
    object_name: str = ""
    trial_seed: int = 0
    view: int = 0
    pixels: Pixels | None = None
    recipe: dict | None = None
    degenerate: bool = False
    contacts_predicted: np.ndarray | None = None
    normals_predicted: np.ndarray | None = None
    contacts_reached: np.ndarray | None = None
    normals_reached: np.ndarray | None = None
    contacts_computed: bool = False
    joints: np.ndarray | None = None
    camera_from_palm: np.ndarray | None = None
    reason: str = ""
    judged_by: str = ""
    note: str = ""
    judged_ns: int = 0
    height_lifted: float | None = None
    hold_share: float | None = None
    closing_turn: float | None = None
    seed: int = 0
    model_hash: str = ""
    software_version: str = ""
    camera: str = ""

    def __post_init__(self):
        if isinstance(self.outcome_id, str) and not self.outcome_id and self.object_name:
            name = derived_id(self.split, self.object_name, self.trial_seed, self.view)
            object.__setattr__(self, "outcome_id", name)
        for name in ("grasp_id", "observation_id"):
            if getattr(self, name) == "":
                object.__setattr__(self, name, self.outcome_id)
        for name in _SHAPES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.asarray(getattr(self, name)))
        self.check()

    @classmethod
    def unchecked(cls, **values: Any) -> "Episode":
        """From all the fields, as a store gives them, which checked them when they came in."""
        episode = object.__new__(cls)
        episode.__dict__.update(values)
        return episode

    def check(self) -> None:
        """Raises GmiError, BAD_REQUEST, with everything that is wrong at once."""
        wrong = self._mismatches()
        if wrong:
            listed = "; ".join(wrong)
            raise GmiError(ErrorCode.BAD_REQUEST, f"outcome {self.outcome_id!r} is not a valid record: {listed}")

    @property
    def observation_missing(self) -> bool:
        """Whether its observation never came, so that there is nothing to look at and nothing to learn from."""
        return OBSERVATION_MISSING in (self.recipe or {})

    def grasp_vector(self) -> np.ndarray:
        """(18,) float32 [p1 p2 p3 n1 n2 n3] of the contacts reached, in {O}: the training pair's other half.

        Raises:
            GmiError: BAD_REQUEST where the contacts are not known.
        """
        if self.contacts_reached is None or self.normals_reached is None:
            raise GmiError(ErrorCode.BAD_REQUEST, f"outcome {self.outcome_id!r} has no contacts reached")
        return np.concatenate([self.contacts_reached, self.normals_reached]).reshape(18).astype(np.float32)

    def _mismatches(self) -> list[str]:
        wrong = []
        if self.source not in SOURCES:
            wrong.append(f"source must be one of {', '.join(SOURCES)}, got {self.source!r}")
        texts = {name: getattr(self, name) for name in _TEXTS}
        wrong += [f"{name} must be text, got {text!r}" for name, text in texts.items() if not isinstance(text, str)]
        if not self.outcome_id:
            wrong.append("outcome_id is empty and there is no object_name to derive it from")
        for name, (low, high) in {
            "stamp_ns": (-(2**63), 2**63), "trial_seed": (0, 2**64), "seed": (0, 2**64), "view": (0, 2**31),
            "judged_ns": (0, 2**63),
        }.items():  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or not low <= value < high:
                wrong.append(f"{name} must be an integer in [{low}, {high}), got {value!r}")
        if (self.pixels is None) == (self.recipe is None):
            given = "neither is" if self.recipe is None else "both are"
            wrong.append(f"either pixels or recipe must be given, {given}")
        if self.pixels is not None:
            wrong += self.pixels.mismatches()
        if self.recipe is not None and not isinstance(self.recipe, dict):
            wrong.append(f"recipe must be a dict, got {type(self.recipe).__name__}")
        if self.camera_from_object is None:
            wrong.append("camera_from_object is missing")
        for name, shape in _SHAPES.items():
            wrong += _array_mismatches(name, getattr(self, name), shape)
        for kind in ("predicted", "reached"):
            if (getattr(self, f"contacts_{kind}") is None) != (getattr(self, f"normals_{kind}") is None):
                wrong.append(f"contacts_{kind} and normals_{kind} come together, one is missing")
        if self.height_lifted is not None and not np.isfinite(self.height_lifted):
            wrong.append(f"height_lifted must be finite [m] or None, got {self.height_lifted}")
        if self.hold_share is not None and not 0 <= self.hold_share <= 1:
            wrong.append(f"hold_share must be in [0, 1] or None, got {self.hold_share}")
        if self.closing_turn is not None and not 0 <= self.closing_turn <= np.pi + 1e-6:
            wrong.append(f"closing_turn must be in [0, pi] rad or None, got {self.closing_turn}")
        return wrong


def derived_id(split: str, object_name: str, trial_seed: int, view: int) -> str:
    """The outcome_id of a simulated trial: a function of what the trial is a function of."""
    trial = f"{split}/{object_name}/{trial_seed}"
    return f"{trial}/{view}" if view else trial


def _array_mismatches(name: str, array: np.ndarray | None, shape: tuple) -> list[str]:
    if array is None:
        return []
    if array.shape != shape or array.dtype.kind not in "fiu":
        return [f"{name} must be {shape} of numbers, got {array.shape} {array.dtype}"]
    if not np.isfinite(array).all():
        return [f"{name} has numbers that are not finite"]
    if name.startswith("camera_from") and not poses.is_rigid(array, _POSE_TOLERANCE):
        return [f"{name} is not a rigid pose"]
    if name.startswith("normals"):
        lengths = np.linalg.norm(array, axis=1)
        if np.abs(lengths - 1).max() > _UNIT_TOLERANCE:
            return [f"{name} must be unit vectors, lengths are {', '.join(f'{n:.4g}' for n in lengths)}"]
    return []
