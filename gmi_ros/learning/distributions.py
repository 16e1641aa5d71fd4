"""The distribution p(y|x) that a network answers for images: samples, the training objective, the likelihood."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gmi_ros.learning.likelihood import Estimate, kl_normal, log_mean_exp, log_normal, mixture_log_density
from gmi_ros.learning.normaliser import Normaliser


class Bound(NamedTuple):
    """The two terms of Eq. 4 per pair, (b,) each, in nats and standardised units; the bound is their difference."""

    reconstruction: Tensor
    kl: Tensor


class GraspDistribution(ABC):
    """p(y|x) over grasps y (18,) for each of b images; what all networks answer. y is in data units everywhere.

    A sample is a centre of the distribution, without output noise: the noise stands for what the network does not
    explain, and would only jitter the contacts. `noise=True` adds it, for a fair draw from p(y|x).
    """

    normaliser: Normaliser

    @abstractmethod
    def centres(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws of the output's centre for each image, (b, n, 18) standardised."""

    @abstractmethod
    def mean(self) -> Tensor:
        """The one prediction of Table III, (b, 18): z = the prior's mean, y = the decoder's mean at it."""

    @abstractmethod
    def output_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Draws of y minus its centre, (b, n, 18) standardised."""

    @abstractmethod
    def density(self, centres: Tensor) -> Tensor:
        """log p (b, n) [nats, standardised] of these centres (b, n, 18), Eq. 5 with the z they were decoded from."""

    def density_at(self, centres: Tensor, rows: Tensor) -> Tensor:
        """The same of some of the centres only, (b, k) for rows (k,) int."""
        return self.density(centres)[:, rows]

    @abstractmethod
    def elbo(self, y: Tensor, generator: torch.Generator) -> Bound:
        """The terms of the training objective for grasps (b, 18), one for each image."""

    @abstractmethod
    def log_prob(self, y: Tensor, n_samples: int, generator: torch.Generator) -> Estimate:
        """log p(y|x) of grasps (b, 18), one for each image, as a density in data units.

        Add `normaliser.log_volume` for the paper's standardised units. `n_samples` draws of z are used for each pair;
        a network whose density is known exactly ignores it.
        """

    def sample(self, n: int, generator: torch.Generator, noise: bool = False) -> Tensor:
        """n grasps for each image, (b, n, 18)."""
        centres = self.centres(n, generator)
        if noise:
            centres = centres + self.output_noise(tuple(centres.shape), generator)
        return self.normaliser.restore_grasp(centres)


@dataclass(frozen=True)
class GaussianGrasps(GraspDistribution):
    """y ~ N(guess, F F^T): a network without a latent, of which every sample without noise is the guess.

    guess: (b, 18) standardised. factor: (18, 18) lower triangular, diagonal unless the covariance is full.
    """

    guess: Tensor
    factor: Tensor
    normaliser: Normaliser

    def centres(self, n: int, generator: torch.Generator) -> Tensor:
        return self.guess[:, None].expand(-1, n, -1)

    def mean(self) -> Tensor:
        return self.normaliser.restore_grasp(self.guess)

    def output_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return _normal(shape, self.guess, generator) @ self.factor.T

    def density(self, centres: Tensor) -> Tensor:
        return self._log_prob(centres, self.guess[:, None])

    def elbo(self, y: Tensor, generator: torch.Generator) -> Bound:
        exact = self._log_prob(self.normaliser.standardise_grasp(y), self.guess)
        return Bound(exact, torch.zeros_like(exact))

    def log_prob(self, y: Tensor, n_samples: int, generator: torch.Generator) -> Estimate:
        exact = self._log_prob(self.normaliser.standardise_grasp(y), self.guess) - self.normaliser.log_volume
        return Estimate(exact, torch.zeros_like(exact))

    def _log_prob(self, y: Tensor, mean: Tensor) -> Tensor:
        """With the factor's inverse applied, y is standard normal."""
        flat = (y - mean).reshape(-1, y.shape[-1])
        z = torch.linalg.solve_triangular(self.factor, flat.T, upper=False).T.reshape(y.shape)
        zero = torch.zeros_like(z)
        return log_normal(z, zero, zero) - self.factor.diagonal().abs().log().sum()


@dataclass(frozen=True)
class LatentGrasps(GraspDistribution):
    """y ~ N(decode(z), scale), z ~ p(z|x): made by a network's forward pass, the image features computed once.

    prior: mean and log sigma of p(z|x), each (b, latent).
    encode: standardised grasps (b, 18) to mean and log sigma of q(z|x, y), each (b, latent); None where the
        recognition network is the prior (GSNN).
    decode: latents (b, n, latent) to centres (b, n, 18) of p(y|x, z), standardised.
    log_scale: (18,) log of the output scale, one per dimension, independent of x and z, standardised.
    """

    prior: tuple[Tensor, Tensor]
    encode: Callable[[Tensor], tuple[Tensor, Tensor]] | None
    decode: Callable[[Tensor], Tensor]
    log_scale: Tensor
    normaliser: Normaliser

    def sample_latent(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws of z from the prior for each image, (b, n, latent)."""
        return _draw(*self.prior, n, generator)

    def centres(self, n: int, generator: torch.Generator) -> Tensor:
        return self.decode(self.sample_latent(n, generator))

    def mean(self) -> Tensor:
        return self.normaliser.restore_grasp(self.decode(self.prior[0][:, None]).squeeze(1))

    def output_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return _normal(shape, self.log_scale, generator) * self.log_scale.exp()

    def density(self, centres: Tensor) -> Tensor:
        return mixture_log_density(centres, centres, self.log_scale)

    def elbo(self, y: Tensor, generator: torch.Generator) -> Bound:
        """Eq. 4 with one draw of z (footnote 1). Where recognition and prior are one, the KL term is zero."""
        y = self.normaliser.standardise_grasp(y)
        posterior = self.prior if self.encode is None else self.encode(y)
        z = _draw(*posterior, 1, generator)  # (b, 1, latent)
        reconstruction = log_normal(y, self.decode(z).squeeze(1), self.log_scale)
        if self.encode is None:
            return Bound(reconstruction, torch.zeros_like(reconstruction))
        return Bound(reconstruction, kl_normal(*posterior, *self.prior))

    def log_prob(self, y: Tensor, n_samples: int, generator: torch.Generator) -> Estimate:
        """Eq. 6; where recognition and prior are one its weights are 1, which is Eq. 5."""
        y = self.normaliser.standardise_grasp(y)
        mean, log_sigma = self.prior if self.encode is None else self.encode(y)
        z = _draw(mean, log_sigma, n_samples, generator)  # (b, s, latent)
        log_terms = log_normal(y[:, None], self.decode(z), self.log_scale)  # (b, s)
        if self.encode is not None:
            prior_mean, prior_log_sigma = self.prior
            log_terms = log_terms + log_normal(z, prior_mean[:, None], prior_log_sigma[:, None])
            log_terms = log_terms - log_normal(z, mean[:, None], log_sigma[:, None])
        estimate = log_mean_exp(log_terms)
        return Estimate(estimate.value - self.normaliser.log_volume, estimate.standard_error)


def _draw(mean: Tensor, log_sigma: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n reparameterised draws (Eq. 2), (b, n, latent)."""
    noise = _normal((mean.shape[0], n, mean.shape[1]), mean, generator)
    return mean[:, None] + log_sigma.exp()[:, None] * noise


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)
