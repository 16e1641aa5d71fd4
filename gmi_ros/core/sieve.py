"""What samples must pass, check by check: how many fall to each, and what would let some past the last."""

import re
from dataclasses import dataclass, fields, replace

import numpy as np

from gmi_ros.core.settings import SynthesisSettings

_DIGITS = 3  # of a proposed limit after the point: a millimetre, a milliradian


@dataclass(frozen=True)
class Bound:
    """What is measured of m samples, (m,) or (m, k), against the setting of that name: at most it, or at least."""

    measured: np.ndarray
    setting: str
    at_most: bool

    def excess(self, settings: SynthesisSettings) -> np.ndarray:
        """(m,) how far each sample lies beyond the setting, in its unit; <= 0 passes."""
        beyond = self.measured - np.asarray(getattr(settings, self.setting), float)
        beyond = beyond if self.at_most else -beyond
        return beyond if beyond.ndim == 1 else beyond.max(axis=1)

    def loosened(self, sample: int, settings: SynthesisSettings) -> float | tuple[float, ...]:
        """The setting changed as little as lets this sample pass, rounded to the passing side."""
        limit, value = np.asarray(getattr(settings, self.setting), float), self.measured[sample]
        step, side = 10.0**-_DIGITS, 1 if self.at_most else -1
        rounded = np.round(side * np.ceil(side * value / step) * step, _DIGITS)
        # The number nearest to the decimal one may lie on the wrong side by its last bit.
        rounded = np.where(side * rounded >= side * value, rounded, np.round(rounded + side * step, _DIGITS))
        low, high = _range(self.setting)
        rounded = np.clip(rounded, low, high)
        changed = np.maximum(limit, rounded) if self.at_most else np.minimum(limit, rounded)
        return float(changed) if changed.ndim == 0 else tuple(changed.tolist())


@dataclass(frozen=True)
class Check:
    """One filter: its name, and the bounds that a sample must keep, all of them."""

    reason: str
    bounds: tuple[Bound, ...]

    def excess(self, settings: SynthesisSettings) -> np.ndarray:
        """(m,) how far each sample lies beyond the worst of the bounds; <= 0 passes."""
        return np.max([bound.excess(settings) for bound in self.bounds], axis=0)


@dataclass(frozen=True)
class Remedy:
    """What would let samples past the filter that took the last ones.

    reason: the filter. fell: how many it took. changes: settings by name, with the values that would let `passing` of
    these past it (not past the filters after it); empty where no value that a setting may have lets any. settings: the
    present ones.
    """

    reason: str
    fell: int
    changes: dict[str, float | tuple[float, ...]]
    passing: int
    settings: SynthesisSettings

    @property
    def sentence(self) -> str:
        """The remedy in words."""
        fell = f"the last {self.fell} fell to {self.reason}"
        if not self.changes:
            return f"{fell}, and no value of its setting would let any past it"
        wanted = []
        for name, value in self.changes.items():
            now = getattr(self.settings, name)
            sign = ">=" if np.sum(value) > np.sum(now) else "<="
            wanted.append(f"{name} {sign} {_shown(value)}{_unit(name)} (now {_shown(now)})")
        return f"{fell}: {' and '.join(wanted)} would let {self.passing} past it"


@dataclass(frozen=True)
class Sifted:
    """kept: indices of the samples that pass. rejected: how many fell, by reason. remedy: where none passed."""

    kept: np.ndarray
    rejected: dict[str, int]
    remedy: Remedy | None


def sift(checks: list[Check], settings: SynthesisSettings) -> Sifted:
    """Put samples through the checks in their order; a sample counts for the first one that it fails."""
    alive, rejected, remedy = None, {}, None
    for check in checks:
        excess = check.excess(settings)
        alive = np.ones(len(excess), bool) if alive is None else alive
        fallen = np.flatnonzero(alive & ~(excess <= 0))
        rejected[check.reason] = len(fallen)
        alive[fallen] = False
        if fallen.size and not alive.any():
            remedy = remedy_of(check, fallen, settings)
    return Sifted(np.flatnonzero(alive), rejected, remedy)


def remedy_of(check: Check, fallen: np.ndarray, settings: SynthesisSettings) -> Remedy:
    """What lets the sample that fell to `check` by the least, and maybe others with it, past it."""
    closest = int(fallen[np.argmin(check.excess(settings)[fallen])])
    changes = {}
    for bound in check.bounds:
        if bound.excess(settings)[closest] > 0:
            changes[bound.setting] = bound.loosened(closest, settings)
    passing = int((check.excess(replace(settings, **changes))[fallen] <= 0).sum())
    if not passing:  # what it needs is beyond what the setting may be
        changes = {}
    return Remedy(check.reason, len(fallen), changes, passing, settings)


def _range(name: str) -> tuple[float, float]:
    """The least and the largest value that the setting may have."""
    found = next(f.metadata for f in fields(SynthesisSettings) if f.name == name)
    low, high = found["low"], found["high"]
    return -np.inf if low is None else low, np.inf if high is None else high


def _unit(name: str) -> str:
    """The unit that the setting's help gives in brackets, after a space."""
    help = next(f.metadata["help"] for f in fields(SynthesisSettings) if f.name == name)
    found = re.search(r"\[([^\]]+)\]", help)
    return f" {found[1]}" if found else ""


def _shown(value: float | tuple[float, ...]) -> str:
    return f"{value:.6g}" if np.ndim(value) == 0 else f"({', '.join(f'{v:.6g}' for v in value)})"
