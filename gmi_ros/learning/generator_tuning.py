"""Going on with a trained grasp network on new successes, replayed old ones beside them in every minibatch.

Failures tell as much as successes do. So of grasps that were executed as they were sampled, those that held shall become
likelier than they were, and those that failed less likely: the log odds that a grasp holds are taken to be its
log density over that of the network before, times a constant (Ethayarajh et al. 2024, who learn so from what people like).
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.augmentation import augmented
from gmi_ros.learning.checkpoint import architecture_of
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.judged import JudgedData
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.run import Run
from gmi_ros.learning.training import to_batch
from gmi_ros.learning.tuning import Mixture, tuning_card

_CONTRAST = 6.0  # how much telling failures from successes counts beside the density of successes
_SHARPNESS = 0.3  # log odds for a nat by which a grasp became likelier


def tune_generator(
    config: TrainingConfig,
    mixture: Mixture,
    folder: Path,
    new: GraspData,
    old: GraspData,
    held_out: GraspData,
    check: GraspData,
    out_dir: Path,
    resume: bool = True,
    progress: bool = True,
    tried: tuple[JudgedData, JudgedData] | None = None,
) -> dict:
    """Go on with the grasp network in `folder`, its normaliser as it is; the rest as evaluator_tuning.tune_evaluator.

    Args:
        tried: new records, successes and failures, to learn from and held out. Those whose planned grasp is known count;
            n_tried of the result says how many were learned from.

    Raises:
        GmiError: as `training.train`; WEIGHTS_MISSING or WEIGHTS_DAMAGED for the folder.
    """
    (network, digest), (before, _) = checkpoint.load_network(Path(folder)), checkpoint.load_network(Path(folder))
    config = replace(config, model=architecture_of(network), network=network.config)
    picks = None if tried is None else tuple(map(_Picks, tried))
    if picks and not all(map(len, picks)):
        picks = None
    with team() as members:
        run = _Tuning(
            config, mixture, network, before, digest, (new, old, held_out, check), picks, Path(out_dir), members,
            progress and members.rank == 0,
        )  # fmt: skip
        return run.train(resume)


class _Picks:
    """Of trials those whose planned grasp is known."""

    def __init__(self, data: JudgedData):
        self._data = data
        self._rows = np.flatnonzero(np.isfinite(data.grasps).all(axis=1))
        self.image_index = data.image_index[self._rows]
        self.fingerprint = data.fingerprint()

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, numbers: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `to_batch`, and whether each held (b,)."""
        data, rows = self._data, self._rows[numbers]
        indices, of_image = np.unique(data.image_index[rows], return_inverse=True)
        arrays = (data.images(indices), of_image, data.grasps[rows], data.held[rows].astype(np.float32))
        images, *others = (torch.from_numpy(a).to(device) for a in arrays)
        return images.permute(0, 3, 1, 2), *others


class _Objective(nn.Module):
    def __init__(self, network: nn.Module, before: nn.Module, share: float, beta: float):
        super().__init__()
        self.network, self.share, self.beta = network, share, beta
        self._before = (before,)  # in a tuple it is no part of what is trained

    def forward(
        self,
        images: Tensor,
        rows: Tensor,
        grasps: Tensor,
        n_new: int,
        tried: tuple[Tensor, ...] | None,
        generator: torch.Generator,
    ) -> tuple[Tensor, ...]:
        """The loss, the negative bound and the KL term, the means of new and old weighted as the mixture says.

        tried: images, rows and grasps that were executed, and whether each held.
        """
        bound = self.network(images, generator, rows).elbo(grasps, generator)
        kl, reconstruction = (
            self.share * part[:n_new].mean() + (1 - self.share) * part[n_new:].mean()
            for part in (bound.kl, bound.reconstruction)
        )
        loss = self.beta * kl - reconstruction
        if tried is not None:
            *seen, held = tried
            drawn = generator.get_state()
            now = _log_density(self.network, *seen, generator)
            generator.set_state(drawn)  # the same noise: only what changed counts
            with torch.no_grad():
                before = _log_density(self._before[0], *seen, generator)
            loss = loss + _CONTRAST * contrast(now - before, held)
        return loss, kl - reconstruction, kl


def _log_density(
    network: nn.Module, images: Tensor, rows: Tensor, grasps: Tensor, generator: torch.Generator
) -> Tensor:
    """(b,) of each grasp [nats], or its bound where the network has no other."""
    found = network(images, generator, rows).elbo(grasps, generator)
    return found.reconstruction - found.kl


def contrast(likelier: Tensor, held: Tensor) -> Tensor:
    """Mean cross-entropy [nats] of how grasps (b,) ended, of how much likelier [nats] each became."""
    return functional.binary_cross_entropy_with_logits(_SHARPNESS * likelier, held)


