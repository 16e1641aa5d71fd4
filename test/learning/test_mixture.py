"""The mixture that points at the image: what each contact may depend on, exact densities, samples that follow them."""

import pytest
import torch

from gmi_ros.core.errors import GmiError
from gmi_ros.learning.config import MixtureConfig
from gmi_ros.learning.mixture import MixtureNetwork

SMALL = MixtureConfig(features=8, local=8, units=18, components=3, dropout=0.0, local_dropout=0.0)
ORDER = [(slice(3 * f, 3 * f + 3), slice(9 + 3 * f, 12 + 3 * f)) for f in (2, 0, 1)]  # places, normals


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def network():
    network = MixtureNetwork(SMALL, 2).eval()
    with torch.no_grad():
        for parameter in network.heads.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=seeded(5)))  # away from the beginning
        network.normaliser.grasp_std.fill_(0.05)
    return network


@pytest.fixture
def image():
    return torch.rand(3, 5, 64, 64, generator=seeded(1)) - 0.5


def test_a_part_sees_the_parts_before_it_only(network, image):
    y = torch.randn(1, 1, 18, generator=seeded(), requires_grad=True)
    order, met = [part for pair in ORDER for part in pair], []

    def look(parts, where):
        assert where == order[len(met)]
        weight = parts[0].logits
        (gradient,) = torch.autograd.grad(weight.square().sum(), y, retain_graph=True, allow_unused=True)
        seen = torch.zeros(18, dtype=bool) if gradient is None else gradient[0, 0] != 0
        earlier = torch.zeros(18, dtype=bool)
        for part in order[: len(met)]:
            earlier[part] = True
        assert torch.equal(seen, earlier)
        met.append(where)
        return y[..., where], y[..., where]

    network(image[:1])._walk(1, look)
    assert met == order


def test_rows_in_any_order_are_as_one_by_one(network, image):
    rows, y = torch.tensor([2, 0, 2, 2, 0]), 0.1 * torch.randn(5, 18, generator=seeded())
    with torch.inference_mode():
        together = network(image, rows=rows).log_prob(y, 1, seeded()).value
        alone = [network(image[r : r + 1]).log_prob(y[k : k + 1], 1, seeded()).value for k, r in enumerate(rows)]
        density = network(image, rows=rows).density(y[:, None])[:, 0]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-3, rtol=1e-4)
    standardised = network.normaliser.standardise_grasp(y)
    torch.testing.assert_close(
        network(image, rows=rows).density(standardised[:, None])[:, 0], together + network.normaliser.log_volume,
        atol=1e-3, rtol=1e-4,
    )  # fmt: skip
    assert density.shape == (5,)


def test_fair_samples_follow_the_density(network, image):
    """E[q / p] over samples from p is 1 for any density q: here that of a network that differs a little."""
    other = MixtureNetwork(SMALL, 2).eval()
    other.load_state_dict(network.state_dict())
    with torch.no_grad():
        for parameter in other.heads.parameters():
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=seeded(7)))
    with torch.inference_mode():
        y = network(image[:1]).sample(10_000, seeded(3), noise=True)
        p, q = (made(image[:1]).density(network.normaliser.standardise_grasp(y))[0] for made in (network, other))
    ratio = (q - p).exp().double()
    assert ratio.std() > 0.05  # it does differ
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / len(ratio) ** 0.5


def test_samples_are_sharper_than_the_density_as_the_settings_say(image):
    fair, sharp = (
        MixtureNetwork(MixtureConfig(features=8, local=8, units=18, components=3, focus=f, spread=s), 2).eval()
        for f, s in ((1.0, 1.0), (4.0, 0.2))
    )
    with torch.inference_mode():
        scores = [made(image[:1]).density(made(image[:1]).centres(500, seeded())).mean() for made in (fair, sharp)]
        spread = [made(image[:1]).sample(500, seeded()).std(dim=1).mean() for made in (fair, sharp)]
    assert scores[1] > scores[0] and spread[1] < spread[0]


def test_the_mean_is_the_sample_without_chance(network, image):
    certain = MixtureNetwork(MixtureConfig(**{**vars(SMALL), "focus": 100.0, "spread": 0.0}), 2).eval()
    certain.load_state_dict(network.state_dict())
    with torch.no_grad():  # no two weights nearly alike
        for head in certain.heads:
            head.query.weight.mul_(20.0)
    with torch.inference_mode():
        answer = certain(image, rows=torch.tensor([1, 0]))
        drawn = answer.sample(3, seeded())
    torch.testing.assert_close(drawn, answer.mean()[:, None].expand(-1, 3, -1))


def test_features_of_places_come_in_groups_of_eight():
    with pytest.raises(GmiError, match="local must be a multiple of 8, got 12"):
        MixtureConfig(local=12)


def test_it_learns_two_ways_to_hold_one_thing(image):
    """A network without modes would put its answers in the middle, where no grasp is."""
    network = MixtureNetwork(SMALL, 0)
    network.normaliser.grasp_std.fill_(0.04)
    ways = torch.zeros(2, 18)
    ways[0, 0:9], ways[1, 0:9] = 0.06, -0.06
    ways[:, 9:] = 0.02
    rows, y = torch.zeros(64, dtype=torch.long), ways.repeat(32, 1)
    optimiser, g = torch.optim.Adam(network.parameters(), lr=3e-3), seeded()
    for _ in range(120):
        loss = -network(image[:1], rows=rows).elbo(y, g).reconstruction.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        drawn = network.eval()(image[:1]).sample(200, g)[0]
    nearest = torch.cdist(drawn[:, :9], ways[:, :9]).min(dim=1)
    assert (nearest.values < 0.06).float().mean() > 0.9
    assert 0.2 < nearest.indices.float().mean() < 0.8
