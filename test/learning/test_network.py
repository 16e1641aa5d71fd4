"""The networks: shapes, gradients, determinism, folding, two modes."""

import math

import numpy as np
import pytest
import torch

from learning_toy import TINY, toy_data

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning.config import NetworkConfig, TrainingConfig, from_dict, to_dict
from gmi_ros.learning.layers import VisualFeatures, fold
from gmi_ros.learning.model import GraspModel
from gmi_ros.learning.networks import CVAE, GSNN, NETWORKS, RCVAE
from gmi_ros.learning.training import to_batch


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((64, 64, 5)).astype(np.float32)


def test_the_paper_s_map_sizes():
    assert NetworkConfig().map_sizes() == (58, 27, 23, 9, 7)
    layers = VisualFeatures(NetworkConfig(), seeded()).layers
    assert layers[:12](torch.zeros(1, 5, 64, 64)).shape == (1, 64, 7, 7)


PAPERS = [name for name in NETWORKS if name != "mixture"]  # and the CNN with full covariance


@pytest.fixture(params=PAPERS)
def kind(request):
    return NETWORKS[request.param]


def test_shapes(kind):
    grasps = kind(TINY).eval()(torch.rand(3, 5, 64, 64))
    y = torch.randn(3, 18)
    assert grasps.mean().shape == (3, 18)
    assert grasps.sample(7, seeded()).shape == (3, 7, 18)
    assert [term.shape for term in grasps.log_prob(y, 4, seeded())] == [(3,), (3,)]
    assert [term.shape for term in grasps.elbo(y, seeded())] == [(3,), (3,)]
    assert grasps.density(grasps.centres(7, seeded())).shape == (3, 7)


def test_a_gradient_reaches_every_parameter(kind):
    network, generator = kind(TINY).train(), seeded()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name == "lower":  # at zero, where a covariance begins, its gradient is zero
                parameter += 0.1
    bound = network(torch.rand(8, 5, 64, 64), generator).elbo(torch.randn(8, 18), generator)
    (bound.kl - bound.reconstruction).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_what_each_network_adds():
    modules = {
        name: [type(m) for m in kind(TINY).modules()].count(VisualFeatures)
        for name, kind in NETWORKS.items()
        if name in PAPERS
    }
    assert modules == {"cnn": 1, "cnn_full": 1, "gsnn": 2, "cvae": 3, "r_cvae": 3}
    priors = {kind: kind(TINY).prior.grasp is not None for kind in (GSNN, CVAE, RCVAE)}
    assert priors == {GSNN: False, CVAE: False, RCVAE: True}


def test_the_cvae_s_prior_does_not_see_the_guess_and_the_r_cvae_s_does():
    image = torch.rand(2, 5, 64, 64)
    for kind, sees in ((CVAE, False), (RCVAE, True)):
        network = kind(TINY).eval()
        before = network(image).prior[0]
        with torch.no_grad():
            network.guess.bias += 1.0
        assert torch.equal(before, network(image).prior[0]) is not sees


def test_the_full_covariance_is_never_narrower_than_the_least_scale():
    network = NETWORKS["cnn_full"](TINY).eval()
    with torch.no_grad():
        network.scale.fill_(-100.0)
        network.lower.normal_(0.0, 0.05, generator=seeded())
    factor = network(torch.rand(1, 5, 64, 64)).factor
    assert torch.linalg.eigvalsh(factor @ factor.T).min() > 0.99 * TINY.min_scale**2
    drawn = network(torch.rand(1, 5, 64, 64)).output_noise((1, 100_000, 18), seeded())[0]
    torch.testing.assert_close(drawn.T @ drawn / len(drawn), factor @ factor.T, atol=0.02, rtol=0.02)


