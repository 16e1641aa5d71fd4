"""Draws for one view: latents and grasps belong together, and y* is a maximum."""

import numpy as np
import pytest
import torch

from gmi_ros.evaluation.draws import climb, draw, most_likely, standardised, touches
from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.distributions import GaussianGrasps
from gmi_ros.learning.likelihood import mixture_log_density
from gmi_ros.learning.model import GraspModel
from gmi_ros.learning.networks import CNN, GSNN, RCVAE
from gmi_ros.learning.normaliser import Normaliser

TINY = NetworkConfig(kernels=(7, 5, 5, 5), channels=(2, 2, 4, 4), hidden=16, latent=3)
IMAGE = np.random.default_rng(0).random((64, 64, 5)).astype(np.float32)
KNOWN = np.random.default_rng(1).normal(0, 0.1, (4, 18))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model():
    """Untrained, with latents that matter."""
    network = RCVAE(TINY, seed=0)
    network.normaliser.grasp_std.fill_(0.05)
    with torch.no_grad():
        network.generator_output.parametrizations.weight.original0.fill_(1.0)
    return GraspModel(network, "0" * 16)


def test_a_climb_ends_on_a_maximum_that_is_no_lower_than_any_centre():
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    log_scale = torch.full((4,), 0.6, dtype=torch.float64).log()
    tops = climb(centres, log_scale)

    def density(y):
        return mixture_log_density(y[None], centres[None], log_scale)[0]

    assert (density(tops) >= density(centres) - 1e-9).all()
    for axis in torch.eye(4, dtype=torch.float64):
        for step in (-0.01, 0.01):
            assert (density(tops + step * axis) <= density(tops) + 1e-6).all()


def test_of_two_heaps_the_most_likely_grasp_is_on_the_larger():
    centres = torch.cat([torch.full((20, 18), 1.0), torch.full((30, 18), -1.0)])
    tops = climb(centres, torch.full((18,), -1.0))
    density = mixture_log_density(tops[None], centres[None], torch.full((18,), -1.0))[0]
    torch.testing.assert_close(tops[density.argmax()], torch.full((18,), -1.0))


def test_the_most_likely_grasp_of_a_gaussian_is_its_mean():
    answer = GaussianGrasps(torch.arange(18.0)[None], torch.eye(18), Normaliser())
    torch.testing.assert_close(most_likely(answer, torch.Generator()), torch.arange(18.0))


def test_draws_are_the_decoded_latents_the_same_for_a_seed(model):
    first, again = (draw(model, IMAGE, KNOWN, 300, 7) for _ in range(2))
    other = draw(model, IMAGE, KNOWN, 300, 8)
    assert np.array_equal(first.grasps, again.grasps) and not np.array_equal(first.grasps, other.grasps)
    assert first.latents.shape == first.recognised.shape == (300, 3) and first.likely.shape == (18,)
    pixels = torch.from_numpy(IMAGE[None]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        answer = model.network(pixels)
        decoded = answer.decode(torch.from_numpy(first.latents[None]).float())[0]
        mean, log_sigma = (t[0].numpy() for t in answer.prior)
    np.testing.assert_allclose(decoded, first.grasps, atol=1e-5)
    assert np.abs(first.latents.mean(axis=0) - mean).max() < 5 * np.exp(log_sigma).max() / 300**0.5
    noisy = draw(model, IMAGE, KNOWN, 300, 7, noise=True)
    assert np.abs(noisy.grasps - first.grasps).std() > 0.05


def test_standardised_grasps_come_back_with_unit_normals(model):
    found = touches(model, standardised(model, KNOWN))
    contacts, normals = KNOWN.reshape(-1, 2, 3, 3).swapaxes(0, 1)
    np.testing.assert_allclose(found.contacts, contacts, atol=1e-6)
    np.testing.assert_allclose(found.normals, normals / np.linalg.norm(normals, axis=-1, keepdims=True), atol=1e-5)


def test_what_a_network_lacks_is_none():
    plain = draw(GraspModel(CNN(TINY, seed=0), "0" * 16), IMAGE, KNOWN, 20, 1)
    assert plain.latents is None and plain.recognised is None and np.ptp(plain.grasps, axis=0).max() == 0
    unrecognised = draw(GraspModel(GSNN(TINY, seed=0), "0" * 16), IMAGE, KNOWN, 20, 1)
    assert unrecognised.latents.shape == (20, 3) and unrecognised.recognised is None
