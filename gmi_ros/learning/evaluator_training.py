"""Training of the evaluator: cross-entropy of how trials ended, of all of its answers that were tried."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.learning.card import evaluator_card
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.evaluator import EvaluatorNetwork
from gmi_ros.learning.judged import JudgedData
from gmi_ros.learning.metrics import area_under_roc
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.run import Run, objects_held_out
from gmi_ros.learning.spec import HELD

_OWN_WEIGHT = 4  # how many times as often an image of a generator's grasps is drawn: they are what will be ranked
_OFFSET, _TURN = 0.002, math.radians(1.5)  # how far hands are moved while training, standard deviations [m], [rad]
_MIRROR = np.diag([1.0, -1.0, 1.0])  # along {O}'s y, and along the y of a finger's frame


def train_evaluator(
    config: TrainingConfig, data: JudgedData, out_dir: Path, resume: bool = True, progress: bool = True
) -> dict:
    """Train an evaluator and write the weights of its best epoch as a model folder, in all as `training.train` does.

    A minibatch is `batch_size` trials, `grasps_per_image` of each of its images. A random part of the objects is for
    validation.

    Returns:
        As `training.train`, with negative log-likelihoods in nats per judgement, and val_auc: the area under the ROC of
        HELD on the validation objects.

    Raises:
        GmiError: as `training.train`; FILE_DAMAGED where there is one object only.
    """
    with team() as members:
        return _EvaluatorRun(config, data, Path(out_dir), members, progress and members.rank == 0).train(resume)


def cross_entropy(logits: Tensor, judged: Tensor) -> Tensor:
    """Mean [nats] over the judgements (..., 3) that are known, which are not NaN, of logits (..., k) of the first k."""
    judged = judged[..., : logits.shape[-1]]
    known = ~torch.isnan(judged)
    return functional.binary_cross_entropy_with_logits(logits[known], judged[known])


def tensors(data: JudgedData, images: np.ndarray, rows: np.ndarray, device: torch.device) -> tuple[Tensor, ...]:
    """Of m images and n trials of each, rows (m, n): pixels, distance, table, fingers, planned, judgements, as
    the network and `cross_entropy` take them."""
    pixels = torch.from_numpy(data.images(images)).permute(0, 3, 1, 2)
    arrays = (data.distance[images], data.table[images], data.fingers[rows], data.planned[rows], data.judgements[rows])
    return tuple(t.to(device) for t in (pixels, *(torch.from_numpy(a.astype(np.float32)) for a in arrays)))


def varied(batch: tuple[Tensor, ...], part_mirrored: float, generator: torch.Generator) -> tuple[Tensor, ...]:
    """A batch of `tensors`, a part of it in a mirror, every hand a little displaced."""
    pixels, distance, table, fingers, planned, judged = batch
    which = torch.rand(len(pixels), generator=generator, device=pixels.device) < part_mirrored
    pixels, table, fingers, planned = mirrored(pixels, table, fingers, planned, which)
    return pixels, distance, table, displaced(fingers, generator), planned, judged


def mirrored(images: Tensor, table: Tensor, fingers: Tensor, planned: Tensor, which: Tensor) -> tuple[Tensor, ...]:
    """Images (m, 5, 64, 64), table (m, 4), fingers (m, n, 3, 3, 4) and planned (m, n, 3, 6) as a mirror along {O}'s y
    shows them, F1 and F2 exchanged, where `which` (m,) says so."""
    flip = torch.as_tensor(_MIRROR, dtype=fingers.dtype, device=fingers.device)
    other = fingers[:, :, [1, 0, 2]]
    other = torch.cat([flip @ other[..., :3] @ flip, flip @ other[..., 3:]], dim=-1)
    images = torch.where(which[:, None, None, None], images.flip(3), images)
    table = torch.where(which[:, None], table * table.new_tensor([1.0, -1.0, 1.0, 1.0]), table)
    fingers = torch.where(which[:, None, None, None, None], other, fingers)
    met = planned[:, :, [1, 0, 2]] * flip.diagonal().repeat(2)
    return images, table, fingers, torch.where(which[:, None, None, None], met, planned)


def displaced(fingers: Tensor, generator: torch.Generator) -> Tensor:
    """Every hand of fingers (m, n, 3, 3, 4) moved a little as a whole, so little that it ends as it did: without, the
    network tells hands apart that no simulation would, and the best-ranked is often the luckiest."""
    m, n = fingers.shape[:2]
    normal = torch.randn(2, m, n, 3, generator=generator, device=fingers.device)
    turn = torch.linalg.matrix_exp(_TURN * _skew(normal[0]))[:, :, None]  # (m, n, 1, 3, 3)
    origins = fingers[..., 3]
    middle = origins.mean(dim=2, keepdim=True)
    moved = (turn @ (origins - middle)[..., None])[..., 0] + middle + _OFFSET * normal[1][:, :, None]
    return torch.cat([turn @ fingers[..., :3], moved[..., None]], dim=-1)


def _skew(vectors: Tensor) -> Tensor:
    """(..., 3, 3) of vectors (..., 3): what a cross product with them does."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


