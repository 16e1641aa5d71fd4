"""The paper's four networks (III-C, IV-B, Fig. 3) and the CNN with full covariance, each by what it adds.

| network | prior p(z given x) | recognition q(z given x, y) | CNN modules |
|---|---|---|---|
| CNN | no latent | | 1: prediction |
| GSNN | from the image | the prior | 2: + prior |
| CVAE | from the image | from image and grasp | 3: + recognition |
| R-CVAE | from image and the predicted grasp | from image and grasp | 3 |

All predict a guess of y from the image; those with a latent add to it what the generator makes of z and the
prediction's features. The output is Gaussian with one learned scale per dimension, independent of x and z.
"""

import functools
import math

import torch
from torch import Tensor, nn

from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.distributions import GaussianGrasps, GraspDistribution, LatentGrasps
from gmi_ros.learning.layers import LatentEncoder, VisualFeatures, linear
from gmi_ros.learning.mixture import MixtureNetwork
from gmi_ros.learning.normaliser import Normaliser
from gmi_ros.learning.spec import GRASP_DIM

_SCALE_GAIN = 5.0  # Adam moves a parameter by about its learning rate a step; the scale must fall by e within an epoch
_SCALE_START = 0.5  # standardised units above the least scale


class _Look:
    """One forward pass's view of the images: standardised, with the network's input noise while training."""

    def __init__(self, network: "CNN", image: Tensor, generator: torch.Generator | None, rows: Tensor | None):
        self._x = network.normaliser.standardise_image(image)
        self._deviation = network.config.input_noise if network.training else 0.0
        self._generator, self._pick = generator, slice(None) if rows is None else rows

    def features(self, module: VisualFeatures) -> Tensor:
        """(b, hidden) of each row."""
        return module(self.noisy(self._x))[self._pick]

    def noisy(self, x: Tensor) -> Tensor:
        """White noise at the networks' inputs while training (IV-B)."""
        if self._deviation == 0:
            return x
        assert self._generator is not None, "training mode needs a generator for the input noise"
        noise = torch.empty_like(x)
        # Filled through a flat view: on a channels-last tensor itself normal_ is ten times slower.
        noise.as_strided((noise.numel(),), (1,)).normal_(0.0, self._deviation, generator=self._generator)
        return x + noise


class CNN(nn.Module):
    """The baseline: y ~ N(guess(x), scale). Also what the others are built on, as their prediction network."""

    config_type = NetworkConfig

    def __init__(self, config: NetworkConfig = NetworkConfig(), seed: int = 0):
        super().__init__()
        self.config = config
        self.normaliser = Normaliser()
        generator = torch.Generator().manual_seed(seed)
        self.prediction_features = VisualFeatures(config, generator)
        self.guess = linear(config.hidden, GRASP_DIM, generator, output_layer=True)
        self.scale = nn.Parameter(torch.full((GRASP_DIM,), math.log(_SCALE_START) / _SCALE_GAIN))
        self._build(config, generator)

    def _build(self, config: NetworkConfig, generator: torch.Generator) -> None:
        """Make the layers that a network adds."""

    @property
    def log_scale(self) -> Tensor:
        """(18,) log of the output scale in standardised units; the scale is never below `config.min_scale`."""
        return torch.log(self.config.min_scale + torch.exp(_SCALE_GAIN * self.scale))

    def forward(
        self, image: Tensor, generator: torch.Generator | None = None, rows: Tensor | None = None
    ) -> GraspDistribution:
        """The distribution of grasps for images (m, 5, 64, 64) in the units of `Observation.image`.

        Args:
            generator: draws the input noise; needed in training mode only.
            rows: (b,) int, which image each row of the answer is about; None = every image once. Images that serve
                several rows go through the convolutions once.
        """
        look = _Look(self, image, generator, rows)
        features = look.features(self.prediction_features)  # (b, hidden)
        return self._distribution(look, features, self.guess(features))

    def _distribution(self, look: _Look, features: Tensor, guess: Tensor) -> GraspDistribution:
        return GaussianGrasps(guess, torch.diag(self.log_scale.exp()), self.normaliser)


class FullCovarianceCNN(CNN):
    """The CNN with a learned covariance between all outputs: what of the others' margin is plain correlation.

    The covariance is min_scale^2 I + A A^T with A lower triangular, so no direction is narrower than
    `config.min_scale`. A begins diagonal and not zero: at zero its gradient vanishes, and it would never move.
    """

    def _build(self, config: NetworkConfig, generator: torch.Generator) -> None:
        self.lower = nn.Parameter(torch.zeros(GRASP_DIM, GRASP_DIM))

    def _distribution(self, look: _Look, features: Tensor, guess: Tensor) -> GraspDistribution:
        least = self.config.min_scale**2
        spread = torch.diag((torch.exp(2 * self.log_scale) - least).sqrt()) + _SCALE_GAIN * self.lower.tril(-1)
        covariance = least * torch.eye(GRASP_DIM, device=guess.device) + spread @ spread.T
        return GaussianGrasps(guess, torch.linalg.cholesky(covariance), self.normaliser)


class GSNN(CNN):
    """Gaussian stochastic neural network: recognition and prior are one, q(z|x, y) = p(z|x)."""

    prior_takes_guess = False

    def _build(self, config: NetworkConfig, generator: torch.Generator) -> None:
        self.prior_features = VisualFeatures(config, generator)
        self.prior = LatentEncoder(config, generator, GRASP_DIM if self.prior_takes_guess else 0)
        self.generator_hidden = linear(config.hidden + config.latent, config.hidden, generator)
        self.generator_output = linear(config.hidden, GRASP_DIM, generator, output_layer=True)

    def _distribution(self, look: _Look, features: Tensor, guess: Tensor) -> GraspDistribution:
        def decode(z: Tensor) -> Tensor:
            shared = features[:, None].expand(-1, z.shape[1], -1)  # (b, n, hidden)
            hidden = self.generator_hidden(torch.cat([shared, z], dim=-1)).relu()
            return guess[:, None] + self.generator_output(hidden)

        prior = self._prior(look, guess)
        return LatentGrasps(prior, self._encoder(look), decode, self.log_scale, self.normaliser)

    def _prior(self, look: _Look, guess: Tensor) -> tuple[Tensor, Tensor]:
        return self.prior(look.features(self.prior_features))

    def _encoder(self, look: _Look):
        return None


class CVAE(GSNN):
    """Conditional variational autoencoder: a recognition network of its own sees the grasp as well."""

    def _build(self, config: NetworkConfig, generator: torch.Generator) -> None:
        super()._build(config, generator)
        self.recognition_features = VisualFeatures(config, generator)
        self.recognition = LatentEncoder(config, generator, GRASP_DIM)

    def _encoder(self, look: _Look):
        # Sampling never needs these features; bound and likelihood share them.
        features = functools.cache(lambda: look.features(self.recognition_features))
        return lambda y: self.recognition(features(), look.noisy(y))


class RCVAE(CVAE):
    """Recurrent CVAE: the prior has the recognition network's structure, and the guess comes back as its grasp."""

    prior_takes_guess = True

    def _prior(self, look: _Look, guess: Tensor) -> tuple[Tensor, Tensor]:
        return self.prior(look.features(self.prior_features), look.noisy(guess))


NETWORKS: dict[str, type[nn.Module]] = {
    "cnn": CNN,
    "cnn_full": FullCovarianceCNN,
    "gsnn": GSNN,
    "cvae": CVAE,
    "r_cvae": RCVAE,
    "mixture": MixtureNetwork,
}
