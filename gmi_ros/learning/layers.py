"""The network's parts: weight-normalised layers and the CNN module (paper, IV-B and Fig. 3b)."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.spec import IMAGE_CHANNELS


def convolution(inputs: int, outputs: int, kernel: int, generator: torch.Generator) -> nn.Module:
    """An unpadded convolution with weight normalisation."""
    return _normalised(nn.utils.skip_init(nn.Conv2d, inputs, outputs, kernel), generator, gain=2.0)


def linear(inputs: int, outputs: int, generator: torch.Generator, output_layer: bool = False) -> nn.Module:
    """A linear layer with weight normalisation.

    An output layer begins small: the first guess is about the mean of the data, prior and recognition are about
    N(0, I), so that the KL term does not begin in the hundreds.
    """
    return _normalised(nn.utils.skip_init(nn.Linear, inputs, outputs), generator, gain=0.01 if output_layer else 2.0)


def _normalised(layer: nn.Module, generator: torch.Generator, gain: float) -> nn.Module:
    """He et al.'s initialisation from our own generator (the global one is left alone), then w = g v / |v|."""
    with torch.no_grad():
        layer.weight.normal_(0.0, (gain / layer.weight[0].numel()) ** 0.5, generator=generator)
        layer.bias.zero_()
    return weight_norm(layer)


def fold(module: nn.Module) -> None:
    """Replace every g v / |v| by its value, in place: the same function, quicker, no longer for training.

    Not for one of two networks of which one is a `copy.deepcopy`: torch keeps one class for the layers of both.
    """
    for layer in module.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


class VisualFeatures(nn.Module):
    """The CNN module (Fig. 3b): standardised images (b, 5, 64, 64) to features (b, hidden).

    Convolutions, with max pooling after every second; network in network (two 1x1 convolutions) with global average
    pooling; one hidden layer. At 64 px with the default filters the maps are 58, 54, pooled 27, 23, 19, pooled 9 and
    7 px. ReLU throughout: the default of the authors' framework, and cheaper on a CPU than the smoother ELU.
    """

    def __init__(self, config: NetworkConfig, generator: torch.Generator):
        super().__init__()
        layers, inputs = [], IMAGE_CHANNELS
        for i, (kernel, outputs) in enumerate(zip(config.kernels, config.channels, strict=True)):
            layers.append(convolution(inputs, outputs, kernel, generator))
            # Pooling before the ReLU gives the same as after it, from a quarter of the work.
            layers += [nn.MaxPool2d(2), nn.ReLU()] if i % 2 else [nn.ReLU()]
            inputs = outputs
        for _ in range(2):
            layers += [convolution(inputs, inputs, 1, generator), nn.ReLU()]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(inputs, config.hidden, generator), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.bfloat16 = False  # multiply in bfloat16: quicker where the processor has instructions for it

    def forward(self, image: Tensor) -> Tensor:
        if not self.bfloat16:
            return self.layers(image)
        with torch.autocast(image.device.type, torch.bfloat16):
            return self.layers(image).float()


class LatentEncoder(nn.Module):
    """Image features (b, hidden) and standardised grasps (b, grasp_dim) to mean and log sigma of z, each (b, latent).

    The grasp passes a hidden layer of its own; both are concatenated into the shared representation, followed by
    another hidden layer (IV-B). Serves the recognition network, and the R-CVAE's prior with the predicted grasp as
    input. With grasp_dim 0 the grasp is dropped, which is the CVAE's prior.
    """

    LOG_SIGMA = (-6.0, 3.0)  # keeps exp() and the weights of Eq. 6 finite; trained networks stay inside

    def __init__(self, config: NetworkConfig, generator: torch.Generator, grasp_dim: int):
        super().__init__()
        self.grasp = linear(grasp_dim, config.hidden, generator) if grasp_dim else None
        self.shared = linear((2 if grasp_dim else 1) * config.hidden, config.hidden, generator)
        self.latent = linear(config.hidden, 2 * config.latent, generator, output_layer=True)

    def forward(self, features: Tensor, grasp: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.grasp is not None:
            features = torch.cat([features, self.grasp(grasp).relu()], dim=-1)  # (b, 2 hidden)
        mean, log_sigma = self.latent(self.shared(features).relu()).chunk(2, dim=-1)
        return mean, log_sigma.clamp(*self.LOG_SIGMA)
