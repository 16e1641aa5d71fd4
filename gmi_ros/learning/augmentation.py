"""More scenes from each: mirrored, turned and shifted, with their grasps, while training.

A picking scene in a mirror is a picking scene, and the hand in it is the same hand with F1 and F2 exchanged. A scene
that is turned about the line of sight or shifted across it is the same for whoever looks along it, but for gravity and
for {O} not lying as the mask would have it: small turns and shifts only.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gmi_ros.core.observation import WINDOW_M
from gmi_ros.learning.config import TrainingConfig

_HALF_M = WINDOW_M / 2


@dataclass(frozen=True)
class Motions:
    """What is done to each of m images and to the grasps in them, in this order.

    mirrored: (m,) bool, along {O}'s y. turned: (m,) [rad] about {O}'s x. shifted: (m, 2) [m] along {O}'s y and z.
    """

    mirrored: Tensor
    turned: Tensor
    shifted: Tensor

    @classmethod
    def draw(cls, m: int, config: TrainingConfig, generator: torch.Generator) -> "Motions":
        """As often and as far as the settings say."""
        device = generator.device
        normal = torch.randn(m, 3, generator=generator, device=device)
        chance = torch.rand(m, generator=generator, device=device)
        return cls(chance < config.mirrored, config.turned * normal[:, 0], config.shifted * normal[:, 1:])

    def images(self, images: Tensor) -> Tensor:
        """(m, 5, 64, 64) as they would look; what comes in from outside the window is as its nearest edge."""
        images = torch.where(self.mirrored[:, None, None, None], images.flip(3), images)
        # Columns run against y and rows against z, from -1 to 1 across the window.
        back = self._turns.transpose(1, 2)
        origin = back @ (self.shifted / _HALF_M)[:, :, None]
        grid = functional.affine_grid(torch.cat([back, origin], dim=2), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, "nearest", "border", align_corners=False)

    def grasps(self, grasps: Tensor, rows: Tensor) -> Tensor:
        """(b, 18) in data units, of which number k is in image rows[k]."""
        vectors = grasps.unflatten(1, (2, 3, 3))  # positions and normals, fingers, xyz
        mirrored = vectors[:, :, [1, 0, 2]] * vectors.new_tensor([1.0, -1.0, 1.0])
        vectors = torch.where(self.mirrored[rows][:, None, None, None], mirrored, vectors)
        across = torch.einsum("bij,bkfj->bkfi", self._turns[rows], vectors[..., 1:])
        across[:, 0] += self.shifted[rows][:, None]
        return torch.cat([vectors[..., :1], across], dim=-1).flatten(1)

    @property
    def _turns(self) -> Tensor:
        """(m, 2, 2), of y and z."""
        cos, sin = self.turned.cos(), self.turned.sin()
        return torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)


def augmented(
    batch: tuple[Tensor, Tensor, Tensor], config: TrainingConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of `training.to_batch` with each image moved, and its grasps with it; as it is where nothing is asked."""
    if math.isclose(config.mirrored + config.turned + config.shifted, 0.0):
        return batch
    images, rows, grasps = batch
    motions = Motions.draw(len(images), config, generator)
    moved = motions.images(images).contiguous(memory_format=torch.channels_last)
    return moved, rows, motions.grasps(grasps, rows)
