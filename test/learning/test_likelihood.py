"""Eqs. 4, 5 and 6 against a linear-Gaussian model, whose likelihood is known in closed form."""

import pytest
import torch

from gmi_ros.learning.distributions import GaussianGrasps, LatentGrasps
from gmi_ros.learning.likelihood import kl_normal, log_mean_exp, log_normal, mixture_log_density
from gmi_ros.learning.normaliser import Normaliser


def linear_gaussian(slack: float, recognition: bool = True) -> tuple[LatentGrasps, torch.Tensor, torch.Tensor]:
    """z ~ N(m, I), y = W z + c + N(0, s^2); q is the posterior's mean with its marginal scale times `slack`."""
    g = torch.Generator().manual_seed(0)
    weights = torch.randn(18, 2, generator=g).double()
    weights *= 1.0 if recognition else 0.15  # Eq. 5 needs a prior that is not much wider than the posterior
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

    grasps = LatentGrasps(
        prior=(prior.expand(5, 2), torch.zeros(5, 2).double()),
        encode=encode if recognition else None,
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


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_eq6_is_exact_with_the_exact_posterior():
    grasps, y, exact = linear_gaussian(slack=1.0)
    estimate = grasps.log_prob(y, 3, seeded(1))
    torch.testing.assert_close(estimate.value, exact, atol=1e-9, rtol=0)
    assert estimate.standard_error.max() < 1e-9


@pytest.mark.parametrize("recognition", [True, False], ids=["eq6", "eq5"])
def test_the_estimators_are_within_three_standard_errors(recognition):
    grasps, y, exact = linear_gaussian(1.5, recognition)
    estimate = grasps.log_prob(y, 20_000, seeded(1))
    assert ((estimate.value - exact).abs() < 3 * estimate.standard_error).all()
    assert (estimate.standard_error < 0.2).all()


@pytest.mark.parametrize("recognition", [True, False], ids=["eq6", "eq5"])
def test_the_standard_error_is_that_of_repeated_estimates(recognition):
    grasps, y, _ = linear_gaussian(1.5, recognition)
    g = seeded(2)
    repeated = [grasps.log_prob(y, 500, g) for _ in range(100)]
    spread = torch.stack([e.value for e in repeated]).std(dim=0)
    told = torch.stack([e.standard_error for e in repeated]).mean(dim=0)
    torch.testing.assert_close(told, spread, rtol=0.4, atol=0)


def test_the_estimate_does_not_fall_with_more_samples():
    """The mean over many estimates of log p rises with the number of samples, towards the likelihood (IWAE)."""
    grasps, y, exact = linear_gaussian(1.5)
    g = seeded(3)
    means = [
        torch.stack([grasps.log_prob(y, n, g).value for _ in range(1000 // n)]).mean() for n in (1, 4, 16, 64, 250)
    ]
    assert all(a < b + 0.03 for a, b in zip(means, means[1:])), means
    assert means[-1] < exact.mean() + 0.02


@pytest.mark.parametrize("recognition", [True, False], ids=["eq6", "eq5"])
def test_a_change_of_units_changes_the_density_by_the_jacobian(recognition):
    """The same grasps in millimetres: log p falls by 18 log 1000, exactly."""
    grasps, y, _ = linear_gaussian(1.5, recognition)
    metres = grasps.log_prob(y, 50, seeded(4)).value
    grasps.normaliser.grasp_mean *= 1000
    grasps.normaliser.grasp_std *= 1000
    millimetres = grasps.log_prob(1000 * y, 50, seeded(4)).value
    torch.testing.assert_close(millimetres, metres - 18 * torch.tensor(1000.0, dtype=torch.float64).log())


def test_one_dimension_integrates_to_one():
    """p(y) = int N(y | f(z), s) N(z) dz of a decoder that is not linear, estimated on a grid."""
    y = torch.linspace(-8, 8, 801, dtype=torch.float64)
    z = torch.randn(20_000, generator=seeded(5), dtype=torch.float64)
    centres = 2 * torch.tanh(2 * z) + 0.3 * z
    log_terms = log_normal(y[:, None, None], centres[None, :, None], torch.tensor([-1.0], dtype=torch.float64))
    density = log_mean_exp(log_terms).value.exp()
    assert abs(torch.trapezoid(density, y).item() - 1) < 0.01


def test_the_cnn_s_density_is_the_multivariate_normal_s():
    g = seeded(6)
    factor = torch.randn(18, 18, generator=g).double().tril(-1) * 0.3 + torch.eye(18).double()
    guess, normaliser = torch.randn(4, 18, generator=g).double(), Normaliser().double()
    normaliser.grasp_std *= torch.linspace(0.5, 2.0, 18).double()
    y = torch.randn(4, 18, generator=g).double()
    exact = torch.distributions.MultivariateNormal(
        guess * normaliser.grasp_std, scale_tril=normaliser.grasp_std[:, None] * factor
    )
    estimate = GaussianGrasps(guess, factor, normaliser).log_prob(y, 1, g)
    torch.testing.assert_close(estimate.value, exact.log_prob(y))
    assert not estimate.standard_error.any()


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
