"""A data set to pass on: experience stores packed, their card (card.md, card.json) and pictures."""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.experience.compressed import SUFFIX, pack, unpack
from gmi_ros.experience.store import Store
from gmi_ros.report.data_pictures import write_pictures
from gmi_ros.sim.collect import TRIALS_PER_SEED
from gmi_ros.sim.geometry import digest
from gmi_ros.sim.objects import find_object
from gmi_ros.sim.splits import SPLITS
from gmi_ros.sim.trial import HELD

PAPER = {"train": (161, 42351 + 4706), "similar": (20, 4848), "different": (53, 8851)}  # Table I: objects, pairs
GOALS = {"dev": 3000, **{split: pairs for split, (_, pairs) in PAPER.items()}}  # successes that are collected
EACH = 30  # of them, of every object


@dataclass
class Part:
    """One split of the data set: outcomes by object, and the seed that they were drawn from."""

    file: str
    seed: int
    size: int
    outcomes: dict[str, Counter] = field(default_factory=dict)

    @property
    def successes(self) -> int:
        """Trials that held."""
        return sum(reasons[HELD] for reasons in self.outcomes.values())

    @property
    def trials(self) -> int:
        """All trials."""
        return sum(sum(reasons.values()) for reasons in self.outcomes.values())


def read_parts(folder: Path) -> dict[str, Part]:
    """The splits that the packed stores `<split>.db.zst` of the folder hold.

    Raises:
        GmiError: FILE_NOT_FOUND where there is none; the stores' errors.
    """
    parts = {}
    for split in SPLITS:
        path = folder / f"{split}.db{SUFFIX}"
        if not path.exists():
            continue
        with Store(path) as store:
            rows = store.tally(split)
        part = Part(path.name, rows[0][4] // TRIALS_PER_SEED if rows else 0, path.stat().st_size)
        for name, _, reason, n, _ in rows:
            part.outcomes.setdefault(name, Counter())[reason] += n
        parts[split] = part
    if not parts:
        names = ", ".join(f"{split}.db{SUFFIX}" for split in SPLITS)
        raise GmiError(ErrorCode.FILE_NOT_FOUND, f"{folder} holds none of {names}")
    return parts


def objects_digest(names: Iterable[str]) -> str:
    """Digest of these objects as they are today; another one means that their class templates were changed."""
    return hashlib.sha256("".join(digest(find_object(name)) for name in sorted(names)).encode()).hexdigest()[:16]


def card(parts: dict[str, Part]) -> dict:
    """What card.json holds."""
    return {
        "successes": {split: part.successes for split, part in parts.items()},
        "failures": {split: part.trials - part.successes for split, part in parts.items()},
        "objects": {split: len(part.outcomes) for split, part in parts.items()},
        "fewest_successes_of_an_object": {
            split: min(reasons[HELD] for reasons in part.outcomes.values()) for split, part in parts.items()
        },
        "reasons": {split: dict(sum(part.outcomes.values(), Counter())) for split, part in parts.items()},
        "objects_digest": {split: objects_digest(part.outcomes) for split, part in parts.items()},
        "bytes": sum(part.size for part in parts.values()),
        "commands": {
            split: f"gmi collect --split {split} --successes {GOALS.get(split, part.successes)} --each {EACH} "
            f"--seed {part.seed} --out runs/{split}.db"
            for split, part in parts.items()
        },
    }


def card_text(parts: dict[str, Part], note: str = "") -> str:
    """What card.md holds."""
    told = card(parts)
    lines = [
        "# Data set of the simulated picking task",
        "",
        "Written by `python -m gmi_ros.report.data_card`; figures for programs are in `card.json`.",
        "Poses, contacts, normals, joints and outcomes of every trial, no pictures: images are rendered from the recipe",
        "in each record. Protocol `lift` with the object pinned while the hand closes (docs/protocols.md), 1 kg, one",
        "friction, one view along the approach for each success; the failures of a resting pose share a view from above.",
        "Candidates are screened by kinematics, so the share that holds says nothing about how hard a class is.",
        "",
        *([note, ""] if note else []),
        "| split | objects | held | failed | held, share | fewest held of an object | the paper's Table I |",
        "|---|---|---|---|---|---|---|",
    ]
    for split, part in parts.items():
        paper = "{} objects, {} pairs".format(*PAPER[split]) if split in PAPER else ""
        lines.append(
            f"| {split} | {len(part.outcomes)} | {part.successes} | {part.trials - part.successes} | "
            f"{part.successes / part.trials:.0%} | {told['fewest_successes_of_an_object'][split]} | {paper} |"
        )
    lines += ["", "Made by", "", *(f"    {command}" for command in told["commands"].values())]
    lines += ["    python -m gmi_ros.report.data_card runs data", ""]
    begun = [split for split, part in parts.items() if part.successes < GOALS.get(split, 0)]
    if begun:
        lines += [f"Stopped before its end, to be continued by the same command: {', '.join(begun)}.", ""]
    lines += ["Commands read the packed stores as they are; to continue one, `--unpack` it first.", ""]
    lines += [
        "## Pictures",
        "",
        "![All objects](objects.png)",
        "",
        "![Twenty grasps](grasps.png)",
        "",
        "![A trial](trial.png)",
        "",
    ]
    lines += ["## How trials ended", ""]
    reasons = sorted({r for found in told["reasons"].values() for r in found})
    lines += ["| split | " + " | ".join(reasons) + " |", "|---" * (len(reasons) + 1) + "|"]
    for split, found in told["reasons"].items():
        lines.append(f"| {split} | " + " | ".join(str(found.get(r, 0)) for r in reasons) + " |")
    for split, part in parts.items():
        lines += [
            "",
            f"## {split}, by class",
            "",
            "| class | objects | held | failed | fewest held of an object |",
            "|---|---|---|---|---|",
        ]
        lines += _class_rows(part)
    return "\n".join(lines) + "\n"


def _class_rows(part: Part) -> list[str]:
    classes: dict[str, list[Counter]] = {}
    for name, reasons in part.outcomes.items():
        classes.setdefault(name.rpartition("_")[0], []).append(reasons)
    rows = []
    for name, found in sorted(classes.items()):
        held = np.array([reasons[HELD] for reasons in found])
        failed = sum(sum(reasons.values()) for reasons in found) - held.sum()
        rows.append(f"| {name} | {len(found)} | {held.sum()} | {failed} | {held.min()} |")
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Pack the stores <split>.db of a folder into another, with their card and pictures; or unpack them again."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.report.data_card", description=main.__doc__)
    parser.add_argument("source", type=Path, help="folder of the stores; with --unpack, of the packed ones")
    parser.add_argument("into", type=Path, help="folder to write to")
    parser.add_argument(
        "--unpack", action="store_true", help="write <split>.db from <split>.db.zst, to go on collecting"
    )
    parser.add_argument("--note", default="", help="a line for the card: how long it took, on what machine")
    args = parser.parse_args(argv)
    try:
        args.into.mkdir(parents=True, exist_ok=True)
        if args.unpack:
            for packed in sorted(args.source.glob(f"*.db{SUFFIX}")):
                unpack(packed, args.into / packed.stem)
            return
        for split in SPLITS:
            if (store := args.source / f"{split}.db").exists():
                pack(store, args.into / f"{store.name}{SUFFIX}")
        parts = read_parts(args.into)
        (args.into / "card.md").write_text(card_text(parts, args.note))
        (args.into / "card.json").write_text(json.dumps(card(parts), indent=1) + "\n")
        write_pictures(args.into)
    except (GmiError, OSError) as error:
        raise SystemExit(f"data_card: {error}") from error


if __name__ == "__main__":
    main()
