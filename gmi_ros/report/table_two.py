"""Table II from our data: `python -m gmi_ros.report.table_two`; begun runs go on, what was measured is left alone."""

import argparse
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmi_ros.core.errors import GmiError
from gmi_ros.evaluation.dataset import load_grasp_data
from gmi_ros.evaluation.intervals import by_object
from gmi_ros.evaluation.likelihood import likelihood
from gmi_ros.evaluation.models import set_threads
from gmi_ros.learning import checkpoint
from gmi_ros.learning.card import TITLES
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.run import LOG
from gmi_ros.learning.training import train

SIZES = (42_351, 32_768, 16_384)
MODELS = ("r_cvae", "cnn", "cvae", "gsnn", "cnn_full")
SPLITS = ("similar", "different")
WITHIN = np.radians(20)  # successes are shared with views up to this angle off their approach
GRASPS_PER_IMAGE = 4
FULL_ONLY = ("cnn_full",)  # not in the paper: one size tells what it is there to tell

# The paper's Table II, by network and split, at 16,384, 32,768 and 42,351.
PAPER = {
    ("cnn", "similar"): (24.721, 24.833, 24.577),
    ("cnn", "different"): (26.910, 26.920, 26.599),
    ("gsnn", "similar"): (22.827, 22.292, 21.831),
    ("gsnn", "different"): (27.945, 32.513, 33.461),
    ("cvae", "similar"): (15.325, 13.531, 13.216),
    ("cvae", "different"): (18.356, 18.808, 16.525),
    ("r_cvae", "similar"): (13.670, 13.024, 12.511),
    ("r_cvae", "different"): (14.277, 14.128, 13.514),
}


@dataclass(frozen=True)
class Cell:
    """One network, training size and test split, as kept in the results file."""

    model: str
    size: int
    split: str
    summary: dict


def run(models: list[str], sizes: list[int], data: Path, runs: Path, results: Path, cache: Path, **training) -> None:
    """Train and measure what was not measured yet: the runs go into `runs`/MODEL_SIZE/, and what was found into
    `results`/MODEL_SIZE/. training: settings of the runs besides the paper's."""
    wanted = [(m, n) for n in sizes for m in models if m not in FULL_ONLY or n == max(SIZES)]
    missing = [(m, n) for m, n in wanted if not all(_result(results, m, n, split).exists() for split in SPLITS)]
    if not missing:
        return
    tests = {
        split: load_grasp_data([data / f"{split}.db.zst"], held_out=True, cache=cache) for split in SPLITS
    }  # fmt: skip
    pairs = load_grasp_data([data / "train.db.zst"], cache=cache, within=WITHIN)
    for model, size in missing:
        folder = runs / f"{model}_{size}"
        config = TrainingConfig(model=model, pairs=size, grasps_per_image=GRASPS_PER_IMAGE, **training)
        sys.stderr.write(f"{TITLES[model]}, {size} successes: {folder}\n")
        train(config, pairs, folder)
        _measure(folder, results / folder.name, size, tests)


def _result(results: Path, model: str, size: int, split: str) -> Path:
    return results / f"{model}_{size}" / f"likelihood_{split}.json"


def _measure(trained: Path, into: Path, size: int, tests: dict[str, GraspData]) -> None:
    network = checkpoint.load(trained).network
    into.mkdir(parents=True, exist_ok=True)
    shutil.copy(trained / LOG, into)
    for split, data in tests.items():
        found = likelihood(network, data)
        np.save(into / f"nll_{split}.npy", found.nll.astype(np.float32), allow_pickle=False)
        kept = {"size": size, "split": split, "ci95_by_object": by_object(found.nll, data.object_id), **found.summary()}
        (into / f"likelihood_{split}.json").write_text(json.dumps(kept, indent=2) + "\n")


def margins(results: Path, size: int, split: str) -> dict[str, dict]:
    """Of every network but the CNN: by how many nats it lies below the CNN on the same pairs, and the standard error."""
    values = {
        model: np.load(results / f"{model}_{size}" / f"nll_{split}.npy", allow_pickle=False).astype(float)
        for model in MODELS
        if _result(results, model, size, split).exists()
    }
    if "cnn" not in values:
        return {}
    found = {}
    for model, nll in values.items():
        difference = values["cnn"] - nll
        found[model] = {
            "below_cnn": float(difference.mean()),
            "standard_error": float(difference.std(ddof=1) / np.sqrt(len(difference))),
        }
    found.pop("cnn")
    return found


def cells(results: Path) -> list[Cell]:
    """All of them."""
    found = [json.loads(path.read_text()) for path in sorted(results.glob("*/likelihood_*.json"))]
    return [Cell(kept["model"], kept["size"], kept["split"], kept) for kept in found]


def table(found: list[Cell]) -> str:
    """Markdown: ours, beside the paper's in brackets; a dash where nothing was measured."""
    ours = {(c.model, c.size, c.split): c.summary for c in found}
    sizes = sorted(SIZES)
    lines = [
        "| network | " + " | ".join(f"{split} {size:,}" for split in SPLITS for size in sizes) + " |",
        "|---" * (1 + len(SPLITS) * len(sizes)) + "|",
    ]
    for model in ("cnn", "cnn_full", "gsnn", "cvae", "r_cvae"):
        row = [TITLES[model]]
        for split in SPLITS:
            theirs = PAPER.get((model, split), (None,) * len(sizes))
            for size, paper in zip(sizes, theirs, strict=True):
                kept = ours.get((model, size, split))
                told = f"{kept['nll']:.2f} ± {kept['standard_error']:.2f}" if kept else "–"
                row.append(told if paper is None else f"{told} ({paper:.1f})")
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), metavar="N")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the packed stores")
    parser.add_argument("--runs", type=Path, default=Path("runs/table_two"), help="folder of the runs")
    parser.add_argument("--results", type=Path, default=Path("docs/table_two"), help="folder of what was found")
    parser.add_argument("--cache", type=Path, default=Path("runs/images"), help="folder of rendered images")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--patience", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="only print the table of what was measured")
    args = parser.parse_args()
    try:
        if not args.show:
            set_threads(args.threads)
            training = {"max_epochs": args.epochs, "patience": args.patience}
            run(args.models, args.sizes, args.data, args.runs, args.results, args.cache, **training)
        sys.stdout.write(table(cells(args.results)))
        for split in SPLITS:
            sys.stdout.write(f"{split} {json.dumps(margins(args.results, max(SIZES), split))}\n")
    except GmiError as error:
        sys.stderr.write(f"table_two: {error.message}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
