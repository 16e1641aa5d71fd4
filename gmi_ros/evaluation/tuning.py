"""Learning from records: going on with trained weights on what executed grasps came to, and what that did to them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.dataset import load_grasp_data, refuse_tests
from gmi_ros.evaluation.imagined import imagine
from gmi_ros.evaluation.intervals import by_object
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.evaluation.likelihood import likelihood
from gmi_ros.evaluation.trust import trust_from
from gmi_ros.evaluation.weights import COMPARISON, FILES
from gmi_ros.experience.episode import Episode
from gmi_ros.experience.store import Store
from gmi_ros.learning import checkpoint
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.config import EVALUATOR, MODELS, TrainingConfig
from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.evaluator import EvaluatorNetwork, widened
from gmi_ros.learning.evaluator_tuning import judged_summary, losses, probabilities, tune_evaluator
from gmi_ros.learning.files import write_together
from gmi_ros.learning.generator_tuning import tune_generator
from gmi_ros.learning.judged import JudgedData
from gmi_ros.learning.spec import HELD
from gmi_ros.learning.tuning import EVALUATOR_TUNING, GENERATOR_TUNING, Mixture, between
from gmi_ros.sim.objects import ObjectModel

GENERATOR = "generator"
NETWORKS = (EVALUATOR, GENERATOR)
REPLAY = (
    "data/own/own_1104.db.zst",
    "data/train.db.zst",
    "data/composites/random_500.db.zst",
    "data/composites/random_1000.db.zst",
)
CHECK = ("data/dev.db.zst",)  # old records that no weights were trained on
TOLERANCE = {EVALUATOR: 0.01, GENERATOR: 0.3}  # most that the loss on old data may rise [nats a trial, a grasp]
PARTS = (1.0, 0.75, 0.5, 0.25)  # of the way to the new weights: the longest that loses no more than that is gone
IMAGINED = "imagined.db"  # beside the weights
_FEWEST_OBJECTS = 5  # from which on objects are held out, and not images
_FEWEST = 10  # records to learn from, or successes for the generator
_WITHIN = np.radians(75)  # of the generator's replayed data, as the shipped one was trained


@dataclass(frozen=True)
class Tuning:
    """What is gone on with, on what, and how.

    folder: of the weights. experience: stores of new records. replay, check: stores of old ones, to be replayed and to see
    whether anything was forgotten. networks: which of NETWORKS. replayed: images of the old data at most; 0: all.
    steady, planned: of the evaluator, as tune_evaluator. forget: most that the generator may lose on old records [nats a
    grasp]; None: its TOLERANCE.
    """

    folder: Path
    experience: tuple[Path, ...]
    replay: tuple[Path, ...]
    check: tuple[Path, ...]
    networks: tuple[str, ...] = NETWORKS
    mixture: Mixture = Mixture()
    evaluator: TrainingConfig = EVALUATOR_TUNING
    generator: TrainingConfig = GENERATOR_TUNING
    replayed: int = 2000
    steady: bool = False
    planned: bool = False
    forget: float | None = None
    meshes: tuple[ObjectModel, ...] = ()  # a user's own, of simulated records


def fine_tune(
    wanted: Tuning,
    out: Path,
    cache: Path | None = None,
    workers: int = 2,
    resume: bool = True,
    progress: bool = True,
) -> dict:
    """Go on with the networks of a folder, and compare before and after on records that were held out.

    `out` becomes a whole model folder, with comparison.json beside the weights; ended anywhere, the same call goes on. Where
    new weights lose more on old records than TOLERANCE, they are mixed with those before, PARTS of them.

    Returns:
        The comparison: from_hash, to_hash, records (new ones to learn from, held out, held back by `held_out_by`;
        executed_as_planned: successes and failures that the generator learned to tell apart), imagined (as `imagine`; part of
        what was learned from, never of what was held out), share, and for each network
        `part`, and `new` and `old` with `before`, `after`, `change` of the loss and its ci95; worse: what got worse, one
        sentence each.

    Raises:
        GmiError: BAD_REQUEST where there are too few records, or some of a test split; the stores' and folders' errors.
    """
    before = checkpoint.load(wanted.folder)
    networks = [n for n in wanted.networks if n != EVALUATOR or before.evaluator is not None]
    if not networks:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{wanted.folder} has no evaluator to go on with; choose the generator")
    tolerance = TOLERANCE if wanted.forget is None else TOLERANCE | {GENERATOR: wanted.forget}
    held_out, by = _split(wanted)

    def load(read: Callable, stores: Sequence[Path], **more):
        return read(stores, workers, progress, wanted.meshes, cache=cache, **more)

    def both(read: Callable) -> tuple:
        learn, rest = _sides(held_out)
        return load(read, learned, keep=learn), load(read, wanted.experience, keep=rest)

    judged: tuple[JudgedData, JudgedData] | None = None
    if not resume:
        _delete(out / IMAGINED)
    imagined = imagine(
        out / IMAGINED,
        wanted.folder,
        wanted.experience,
        wanted.mixture.imagined,
        workers,
        progress,
        wanted.meshes,
    )
    learned = (*wanted.experience, out / IMAGINED) if imagined["trials"] else wanted.experience
    found: dict = {"records": {"held_out_by": by}, "imagined": imagined, "share": wanted.mixture.share}
    pairs = {name: out / name if name == EVALUATOR else out for name in networks}
    for name in NETWORKS:
        if name not in networks:
            _copy(wanted.folder, out, name)
    if EVALUATOR in networks:
        new, rest = both(load_judged)
        old = load(load_judged, wanted.replay, most_images=wanted.replayed)
        check = load(load_judged, wanted.check, most_images=wanted.replayed)
        tune_evaluator(
            wanted.evaluator,
            wanted.mixture,
            wanted.folder / EVALUATOR,
            new,
            old,
            rest,
            check,
            pairs[EVALUATOR],
            resume,
            progress,
            wanted.steady,
            wanted.planned,
        )
        judged = new, rest
        found["records"] |= {"trials": len(new), "trials_held_out": len(rest)}
        found[EVALUATOR] = _accepted(
            wanted.folder / EVALUATOR,
            pairs[EVALUATOR],
            tolerance[EVALUATOR],
            {"new": partial(_judged, rest, progress), "old": partial(_judged, check, progress)},
        )
        found[EVALUATOR]["trust"] = asdict(_trusted(pairs[EVALUATOR], rest, wanted.mixture.share))
    if GENERATOR in networks:
        new, rest = both(load_grasp_data)
        old = load(load_grasp_data, wanted.replay, most_images=wanted.replayed, within=_WITHIN)
        check = load(load_grasp_data, wanted.check, most_images=wanted.replayed)
        result = tune_generator(
            wanted.generator,
            wanted.mixture,
            wanted.folder,
            new,
            old,
            rest,
            check,
            pairs[GENERATOR],
            resume,
            progress,
            judged or _tried(both),
        )
        found["records"] |= {"successes": len(new), "successes_held_out": len(rest)}
        found["records"]["executed_as_planned"] = result["n_tried"]
        found[GENERATOR] = _accepted(
            wanted.folder,
            pairs[GENERATOR],
            tolerance[GENERATOR],
            {"new": partial(_likely, rest), "old": partial(_likely, check)},
        )
    found |= {"from_hash": before.hash, "to_hash": checkpoint.load(out).hash, "worse": _worse(found, tolerance)}
    write_together(out, {COMPARISON: (json.dumps(found, indent=2) + "\n").encode()})
    return found


def _split(wanted: Tuning) -> tuple[frozenset[str], str]:
    """Which objects or images are held out, and which of both they are."""
    names: dict[str, str] = {}
    for path in wanted.experience:
        with Store(path) as store:
            episodes = list(store.episodes())
        refuse_tests(episodes, held_out=False)
        names |= {e.observation_id: e.object_name for e in episodes}
    objects = sorted(set(names.values()) - {""})
    by_object = len(objects) >= _FEWEST_OBJECTS and "" not in names.values()
    groups = objects if by_object else sorted(names)
    if len(names) < _FEWEST:
        listed = ", ".join(map(str, wanted.experience))
        raise GmiError(ErrorCode.BAD_REQUEST, f"{len(names)} records in {listed}: at least {_FEWEST} are needed")
    order = np.random.default_rng(wanted.evaluator.seed).permutation(len(groups))
    n = max(1, round(wanted.evaluator.validation_fraction * len(groups)))
    return frozenset(groups[i] for i in order[:n]), "object" if by_object else "image"


def _sides(held_out: frozenset[str]) -> tuple[Callable[[Episode], bool], Callable[[Episode], bool]]:
    """To learn from, and held out."""

    def out(episode: Episode) -> bool:
        return episode.object_name in held_out or episode.observation_id in held_out

    return lambda episode: not out(episode), out


def _tried(both: Callable) -> tuple[JudgedData, JudgedData] | None:
    """Successes and failures to learn from and held out; None where the records tell of no closing on either side."""
    try:
        return both(load_judged)
    except GmiError as error:
        if error.code != ErrorCode.BAD_REQUEST:
            raise
        return None


def _delete(store: Path) -> None:
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()


def _copy(folder: Path, out: Path, name: str) -> None:
    """What is not gone on with stays as it is."""
    source, target = (folder / name, out / name) if name == EVALUATOR else (folder, out)
    if source.is_dir():
        write_together(target, {f: (source / f).read_bytes() for f in FILES if (source / f).is_file()})


def _accepted(folder: Path, out: Path, most: float, compared: dict[str, Callable]) -> dict:
    """The comparison of the network in `folder` with the one in `out`, or of what is written there in its place: the farthest
    of PARTS from the one to the other that loses at most so much [nats] on old records; the nearest where none does."""
    before, after = (checkpoint.load_network(f, (EVALUATOR, *MODELS))[0].eval() for f in (folder, out))
    if isinstance(before, EvaluatorNetwork):
        before = widened(before, after.config.steady, after.config.planned).eval()
    for part in PARTS:
        now = between(before, after, part).eval()
        old = compared["old"]([before, now])
        if old["change"] <= most:
            break
    if part < 1:
        metrics, card = json.loads((out / checkpoint.METRICS).read_text()), (out / checkpoint.CARD).read_text()
        told = (
            f"\nOf the way to these weights {part:g} was gone: all of it lost more on old records than is accepted.\n"
        )
        calibration = checkpoint.calibration_of(out)
        checkpoint.save(out, now, metrics | {"part": part}, card + told, calibration)
    return {"part": part, "new": compared["new"]([before, now]), "old": old}


def _trusted(folder: Path, picks: JudgedData, share: float) -> Calibration:
    """The trust in the evaluator of a folder, from picks that it did not learn from, kept beside its weights."""
    network = checkpoint.load_network(folder, (EVALUATOR,))[0].eval()
    trust = trust_from(network, picks, share)
    metrics, card = json.loads((folder / checkpoint.METRICS).read_text()), (folder / checkpoint.CARD).read_text()
    told = f"\nBeside rehearsals the log odds of its score count {trust.slope:.2f} times, {trust.offset:+.2f}.\n"
    checkpoint.save(folder, network, metrics, card + told, checkpoint.calibration_of(folder), trust)
    return trust


def _judged(data: JudgedData, progress: bool, ends: list) -> dict:
    told = [probabilities(network, data, progress)[:, HELD] for network in ends]
    before, after = (judged_summary(p, data.held) for p in told)
    return {"before": before, "after": after} | _change(*(losses(p, data.held) for p in told), data.object_id)


def _likely(data: GraspData, ends: list) -> dict:
    nll = [likelihood(network, data, progress=False).nll for network in ends]
    before, after = ({"n": len(n), "nll": float(n.mean())} for n in nll)
    return {"before": before, "after": after} | _change(*nll, data.object_id)


def _change(before: np.ndarray, after: np.ndarray, object_id: np.ndarray) -> dict:
    """Mean paired change of the loss [nats] and its 95 % interval; of one object's grasps only the mean counts."""
    groups = object_id if len(np.unique(object_id)) > 1 else np.arange(len(before))
    groups = np.unique(groups, return_inverse=True)[1]
    return {"change": float((after - before).mean()), "ci95": by_object(after - before, groups)}


