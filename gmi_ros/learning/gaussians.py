"""Mixtures of Gaussians in three dimensions: their density, and draws with the noise on the targets taken off."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gaussians:
    """c weighted Gaussians with diagonal covariance for each of m x n places of a batch.

    logits: (m, n, c), log weights up to a constant. mean, log_scale: (m, n, c, 3), or (m, 1, c, 3) where all n of a row
    share them.
    """

    logits: Tensor
    mean: Tensor
    log_scale: Tensor

    def log_terms(self, y: Tensor) -> Tensor:
        """logits + log density (m, n, c) of each Gaussian at y (m, n, 3)."""
        if self.mean.shape[1] != 1 or y.shape[1] == 1:
            z = (y[:, :, None] - self.mean) * torch.exp(-self.log_scale)
            return self.logits - (0.5 * z.square() + self.log_scale).sum(dim=-1) - 1.5 * math.log(2 * math.pi)
        # The square multiplied out is one matrix product, and needs no (m, n, c, 3) in memory.
        mean, log_scale = self.mean[:, 0], self.log_scale[:, 0]
        precision = torch.exp(-2 * log_scale)
        rest = (-0.5 * mean.square() * precision - log_scale).sum(dim=-1, keepdim=True) - 1.5 * math.log(2 * math.pi)
        factors = torch.cat([-0.5 * precision, mean * precision, rest], dim=-1)  # (m, c, 7)
        powers = torch.cat([y.square(), y, torch.ones_like(y[..., :1])], dim=-1)
        return torch.baddbmm(self.logits, powers, factors.transpose(1, 2))

    def picked(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log scale, each (m, n, 3), of Gaussian number index (m, n)."""
        m, n = index.shape
        index = index[:, :, None, None].expand(-1, -1, -1, 3)
        return tuple(part.expand(-1, n, -1, -1).gather(2, index)[:, :, 0] for part in (self.mean, self.log_scale))


def log_density(parts: tuple[Gaussians, ...], y: Tensor) -> Tensor:
    """log of the density (m, n) at y (m, n, 3) of the mixture of all parts' Gaussians."""
    terms = torch.stack([_log_sum_exp(part.log_terms(y)) for part in parts])
    weights = torch.stack([_log_sum_exp(part.logits) for part in parts])
    return torch.logsumexp(terms, dim=0) - torch.logsumexp(weights, dim=0)


def _log_sum_exp(x: Tensor) -> Tensor:
    """Over the last dimension. Where exp() underflows, as for most Gaussians of a place, it takes ten times as long."""
    largest = x.detach().amax(dim=-1, keepdim=True)
    return largest[..., 0] + (x - largest).clamp(min=-80.0).exp().sum(dim=-1).log()


def draw(
    parts: tuple[Gaussians, ...], noise: float, focus: float, spread: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One draw for each place, (m, n, 3) each: without the noise that the density includes, and with it.

    Args:
        focus: power that the weights are raised to. spread: factor on all deviations. 1 and 1: a fair draw.
    """
    logits = torch.cat([part.logits for part in parts], dim=-1)
    m, n, c = logits.shape
    # The inverse of the distribution function: torch.multinomial draws a number for each of the c.
    below = torch.softmax(focus * logits, dim=-1).cumsum(dim=-1)
    at = torch.rand(m, n, 1, generator=generator, dtype=below.dtype, device=below.device) * below[..., -1:]
    index = torch.searchsorted(below, at, right=True)[..., 0].clamp(max=c - 1)
    mean, log_scale = _picked(parts, index)
    random = torch.randn(2, m, n, 3, generator=generator, dtype=mean.dtype, device=mean.device)
    clean = mean + spread * (torch.exp(2 * log_scale) - noise**2).clamp(min=0).sqrt() * random[0]
    return clean, clean + spread * noise * random[1]


def heaviest(parts: tuple[Gaussians, ...]) -> Tensor:
    """Mean (m, n, 3) of the Gaussian with the largest weight."""
    return _picked(parts, torch.cat([part.logits for part in parts], dim=-1).argmax(dim=-1))[0]


def _picked(parts: tuple[Gaussians, ...], index: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log scale of Gaussian number index (m, n), counted through all parts."""
    mean = log_scale = torch.zeros(*index.shape, 3, device=index.device, dtype=parts[0].mean.dtype)
    first = 0
    for part in parts:
        c = part.logits.shape[-1]
        own = ((index >= first) & (index < first + c))[..., None]
        found = part.picked((index - first).clamp(0, c - 1))
        mean, log_scale = torch.where(own, found[0], mean), torch.where(own, found[1], log_scale)
        first += c
    return mean, log_scale
