"""Densities and the estimators of log p(y|x): Eq. 5 (Monte Carlo) and Eq. 6 (importance sampling), in log space."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """log p(y|x) of each pair, (b,) nats, and its standard error, (b,): zero where the density is known exactly."""

    value: Tensor
    standard_error: Tensor


def log_normal(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """Log density of a diagonal Gaussian, summed over the last dimension."""
    z = (x - mean) * torch.exp(-log_sigma)
    return (-0.5 * z.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)


def kl_normal(mean: Tensor, log_sigma: Tensor, other_mean: Tensor, other_log_sigma: Tensor) -> Tensor:
    """KL(N(mean, sigma) || N(other)) of diagonal Gaussians, summed over the last dimension."""
    ratio = torch.exp(2 * (log_sigma - other_log_sigma))
    shift = ((mean - other_mean) * torch.exp(-other_log_sigma)).square()
    return (0.5 * (ratio + shift - 1) - (log_sigma - other_log_sigma)).sum(-1)


def log_mean_exp(log_terms: Tensor) -> Estimate:
    """Log of the mean over the last dimension of exp(log_terms), (b, s) to (b,).

    The terms are log p(y|x, z) with z from the prior for Eq. 5, log of p(y|x, z) p(z|x) / q(z|x, y) with z from the
    recognition network for Eq. 6. The mean is unbiased for p(y|x); its logarithm is below log p(y|x) on average, by
    about half the square of the standard error, which is the delta method's: the terms' relative spread / sqrt(s).
    """
    s = log_terms.shape[-1]
    value = torch.logsumexp(log_terms, dim=-1) - math.log(s)
    relative = torch.exp(log_terms - value[..., None])  # mean 1
    spread = relative.std(dim=-1) if s > 1 else torch.full_like(value, math.inf)
    return Estimate(value, spread / math.sqrt(s))


def mixture_log_density(y: Tensor, means: Tensor, log_scale: Tensor) -> Tensor:
    """Eq. 5 in log space for many y at once: log of the mean over k of N(y | means_k, scale).

    Args:
        y: (b, m, d), means: (b, s, d), log_scale: (d,), all in one unit.

    Returns:
        (b, m) nats.
    """
    sigma = log_scale.exp()
    # Exact distances: the matrix-product form loses digits where samples lie close together.
    distance = torch.cdist(y / sigma, means / sigma, compute_mode="donot_use_mm_for_euclid_dist")  # (b, m, s)
    constant = log_scale.sum() + 0.5 * y.shape[-1] * math.log(2 * math.pi)
    return torch.logsumexp(-0.5 * distance.square(), dim=-1) - math.log(means.shape[1]) - constant
