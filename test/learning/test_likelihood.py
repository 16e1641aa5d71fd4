"""Eq. 4 and Eq. 6 against a linear-Gaussian model, whose likelihood is known in closed form."""

import torch

from gmi_ros.learning.conditional import ConditionalGrasps, kl_normal, log_normal, mixture_log_density
from gmi_ros.learning.normaliser import Normaliser


def linear_gaussian(slack: float) -> tuple[ConditionalGrasps, torch.Tensor, torch.Tensor]:
    """z ~ N(m, I), y = W z + c + N(0, s^2); q is the posterior's mean with its marginal scale times `slack`."""
    g = torch.Generator().manual_seed(0)
    weights = torch.randn(18, 2, generator=g).double()
    first = weights[:, 0]
    weights[:, 1] -= first * (first @ weights[:, 1]) / first.square().sum()
    offset, prior = torch.randn(18, generator=g).double(), torch.tensor([[0.5, -1.0]]).double()
    sigma = 0.7
    normaliser = Normaliser().double()
    normaliser.grasp_mean += 0.3
    normaliser.grasp_std *= torch.linspace(0.5, 2.0, 18).double()
    covariance = torch.linalg.inv(torch.eye(2) + weights.T @ weights / sigma**2)  # diagonal: W's columns are orthogonal

    def encode(y):
        mean = (prior + (y - offset) @ weights / sigma**2) @ covariance
        return mean, (slack * covariance.diagonal().sqrt()).log().expand(len(y), 2)

    grasps = ConditionalGrasps(
        prior=(prior.expand(5, 2), torch.zeros(5, 2).double()),
        encode=encode,
        decode=lambda z: z @ weights.T + offset,
        log_scale=torch.full((18,), sigma, dtype=torch.float64).log(),
        normaliser=normaliser,
    )
    y = grasps.sample(1, g)[:, 0] + 0.1 * torch.randn(5, 18, generator=g)
    marginal = torch.distributions.MultivariateNormal(
        (prior @ weights.T)[0] + offset, weights @ weights.T + sigma**2 * torch.eye(18, dtype=torch.float64)
    )
    exact = marginal.log_prob(normaliser.standardise_grasp(y)) - normaliser.grasp_std.log().sum()
    return grasps, y, exact


def test_eq6_is_exact_with_the_exact_posterior():
    grasps, y, exact = linear_gaussian(slack=1.0)
    estimate = grasps.log_prob(y, 3, torch.Generator().manual_seed(1))
    torch.testing.assert_close(estimate, exact, atol=1e-9, rtol=0)


def test_eq6_converges_with_a_wider_recognition_network():
    grasps, y, exact = linear_gaussian(slack=1.5)
    coarse, fine = (grasps.log_prob(y, n, torch.Generator().manual_seed(1)) - exact for n in (10, 20_000))
    assert fine.abs().max() < 0.03 and fine.abs().mean() < coarse.abs().mean()


def test_the_bound_stays_below_the_likelihood():
    grasps, y, exact = linear_gaussian(slack=1.5)
    g = torch.Generator().manual_seed(2)
    bounds = torch.stack([b.reconstruction - b.kl for b in (grasps.elbo(y, g) for _ in range(500))]).mean(0)
    assert (bounds < exact + grasps.normaliser.log_volume).all()


def test_gaussians_against_torch():
    g = torch.Generator().manual_seed(0)
    x, m, s, m2, s2 = torch.randn(5, 4, 3, generator=g)
    p, q = torch.distributions.Normal(m, s.exp()), torch.distributions.Normal(m2, s2.exp())
    torch.testing.assert_close(log_normal(x, m, s), p.log_prob(x).sum(-1))
    torch.testing.assert_close(kl_normal(m, s, m2, s2), torch.distributions.kl_divergence(p, q).sum(-1))


def test_the_mixture_integrates_to_one():
    y = torch.linspace(-10, 10, 4001)[None, :, None]
    density = mixture_log_density(y, torch.tensor([[[-2.0], [0.0], [3.0]]]), torch.tensor([-0.5])).exp()
    assert abs(density.sum().item() * 0.005 - 1) < 1e-3