class _Objective(nn.Module):
    def __init__(self, network: EvaluatorNetwork):
        super().__init__()
        self.network = network

    def forward(self, *batch: Tensor) -> tuple:
        """The loss twice, and 0 for the KL term that there is none of."""
        *seen, judged = batch
        loss = cross_entropy(self.network(*seen), judged)
        return loss, loss, torch.zeros_like(loss)


class _EvaluatorRun(Run):
    def __init__(self, config: TrainingConfig, data: JudgedData, out_dir: Path, members: Team, progress: bool):
        self.data = data
        self._rows = by_image(data.image_index, len(data.rgb))
        chosen = objects_held_out(data.object_id, config, "trials")
        object_of_image = np.full(len(data.rgb), -1)
        object_of_image[data.image_index] = data.object_id
        used, held_out = object_of_image >= 0, np.isin(object_of_image, chosen)
        self._validation_images = np.flatnonzero(used & held_out)
        self._train_images = np.flatnonzero(used & ~held_out)
        weight = np.ones(len(data.rgb))
        weight[data.image_index[np.isfinite(data.planned[:, 0, 0])]] = _OWN_WEIGHT
        self._chance = weight[self._train_images] / weight[self._train_images].sum()
        network = EvaluatorNetwork(config.network, config.seed)
        self._per_image = min(config.grasps_per_image, config.batch_size)
        n_batches = max(1, len(self._train_images) * self._per_image // config.batch_size)
        super().__init__(config, network, data.fingerprint(), n_batches, out_dir, members, progress)

    def objective(self) -> nn.Module:
        return _Objective(self.state.network)

    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        images = rng.choice(self._train_images, max(1, self.share // self._per_image), p=self._chance)
        rows = np.stack([rng.choice(self._rows[i], self._per_image) for i in images])
        return varied(self._tensors(images, rows), self.config.mirrored, generator)

    def _tensors(self, images: np.ndarray, rows: np.ndarray) -> tuple[Tensor, ...]:
        return tensors(self.data, images, rows, self.device)

    def validate(self) -> Tensor:
        return torch.tensor([self._judge()[0], 0.0], dtype=torch.float64)

    def _judge(self) -> tuple[float, float]:
        """Negative log-likelihood and area under the ROC on the validation objects."""
        total, count, told, held = 0.0, 0, [], []
        for image in self._validation_images:
            rows = self._rows[image]
            *seen, judged = self._tensors(np.array([image]), rows[None])
            logits = self.state.network(*seen)
            known = int((~torch.isnan(judged[..., : logits.shape[-1]])).sum())
            total, count = total + cross_entropy(logits, judged).item() * known, count + known
            told.append(logits[0, :, HELD].cpu().numpy())
            held.append(self.data.held[rows])
        return total / count, area_under_roc(np.concatenate(told), np.concatenate(held))

    def told(self) -> dict:
        held_out = np.isin(self.data.image_index, self._validation_images)
        self.state.network.eval()
        with torch.inference_mode():
            auc = self._judge()[1]
        return {"n_train": int((~held_out).sum()), "n_validation": int(held_out.sum()), "val_auc": auc}

    def card(self, result: dict) -> str:
        return evaluator_card(self.config, self.data, result)


def by_image(image_index: np.ndarray, n_images: int) -> list[np.ndarray]:
    """The trials of each image."""
    order = np.argsort(image_index, kind="stable")
    return np.split(order, np.cumsum(np.bincount(image_index, minlength=n_images))[:-1])
