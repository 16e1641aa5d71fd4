"""An evaluator's probabilities made true of the grasps that are chosen from: `python -m gmi_ros.evaluation.calibration`.

It learned from candidates and policies of the past, on objects that are easier to tell; of what its own policy offers it
is too sure, of the best of a doubtful frame most of all. Grasps of free views of `dev` are tried, and a `Calibration` is
fitted to how they ended. What the grasps are ranked by does not change.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.ranking import Judged, judge_views, summary
from gmi_ros.learning import checkpoint
from gmi_ros.learning.calibration import Calibration, logits
from gmi_ros.learning.config import EVALUATOR
from gmi_ros.sim.splits import objects_of

SPLIT = "dev"  # choices are made on these objects


def fitted(judged: Sequence[Judged]) -> Calibration:
    """The calibration by which the probabilities of these views' grasps tell most likely what held.

    Raises:
        GmiError: BAD_REQUEST where all or none held, or where a higher probability did not go with more that held.
    """
    own = np.concatenate([logits(v.probability) for v in judged])
    mean = np.concatenate([np.full(len(v.probability), v.mean_logit) for v in judged])
    sign = np.where(np.concatenate([v.held for v in judged]), 1.0, -1.0)
    if abs(sign.mean()) == 1:
        told = f"{int((sign > 0).sum())} of {len(sign)} grasps held: no calibration can be fitted"
        raise GmiError(ErrorCode.BAD_REQUEST, told)
    inputs = np.stack([own, mean, np.ones_like(own)], axis=1)  # (n, 3)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = sign * (inputs @ weights)
        return np.logaddexp(0, -z).mean(), -(sign * expit(-z)) @ inputs / len(z)

    limits = [(0, None), (0, None), (None, None)]
    slope, shared, offset = minimize(loss, np.array([1.0, 0.0, 0.0]), jac=True, method="L-BFGS-B", bounds=limits).x
    if slope <= 0:
        raise GmiError(
            ErrorCode.BAD_REQUEST, "a higher probability did not go with more that held: nothing to calibrate"
        )
    return Calibration(float(slope), float(shared), float(offset))


def calibrate(folder: Path, judged: Sequence[Judged], out: Path) -> dict:
    """Write the evaluator of a model folder into `out`, with the calibration fitted to these views' grasps.

    Returns:
        views, grasps, the calibration, and before and after: ece and ece_best (ranking.summary) of these grasps.

    Raises:
        GmiError: as fitted, checkpoint.load and files.write_together; WEIGHTS_DAMAGED for lost metrics or card.
    """
    metrics, card = _told_before(folder / EVALUATOR)
    found = fitted(judged)
    after = [replace(v, probability=found(v.probability, v.mean_logit)) for v in judged]
    network, _ = checkpoint.load_network(folder / EVALUATOR, (EVALUATOR,))
    whole = found.after(checkpoint.load_evaluator(folder / EVALUATOR).calibration)
    told = {"views": len(judged), "grasps": sum(len(v.held) for v in judged), "calibration": asdict(whole)}
    for name, views in (("before", judged), ("after", after)):
        ranked = summary(views)
        told[name] = {key: ranked[key] for key in ("ece", "ece_best", "auc")}
    line = (
        f"\nCalibrated on {told['grasps']} filtered grasps of {len(judged)} free views of `{SPLIT}`: logits times "
        f"{whole.slope:.3f}, plus {whole.shared:.3f} times the frame's mean logit, {whole.offset:+.3f}.\n"
    )
    trust = checkpoint.calibration_of(folder / EVALUATOR, checkpoint.TRUST)
    checkpoint.save(out, network, {**metrics, "calibrated": told}, card + line, whole, trust)
    return told


def _told_before(folder: Path) -> tuple[dict, str]:
    """The metrics and the card of an evaluator, without an earlier calibration's line."""
    try:
        metrics = json.loads((folder / checkpoint.METRICS).read_text(encoding="utf-8"))
        card = (folder / checkpoint.CARD).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise GmiError(ErrorCode.WEIGHTS_DAMAGED, f"{folder} is not whole: {error}") from error
    return metrics, card.split("\nCalibrated")[0]


def main(argv: Sequence[str] | None = None) -> None:
    """Calibrate a model's evaluator on grasps of `dev`."""
    parser = argparse.ArgumentParser(prog="python -m gmi_ros.evaluation.calibration", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=resource(SHIPPED), metavar="DIR", help="default: the shipped one")
    parser.add_argument("--instances", type=int, default=300, metavar="N", help="free views (default: 300)")
    parser.add_argument("--tried", type=int, default=16, metavar="N", help="grasps of each view (default: 16)")
    parser.add_argument("--seed", type=int, default=77, help="of views and samples (default: 77)")
    parser.add_argument("--workers", type=int, default=2, metavar="W", help="processes (default: 2)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new evaluator")
    args = parser.parse_args(argv)
    if min(args.instances, args.tried, args.workers) < 1:
        parser.error("--instances, --tried and --workers must be at least 1")
    try:
        checkpoint.load_evaluator(args.model / EVALUATOR)
        views = judge_views(args.model, objects_of(SPLIT), args.instances, args.tried, 64, args.seed, args.workers)
        judged = [v for v in tqdm(views, "views", args.instances, dynamic_ncols=True) if v is not None]
        told = calibrate(args.model, judged, args.out)
    except GmiError as error:
        raise SystemExit(f"calibration: {error}") from error
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
