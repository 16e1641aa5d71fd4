"""Several stores in one: everything that any of them holds, the same whatever their order and however often.

An outcome is kept once. Where two stores disagree about one, nothing is dropped: of two verdicts the latest counts and
the other is kept as an earlier one; of two different records, or observations, of one name the one with the smaller
digest keeps the name, and the other one gets its own digest appended (`name~digest`).
"""

import hashlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience import packing, tables, verdicts
from gmi_ros.experience.rows import Record
from gmi_ros.experience.store import Store
from gmi_ros.experience.verdicts import Verdict

_DIGITS = 12
_MARKED = re.compile(rf"(.*)~([0-9a-f]{{{_DIGITS}}})", re.DOTALL)
_VERDICT = {"success", "reason", "judged_by", "note", "judged_ns"}
_OBSERVED = {"stamp_ns", "camera_from_object", "degenerate", "template", "data"}
_NAMES = {"row", "outcome_id", "observation_id"}
_REST = [name for name in Record._fields if name not in _VERDICT | _OBSERVED | _NAMES]


@dataclass(frozen=True)
class Conflict:
    """What two stores say differently. what: verdict, record or observation. name: of the outcome or observation.
    store: the one that disagrees with what was there. told: the difference, and what became of it.
    """

    what: str
    name: str
    store: str
    told: str


@dataclass
class Merged:
    """added: records that are new. known: that were there. verdicts: replaced by later ones. conflicts: by name."""

    added: int = 0
    known: int = 0
    verdicts: int = 0
    conflicts: list[Conflict] = field(default_factory=list)


def merge(stores: Sequence[Path], out: Path, progress: bool = False) -> Merged:
    """Add what the stores hold to `out`, which is made where it is not there; all of it or, after an error, nothing.

    Raises:
        GmiError: as Store.
    """
    found, made = Merged(), not out.exists()
    try:
        with Store(out, "rw") as target, target.writing() as database:
            for path in stores:
                if path.exists() and path.samefile(out):
                    continue
                with Store(path) as source:
                    union = _Union(database, target, str(path), found)
                    bar = tqdm(source.records(), str(path), len(source), disable=not progress, dynamic_ncols=True)
                    for record in bar:
                        with source.using() as its:
                            earlier = source.earlier(its, record.row)
                        try:
                            union.take(record, earlier)
                        except (ValueError, zstandard.ZstdError) as error:
                            told = f"{path}: episode {record.row} cannot be read: {error}"
                            raise GmiError(ErrorCode.STORE_CORRUPT, told) from error
    except BaseException:
        if made:
            out.unlink(missing_ok=True)
        raise
    return found


class _Union:
    """Takes the records of one store into another's open transaction."""

    def __init__(self, database: sqlite3.Connection, target: Store, store: str, found: Merged):
        self._database, self._target, self._store, self._found = database, target, store, found

    def take(self, record: Record, earlier: list[Verdict]) -> None:
        """Add a record, or what is new about it."""
        wanted = record._replace(
            outcome_id=_unmarked(record.outcome_id, lambda: _digest(record)), observation_id=_base(record)
        )
        record = wanted._replace(observation_id=self._observation_name(wanted))
        row = tables.find(self._database, record.outcome_id)
        if row is not None:
            name = self._outcome_name(self._target.record_at(self._database, row), wanted)
            record = record._replace(outcome_id=name)
            row = tables.find(self._database, name)
        if row is None:
            tables.insert(self._database, record)
            self._found.added += 1
        else:
            self._found.known += 1
        if row is not None or earlier:
            self._settle(record.outcome_id, verdicts.of(record), earlier)

    def _observation_name(self, record: Record) -> str:
        """The name under which the record's observation is, or can be, in the target."""
        name, digest = record.observation_id, _observation_digest
        row = tables.find_observation(self._database, name)
        if row is None:
            return name
        stored = tables.observation_at(self._database, row, record)
        if tables.same_observation(stored, record):
            return name
        ours, others = digest(record), digest(stored)
        if ours < others:
            tables.name_observation(self._database, row, f"{name}~{others}")
        kept = name if ours < others else f"{name}~{ours}"
        told = f"two observations of this name; {name}~{max(ours, others)} is the other one"
        self._found.conflicts.append(Conflict("observation", name, self._store, told))
        return kept

    def _outcome_name(self, stored: Record, record: Record) -> str:
        """The name of a record where there is one of its name, which may have to give that up."""
        differ = _differences(stored, record)
        name = record.outcome_id
        if not differ:
            return name
        ours, others = _digest(record), _digest(stored)
        if ours < others:
            tables.rename_outcome(self._database, stored, f"{name}~{others}")
        told = f"two records of this name, which differ in {', '.join(differ)}; {name}~{max(ours, others)} is the other one"
        self._found.conflicts.append(Conflict("record", name, self._store, told))
        return name if ours < others else f"{name}~{ours}"

    def _settle(self, outcome_id: str, verdict: Verdict, earlier: list[Verdict]) -> None:
        stored = self._target.record_at(self._database, tables.find(self._database, outcome_id))
        its, theirs = verdicts.of(stored), {verdict, *earlier}
        ours = {its, *verdicts.earlier(self._database, stored.row)}
        changed = verdicts.settle(self._database, stored, theirs)
        if verdict not in ours and its not in theirs:
            winner, loser = (verdict, its) if changed else (its, verdict)
            told = f"{_told(winner)} counts, {_told(loser)} is kept as an earlier verdict"
            self._found.conflicts.append(Conflict("verdict", outcome_id, self._store, told))
        self._found.verdicts += changed


def _told(verdict: Verdict) -> str:
    return f"{'success' if verdict.success else 'failure'} ({verdict.reason}) by {verdict.judged_by or 'nobody'}"


def _differences(a: Record, b: Record) -> list[str]:
    """In what two records differ but for their verdicts and what a merge has appended to their names."""
    found = [name for name in _REST if getattr(a, name) != getattr(b, name)]
    if not tables.same_observation(a, b):
        found.append("observation")
    elif _base(a) != _base(b):
        found.append("observation_id")
    return found


def _base(record: Record) -> str:
    """The name of its observation before any merge."""
    return _unmarked(record.observation_id, lambda: _observation_digest(record))


def _unmarked(name: str, digest: Callable[[], str]) -> str:
    """The name without the digest that an earlier merge has appended."""
    found = _MARKED.fullmatch(name)
    return found[1] if found and found[2] == digest() else name


def _observation_digest(record: Record) -> str:
    """Of what was seen, however it was compressed."""
    found = hashlib.sha256(
        repr((record.stamp_ns, record.camera_from_object, record.degenerate, record.template)).encode()
    )
    if record.template is None:
        pixels = packing.unpack_pixels(record.data)
        found.update(pixels.rgb.tobytes() + pixels.depth.tobytes() + pixels.mask.tobytes())
    else:
        found.update(record.data)
    return found.hexdigest()[:_DIGITS]


def _digest(record: Record) -> str:
    """Of everything but the name of the outcome and the verdict."""
    values = [_base(record), *(getattr(record, name) for name in _REST)]
    return hashlib.sha256(repr((values, _observation_digest(record))).encode()).hexdigest()[:_DIGITS]
