"""Learning from its own trials, round by round: `python -m gmi_ros.evaluation.rounds`.

Each round tries grasps that the policy so far would choose from (own_trials), trains an evaluator on these, on those of
the earlier rounds and on random candidates, and measures the new policy on free views of `dev`. Every part is kept, so
that the same command goes on wherever it was ended.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.settings import SynthesisSettings
from gmi_ros.evaluation.judged import load_judged
from gmi_ros.evaluation.models import set_threads
from gmi_ros.evaluation.own_trials import OwnTrials, collect_own
from gmi_ros.evaluation.success import Conditions, free_attempts, summary
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EVALUATOR, EvaluatorConfig, TrainingConfig
from gmi_ros.learning.evaluator_training import train_evaluator
from gmi_ros.learning.files import write_together
from gmi_ros.sim.splits import PRACTICE, objects_of

TRIALS, MODEL, DEV, CURVE = "trials.db", "model", "dev.json", "rounds.json"
_SEED = 1003  # of the own trials of round 0: seeds of other collections are small
_NEW_OBJECTS = 10_000  # from the objects of one round to those of the next
_DEV_SEED = 4001


@dataclass(frozen=True)
class Rounds:
    """What the rounds are to do.

    generator: folder of the network that samples. candidates: stores of random candidates and of their further views.
    views: of practice objects in each round. instances: of dev. training: of the evaluator.
    """

    generator: Path
    candidates: tuple[Path, ...]
    views: int = 1000
    instances: int = 300
    samples: int = 128
    training: TrainingConfig = TrainingConfig(
        model=EVALUATOR, network=EvaluatorConfig(), batch_size=384, grasps_per_image=12, learning_rate=2e-3, cooldown=0.7,
        max_epochs=10, patience=10, mirrored=0.5,
    )  # fmt: skip


def run_round(number: int, folder: Path, wanted: Rounds, cache: Path | None, workers: int, progress: bool) -> dict:
    """Round `number`, 1 or more, or what of it is not done yet; returns its line of the curve.

    Raises:
        GmiError: BAD_REQUEST where the round before is not there; those of its parts.
    """
    here, before = folder / f"round_{number}", folder / f"round_{number - 1}" / MODEL
    if number > 1 and not (before / EVALUATOR).is_dir():
        raise GmiError(ErrorCode.BAD_REQUEST, f"round {number} needs round {number - 1}: {before} is not there")
    if (here / DEV).exists():
        return json.loads((here / DEV).read_text())
    here.mkdir(parents=True, exist_ok=True)
    policy = before if number > 1 else wanted.generator
    tried = OwnTrials(_SEED + number, wanted.samples, tried=8, first=(number - 1) * _NEW_OBJECTS)
    told = collect_own(here / TRIALS, policy, PRACTICE, wanted.views, tried, workers, progress)

    trials = [folder / f"round_{i}" / TRIALS for i in range(1, number + 1)]
    judged = load_judged([*wanted.candidates, *trials], workers, progress, cache=cache)
    trained = train_evaluator(wanted.training, judged, here / MODEL / EVALUATOR, progress=progress)
    for name in (checkpoint.CONFIG, checkpoint.WEIGHTS, checkpoint.METRICS, checkpoint.CARD):
        shutil.copy(wanted.generator / name, here / MODEL / name)
    found = measure(here / MODEL, wanted.instances, wanted.samples, workers, progress)
    line = {"round": number, **told, "val_auc": trained["val_auc"], "val_nll": trained["val_nll"], "dev": found}
    write_together(here, {DEV: (json.dumps(line, indent=2) + "\n").encode()})
    return line


def measure(model: Path, instances: int, samples: int, workers: int, progress: bool) -> dict:
    """How often the policy of a folder holds free views of dev: the figure that choices are made by."""
    conditions = Conditions(settings=SynthesisSettings(n_samples=samples, rehearsals=0), seed=_DEV_SEED)
    tried = free_attempts(model, objects_of("dev"), instances, conditions, workers=workers)
    return summary(list(tqdm(tried, "dev", instances, disable=not progress, dynamic_ncols=True)))


def run_rounds(
    folder: Path, most: int, wanted: Rounds, cache: Path | None = None, workers: int = 2, progress: bool = True
) -> list[dict]:
    """Rounds until one is no better on dev than the best before it, at most so many; their lines, which `folder`
    keeps as rounds.json."""
    folder.mkdir(parents=True, exist_ok=True)
    start = folder / "round_0"
    if not (start / DEV).exists():
        start.mkdir(exist_ok=True)
        line = {"round": 0, "dev": measure(wanted.generator, wanted.instances, wanted.samples, workers, progress)}
        write_together(start, {DEV: (json.dumps(line, indent=2) + "\n").encode()})
    lines = [json.loads((start / DEV).read_text())]
    for number in range(1, most + 1):
        lines.append(run_round(number, folder, wanted, cache, workers, progress))
        write_together(folder, {CURVE: (json.dumps(lines, indent=2) + "\n").encode()})
        sys.stdout.write(told_of(lines[-1]) + "\n")
        if lines[-1]["dev"]["rate"] <= max(line["dev"]["rate"] for line in lines[:-1]):
            break
    return lines


def told_of(line: dict) -> str:
    """One round in one line."""
    dev = line["dev"]
    held = f"{dev['successes']} of {dev['instances']} dev views held ({100 * dev['rate']:.1f} %)"
    if not line["round"]:
        return f"round 0, without an evaluator: {held}"
    return f"round {line['round']}: {line['trials']} trials tried, area under the ROC {line['val_auc']:.3f}, {held}"


def main(argv: Sequence[str] | None = None) -> None:
    """Learn from own trials, round by round, until it no longer helps."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.rounds", description=main.__doc__)
    parser.add_argument("--generator", type=Path, required=True, metavar="DIR", help="the network that samples")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="FILE", help="stores of candidates")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="of the rounds; begun ones go on")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="at most (default: 4)")
    parser.add_argument("--views", type=int, default=1000, metavar="N", help="of practice objects a round")
    parser.add_argument("--instances", type=int, default=300, metavar="N", help="of dev, measured (default: 300)")
    parser.add_argument("--samples", type=int, default=128, metavar="N", help="drawn for each view (default: 128)")
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="of the evaluator (default: 10)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder that keeps rendered images")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="CPU threads of the training")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    args = parser.parse_args(argv)
    if min(args.rounds, args.views, args.instances, args.samples, args.epochs, args.threads, args.workers) < 1:
        parser.error("numbers must be at least 1")
    training = replace(Rounds.training, max_epochs=args.epochs, patience=args.epochs)
    try:
        set_threads(args.threads)
        wanted = Rounds(args.generator, tuple(args.data), args.views, args.instances, args.samples, training)
        run_rounds(args.out, args.rounds, wanted, args.cache, args.workers)
    except GmiError as error:
        raise SystemExit(f"rounds: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit(f"rounds: interrupted; the same command goes on in {args.out}") from None


if __name__ == "__main__":
    main()
