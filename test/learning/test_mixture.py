"""The autoregressive mixture: what each number may depend on, exact densities, samples that follow them."""

import math

import pytest
import torch

from gmi_ros.learning.config import MixtureConfig
from gmi_ros.learning.mixture import MixtureGrasps, MixtureNetwork

SMALL = MixtureConfig(features=8, units=36, components=3, dropout=0.0)


@pytest.fixture(scope="module")
def network():
    network = MixtureNetwork(SMALL, 2).eval()
    with torch.no_grad():
        for parameter in network.factors.parameters():
            parameter.mul_(2.0)  # away from the almost linear beginning
    return network


def answer(network, seed=0) -> MixtureGrasps:
    return network(torch.rand(1, 5, 64, 64, generator=torch.Generator().manual_seed(seed)))


def test_a_factor_sees_the_numbers_before_it_only(network):
    grasps = answer(network)
    y = torch.randn(1, 18, requires_grad=True)
    means = network.factors(y, grasps.condition)[1]
    for d in range(18):
        (gradient,) = torch.autograd.grad(means[0, d].sum(), y, retain_graph=True)
        assert not gradient[0, d:].any()
        assert d == 0 or gradient[0, :d].any()


def test_one_factor_alone_is_that_of_all(network):
    condition, y = answer(network).condition, torch.randn(1, 18)
    together = network.factors(y, condition)
    for d in (0, 7, 17):
        for whole, one in zip(together, network.factors(y, condition, only=d), strict=True):
            torch.testing.assert_close(one[:, 0], whole[:, d])


def test_each_factor_integrates_to_one_and_is_no_narrower_than_the_noise(network):
    grasps = answer(network)
    grid = torch.linspace(-100, 100, 100_001)
    log_weight, mean, log_scale = network.factors(torch.randn(1, 18), grasps.condition)
    assert log_scale.exp().min() >= SMALL.target_noise
    z = (grid[:, None, None] - mean[0]) * torch.exp(-log_scale[0])
    density = (log_weight[0] - 0.5 * z.square() - log_scale[0] - 0.5 * math.log(2 * math.pi)).exp().sum(-1)
    torch.testing.assert_close(torch.trapezoid(density, grid, dim=0), torch.ones(18), atol=1e-3, rtol=0)


def test_noisy_samples_follow_the_density(network):
    """E[f / p] over samples from p is the integral of f: with f a normal density, 1."""
    grasps = answer(network)
    g = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        y = grasps.sample(40_000, g, noise=True)[0]
        log_p = MixtureGrasps(grasps.condition.expand(len(y), -1), network.factors, network.normaliser, False).log_prob(
            y, 1, g
        )
    first = y[:, 0].double()
    narrow = torch.distributions.Normal(first.mean(), 0.5 * first.std())
    # Of the first number alone: its factor does not depend on the others.
    log_weight, mean, log_scale = (part[:, 0] for part in network.factors(torch.zeros(1, 18), grasps.condition))
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=log_weight[0].double()),
        torch.distributions.Normal(mean[0].double(), log_scale[0].exp().double()),
    )
    weights = (narrow.log_prob(first) - mixture.log_prob(first)).exp()
    assert abs(weights.mean() - 1) < 4 * weights.std() / len(weights) ** 0.5
    assert torch.isfinite(log_p.value).all() and not log_p.standard_error.any()


def test_samples_have_the_entropy_that_their_density_tells(network):
    """The mean of log p over noisy samples is the same whether drawn at once or one number at a time in a chain."""
    grasps = answer(network)
    g = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        y = grasps.sample(20_000, g, noise=True)[0]
        condition = grasps.condition.expand(len(y), -1)
        total = MixtureGrasps(condition, network.factors, network.normaliser, False).log_prob(y, 1, g).value
        chain = 0.0
        for d in range(18):
            log_weight, mean, log_scale = (part[:, 0] for part in network.factors(y, condition, only=d))
            pick = torch.multinomial(log_weight.exp(), 1, generator=g)
            fresh = mean.gather(1, pick) + log_scale.exp().gather(1, pick) * torch.randn(len(y), 1, generator=g)
            z = (fresh - mean) * torch.exp(-log_scale)
            chain += torch.logsumexp(
                log_weight - 0.5 * z.square() - log_scale - 0.5 * math.log(2 * math.pi), dim=-1
            )
    difference = total - chain
    assert abs(difference.mean()) < 4 * difference.std() / len(y) ** 0.5


def test_the_noise_is_taken_off_the_samples(network):
    g = torch.Generator().manual_seed(2)
    grasps = answer(network)
    with torch.no_grad():
        network.factors.out.bias.view(18, 3, -1)[:, 2] = -20.0  # every scale at the least
        weight = network.factors.out.weight.view(18, 3, 3, -1)[:, 2].clone()
        network.factors.out.weight.view(18, 3, 3, -1)[:, 2] = 0.0
        clean = grasps.centres(500, g)[0, :, 0]
        log_weight, mean, _ = network.factors(torch.zeros(1, 18), grasps.condition, only=0)
        network.factors.out.weight.view(18, 3, 3, -1)[:, 2] = weight
    assert (clean[:, None] - mean[0, 0]).abs().min(dim=1).values.max() < 1e-2