def _noise_alone(network: nn.Module) -> nn.Module:
    """The network as while training, with the noise on its targets, but nothing left out."""
    for layer in network.modules():
        if isinstance(layer, (nn.Dropout, nn.Dropout2d)):
            layer.p = 0.0
    return network.requires_grad_(False).train()


class _Tuning(Run):
    def __init__(
        self,
        config: TrainingConfig,
        mixture: Mixture,
        network: nn.Module,
        before: nn.Module,
        digest: str,
        data: tuple[GraspData, ...],
        picks: tuple[_Picks, ...] | None,
        out_dir: Path,
        members: Team,
        progress: bool,
    ):
        self.new, self.old, self.held_out, self.check = data
        if config.batch_size < 2 * members.size:
            told = f"batch_size must be at least 2 for each of {members.size} processes, got {config.batch_size}"
            raise GmiError(ErrorCode.BAD_SETTING, told)
        self.mixture, self._digest, self._picks = mixture, digest, picks
        prints = [d.fingerprint() for d in data] + [p.fingerprint for p in picks or ()]
        fingerprint = hashlib.sha256(repr([digest, mixture, *prints]).encode()).hexdigest()[:16]
        super().__init__(config, network, fingerprint, mixture.batches, out_dir, members, progress)
        self._before = _noise_alone(before).to(self.device)

    def objective(self) -> nn.Module:
        return _Objective(self.state.network, self._before, self.mixture.share, self.config.beta)

    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        n_new, tried = self.mixture.new_of(self.share), None
        new = to_batch(self.new, self._drawn(self.new.image_index, n_new, rng), self.device)
        old = to_batch(self.old, self._drawn(self.old.image_index, self.share - n_new, rng), self.device)
        both = torch.cat([new[0], old[0]]), torch.cat([new[1], old[1] + len(new[0])]), torch.cat([new[2], old[2]])
        if self._picks:
            *seen, held = self._picks[0].batch(self._drawn(self._picks[0].image_index, n_new, rng), self.device)
            tried = (*self._moved(tuple(seen), generator), held)
        return *self._moved(both, generator), n_new, tried, generator

    def _drawn(self, image_index: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
        """n of the grasps, of which number k is in image image_index[k]; `grasps_per_image` of each image that is drawn."""
        together = min(self.config.grasps_per_image, n)
        first = rng.integers(len(image_index), size=-(-n // together))
        if together == 1:
            return first
        return np.concatenate([rng.choice(np.flatnonzero(image_index == image_index[k]), together) for k in first])[:n]

    def _moved(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        images, rows, grasps = batch
        return augmented((images.contiguous(memory_format=torch.channels_last), rows, grasps), self.config, generator)

    def validate(self) -> Tensor:
        share = self.mixture.share
        found = share * self._bound(self.held_out) + (1 - share) * self._bound(self.check)
        if self._picks:
            found[0] += _CONTRAST * self._contrast(self._picks[1])
        return found

    def _bound(self, data: GraspData) -> Tensor:
        """(2,) mean negative bound and KL term; every epoch draws the same z."""
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        sums = torch.zeros(2, dtype=torch.float64)
        for start in range(0, len(data), self.config.batch_size):
            pairs = np.arange(start, min(start + self.config.batch_size, len(data)))
            images, rows, grasps = to_batch(data, pairs, self.device)
            bound = self.state.network(images, rows=rows).elbo(grasps, generator)
            sums += torch.stack([(bound.kl - bound.reconstruction).sum(), bound.kl.sum()]).cpu().double()
        return sums / len(data)

    def _contrast(self, picks: _Picks) -> float:
        """Of picks that were held out; every epoch draws the same z."""
        total, before = 0.0, self._before.eval()
        for start in range(0, len(picks), self.config.batch_size):
            numbers = np.arange(start, min(start + self.config.batch_size, len(picks)))
            images, rows, grasps, held = picks.batch(numbers, self.device)
            now, then = (
                _log_density(network, images, rows, grasps, torch.Generator(self.device).manual_seed(self.config.seed))
                for network in (self.state.network, before)
            )
            total += contrast(now - then, held).item() * len(numbers)
        before.train()
        return total / len(picks)

    def told(self) -> dict:
        n_tried = len(self._picks[0]) if self._picks else 0
        counts = {"n_train": len(self.new), "n_validation": len(self.held_out), "n_replay": len(self.old)}
        return counts | {"n_tried": n_tried}

    def card(self, result: dict) -> str:
        return tuning_card("Grasp network", self.config, self.mixture, self._digest, result, "grasp")
