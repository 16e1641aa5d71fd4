"""Going on with a trained grasp network on new successes, replayed old ones beside them in every minibatch."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.augmentation import augmented
from gmi_ros.learning.checkpoint import architecture_of
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.run import Run
from gmi_ros.learning.training import to_batch
from gmi_ros.learning.tuning import Mixture, tuning_card


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
) -> dict:
    """Go on with the grasp network in `folder`, its normaliser as it is; the rest as evaluator_tuning.tune_evaluator.

    Raises:
        GmiError: as `training.train`; WEIGHTS_MISSING or WEIGHTS_DAMAGED for the folder.
    """
    network, digest = checkpoint.load_network(Path(folder))
    config = replace(config, model=architecture_of(network), network=network.config)
    with team() as members:
        run = _Tuning(
            config, mixture, network, digest, (new, old, held_out, check), Path(out_dir), members,
            progress and members.rank == 0,
        )  # fmt: skip
        return run.train(resume)


class _Objective(nn.Module):
    def __init__(self, network: nn.Module, share: float, beta: float):
        super().__init__()
        self.network, self.share, self.beta = network, share, beta

    def forward(
        self, images: Tensor, rows: Tensor, grasps: Tensor, n_new: int, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """The loss, the negative bound and the KL term, the means of new and old weighted as the mixture says."""
        bound = self.network(images, generator, rows).elbo(grasps, generator)
        kl, reconstruction = (
            self.share * part[:n_new].mean() + (1 - self.share) * part[n_new:].mean()
            for part in (bound.kl, bound.reconstruction)
        )
        return self.beta * kl - reconstruction, kl - reconstruction, kl


class _Tuning(Run):
    def __init__(
        self,
        config: TrainingConfig,
        mixture: Mixture,
        network: nn.Module,
        digest: str,
        data: tuple[GraspData, ...],
        out_dir: Path,
        members: Team,
        progress: bool,
    ):
        self.new, self.old, self.held_out, self.check = data
        if config.batch_size < 2 * members.size:
            told = f"batch_size must be at least 2 for each of {members.size} processes, got {config.batch_size}"
            raise GmiError(ErrorCode.BAD_SETTING, told)
        self.mixture, self._digest = mixture, digest
        fingerprint = hashlib.sha256(repr([digest, mixture, *(d.fingerprint() for d in data)]).encode()).hexdigest()[
            :16
        ]
        super().__init__(config, network, fingerprint, mixture.batches, out_dir, members, progress)

    def objective(self) -> nn.Module:
        return _Objective(self.state.network, self.mixture.share, self.config.beta)

    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        n_new = self.mixture.new_of(self.share)
        new = to_batch(self.new, rng.integers(len(self.new), size=n_new), self.device)
        old = to_batch(self.old, rng.integers(len(self.old), size=self.share - n_new), self.device)
        images, rows = torch.cat([new[0], old[0]]), torch.cat([new[1], old[1] + len(new[0])])
        images = images.contiguous(memory_format=torch.channels_last)
        return *augmented((images, rows, torch.cat([new[2], old[2]])), self.config, generator), n_new, generator

    def validate(self) -> Tensor:
        share = self.mixture.share
        return share * self._bound(self.held_out) + (1 - share) * self._bound(self.check)

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

    def told(self) -> dict:
        return {"n_train": len(self.new), "n_validation": len(self.held_out), "n_replay": len(self.old)}

    def card(self, result: dict) -> str:
        return tuning_card("Grasp network", self.config, self.mixture, self._digest, result, "grasp")
