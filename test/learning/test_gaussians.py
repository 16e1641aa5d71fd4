"""Mixtures of Gaussians: torch's own density, an integral of 1, draws that follow it, noise taken off."""

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from gmi_ros.learning.gaussians import Gaussians, draw, heaviest, log_density

NOISE = 0.1


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def parts() -> tuple[Gaussians, Gaussians]:
    """For 2 x 3 places: four Gaussians that the three share, and two of each place's own."""
    g = seeded()

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    return (
        Gaussians(normal(2, 3, 4), normal(2, 1, 4, 3), 0.3 * normal(2, 1, 4, 3) - 0.5),
        Gaussians(normal(2, 3, 2), normal(2, 3, 2, 3), 0.3 * normal(2, 3, 2, 3) - 0.5),
    )


def as_torch(parts: tuple[Gaussians, ...], n: int = 3) -> MixtureSameFamily:
    mean, log_scale = (
        torch.cat([getattr(part, name).expand(-1, n, -1, -1) for part in parts], dim=2)
        for name in ("mean", "log_scale")
    )
    weights = Categorical(logits=torch.cat([part.logits for part in parts], dim=-1))
    return MixtureSameFamily(weights, Independent(Normal(mean, log_scale.exp()), 1))


def test_the_density_is_torch_s(parts):
    y = 2 * torch.randn(2, 3, 3, generator=seeded(1), dtype=torch.float64)
    torch.testing.assert_close(log_density(parts, y), as_torch(parts).log_prob(y))


def test_in_single_precision_narrow_gaussians_far_out_are_still_exact():
    """The square that is multiplied out cancels: at 6 standard deviations of the data and the least scale too."""
    g = seeded()
    wide = Gaussians(
        torch.randn(1, 5, 900, generator=g, dtype=torch.float64),
        6 * torch.rand(1, 1, 900, 3, generator=g, dtype=torch.float64),
        torch.full((1, 1, 900, 3), NOISE, dtype=torch.float64).log(),
    )
    y = 6 * torch.rand(1, 5, 3, generator=g, dtype=torch.float64)
    single = Gaussians(*(part.float() for part in (wide.logits, wide.mean, wide.log_scale)))
    torch.testing.assert_close(log_density((single,), y.float()).double(), log_density((wide,), y), atol=5e-3, rtol=0)


def test_it_integrates_to_one(parts):
    line = torch.linspace(-9, 9, 73, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1).reshape(-1, 3)
    first = tuple(
        Gaussians(part.logits[:1, :1].expand(1, len(grid), -1), *(v[:1, :1] for v in (part.mean, part.log_scale)))
        for part in parts
    )
    total = log_density(first, grid[None]).exp().sum() * (line[1] - line[0]) ** 3
    assert abs(total - 1) < 0.01


def test_a_fair_noisy_draw_follows_the_density(parts):
    """E[q / p] over draws from p is 1 for any density q."""
    many = 20_000
    one = tuple(
        Gaussians(part.logits[:1, :1].expand(1, many, -1), *(v[:1, :1] for v in (part.mean, part.log_scale)))
        for part in parts
    )
    _, y = draw(one, NOISE, 1.0, 1.0, seeded(2))
    narrow = Independent(Normal(y[0].mean(0), 0.7 * y[0].std(0)), 1)
    ratio = (narrow.log_prob(y[0]) - log_density(one, y)[0]).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / many**0.5


def test_the_noise_is_taken_off(parts):
    at_least = tuple(Gaussians(p.logits, p.mean, torch.full_like(p.log_scale, NOISE).log()) for p in parts)
    clean, noisy = draw(at_least, NOISE, 1.0, 1.0, seeded(3))
    means = torch.cat([p.mean.expand(-1, 3, -1, -1) for p in parts], dim=2)
    assert (clean[:, :, None] - means).norm(dim=-1).min(dim=2).values.max() < 1e-6
    assert 0.5 * NOISE < (noisy - clean).std() < 1.5 * NOISE


def test_without_spread_and_with_much_focus_the_heaviest_is_drawn(parts):
    clean, noisy = draw(parts, NOISE, 1e4, 0.0, seeded(4))
    assert torch.equal(clean, noisy) and torch.equal(clean, heaviest(parts))
