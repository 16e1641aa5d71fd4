"""A better model than the paper's: an autoregressive mixture density over the 18 numbers of a grasp.

p(y|x) = prod_d p(y_d | y_1 .. y_(d-1), x), each factor a mixture of Gaussians (the factorisation of MADE and RNADE;
Tobin et al. 2018 chose it for parallel-jaw grasps). Its density is known exactly, and modes are told apart by the first
number in which they differ. Two more things differ from the paper's networks. The CNN is strided, an order of magnitude
cheaper, and keeps where in the window something is seen: average pooling forgets it, although the window is aligned
with {O}, in which the grasp is told. And the targets are smoothed by a fixed noise, which is taken off again when
sampling: unit normals and flat faces make the true density singular.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.learning.config import MixtureConfig
from gmi_ros.learning.distributions import Bound, GraspDistribution
from gmi_ros.learning.likelihood import Estimate
from gmi_ros.learning.normaliser import Normaliser
from gmi_ros.learning.spec import GRASP_DIM, IMAGE_CHANNELS, IMAGE_SIZE


class StridedFeatures(nn.Module):
    """Standardised images (b, 5, 64, 64) to features (b, features); halves the image three times, then flattens."""

    _CHANNELS = (32, 64, 128)
    _KEPT = 32  # channels that are flattened, of maps an eighth of the image on a side

    def __init__(self, config: MixtureConfig):
        super().__init__()
        layers, inputs = [], IMAGE_CHANNELS
        for outputs, kernel in zip(self._CHANNELS, (5, 3, 3), strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2),
                nn.GroupNorm(8, outputs),
                nn.ReLU(),
            ]
            inputs = outputs
        layers += [nn.Conv2d(inputs, inputs, 3, padding=1), nn.GroupNorm(8, inputs), nn.ReLU()]
        layers += [nn.Conv2d(inputs, self._KEPT, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(config.dropout)]
        side = IMAGE_SIZE // 2 ** len(self._CHANNELS)
        layers += [nn.Linear(self._KEPT * side**2, config.features), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class MaskedLinear(nn.Linear):
    """A linear layer of which some weights are always zero."""

    def __init__(self, mask: Tensor):
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.mask, self.bias)


class Factors(nn.Module):
    """Standardised grasps (b, 18) and features (b, features) to the mixtures of all 18 factors.

    A masked network (MADE, Germain et al. 2015): a hidden unit of degree k sees the first k numbers only, and the
    mixture of number d sees units of degrees below d, so that one pass gives every factor.
    """

    def __init__(self, config: MixtureConfig):
        super().__init__()
        inputs = torch.arange(1, GRASP_DIM + 1)
        degrees = torch.arange(config.units) % GRASP_DIM  # 0 sees the image alone
        outputs = inputs.repeat_interleave(3 * config.components)
        self.first = MaskedLinear((degrees[:, None] >= inputs).float())
        self.second = MaskedLinear((degrees[:, None] >= degrees).float())
        self.out = MaskedLinear((outputs[:, None] > degrees).float())
        self.condition = nn.Linear(config.features, 2 * config.units)
        self.components, self.least = config.components, config.target_noise

    def forward(self, y: Tensor, condition: Tensor, only: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, means and log scales, each (b, 18, components), of number `only` (b, 1, components).

        Args:
            condition: (b, 2 units), `self.condition` of the features.

        No scale is below the noise on the targets.
        """
        first, second = condition.chunk(2, dim=-1)
        hidden = (self.first(y) + first).relu()
        hidden = hidden + (self.second(hidden) + second).relu()
        width = 3 * self.components
        rows = slice(None) if only is None else slice(only * width, (only + 1) * width)
        raw = functional.linear(hidden, (self.out.weight * self.out.mask)[rows], self.out.bias[rows])
        weights, means, scales = raw.unflatten(-1, (-1, 3, self.components)).unbind(dim=-2)
        log_scale = 0.5 * torch.log(self.least**2 + torch.exp(2 * scales.clamp(-8.0, 3.0)))
        return functional.log_softmax(weights, dim=-1), means, log_scale


