"""Weights at work: put new ones in their place if they are no worse, keep the previous ones, put those back."""

import json
from dataclasses import dataclass
from pathlib import Path

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EVALUATOR
from gmi_ros.learning.files import write_together

COMPARISON, PREVIOUS = "comparison.json", "previous"
FILES = (checkpoint.CARD, checkpoint.METRICS, checkpoint.WEIGHTS, checkpoint.CONFIG)


@dataclass(frozen=True)
class Kept:
    """Weights that were at work before. number: in the order they were kept; the last is the highest."""

    number: int
    hash: str
    folder: Path


def install(new: Path, into: Path) -> dict:
    """Put the weights of `new`, as `gmi train --from` left them, in the place of those in `into`, which are kept.

    Returns:
        installed and previous: their hashes. number: of the previous ones among those kept.

    Raises:
        GmiError: BAD_REQUEST where there is no comparison, it found them worse, or it is of other weights than these two;
            what checkpoint.load raises; STORE_UNWRITABLE, and then the weights at work are as they were.
    """
    hash_at_work, hash_new = checkpoint.load(into).hash, checkpoint.load(new).hash
    found = _comparison(new / COMPARISON)
    if hash_new == hash_at_work:
        raise GmiError(ErrorCode.BAD_REQUEST, f"the weights {hash_new} of {new} are at work in {into} already")
    if found["to_hash"] != hash_new:
        told = f"{new / COMPARISON} is about weights {found['to_hash']}, the folder holds {hash_new}: compare again"
        raise GmiError(ErrorCode.BAD_REQUEST, told)
    if found["from_hash"] != hash_at_work:
        told = (
            f"{new} went on from weights {found['from_hash']}, at work in {into} are {hash_at_work}: go on from those"
        )
        raise GmiError(ErrorCode.BAD_REQUEST, told)
    if found["worse"]:
        raise GmiError(ErrorCode.BAD_REQUEST, f"not installed, {new} is worse: {'; '.join(found['worse'])}")
    return _exchange(new, into, hash_new)


def restore(folder: Path, number: int = 0) -> dict:
    """Put previous weights back; 0: the last. Those that were at work are kept in turn, so that it can be undone.

    Returns:
        As `install`.

    Raises:
        GmiError: BAD_REQUEST where there are none, none of this number, or they are at work already; as `install`.
    """
    there = kept(folder)
    chosen = there[-1:] if number == 0 else [k for k in there if k.number == number]
    if not chosen:
        numbers = ", ".join(str(k.number) for k in there) or "none"
        told = f"{folder} keeps no previous weights" + (f" number {number}; valid are {numbers}" if number else "")
        raise GmiError(ErrorCode.BAD_REQUEST, told)
    hash_new = checkpoint.load(chosen[0].folder).hash
    if hash_new == checkpoint.load(folder).hash:
        told = f"the weights {hash_new}, number {chosen[0].number} of those kept, are at work in {folder} already"
        raise GmiError(ErrorCode.BAD_REQUEST, told)
    return _exchange(chosen[0].folder, folder, hash_new)


def kept(folder: Path) -> list[Kept]:
    """The previous weights of a folder, first to last."""
    found = []
    for path in sorted((folder / PREVIOUS).glob("*")):
        number, _, weights_hash = path.name.partition("_")
        if number.isascii() and number.isdigit() and (path / checkpoint.CONFIG).is_file():
            found.append(Kept(int(number), weights_hash, path))
    return sorted(found, key=lambda k: k.number)


def _exchange(new: Path, into: Path, hash_new: str) -> dict:
    """First the old weights are kept, whole; then the new ones take their place, network by network."""
    hash_old, before = checkpoint.load(into).hash, kept(into)
    number = before[-1].number + 1 if before else 1
    _check_networks(new, into)
    _copy(into, into / PREVIOUS / f"{number:04d}_{hash_old}")
    _copy(new, into)
    return {"installed": hash_new, "previous": hash_old, "number": number}


def _check_networks(source: Path, target: Path) -> None:
    if not (source / EVALUATOR).is_dir() and (target / EVALUATOR).is_dir():
        told = f"{source} has no evaluator and {target} has one: only a folder of the same networks can take its place"
        raise GmiError(ErrorCode.BAD_REQUEST, told)


def _copy(source: Path, target: Path) -> None:
    for part in (EVALUATOR, ".") if (source / EVALUATOR).is_dir() else (".",):
        contents = {f: (source / part / f).read_bytes() for f in FILES if (source / part / f).is_file()}
        if part == "." and (source / COMPARISON).is_file():
            contents = {COMPARISON: (source / COMPARISON).read_bytes()} | contents
        write_together(target / part, contents)
    if not (source / COMPARISON).is_file():  # one of other weights would be taken for theirs
        (target / COMPARISON).unlink(missing_ok=True)


def _comparison(path: Path) -> dict:
    if not path.is_file():
        told = (
            f"{path} is not there: only weights that `gmi train --from` has compared with those at work are installed"
        )
        raise GmiError(ErrorCode.BAD_REQUEST, told)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} is not JSON ({error}): train again") from error
    missing = {"from_hash", "to_hash", "worse"} - set(found if isinstance(found, dict) else ())
    if missing:
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path} lacks {', '.join(sorted(missing))}: train again")
    if not isinstance(found["worse"], list) or not all(isinstance(reason, str) for reason in found["worse"]):
        raise GmiError(ErrorCode.FILE_DAMAGED, f"{path}: worse must be a list of reasons, got {found['worse']!r:.100}")
    return found
