"""An evaluator's probabilities made true of the grasps that are chosen from: `python -m gmi_ros.evaluation.calibration`.

It learned from candidates and policies of the past, on objects that are easier to tell; of what its own policy offers it
is too sure. Grasps of free views of `dev` are tried, and a line through the logits (Platt 1999) is fitted to how they ended.
It goes into the last layer, so that the network is as before but for what it says.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED, resource
from gmi_ros.evaluation.ranking import Judged, judge_views
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EVALUATOR
from gmi_ros.learning.metrics import calibration_error
from gmi_ros.sim.splits import objects_of

SPLIT = "dev"  # choices are made on these objects
_SUREST = 1e-6  # probabilities nearer to 0 and 1 than this say no more


def fitted_line(probability: np.ndarray, held: np.ndarray) -> tuple[float, float]:
    """Slope and offset by which logits (n,) of these probabilities tell most likely what held (n,).

    Raises:
        GmiError: BAD_REQUEST where all or none held, or no higher probability went with more that held.
    """
    x, sign = logit(np.clip(probability, _SUREST, 1 - _SUREST)), np.where(held, 1.0, -1.0)
    if abs(sign.mean()) == 1:
        raise GmiError(ErrorCode.BAD_REQUEST, f"{int(np.sum(held))} of {len(sign)} grasps held: no line can be fitted")

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        z = sign * (line[0] * x + line[1])
        pull = -sign * expit(-z)
        return np.logaddexp(0, -z).mean(), np.array([(pull * x).mean(), pull.mean()])

    slope, offset = minimize(loss, np.array([1.0, 0.0]), jac=True).x
    if slope <= 0:
        raise GmiError(ErrorCode.BAD_REQUEST, f"the fitted slope is {slope:.3f}: these probabilities tell nothing")
    return float(slope), float(offset)


def calibrate(folder: Path, judged: Sequence[Judged], out: Path) -> dict:
    """Write the evaluator of a model folder into `out`, its logits on the line fitted to these views' grasps.

    Returns:
        grasps; slope and offset; ece before and after, on these grasps.

    Raises:
        GmiError: as fitted_line, checkpoint.load_network and files.write_together.
    """
    told, held = np.concatenate([v.probability for v in judged]), np.concatenate([v.held for v in judged])
    slope, offset = fitted_line(told, held)
    network, _ = checkpoint.load_network(folder / EVALUATOR, (EVALUATOR,))
    network.on_line(slope, offset)
    after = expit(slope * logit(np.clip(told, _SUREST, 1 - _SUREST)) + offset)
    found = {
        "grasps": len(told), "slope": slope, "offset": offset,
        "ece_before": calibration_error(told, held), "ece_after": calibration_error(after, held),
    }  # fmt: skip
    metrics = json.loads((folder / EVALUATOR / checkpoint.METRICS).read_text())
    card = (folder / EVALUATOR / checkpoint.CARD).read_text()
    line = (
        f"\nCalibrated afterwards on {len(told)} filtered grasps of {len(judged)} free views of `{SPLIT}`: logits times "
        f"{slope:.3f} {offset:+.3f}.\n"
    )
    checkpoint.save(out, network, {**metrics, "calibration": found}, card + line)
    return found


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
        views = judge_views(args.model, objects_of(SPLIT), args.instances, args.tried, 64, args.seed, args.workers)
        judged = [v for v in tqdm(views, "views", args.instances, dynamic_ncols=True) if v is not None]
        told = calibrate(args.model, judged, args.out)
    except GmiError as error:
        raise SystemExit(f"calibration: {error}") from error
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
