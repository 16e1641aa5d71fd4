"""How probable a network finds the recorded successes of a data set: the negative conditional log-likelihood, Table II."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning.checkpoint import architecture_of
from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.training import to_batch

# Estimator and draws of z for each network, as in the paper (IV-B); the CNNs' density is exact.
ESTIMATORS = {
    "cnn": ("exact", 1),
    "cnn_full": ("exact", 1),
    "gsnn": ("monte_carlo", 1000),
    "cvae": ("importance", 100),
    "r_cvae": ("importance", 100),
    "mixture": ("exact", 1),
}
_TERMS = 200_000  # pairs x draws at once: bounds the memory


@dataclass(frozen=True)
class Likelihood:
    """The negative log-likelihood of n pairs under one network.

    nll: (n,) nats in the standardised units of the network's training data. nll_si: (n,) the same as a density in
    metres (contacts) and unit vectors (normals). standard_error: (n,) of each estimate.
    """

    model: str
    estimator: str
    samples: int
    nll: np.ndarray
    nll_si: np.ndarray
    standard_error: np.ndarray

    def summary(self) -> dict:
        """model, n, nll (mean), nll_si, standard_error (of the mean: the pairs are a sample), estimator_error (of the
        mean: so are the z), estimator, samples."""
        n = len(self.nll)
        return {
            "model": self.model,
            "n": n,
            "nll": float(self.nll.mean()),
            "nll_si": float(self.nll_si.mean()),
            "standard_error": float(self.nll.std(ddof=1) / math.sqrt(n)) if n > 1 else math.inf,
            "estimator_error": float(np.sqrt(np.square(self.standard_error).sum()) / n),
            "estimator": self.estimator,
            "samples": self.samples,
        }


def likelihood(
    network: nn.Module,
    data: GraspData,
    samples: int = 0,
    target_noise: float = 0.0,
    seed: int = 1,
    progress: bool = True,
) -> Likelihood:
    """Eq. 5 or Eq. 6 for every pair, by the estimator that fits the network.

    Args:
        network: in evaluation mode.
        samples: draws of z for each pair; 0 = the paper's number.
        target_noise: standard deviation [standardised units] of white noise added to the targets, drawn from a fixed
            seed: for comparing networks whose output families differ.
        seed: of the draws of z.

    Raises:
        GmiError: BAD_SETTING for a number of samples or a noise out of bounds; INTERNAL where a density is not finite.
    """
    if samples < 0 or not 0 <= target_noise <= 10:
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"samples must be >= 0 and target_noise in [0, 10], got {samples} and {target_noise}",
        )
    model = architecture_of(network)
    estimator, usual = ESTIMATORS[model]
    samples = (samples or usual) if estimator != "exact" else 1
    generator = torch.Generator().manual_seed(seed)
    noise = target_noise * torch.randn(data.grasps.shape, generator=torch.Generator().manual_seed(0))
    chunk = max(1, min(256, _TERMS // samples))
    values, errors = [], []
    with torch.inference_mode():
        for start in tqdm(range(0, len(data), chunk), "likelihood", disable=not progress, dynamic_ncols=True):
            pairs = np.arange(start, min(start + chunk, len(data)))
            images, rows, grasps = to_batch(data, pairs, torch.device("cpu"))
            grasps = grasps + noise[pairs] * network.normaliser.grasp_std
            estimate = network(images, rows=rows).log_prob(grasps, samples, generator)
            values.append(-estimate.value)
            errors.append(estimate.standard_error)
    si = torch.cat(values).double().numpy()
    bad = int((~np.isfinite(si)).sum())
    if bad:
        raise GmiError(ErrorCode.INTERNAL, f"{bad} of {len(si)} densities are not finite under {model}")
    standardised = si - float(network.normaliser.log_volume)
    return Likelihood(model, estimator, samples, standardised, si, torch.cat(errors).double().numpy())
