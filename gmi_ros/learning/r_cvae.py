"""The recurrent conditional variational autoencoder (paper, III-C and Fig. 3a)."""

import functools
import math

import torch
from torch import Tensor, nn

from gmi_ros.learning.conditional import ConditionalGrasps
from gmi_ros.learning.config import RCVAEConfig
from gmi_ros.learning.layers import LatentEncoder, VisualFeatures, linear
from gmi_ros.learning.normaliser import Normaliser
from gmi_ros.learning.spec import GRASP_DIM

_SCALE_GAIN = 5.0  # Adam moves a parameter by about its learning rate a step; the scale must fall by e within an epoch
_SCALE_START = 0.5  # standardised units above the least scale


class RCVAE(nn.Module):
    """p(y|x) over 18-D grasps y given images x, with a latent z.

    prediction   x -> features -> guess of y, that is p(y|x)
    recognition  x, y -> q(z|x, y)
    prior        x, guess -> p(z|x): recurrent, since the prediction's guess comes back as an input
    generator    z and the prediction's features -> what is added to the guess, giving the mean of p(y|x, z)

    Each of the first three has a CNN of its own; the generator shares the prediction's. The output is Gaussian with
    one learned scale per dimension. White noise enters images, grasps and guess while training, in standardised units.
    """

    def __init__(self, config: RCVAEConfig = RCVAEConfig(), seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.config = config
        self.normaliser = Normaliser()
        self.prediction_features = VisualFeatures(config, generator)
        self.prior_features = VisualFeatures(config, generator)
        self.recognition_features = VisualFeatures(config, generator)
        self.guess = linear(config.hidden, GRASP_DIM, generator, output_layer=True)
        self.prior = LatentEncoder(config, GRASP_DIM, generator)
        self.recognition = LatentEncoder(config, GRASP_DIM, generator)
        self.generator_hidden = linear(config.hidden + config.latent, config.hidden, generator)
        self.generator_output = linear(config.hidden, GRASP_DIM, generator, output_layer=True)
        self.scale = nn.Parameter(torch.full((GRASP_DIM,), math.log(_SCALE_START) / _SCALE_GAIN))

    @property
    def log_scale(self) -> Tensor:
        """(18,) log of the output scale in standardised units; the scale is never below `config.min_scale`."""
        return torch.log(self.config.min_scale + torch.exp(_SCALE_GAIN * self.scale))

    def forward(
        self, image: Tensor, generator: torch.Generator | None = None, rows: Tensor | None = None
    ) -> ConditionalGrasps:
        """The distribution of grasps for images (m, 5, 64, 64) in the units of `Observation.image`.

        Args:
            generator: draws the input noise; needed in training mode only.
            rows: (b,) int, which image each row of the answer is about; None = every image once. Images that serve
                several rows go through the convolutions once.
        """
        x = self.normaliser.standardise_image(image)
        pick = slice(None) if rows is None else rows
        features = self.prediction_features(self._noisy(x, generator))[pick]  # (b, hidden)
        guess = self.guess(features)  # (b, 18)
        prior = self.prior(self.prior_features(self._noisy(x, generator))[pick], self._noisy(guess, generator))

        @functools.lru_cache(maxsize=1)
        def recognition_features() -> Tensor:  # sampling never needs them; bound and likelihood share them
            return self.recognition_features(self._noisy(x, generator))[pick]

        def encode(y: Tensor) -> tuple[Tensor, Tensor]:
            return self.recognition(recognition_features(), self._noisy(y, generator))

        def decode(z: Tensor) -> Tensor:
            shared = features[:, None].expand(-1, z.shape[1], -1)  # (b, n, hidden)
            hidden = self.generator_hidden(torch.cat([shared, z], dim=-1)).relu()
            return guess[:, None] + self.generator_output(hidden)

        return ConditionalGrasps(prior, encode, decode, self.log_scale, self.normaliser)

    def _noisy(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.training or self.config.input_noise == 0:
            return x
        assert generator is not None, "training mode needs a generator for the input noise"
        noise = torch.empty_like(x)
        # Filled through a flat view: on a channels-last tensor itself normal_ is ten times slower.
        noise.as_strided((noise.numel(),), (1,)).normal_(0.0, self.config.input_noise, generator=generator)
        return x + noise
