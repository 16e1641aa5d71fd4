"""The distribution p(y|x) that a network answers for images: samples, bound (Eq. 4), likelihood (Eq. 6)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gmi_ros.learning.normaliser import Normaliser


class Bound(NamedTuple):
    """The two terms of Eq. 4 per pair, (b,) each, in nats and standardised units; the bound is their difference."""

    reconstruction: Tensor
    kl: Tensor


def log_normal(x: Tensor, mean: Tensor, log_sigma: Tensor) -> Tensor:
    """Log density of a diagonal Gaussian, summed over the last dimension."""
    z = (x - mean) * torch.exp(-log_sigma)
    return (-0.5 * z.square() - log_sigma - 0.5 * math.log(2 * math.pi)).sum(-1)


def kl_normal(mean: Tensor, log_sigma: Tensor, other_mean: Tensor, other_log_sigma: Tensor) -> Tensor:
    """KL(N(mean, sigma) || N(other)) of diagonal Gaussians, summed over the last dimension."""
    ratio = torch.exp(2 * (log_sigma - other_log_sigma))
    shift = ((mean - other_mean) * torch.exp(-other_log_sigma)).square()
    return (0.5 * (ratio + shift - 1) - (log_sigma - other_log_sigma)).sum(-1)


def mixture_log_density(y: Tensor, means: Tensor, log_scale: Tensor) -> Tensor:
    """Eq. 5 in log space: log of the mean over k of N(y | means_k, scale).

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


@dataclass(frozen=True)
class ConditionalGrasps:
    """p(y|x) of b images, made by a network's forward pass; the image features inside are computed once.

    prior: mean and log sigma of p(z|x), each (b, latent).
    encode: standardised grasps (b, 18) to mean and log sigma of q(z|x, y), each (b, latent).
    decode: latents (b, n, latent) to means (b, n, 18) of p(y|x, z), standardised.
    log_scale: (18,) log of the output scale, one per dimension, independent of x and z, standardised.
    """

    prior: tuple[Tensor, Tensor]
    encode: Callable[[Tensor], tuple[Tensor, Tensor]]
    decode: Callable[[Tensor], Tensor]
    log_scale: Tensor
    normaliser: Normaliser

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws of z from the prior for each image, (b, n, latent)."""
        return _draw(*self.prior, n, generator)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """n grasps for each image, (b, n, 18) in data units: the decoder's mean at a drawn z.

        The output noise is not added: it stands for what z does not explain, and would only jitter the contacts.
        """
        return self.normaliser.restore_grasp(self.decode(self.sample_latent(n, generator)))

    def elbo(self, y: Tensor, generator: torch.Generator) -> Bound:
        """The terms of Eq. 4 for grasps y (b, 18) in data units, with one draw of z (the paper's footnote 1)."""
        y = self.normaliser.standardise_grasp(y)
        posterior = self.encode(y)
        z = _draw(*posterior, 1, generator)  # (b, 1, latent)
        reconstruction = log_normal(y, self.decode(z).squeeze(1), self.log_scale)
        return Bound(reconstruction, kl_normal(*posterior, *self.prior))

    def log_prob(self, y: Tensor, n_samples: int, generator: torch.Generator) -> Tensor:
        """Eq. 6 in log space: importance-sampled log p(y|x) of each pair.

        Args:
            y: (b, 18) grasps in data units, one for each image.
            n_samples: draws from the recognition network for each pair (the paper: 100).

        Returns:
            (b,) nats, a density in data units; add `normaliser.log_volume` for the paper's standardised units.
        """
        y = self.normaliser.standardise_grasp(y)
        mean, log_sigma = self.encode(y)
        z = _draw(mean, log_sigma, n_samples, generator)  # (b, s, latent)
        prior_mean, prior_log_sigma = self.prior
        log_weight = (
            log_normal(y[:, None], self.decode(z), self.log_scale)
            + log_normal(z, prior_mean[:, None], prior_log_sigma[:, None])
            - log_normal(z, mean[:, None], log_sigma[:, None])
        )  # (b, s)
        return torch.logsumexp(log_weight, dim=1) - math.log(n_samples) - self.normaliser.log_volume


def _draw(mean: Tensor, log_sigma: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n reparameterised draws (Eq. 2), (b, n, latent)."""
    shape = (mean.shape[0], n, mean.shape[1])
    noise = torch.randn(shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean[:, None] + log_sigma.exp()[:, None] * noise
