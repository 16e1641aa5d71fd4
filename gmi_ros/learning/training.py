"""Training of the networks (paper, IV-B): Adam on the bound of Eq. 4, class-balanced minibatches, early stopping."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.augmentation import augmented
from gmi_ros.learning.card import card
from gmi_ros.learning.config import TrainingConfig, to_dict
from gmi_ros.learning.dataset import BalancedSampler, GraspData, split_pairs
from gmi_ros.learning.devices import device_named
from gmi_ros.learning.files import write_together
from gmi_ros.learning.layers import VisualFeatures
from gmi_ros.learning.networks import NETWORKS
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.training_state import TrainingState, load_state, save_state

LOG = "log.csv"
_COLUMNS = ("epoch", "train_nll", "train_kl", "val_nll", "val_kl", "seconds")


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
        return _Run(config, data, Path(out_dir), members, progress and members.rank == 0).train(resume)


def to_batch(data: GraspData, pairs: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The images of these pairs, each once, (m, 5, 64, 64), channels last in memory; the image (b,) and the grasp
    (b, 18) of each pair, in data units."""
    indices, rows = np.unique(data.image_index[pairs], return_inverse=True)
    images = torch.from_numpy(data.images(indices)).permute(0, 3, 1, 2)
    grasps = torch.from_numpy(data.grasps[pairs].astype(np.float32))
    return images.to(device), torch.from_numpy(rows).to(device), grasps.to(device)


def learning_rate(config: TrainingConfig, epochs: float) -> float:
    """After so many epochs, whole and part: the one of the settings, and towards the end down to zero, linearly."""
    left = config.max_epochs - epochs
    return config.learning_rate * min(1.0, left / max(config.cooldown * config.max_epochs, 1e-9))


