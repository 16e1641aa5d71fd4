"""How deep an object is behind what is seen of it: a network that guesses the hidden side of each cell of the window.

A U-Net (Ronneberger et al. 2015) over depth and mask, beside which it is told how far behind each cell the table is: no
object reaches through that. It guesses a logistic distribution of the object's depth in every cell, so that what it cannot
know, it says. Its guess is what grasps are rehearsed on (sim.rehearsal).
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.core.observation import DEPTH_CLIP_M, WINDOW_M, Observation
from gmi_ros.learning.config import HiddenSideConfig
from gmi_ros.learning.spec import IMAGE_SIZE

_UNIT = 0.05  # [m] of the network's inputs and outputs
_INPUTS = 5  # depth, mask, table, room before the table, whether the table is known
_LEAST_SPREAD = 5e-4  # [m]


class HiddenSide(NamedTuple):
    """How far an object reaches behind what is seen, along the optical axis: location and scale of a logistic distribution,
    (m, 64, 64) [m] each; thickness 0 outside the mask."""

    thickness: Tensor
    spread: Tensor


class HiddenSideNetwork(nn.Module):
    """Images to `HiddenSide`."""

    config_type = HiddenSideConfig

    def __init__(self, config: HiddenSideConfig = HiddenSideConfig(), seed: int = 0):
        super().__init__()
        self.config = config
        self.bfloat16 = False  # as networks' VisualFeatures
        with torch.random.fork_rng(devices=[]):  # torch's own initialisation, the global generator left alone
            torch.manual_seed(seed)
            widths = config.filters
            self.down = nn.ModuleList(_twice(i, o) for i, o in zip((_INPUTS, *widths), widths, strict=False))
            self.up = nn.ModuleList(_twice(i + o, o) for i, o in zip(widths[:0:-1], widths[-2::-1], strict=True))
            self.guess = nn.Conv2d(widths[0], 2, 1)
        offsets = ((IMAGE_SIZE - 1) / 2 - torch.arange(IMAGE_SIZE)) * (WINDOW_M / IMAGE_SIZE)
        # y and z [m] of the cells on the plane of the object's depth: rows run against z, columns against y.
        z, y = torch.meshgrid(offsets, offsets, indexing="ij")
        self.register_buffer("cells", torch.stack([y, z]), persistent=False)

    def forward(self, images: Tensor, distance: Tensor, table: Tensor) -> HiddenSide:
        """Of images (m, 5, 64, 64) in the units of `Observation.image`, {O}'s origin at distance (m,) [m] along the optical
        axis, and the plane under the object in {O}, table (m, 4), NaN where it is not known."""
        depth, mask = images[:, 3], images[:, 4]
        known = torch.isfinite(table).all(dim=-1)[:, None, None]
        under = self._table(distance, torch.nan_to_num(table))
        under = torch.where(known, under, torch.full_like(under, DEPTH_CLIP_M))
        seen = [t.clamp(-DEPTH_CLIP_M, DEPTH_CLIP_M) / _UNIT for t in (depth, under, under - depth)]
        x = torch.stack([seen[0], mask, seen[1], seen[2], known.expand_as(mask).to(mask.dtype)], dim=1)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bfloat16):
            guessed = self._guess(x.contiguous(memory_format=torch.channels_last))
        thickness, spread = (functional.softplus(guessed.float()) * _UNIT).unbind(dim=1)
        return HiddenSide(thickness * mask, spread + _LEAST_SPREAD)

    def _guess(self, x: Tensor) -> Tensor:
        kept = []
        for i, layer in enumerate(self.down):
            x = layer(functional.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for layer, before in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), before], dim=1))
        return self.guess(x)

    def _table(self, distance: Tensor, table: Tensor) -> Tensor:
        """Depth (m, 64, 64) [m], relative to the object's, at which the ray of each cell meets the plane (m, 4)."""
        far = distance[:, None, None]
        normal, offset = table[:, :3, None, None], table[:, 3, None, None]
        along = normal[:, 0] * far + normal[:, 1] * self.cells[0] + normal[:, 2] * self.cells[1]
        met = (offset + normal[:, 0] * far) / torch.where(along.abs() < 1e-6, torch.full_like(along, -1e-6), along)
        return torch.where(met > 0, far * (met - 1), torch.full_like(met, DEPTH_CLIP_M))


def unlikeliness(guess: HiddenSide, thickness: Tensor) -> Tensor:
    """Mean negative log-likelihood [nats] of true depths (m, 64, 64) in units of _UNIT, over the cells that have one: NaN
    says that there is none."""
    known = torch.isfinite(thickness)
    scale = guess.spread[known]
    z = ((thickness[known] - guess.thickness[known]) / scale).abs()
    # -log of the logistic density: |z| + 2 log(1 + exp(-|z|)) + log of the scale.
    return (z + 2 * functional.softplus(-z) + torch.log(scale / _UNIT)).sum() / known.sum().clamp(min=1)


class HiddenSideGuesser:
    """Wraps a network for inference: numpy in, numpy out, the same bits for the same request."""

    def __init__(self, network: HiddenSideNetwork, weights_hash: str, device: torch.device = torch.device("cpu")):
        self._network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._device, self.hash = device, weights_hash

    def __call__(self, observation: Observation, table: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """How far the object of an observation reaches behind each cell, and how sure that is: (64, 64) [m] each.

        Args:
            table: (4,) normal and offset [m] of the plane under the object in {O}, or None.
        """
        pixels = torch.from_numpy(np.array(observation.image, np.float32, order="C")[None]).to(self._device)
        distance = observation.object_frame.camera_from_object[2, 3]
        with torch.inference_mode():
            guess = self._network(
                pixels.permute(0, 3, 1, 2),
                torch.tensor([distance], dtype=torch.float32, device=self._device),
                torch.tensor([[math.nan] * 4 if table is None else list(map(float, table))], device=self._device),
            )
        return tuple(part[0].cpu().numpy().astype(float) for part in guess)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
    )
