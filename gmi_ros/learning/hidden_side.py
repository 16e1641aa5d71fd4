"""What is solid behind what is seen of an object: a network that guesses the hidden side of each cell of the fine window.

A U-Net (Ronneberger et al. 2015) over depth and mask, beside which it is told how far behind each cell the table is: no
object reaches through that. It tells how likely the object is there in layers behind the front (core.solid), so that what
it cannot know, it says. Its guess is what grasps are rehearsed on (sim.rehearsal).
"""

import math
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.core.frame import Frame
from gmi_ros.core.object_frame import ObjectFrame
from gmi_ros.core.observation import DEPTH_CLIP_M, FINE, observe
from gmi_ros.core.solid import LAYER_M, LAYERS
from gmi_ros.learning.config import HiddenSideConfig

_UNIT = 0.05  # [m] of the network's inputs
_LEAST = -80.0  # log odds: 0 is for what is not seen, and so must nothing else be told by float32
_INPUTS = 5  # depth, mask, table, room before the table, whether the table is known


class HiddenSideNetwork(nn.Module):
    """Images to log odds that each layer behind each cell is solid."""

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
            self.guess = nn.Conv2d(widths[0], LAYERS, 1)
        size, side = FINE
        offsets = ((size - 1) / 2 - torch.arange(size)) * (side / size)
        # y and z [m] of the cells on the plane of the object's depth: rows run against z, columns against y.
        z, y = torch.meshgrid(offsets, offsets, indexing="ij")
        self.register_buffer("cells", torch.stack([y, z]), persistent=False)

    def forward(self, images: Tensor, distance: Tensor, table: Tensor) -> Tensor:
        """(m, LAYERS, 96, 96) of images (m, 5, 96, 96) in the units of `Observation.image`, {O}'s origin at distance (m,) [m] along the optical
        axis, and the plane under the object in {O}, table (m, 4), NaN where it is not known."""
        depth, mask = images[:, 3], images[:, 4]
        known = torch.isfinite(table).all(dim=-1)[:, None, None]
        under = self._table(distance, torch.nan_to_num(table))
        under = torch.where(known, under, torch.full_like(under, DEPTH_CLIP_M))
        seen = [t.clamp(-DEPTH_CLIP_M, DEPTH_CLIP_M) / _UNIT for t in (depth, under, under - depth)]
        x = torch.stack([seen[0], mask, seen[1], seen[2], known.expand_as(mask).to(mask.dtype)], dim=1)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bfloat16):
            guessed = self._guess(x.contiguous(memory_format=torch.channels_last))
        return guessed.float()

    def _guess(self, x: Tensor) -> Tensor:
        kept = []
        for i, layer in enumerate(self.down):
            x = layer(functional.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for layer, before in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), before], dim=1))
        return self.guess(x)

    def _table(self, distance: Tensor, table: Tensor) -> Tensor:
        """Depth (m, 96, 96) [m], relative to the object's, at which the ray of each cell meets the plane (m, 4)."""
        far = distance[:, None, None]
        normal, offset = table[:, :3, None, None], table[:, 3, None, None]
        along = normal[:, 0] * far + normal[:, 1] * self.cells[0] + normal[:, 2] * self.cells[1]
        met = (offset + normal[:, 0] * far) / torch.where(along.abs() < 1e-6, torch.full_like(along, -1e-6), along)
        return torch.where(met > 0, far * (met - 1), torch.full_like(met, DEPTH_CLIP_M))


def unlikeliness(log_odds: Tensor, stretches: Tensor) -> Tensor:
    """Mean cross entropy [nats a cell] with what is solid: stretches (m, 96, 96, k, 2) [m], as sim.stretches has them, NaN in
    the cells that show no object. Of a layer that an object ends in, the part that it fills counts."""
    known = torch.isfinite(stretches[:, :, :, 0, 0])
    guessed, true = (
        log_odds.permute(0, 2, 3, 1)[known],
        torch.nan_to_num(stretches[known] / LAYER_M),
    )  # NaN: from 0 to 0
    layers = torch.arange(LAYERS, device=true.device)
    filled = (true[..., 1:].clamp(max=LAYERS) - layers).clamp(0, 1) - (true[..., :1] - layers).clamp(
        0, 1
    )  # (n, k, LAYERS)
    loss = functional.binary_cross_entropy_with_logits(guessed, filled.sum(dim=1).clamp(0, 1), reduction="sum")
    return loss / len(guessed)


class HiddenSideGuesser:
    """Wraps a network for inference: numpy in, numpy out, the same bits for the same request."""

    def __init__(self, network: HiddenSideNetwork, weights_hash: str, device: torch.device = torch.device("cpu")):
        self._network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._device, self.hash = device, weights_hash

    def __call__(self, frame: Frame, found: ObjectFrame, table: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """How likely an object is solid behind what the frame shows in each cell of the fine window: (96, 96, LAYERS), 0
        where it is not seen.

        Args:
            table: (4,) normal and offset [m] of the plane under the object in {O}, or None.
        """
        image = observe(frame, found, *FINE).image
        pixels = torch.from_numpy(np.array(image[None], np.float32, order="C")).to(self._device)
        distance = found.camera_from_object[2, 3]
        with torch.inference_mode():
            log_odds = self._network(
                pixels.permute(0, 3, 1, 2),
                torch.tensor([distance], dtype=torch.float32, device=self._device),
                torch.tensor([[math.nan] * 4 if table is None else list(map(float, table))], device=self._device),
            )
        solid = torch.sigmoid(log_odds[0].permute(1, 2, 0).clamp(min=_LEAST)).cpu().numpy().astype(float)
        return solid * image[..., 4:]


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
    )
