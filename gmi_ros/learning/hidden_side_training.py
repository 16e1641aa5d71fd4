"""Training of the network of hidden sides: the likelihood of what is solid behind what is seen of simulated objects."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gmi_ros.core.solid import thickness
from gmi_ros.learning.card import hidden_side_card
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.hidden_side import HiddenSideNetwork, unlikeliness
from gmi_ros.learning.image_arrays import ImageArrays
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.run import Run, objects_held_out

_CHUNK = 32  # validation views looked at together


@dataclass(frozen=True)
class HiddenSideData(ImageArrays):
    """Views of objects. rgb, depth, mask: as ImageArrays, 96 x 96. table: (m, 4) plane in {O}, distance: (m,) [m] of {O}'s origin
    along the optical axis. stretches: (m, 96, 96, k, 2) float16 [m], as sim.stretches
    has them. object_id: (m,) int."""

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    table: np.ndarray
    distance: np.ndarray
    stretches: np.ndarray
    object_id: np.ndarray


def train_hidden_side(
    config: TrainingConfig, data: HiddenSideData, out_dir: Path, resume: bool = True, progress: bool = True
) -> dict:
    """Train a network of hidden sides and write the weights of its best epoch as a model folder, in all as `training.train`.

    A random part of the objects is for validation.

    Returns:
        As `training.train`, with negative log-likelihoods in nats per cell, and error_m: how far guesses are off, the median
        over the cells of the validation objects [m].

    Raises:
        GmiError: as `training.train`; FILE_DAMAGED where there is one object only.
    """
    with team() as members:
        return _HiddenSideRun(config, data, Path(out_dir), members, progress and members.rank == 0).train(resume)


class _Objective(nn.Module):
    def __init__(self, network: HiddenSideNetwork):
        super().__init__()
        self.network = network

    def forward(self, *batch: Tensor) -> tuple:
        """The loss twice, and 0 for the KL term that there is none of."""
        *seen, stretches = batch
        loss = unlikeliness(self.network(*seen), stretches)
        return loss, loss, torch.zeros_like(loss)


class _HiddenSideRun(Run):
    def __init__(self, config: TrainingConfig, data: HiddenSideData, out_dir: Path, members: Team, progress: bool):
        self.data = data
        chosen = objects_held_out(data.object_id, config, "views")
        held_out = np.isin(data.object_id, chosen)
        self._validation, self._train = np.flatnonzero(held_out), np.flatnonzero(~held_out)
        network = HiddenSideNetwork(config.network, config.seed)
        n_batches = max(1, len(self._train) // config.batch_size)
        super().__init__(config, network, data.fingerprint(), n_batches, out_dir, members, progress)

    def objective(self) -> nn.Module:
        return _Objective(self.state.network)

    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        """A part of it in a mirror along {O}'s y."""
        views = rng.choice(self._train, min(self.share, len(self._train)), replace=False)
        pixels, distance, table, stretches = self._tensors(views)
        which = torch.rand(len(pixels), generator=generator, device=pixels.device) < self.config.mirrored
        pixels = torch.where(which[:, None, None, None], pixels.flip(3), pixels)
        stretches = torch.where(which[:, None, None, None, None], stretches.flip(2), stretches)
        table = torch.where(which[:, None], table * table.new_tensor([1.0, -1.0, 1.0, 1.0]), table)
        return pixels, distance, table, stretches

    def _tensors(self, views: np.ndarray) -> tuple[Tensor, ...]:
        pixels = torch.from_numpy(self.data.images(views)).permute(0, 3, 1, 2)
        arrays = (self.data.distance[views], self.data.table[views], self.data.stretches[views])
        return tuple(t.to(self.device) for t in (pixels, *(torch.from_numpy(a.astype(np.float32)) for a in arrays)))

    def validate(self) -> Tensor:
        return torch.tensor([self._judge()[0], 0.0], dtype=torch.float64)

    def _judge(self) -> tuple[float, float]:
        """Negative log-likelihood [nats a cell] and median error [m] on the validation objects."""
        losses, cells, off = [], [], []
        for first in range(0, len(self._validation), _CHUNK):
            *seen, true = self._tensors(self._validation[first : first + _CHUNK])
            guess, known = self.state.network(*seen), torch.isfinite(true[:, :, :, 0, 0])
            losses.append(unlikeliness(guess, true).item())
            cells.append(int(known.sum()))
            solid = torch.sigmoid(guess).permute(0, 2, 3, 1)[known].cpu().numpy()
            off.append(np.abs(thickness(solid, 0.5) - true[known][:, 0, 1].cpu().numpy()))
        return float(np.average(losses, weights=cells)), float(np.median(np.concatenate(off)))

    def told(self) -> dict:
        self.state.network.eval()
        with torch.inference_mode():
            error = self._judge()[1]
        return {"n_train": len(self._train), "n_validation": len(self._validation), "error_m": error}

    def card(self, result: dict) -> str:
        return hidden_side_card(self.config, self.data, result)
