"""How much an evaluator's score counts beside rehearsals, from what picks came to that both had chosen."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from gmi_ros.learning.calibration import Calibration, logits
from gmi_ros.learning.evaluator import EvaluatorNetwork
from gmi_ros.learning.evaluator_tuning import probabilities
from gmi_ros.learning.judged import JudgedData
from gmi_ros.pipeline import ranking
from gmi_ros.sim.rehearsal import believed

_REHEARSED = (True, True)  # what every pick counts as: records do not tell their rehearsals
_SPREAD = np.array([0.5, 1.0])  # by which slope and offset are likely to differ from 1 and 0: few records change little
_LEAST_SLOPE = 0.1


def trust_from(network: EvaluatorNetwork, picks: JudgedData, share: float) -> Calibration:
    """The trust (GraspEvaluator) in a network that was tuned, from picks that it did not learn from: `share` of the way to
    what they tell, as for all that was learned before it is right as it was. Those count whose planned grasp is known."""
    chosen = np.isfinite(picks.planned).all(axis=(1, 2))
    _, score = ranking(probabilities(network, picks)[chosen], Calibration())
    told = fitted_trust(logits(score), picks.held[chosen])
    return Calibration(slope=1 + share * (told.slope - 1), offset=share * told.offset)


def fitted_trust(prior: np.ndarray, held: np.ndarray) -> Calibration:
    """The line through log odds of scores (n,) with which `believed` tells most likely how picks (n,) bool ended."""
    offset = believed(0.0, _REHEARSED)
    weight = believed(1.0, _REHEARSED) - offset
    inputs = np.column_stack([prior, np.ones(len(prior))])
    sign, usual = np.where(held, 1.0, -1.0), np.array([1.0, 0.0])

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        z = sign * (offset + weight * (inputs @ line))
        off = (line - usual) / _SPREAD
        return np.logaddexp(0, -z).sum() + off @ off / 2, -(sign * expit(-z)) @ inputs * weight + off / _SPREAD

    found = minimize(loss, usual, jac=True, method="L-BFGS-B", bounds=[(_LEAST_SLOPE, None), (None, None)])
    return Calibration(slope=float(found.x[0]), offset=float(found.x[1]))