def test_the_full_covariance_learns_what_is_correlated():
    """Maximum likelihood on Gaussian grasps reaches their entropy, which a diagonal covariance misses by 12 nats."""
    network = NETWORKS["cnn_full"](TINY).eval()
    correlation = torch.full((18, 18), 0.8) + 0.2 * torch.eye(18)
    grasps = torch.randn(4000, 18, generator=seeded()) @ torch.linalg.cholesky(correlation).T
    image, rows = torch.rand(1, 5, 64, 64), torch.zeros(4000, dtype=torch.long)
    optimiser = torch.optim.Adam([network.scale, network.lower], lr=3e-3)
    for _ in range(300):
        loss = -network(image, rows=rows).elbo(grasps, seeded()).reconstruction.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    entropy = 9 * (1 + math.log(2 * math.pi)) + 0.5 * torch.logdet(correlation).item()
    assert abs(loss.item() - entropy) < 0.3


def test_every_weight_is_normalised(kind):
    network = kind(TINY)
    for name, layer in network.named_modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            assert hasattr(layer, "parametrizations"), name


def test_the_same_seed_gives_the_same_network_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    first, second, other = RCVAE(TINY, 1), RCVAE(TINY, 1), RCVAE(TINY, 2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_the_mean_is_the_answer_to_the_prior_s_mean():
    network = RCVAE(TINY).eval()
    grasps = network(torch.rand(2, 5, 64, 64))
    expected = network.normaliser.restore_grasp(grasps.decode(grasps.prior[0][:, None])[:, 0])
    assert torch.equal(grasps.mean(), expected)


def test_noise_enters_in_training_only():
    network, image = RCVAE(TINY), torch.rand(2, 5, 64, 64)
    a, b = (network.train()(image, seeded(s)).prior[0] for s in (0, 1))
    assert not torch.equal(a, b)
    a, b = (network.eval()(image, seeded(s)).prior[0] for s in (0, 1))
    assert torch.equal(a, b)


def test_an_image_s_answer_does_not_depend_on_its_batch():
    network, images, z = RCVAE(TINY).eval(), torch.rand(5, 5, 64, 64), torch.randn(5, 3, TINY.latent)
    together, alone = network(images), network(images[2:3])
    torch.testing.assert_close(together.decode(z)[2:3], alone.decode(z[2:3]), atol=1e-5, rtol=0)
    torch.testing.assert_close(together.prior[0][2:3], alone.prior[0], atol=1e-5, rtol=0)


def test_folding_changes_nothing():
    network, folded = RCVAE(NetworkConfig(), 3).eval(), RCVAE(NetworkConfig(), 3).eval()
    fold(folded)
    assert not hasattr(folded.guess, "parametrizations")
    image, y = torch.rand(2, 5, 64, 64), torch.randn(2, 18)
    with torch.inference_mode():
        for a, b in zip(network(image).elbo(y, seeded()), folded(image).elbo(y, seeded()), strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(
            network(image).sample(5, seeded()), folded(image).sample(5, seeded()), atol=1e-6, rtol=0
        )


def test_model_samples_are_the_same_bits_whatever_came_before():
    model, image = GraspModel(RCVAE(TINY), "0"), random_image()
    first = model.sample(image, 9, 5)
    model.sample(random_image(1), 30, 6)
    torch.rand(10)
    again, other = model.sample(np.asfortranarray(image), 9, 5), model.sample(image, 9, 6)
    for name in ("contacts", "normals"):
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
    assert first.log_density(np.arange(9)).tobytes() == again.log_density(np.arange(9)).tobytes()
    assert not np.array_equal(first.contacts, other.contacts)
    assert first.contacts.shape == first.normals.shape == (9, 3, 3) and first.log_density(np.array([3, 1])).shape == (
        2,
    )
    assert first.log_density(np.array([], int)).shape == (0,)
    np.testing.assert_allclose(np.linalg.norm(first.normals, axis=-1), 1, atol=1e-12)


def test_log_density_is_the_mixture_over_the_drawn_samples():
    network = RCVAE(TINY).eval()
    model = GraspModel(network, "0")
    image = random_image()
    samples = model.sample(image, 6, 0)
    with torch.inference_mode():
        grasps = network(torch.from_numpy(image)[None].permute(0, 3, 1, 2))
        means = grasps.decode(grasps.sample_latent(6, seeded(0)))[0].double()
        each = torch.distributions.Normal(means, network.log_scale.exp().double()).log_prob(means[:, None]).sum(-1)
        expected = torch.logsumexp(each, 1) - np.log(6)
    np.testing.assert_allclose(samples.log_density(np.arange(6)), expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize(
    ("image", "n", "seed", "words"),
    [
        (np.zeros((64, 64, 5), np.float32), 10_000_000, 0, "[1, 4096] samples, got 10000000"),
        (np.zeros((64, 64, 5), np.float32), 0, 0, "got 0"),
        (np.zeros((64, 64, 5), np.float32), 1, -1, "seed must be in"),
        (np.zeros((32, 64, 5), np.float32), 1, 0, "(32, 64, 5)"),
        (np.full((64, 64, 5), np.nan, np.float32), 1, 0, "20480 values that are not finite"),
    ],
)
def test_bad_requests(image, n, seed, words):
    with pytest.raises(GmiError) as error:
        GraspModel(RCVAE(TINY), "0").sample(image, n, seed)
    assert error.value.code == ErrorCode.BAD_REQUEST and words in error.value.message


def test_overfits_two_modes_and_does_not_average_them():
    """Eight images, two opposite grasps for each: samples must lie at both, where a regression answers between."""
    data = toy_data(8, 2)
    data.rgb[:] = np.random.default_rng(2).integers(0, 256, (8, 1, 1, 3))  # plain colours: 1x1 filters tell them apart
    data.depth[:], data.mask[:] = 0, True
    rng = np.random.default_rng(1)
    middle, apart = rng.normal(size=(8, 18)), rng.normal(size=18)  # a regression would answer the middle
    data.grasps[:] = 0.5 * middle.repeat(2, axis=0) + apart * np.tile([[1], [-1]], (8, 1))
    config = NetworkConfig(kernels=(1,), channels=(16,), hidden=64, latent=2, input_noise=0.0)
    network, generator = RCVAE(config).train(), seeded()
    network.normaliser.fit(data, np.arange(16))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    images, rows, grasps = to_batch(data, np.arange(16), torch.device("cpu"))
    for _ in range(200):
        bound = network(images, generator, rows).elbo(grasps, generator)  # one pass of the CNNs serves both
        optimiser.zero_grad()
        (bound.kl - bound.reconstruction).mean().backward()
        optimiser.step()

    with torch.inference_mode():
        samples = network.eval()(images).sample(64, seeded()) / network.normaliser.grasp_std  # (8, 64, 18)
    modes = (grasps / network.normaliser.grasp_std).reshape(8, 2, 18)
    distance = torch.cdist(samples, modes) / 18**0.5  # (8, 64, 2) rms per dimension
    assert (distance.amin(dim=1) < 0.3).all(), distance.amin(dim=1)  # each mode of each image is met
    to_middle = (samples - modes.mean(1, keepdim=True)).norm(dim=-1) / 18**0.5
    assert (distance.amin(dim=2) < to_middle).float().mean() > 0.6  # and most samples lie near one of the two


def test_configs_survive_json_and_refuse_nonsense():
    config = TrainingConfig(network=TINY, seed=4)
    assert from_dict(TrainingConfig, to_dict(config)) == config
    for change, words in (
        ({"latent": 0}, "latent must be in [1, 256], got 0"),
        ({"kernels": (63, 63, 3, 3, 3)}, "every map needs >= 1 px"),
        ({"channels": (4,)}, "one number per convolution"),
    ):
        with pytest.raises(GmiError, match="(?s).*") as error:
            NetworkConfig(**change)
        assert error.value.code == ErrorCode.BAD_SETTING and words in error.value.message
    for values, words in (({}, "needs the fields"), ({**to_dict(TINY), "latent": "8"}, "type int, got '8'")):
        with pytest.raises(GmiError) as error:
            from_dict(NetworkConfig, values)
        assert error.value.code == ErrorCode.BAD_SETTING and words in error.value.message