class _Objective(nn.Module):
    """The network with its loss in one forward pass, which is what DistributedDataParallel can average."""

    def __init__(self, network: nn.Module, beta: float):
        super().__init__()
        self.network, self.beta = network, beta

    def forward(self, images: Tensor, rows: Tensor, grasps: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The loss, the negative bound and the KL term, each a mean over the pairs."""
        bound = self.network(images, generator, rows).elbo(grasps, generator)
        kl, reconstruction = bound.kl.mean(), bound.reconstruction.mean()
        return self.beta * kl - reconstruction, kl - reconstruction, kl


class _Run:
    def __init__(self, config: TrainingConfig, data: GraspData, out_dir: Path, members: Team, progress: bool):
        self.config, self.data, self.out_dir, self.team, self.progress = config, data, out_dir, members, progress
        self.share = members.share(config.batch_size)
        self.device = device_named(config.device)
        self.train_pairs, self.validation_pairs = split_pairs(
            data, config.validation_fraction, config.seed, config.pairs
        )
        self.n_train = len(np.unique(data.trial[self.train_pairs]))  # successes: what an epoch goes by
        network = NETWORKS[config.model](config.network, config.seed)
        network.normaliser.fit(data, self.train_pairs)
        network.to(self.device, memory_format=torch.channels_last)  # the faster order of the convolutions
        optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.state = TrainingState(network, optimiser, {})
        self.sampler = BalancedSampler(data, self.train_pairs, config.balance)

    def train(self, resume: bool) -> dict:
        state = self.state
        identity = {"settings": json.loads(json.dumps(to_dict(self.config))), "data": self.data.fingerprint()}
        if resume:
            load_state(self.out_dir, state, identity)
        objective = self.team.wrap(_Objective(state.network, self.config.beta))
        while not self._finished():
            started, epoch = time.perf_counter(), len(state.history) + 1
            train_nll, train_kl = self._epoch(objective, epoch)
            validated = self._validate() if self.team.rank == 0 else torch.zeros(2, dtype=torch.float64)
            val_nll, val_kl = self.team.from_first(validated).tolist()
            seconds = time.perf_counter() - started
            state.history.append(
                dict(zip(_COLUMNS, (epoch, train_nll, train_kl, val_nll, val_kl, seconds), strict=True))
            )
            improved = state.best_epoch["epoch"] == epoch
            if improved:
                state.best = {name: t.detach().clone() for name, t in state.network.state_dict().items()}
            if self.team.rank == 0:
                # The model first: a kill in between repeats the epoch, which ends in the same bits.
                if improved:
                    self._save()
                write_together(self.out_dir, {LOG: _log(state.history)})
                save_state(self.out_dir, state, identity)
        state.network.load_state_dict(state.best)
        if self.team.rank == 0:
            self._save()
        return self._result()

    def _finished(self) -> bool:
        done = len(self.state.history)
        if not done:
            return False
        return done >= self.config.max_epochs or done - self.state.best_epoch["epoch"] >= self.config.patience

    def _epoch(self, objective: nn.Module, epoch: int) -> tuple[float, float]:
        """N / batch_size minibatches; the mean negative bound and KL term over them."""
        state, config = self.state, self.config
        state.network.train()
        _multiply_in_bfloat16(state.network, _wants_bfloat16(config.precision, self.device))
        streams = np.random.SeedSequence([config.seed, epoch, self.team.rank]).spawn(2)
        rng = np.random.default_rng(streams[0])
        generator = torch.Generator(self.device).manual_seed(int(streams[1].generate_state(1, np.uint64)[0] >> 1))
        n_batches = max(1, self.n_train // config.batch_size)
        sums = torch.zeros(2, dtype=torch.float64)
        bar = tqdm(range(n_batches), desc=f"epoch {epoch}/{config.max_epochs}", disable=not self.progress, leave=False)
        for done in bar:
            for group in state.optimiser.param_groups:
                group["lr"] = learning_rate(config, epoch - 1 + done / n_batches)
            pairs = self.sampler.draw(self.share, rng, config.grasps_per_image)
            batch = augmented(to_batch(self.data, pairs, self.device), config, generator)
            loss, nll, kl = objective(*batch, generator)
            state.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            state.optimiser.step()
            sums += torch.stack([nll, kl]).detach().cpu().double()
            if not torch.isfinite(sums).all():
                raise GmiError(
                    ErrorCode.INTERNAL,
                    f"the loss is {loss.item()} in epoch {epoch}; "
                    f"a learning rate below {config.learning_rate} may help",
                )
            bar.set_postfix(nll=f"{sums[0].item() / (done + 1):.2f}")
        return tuple((self.team.mean(sums) / n_batches).tolist())

    def _validate(self) -> Tensor:
        """(2,) mean negative bound (beta 1, no input noise, float32) and KL term; every epoch draws the same z."""
        network = self.state.network.eval()
        _multiply_in_bfloat16(network, False)
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        sums = torch.zeros(2, dtype=torch.float64)
        with torch.inference_mode():
            for start in range(0, len(self.validation_pairs), self.config.batch_size):
                pairs = self.validation_pairs[start : start + self.config.batch_size]
                images, rows, grasps = to_batch(self.data, pairs, self.device)
                bound = network(images, rows=rows).elbo(grasps, generator)
                sums += torch.stack([(bound.kl - bound.reconstruction).sum(), bound.kl.sum()]).cpu().double()
        return sums / len(self.validation_pairs)

    def _save(self) -> None:
        result = self._result()
        checkpoint.save(self.out_dir, self.state.network, result, card(self.config, self.data, result))

    def _result(self) -> dict:
        best = self.state.best_epoch
        return {
            "epochs": len(self.state.history),
            "best_epoch": best["epoch"],
            "val_nll": best["val_nll"],
            "train_nll": best["train_nll"],
            "n_train": self.n_train,
            "n_validation": len(np.unique(self.data.trial[self.validation_pairs])),
            "parameters": sum(p.numel() for p in self.state.network.parameters()),
            "seconds": sum(epoch["seconds"] for epoch in self.state.history),
        }


def _wants_bfloat16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bfloat16"
    can = torch.cpu.get_capabilities()
    return device.type == "cuda" or bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def _multiply_in_bfloat16(network: nn.Module, wanted: bool) -> None:
    for module in network.modules():
        if isinstance(module, VisualFeatures):
            module.bfloat16 = wanted


def _log(history: list[dict]) -> bytes:
    lines = [",".join(_COLUMNS)]
    lines += [",".join(f"{epoch[name]:.6g}" for name in _COLUMNS) for epoch in history]
    return ("\n".join(lines) + "\n").encode()
