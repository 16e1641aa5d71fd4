"""The likelihood of a data set: units, noise on the targets, the estimator of each network, bounds."""

import numpy as np
import pytest
import torch

from learning_toy import TINY, toy_data

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.likelihood import ESTIMATORS, likelihood
from gmi_ros.learning.config import MixtureConfig, NetworkConfig
from gmi_ros.learning.networks import NETWORKS


@pytest.fixture(scope="module")
def data():
    return toy_data(3, 4)


def made(name, data):
    kind = NETWORKS[name]
    network = kind(
        TINY if kind.config_type is NetworkConfig else MixtureConfig(features=8, local=8, units=18), 1
    ).eval()
    network.normaliser.fit(data, np.arange(len(data)))
    return network


def test_every_network_has_an_estimator():
    assert set(ESTIMATORS) == set(NETWORKS)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_units_differ_by_the_jacobian_and_the_summary_tells_the_means(name, data):
    network = made(name, data)
    found = likelihood(network, data, samples=20, progress=False)
    jacobian = np.log(data.grasps.std(axis=0)).sum()
    np.testing.assert_allclose(found.nll_si, found.nll + jacobian, atol=1e-3)
    summary = found.summary()
    assert summary["n"] == 12 and summary["model"] == name and summary["nll"] == pytest.approx(found.nll.mean())
    assert (summary["estimator_error"] == 0) is (summary["estimator"] == "exact")
    assert summary["standard_error"] == pytest.approx(found.nll.std(ddof=1) / 12**0.5)


def test_the_cnn_against_numpy(data):
    network = made("cnn", data)
    images = torch.from_numpy(data.images(data.image_index)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        guess, scale = network(images).guess.numpy().astype(float), network.log_scale.exp().numpy().astype(float)
    y = (data.grasps - network.normaliser.grasp_mean.numpy()) / network.normaliser.grasp_std.numpy()
    expected = 0.5 * np.square((y - guess) / scale) + np.log(scale) + 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(likelihood(network, data, progress=False).nll, expected.sum(axis=1), rtol=1e-4)


def test_noise_on_the_targets_is_the_same_for_every_network_and_seed(data):
    network = made("cnn", data)
    quiet, noisy, again = (
        likelihood(network, data, target_noise=x, seed=s, progress=False).nll for x, s in ((0, 1), (0.5, 1), (0.5, 2))
    )
    assert not np.array_equal(quiet, noisy) and np.array_equal(noisy, again)


@pytest.mark.parametrize(("samples", "noise"), [(-1, 0.0), (1, -0.1), (1, float("nan"))])
def test_bad_settings_are_told(data, samples, noise):
    with pytest.raises(GmiError, match="samples must be >= 0 and target_noise in") as error:
        likelihood(made("cnn", data), data, samples, noise, progress=False)
    assert error.value.code == ErrorCode.BAD_SETTING


def test_a_density_that_is_not_finite_is_told(data):
    network = made("cnn", data)
    with torch.no_grad():
        network.guess.bias.fill_(float("inf"))
    with pytest.raises(GmiError, match="12 of 12 densities are not finite under cnn"):
        likelihood(network, data, progress=False)
