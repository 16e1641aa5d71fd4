"""Features of every place in the window, and the Gaussians of contacts that stand on it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.core.observation import WINDOW_M
from gmi_ros.learning.config import MixtureConfig
from gmi_ros.learning.gaussians import Gaussians
from gmi_ros.learning.spec import IMAGE_CHANNELS, IMAGE_SIZE

_GRID = IMAGE_SIZE // 2  # cells on a side
_CELL = WINDOW_M / _GRID  # [m]


class SpatialFeatures(nn.Module):
    """Standardised images (m, 5, 64, 64) to features of each cell (m, local, 32, 32) and of the whole (m, features).

    A U-Net (Ronneberger et al. 2015): convolutions that halve the image three times, and back to half its side with
    what was seen on the way. The whole keeps where something is, as the window is aligned with {O}.
    """

    _CHANNELS = (32, 64, 128)
    _KEPT = 32  # channels that are flattened, of maps an eighth of the image on a side

    def __init__(self, config: MixtureConfig):
        super().__init__()
        a, b, c = self._CHANNELS
        self.down = nn.ModuleList([_block(IMAGE_CHANNELS + 2, a, 5, 2), _block(a, b, 3, 2), _block(b, c, 3, 2)])
        self.deep = _block(c, c)
        self.up = nn.ModuleList([_block(c + b, b), _block(b + a, config.local)])
        self.dropout = nn.Dropout2d(config.local_dropout)
        side = IMAGE_SIZE // 8
        self.whole = nn.Sequential(
            nn.Conv2d(c, self._KEPT, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(config.dropout),
            nn.Linear(self._KEPT * side**2, config.features), nn.ReLU(), nn.Dropout(config.dropout),
        )  # fmt: skip
        line = torch.linspace(1, -1, IMAGE_SIZE)
        place = torch.stack([line.expand(IMAGE_SIZE, -1), line[:, None].expand(-1, IMAGE_SIZE)])
        self.register_buffer("place", place[None], persistent=False)
        self.bfloat16 = False  # as VisualFeatures

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        if not self.bfloat16:
            return self._look(image)
        with torch.autocast(image.device.type, torch.bfloat16):
            local, whole = self._look(image)
        return local.float(), whole.float()

    def _look(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x, seen = torch.cat([image, self.place.expand(len(image), -1, -1, -1)], dim=1), []
        for layer in self.down:
            x = layer(x)
            seen.append(x)
        x = self.deep(x)
        whole = self.whole(x)
        for layer, earlier in zip(self.up, seen[-2::-1], strict=True):
            x = layer(torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), earlier], dim=1))
        return self.dropout(x), whole


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.GroupNorm(8, outputs), nn.ReLU())


def surface(image: Tensor) -> Tensor:
    """(m, 3, 32, 32) where what is seen in each cell lies in {O} [m], of images in the units of `Observation.image`."""
    line = ((_GRID - 1) / 2 - torch.arange(_GRID, device=image.device, dtype=image.dtype)) * _CELL
    depth = functional.avg_pool2d(image[:, 3:4], 2)
    return torch.cat([depth, line.expand_as(depth), line[:, None].expand_as(depth)], dim=1)


def seen_at(local: Tensor, place: Tensor) -> Tensor:
    """(m, n, local) of the maps at places (m, n, 3) in {O} [m], between cells linearly, outside as at the edge."""
    grid = -place[..., 1:] / (WINDOW_M / 2)  # columns run against y and rows against z, from -1 to 1
    found = functional.grid_sample(local, grid[:, :, None], "bilinear", "border", align_corners=False)
    return found[..., 0].transpose(1, 2)


class ContactHead(nn.Module):
    """Where a finger touches and the normal there, given the contacts before.

    The place is a mixture of Gaussians that stand on the surface that is seen, `layers` at every cell, for what is in
    front and what is behind; a query to the cells' features (the attention of Vinyals et al.'s pointer networks, 2015)
    tells their weights. One more Gaussian is for what lies outside the window.
    """

    def __init__(self, config: MixtureConfig, earlier: int):
        super().__init__()
        self.layers, self.components, self.least = config.layers, config.components, config.target_noise
        told = earlier * (6 + config.local)
        self.context = nn.Sequential(
            nn.Linear(config.features + told, config.units), nn.ReLU(), nn.Dropout(config.dropout)
        )
        self.query = nn.Linear(config.units, config.layers * config.local)
        self.anchor = nn.Conv2d(config.local, config.layers * 6, 1)
        self.elsewhere = nn.Linear(config.units, 7)
        self.normal = nn.Sequential(
            nn.Linear(config.units + config.local + 3, config.units), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(config.units, 7 * config.components),
        )  # fmt: skip
        with torch.no_grad():  # at first on the surface itself, about a centimetre wide
            self.anchor.weight.zero_()
            self.anchor.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -1.0, -1.0, -1.0]).repeat(config.layers))

    def anchors(self, local: Tensor, surface: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log scales, each (m, 1, layers * cells, 3), of the Gaussians on a standardised surface."""
        raw = self.anchor(local).unflatten(1, (self.layers, 2, 3))  # (m, layers, 2, 3, 32, 32)
        means, scales = surface[:, None] + raw[:, :, 0], self._log_scale(raw[:, :, 1])
        return tuple(part.permute(0, 1, 3, 4, 2).flatten(1, 3)[:, None] for part in (means, scales))

    def place(self, context: Tensor, local: Tensor, anchors: tuple[Tensor, Tensor]) -> tuple[Gaussians, Gaussians]:
        """Of contexts (m, n, units): the Gaussians on the image, and the one elsewhere."""
        m, n, _ = context.shape
        keys = local.flatten(2)  # (m, local, cells)
        query = self.query(context).reshape(m, n * self.layers, -1) / keys.shape[1] ** 0.5
        logits = (query @ keys).reshape(m, n, -1)
        other = self.elsewhere(context)[:, :, None]  # (m, n, 1, 7)
        return (
            Gaussians(logits, *anchors),
            Gaussians(other[..., 0], other[..., 1:4], self._log_scale(other[..., 4:])),
        )

    def normals(self, context: Tensor, seen: Tensor, place: Tensor) -> tuple[Gaussians]:
        """Of the normal at a standardised place (m, n, 3) where `seen` (m, n, local) is."""
        raw = self.normal(torch.cat([context, seen, place], dim=-1)).unflatten(-1, (self.components, 7))
        return (Gaussians(raw[..., 0], raw[..., 1:4], self._log_scale(raw[..., 4:])),)

    def _log_scale(self, raw: Tensor) -> Tensor:
        """None below the noise on the targets."""
        return 0.5 * torch.log(self.least**2 + torch.exp(2 * raw.clamp(-8.0, 3.0)))