def _worse(found: dict, tolerance: dict[str, float]) -> list[str]:
    """What got worse: on new records at all, on old ones by more than the tolerance."""
    told = []
    for name in NETWORKS:
        for side, most in (("new", 0.0), ("old", tolerance[name])):
            line = found.get(name, {}).get(side)
            if line is not None and not line["change"] <= most:
                told.append(
                    f"the {name} lost {line['change']:.3f} nats on {side} records that were held out "
                    f"({line['before']['nll']:.3f} before, {line['after']['nll']:.3f} after; at most {most:g} is accepted)"
                )
    return told


def table(found: dict) -> str:
    """The comparison as lines for a person."""
    rows = [("network", "records", "n", "loss before", "after", "change", "95 % interval", "AUC", "ECE")]
    for name in NETWORKS:
        for side in ("new", "old") if name in found else ():
            line = found[name][side]
            before, after = line["before"], line["after"]
            more = [
                "-" if before.get(key) is None else f"{before[key]:.3f} -> {after[key]:.3f}" for key in ("auc", "ece")
            ]
            low, high = line["ci95"]
            numbers = (
                f"{before['nll']:.3f}",
                f"{after['nll']:.3f}",
                f"{line['change']:+.3f}",
                f"{low:+.3f} to {high:+.3f}",
            )
            rows.append((name, side, str(before["n"]), *numbers, *more))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