class MixtureNetwork(nn.Module):
    """Images to `MixtureGrasps`."""

    config_type = MixtureConfig

    def __init__(self, config: MixtureConfig = MixtureConfig(), seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation, the global generator left alone
            torch.manual_seed(seed)
            self.features = StridedFeatures(config)
            self.factors = Factors(config)
        self.config = config
        self.normaliser = Normaliser()

    def forward(
        self, image: Tensor, generator: torch.Generator | None = None, rows: Tensor | None = None
    ) -> "MixtureGrasps":
        """As `networks.CNN.forward`; the noise while training is on the targets, not on the images."""
        condition = self.factors.condition(self.features(self.normaliser.standardise_image(image)))
        condition = condition if rows is None else condition[rows]
        return MixtureGrasps(condition, self.factors, self.normaliser, self.training)


@dataclass(frozen=True)
class MixtureGrasps(GraspDistribution):
    """The answer for b images: `Factors.condition` of their features (b, 2 units), and what makes factors of them.

    The density is that of a grasp plus N(0, target_noise^2) in standardised units; a sample's centre is drawn without
    that noise.
    """

    condition: Tensor
    factors: Factors
    normaliser: Normaliser
    training: bool

    def centres(self, n: int, generator: torch.Generator) -> Tensor:
        return self._drawn(n, generator)[0]

    def sample(self, n: int, generator: torch.Generator, noise: bool = False) -> Tensor:
        """As everywhere; the noise is the one that the later numbers of a grasp have seen in the earlier ones."""
        return self.normaliser.restore_grasp(self._drawn(n, generator)[int(noise)])

    def _drawn(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n grasps (b, n, 18), standardised, without the noise and with it.

        Number by number: a component, its Gaussian less the noise; the next numbers see this one with the noise.
        """
        condition = self.condition.repeat_interleave(n, dim=0)
        noisy = condition.new_zeros(len(condition), GRASP_DIM)
        clean = torch.zeros_like(noisy)
        noise = self.factors.least
        for d in range(GRASP_DIM):
            log_weight, mean, log_scale = (part[:, 0] for part in self.factors(noisy, condition, only=d))
            chosen = torch.multinomial(log_weight.exp(), 1, generator=generator)
            mean, scale = mean.gather(1, chosen)[:, 0], log_scale.gather(1, chosen)[:, 0].exp()
            draws = torch.randn(2, len(noisy), generator=generator, dtype=noisy.dtype, device=noisy.device)
            clean[:, d] = mean + (scale.square() - noise**2).clamp(min=0).sqrt() * draws[0]
            noisy[:, d] = clean[:, d] + noise * draws[1]
        return clean.unflatten(0, (-1, n)), noisy.unflatten(0, (-1, n))

    def mean(self) -> Tensor:
        """The heaviest component of each factor, given the ones before."""
        y = self.condition.new_zeros(len(self.condition), GRASP_DIM)
        for d in range(GRASP_DIM):
            log_weight, mean, _ = (part[:, 0] for part in self.factors(y, self.condition, only=d))
            y[:, d] = mean.gather(1, log_weight.argmax(dim=1, keepdim=True))[:, 0]
        return self.normaliser.restore_grasp(y)

    def output_noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=self.condition.dtype, device=self.condition.device)
        return self.factors.least * drawn

    def density(self, centres: Tensor) -> Tensor:
        b, n, _ = centres.shape
        condition = self.condition.repeat_interleave(n, dim=0)
        return self._log_prob(centres.flatten(0, 1), condition).unflatten(0, (b, n))

    def elbo(self, y: Tensor, generator: torch.Generator) -> Bound:
        """The exact log-likelihood; while training that of the grasps with the noise on them."""
        y = self.normaliser.standardise_grasp(y)
        if self.training:
            y = y + self.output_noise(tuple(y.shape), generator)
        exact = self._log_prob(y, self.condition)
        return Bound(exact, torch.zeros_like(exact))

    def log_prob(self, y: Tensor, n_samples: int, generator: torch.Generator) -> Estimate:
        exact = self._log_prob(self.normaliser.standardise_grasp(y), self.condition) - self.normaliser.log_volume
        return Estimate(exact, torch.zeros_like(exact))

    def _log_prob(self, y: Tensor, condition: Tensor) -> Tensor:
        log_weight, mean, log_scale = self.factors(y, condition)
        z = (y[..., None] - mean) * torch.exp(-log_scale)
        terms = log_weight - 0.5 * z.square() - log_scale - 0.5 * math.log(2 * math.pi)
        return torch.logsumexp(terms, dim=-1).sum(dim=-1)
