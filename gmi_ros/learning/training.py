"""Training of the grasp networks (paper, IV-B): Adam on the bound of Eq. 4, class-balanced minibatches, early stopping."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gmi_ros.learning.augmentation import augmented
from gmi_ros.learning.card import card
from gmi_ros.learning.config import TrainingConfig
from gmi_ros.learning.dataset import BalancedSampler, GraspData, split_pairs
from gmi_ros.learning.networks import NETWORKS
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.run import Run


def train(config: TrainingConfig, data: GraspData, out_dir: Path, resume: bool = True, progress: bool = True) -> dict:
    """Train a network and write the weights of its best epoch as a model folder.

    After every epoch `out_dir` holds the best model so far (`checkpoint.load` reads it), `log.csv`, and the whole
    state of the run: started again with the same settings and data it goes on from there, and ends with the same
    bits as a run that was not interrupted (on the same machine, with the same number of torch threads, which the
    caller sets with `torch.set_num_threads`).

    Under torchrun the minibatches are split among its processes, all of which must see `out_dir`.

    Args:
        resume: False starts over, whatever `out_dir` holds.
        progress: show a bar on stderr.

    Returns:
        epochs, best_epoch, val_nll and train_nll (negative bounds of Eq. 4 of the best epoch, nats, standardised
        units), n_train and n_validation (successes), parameters, seconds (of all parts of the run together).

    Raises:
        GmiError: BAD_SETTING for a device that is not there, a folder that holds another run, or more pairs than
            there are; WEIGHTS_DAMAGED for a damaged training state; FILE_DAMAGED for data too small to split;
            INTERNAL where the loss is no longer finite.
    """
    with team() as members:
        return _GraspRun(config, data, Path(out_dir), members, progress and members.rank == 0).train(resume)


def to_batch(data: GraspData, pairs: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The images of these pairs, each once, (m, 5, 64, 64), channels last in memory; the image (b,) and the grasp
    (b, 18) of each pair, in data units."""
    indices, rows = np.unique(data.image_index[pairs], return_inverse=True)
    images = torch.from_numpy(data.images(indices)).permute(0, 3, 1, 2)
    grasps = torch.from_numpy(data.grasps[pairs].astype(np.float32))
    return images.to(device), torch.from_numpy(rows).to(device), grasps.to(device)


class _Objective(nn.Module):
    def __init__(self, network: nn.Module, beta: float):
        super().__init__()
        self.network, self.beta = network, beta

    def forward(self, images: Tensor, rows: Tensor, grasps: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The loss, the negative bound and the KL term, each a mean over the pairs."""
        bound = self.network(images, generator, rows).elbo(grasps, generator)
        kl, reconstruction = bound.kl.mean(), bound.reconstruction.mean()
        return self.beta * kl - reconstruction, kl - reconstruction, kl


class _GraspRun(Run):
    def __init__(self, config: TrainingConfig, data: GraspData, out_dir: Path, members: Team, progress: bool):
        self.data = data
        self.train_pairs, self.validation_pairs = split_pairs(
            data, config.validation_fraction, config.seed, config.pairs
        )
        self.n_train = len(np.unique(data.trial[self.train_pairs]))  # successes: what an epoch goes by
        network = NETWORKS[config.model](config.network, config.seed)
        network.normaliser.fit(data, self.train_pairs)
        self.sampler = BalancedSampler(data, self.train_pairs, config.balance)
        n_batches = max(1, self.n_train // config.batch_size)
        super().__init__(config, network, data.fingerprint(), n_batches, out_dir, members, progress)

    def objective(self) -> nn.Module:
        return _Objective(self.state.network, self.config.beta)

    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        pairs = self.sampler.draw(self.share, rng, self.config.grasps_per_image)
        return *augmented(to_batch(self.data, pairs, self.device), self.config, generator), generator

    def validate(self) -> Tensor:
        """(2,) mean negative bound (beta 1, no input noise, float32) and KL term; every epoch draws the same z."""
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        sums = torch.zeros(2, dtype=torch.float64)
        for start in range(0, len(self.validation_pairs), self.config.batch_size):
            pairs = self.validation_pairs[start : start + self.config.batch_size]
            images, rows, grasps = to_batch(self.data, pairs, self.device)
            bound = self.state.network(images, rows=rows).elbo(grasps, generator)
            sums += torch.stack([(bound.kl - bound.reconstruction).sum(), bound.kl.sum()]).cpu().double()
        return sums / len(self.validation_pairs)

    def told(self) -> dict:
        return {"n_train": self.n_train, "n_validation": len(np.unique(self.data.trial[self.validation_pairs]))}

    def card(self, result: dict) -> str:
        return card(self.config, self.data, result)
