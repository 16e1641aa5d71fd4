"""Table III from our data: `python -m gmi_ros.report.table_three`; what was measured is left alone."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gmi_ros.core.errors import GmiError
from gmi_ros.evaluation.instances import recorded_instances
from gmi_ros.evaluation.intervals import by_object
from gmi_ros.evaluation.success import MEAN, PLANNERS, VIEW, Conditions, recorded_attempts, summary
from gmi_ros.learning.card import TITLES
from gmi_ros.learning.files import write_together

SIZES = (16_384, 32_768, 42_351)
MODELS = ("cnn", "cnn_full", "gsnn", "cvae", "r_cvae")
SPLITS = ("similar", "different")
# The paper's Table III in percent, by network and split, at 16,384, 32,768 and 42,351.
PAPER = {
    ("cnn", "similar"): (15.5, 20.2, 19.9),
    ("cnn", "different"): (10.6, 13.8, 14.5),
    ("gsnn", "similar"): (16.9, 17.7, 19.0),
    ("gsnn", "different"): (11.5, 14.5, 14.7),
    ("cvae", "similar"): (34.4, 34.6, 34.7),
    ("cvae", "different"): (30.2, 30.1, 29.5),
    ("r_cvae", "similar"): (31.8, 32.3, 36.2),
    ("r_cvae", "different"): (28.8, 30.4, 31.5),
}


def measure(weights: Path, data: Path, results: Path, conditions: Conditions, instances: int, workers: int) -> None:
    """Try the one prediction of every network in `weights` on recorded views; one file for each and each split."""
    results.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path.parent for path in weights.glob("*/config.json")):
        for split in SPLITS:
            name = f"{folder.name}_{split}_{conditions.planner}.json"
            if (results / name).exists():
                continue
            views = recorded_instances([data / f"{split}.db.zst"], instances, conditions.seed)
            tried = recorded_attempts(folder, views, conditions, workers)
            found = list(tqdm(tried, name, instances, dynamic_ncols=True))
            model, size = folder.name.rsplit("_", 1)
            kept = {
                "model": model, "size": int(size), "split": split, "planner": conditions.planner,
                "seed": conditions.seed, "protocol": conditions.protocol, **summary(found),
                "held": [int(a.success) for a in found], "objects_tried": [a.object_name for a in found],
            }  # fmt: skip
            write_together(results, {name: (json.dumps(kept) + "\n").encode()})


def load(results: Path) -> list[dict]:
    """All that was measured."""
    return [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]


def table(found: list[dict], planner: str) -> str:
    """Markdown: percent held and its 95 % interval, the paper's in brackets; a dash where nothing was measured."""
    ours = {(c["model"], c["size"], c["split"]): c for c in found if c["planner"] == planner}
    lines = [
        "| network | " + " | ".join(f"{split} {size:,}" for split in SPLITS for size in SIZES) + " |",
        "|---" * (1 + len(SPLITS) * len(SIZES)) + "|",
    ]
    for model in MODELS:
        row = [TITLES[model]]
        for split in SPLITS:
            theirs = PAPER.get((model, split), (None,) * len(SIZES))
            for size, paper in zip(SIZES, theirs, strict=True):
                kept = ours.get((model, size, split))
                told = "–" if kept is None else "{:.1f} [{:.1f}, {:.1f}]".format(
                    100 * kept["rate"], *(100 * end for end in kept["ci95"])
                )  # fmt: skip
                row.append(told if paper is None else f"{told} ({paper:.1f})")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def paired(found: list[dict], one: str, other: str, size: int, split: str, planner: str) -> dict | None:
    """Difference in percentage points of two networks on the same views, its interval over objects, and their ratio."""
    chosen = {c["model"]: c for c in found if (c["size"], c["split"], c["planner"]) == (size, split, planner)}
    if not {one, other} <= set(chosen):
        return None
    a, b = (np.array(chosen[name]["held"], float) for name in (one, other))
    _, object_id = np.unique(chosen[one]["objects_tried"], return_inverse=True)
    return {
        "points": 100 * float((a - b).mean()),
        "ci95": [100 * end for end in by_object(a - b, object_id)],
        "ratio": float(a.mean() / b.mean()) if b.any() else None,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("models/table_two"), help="folder of the networks")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the packed stores")
    parser.add_argument("--results", type=Path, default=Path("docs/table_three"), help="folder of what was found")
    parser.add_argument("--instances", type=int, default=1000, metavar="N", help="views of each split (default: 1000)")
    parser.add_argument("--planner", default=VIEW, choices=PLANNERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="only print the table of what was measured")
    args = parser.parse_args()
    try:
        if not args.show:
            conditions = Conditions(MEAN, planner=args.planner, seed=args.seed)
            measure(args.weights, args.data, args.results, conditions, args.instances, args.workers)
        found = load(args.results)
        sys.stdout.write(table(found, args.planner))
        for split in SPLITS:
            told = paired(found, "r_cvae", "cnn", max(SIZES), split, args.planner)
            sys.stdout.write(f"R-CVAE minus CNN, {split}: {json.dumps(told)}\n")
    except GmiError as error:
        sys.stderr.write(f"table_three: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
