"""The course of a training run, whatever is trained: epochs of minibatches, early stopping, and going on where it ended."""

import json
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.config import TrainingConfig, to_dict
from gmi_ros.learning.devices import device_named
from gmi_ros.learning.files import write_together
from gmi_ros.learning.hidden_side import HiddenSideNetwork
from gmi_ros.learning.layers import VisualFeatures
from gmi_ros.learning.parallel import Team
from gmi_ros.learning.spatial import SpatialFeatures
from gmi_ros.learning.training_state import TrainingState, load_state, save_state

LOG = "log.csv"
_COLUMNS = ("epoch", "train_nll", "train_kl", "val_nll", "val_kl", "seconds")


def learning_rate(config: TrainingConfig, epochs: float) -> float:
    """After so many epochs, whole and part: the one of the settings, and towards the end down to zero, linearly."""
    left = config.max_epochs - epochs
    return config.learning_rate * min(1.0, left / max(config.cooldown * config.max_epochs, 1e-9))


class Run(ABC):
    """One run. What is trained, and on what, is a subclass's.

    network: what is trained, with weight normalisation in place. fingerprint: of the data. n_batches: of an epoch.
    calibration: that the weights are saved with.
    """

    calibration = Calibration()

    def __init__(
        self,
        config: TrainingConfig,
        network: nn.Module,
        fingerprint: str,
        n_batches: int,
        out_dir: Path,
        members: Team,
        progress: bool,
    ):
        self.config, self.out_dir, self.team, self.progress = config, out_dir, members, progress
        self.n_batches, self._fingerprint = n_batches, fingerprint
        self.share = members.share(config.batch_size)
        self.device = device_named(config.device)
        network.to(self.device, memory_format=torch.channels_last)  # the faster order of the convolutions
        optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
        self.state = TrainingState(network, optimiser, {})

    @abstractmethod
    def objective(self) -> nn.Module:
        """The network with its loss in one forward pass, which is what DistributedDataParallel can average.

        Called with what `batch` makes, it gives the loss, the negative bound and its KL term, each a mean.
        """

    @abstractmethod
    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        """This process's share of a minibatch."""

    @abstractmethod
    def validate(self) -> Tensor:
        """(2,) mean negative bound and KL term of the validation data; the same whenever the weights are."""

    @abstractmethod
    def told(self) -> dict:
        """What a result says beside what all runs say."""

    @abstractmethod
    def card(self, result: dict) -> str:
        """Markdown for the model card."""

    def train(self, resume: bool) -> dict:
        """To the end; returns the result."""
        state = self.state
        identity = {"settings": json.loads(json.dumps(to_dict(self.config))), "data": self._fingerprint}
        if resume and not load_state(self.out_dir, state, identity) and (self.out_dir / checkpoint.WEIGHTS).exists():
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{self.out_dir} holds weights of which no run was begun there: train into another folder, or without "
                "resuming (--restart), which overwrites them",
            )
        if self.team.rank == 0 and not state.history:  # from now on this folder is this run's
            save_state(self.out_dir, state, identity)
        objective = self.team.wrap(self.objective())
        while not self._finished():
            started, epoch = time.perf_counter(), len(state.history) + 1
            with torch.random.fork_rng():
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
        return self.result()

    def _finished(self) -> bool:
        done = len(self.state.history)
        if not done:
            return False
        return done >= self.config.max_epochs or done - self.state.best_epoch["epoch"] >= self.config.patience

    def _epoch(self, objective: nn.Module, epoch: int) -> tuple[float, float]:
        """The mean negative bound and KL term over an epoch's minibatches."""
        state, config = self.state, self.config
        state.network.train()
        multiply_in_bfloat16(state.network, _wants_bfloat16(config.precision, self.device))
        streams = np.random.SeedSequence([config.seed, epoch, self.team.rank]).spawn(3)
        rng = np.random.default_rng(streams[0])
        generator, dropout = (int(stream.generate_state(1, np.uint64)[0] >> 1) for stream in streams[1:])
        torch.manual_seed(dropout)  # its generator is torch's own
        generator = torch.Generator(self.device).manual_seed(generator)
        sums = torch.zeros(2, dtype=torch.float64)
        name = f"epoch {epoch}/{config.max_epochs}"
        bar = tqdm(range(self.n_batches), desc=name, disable=not self.progress, leave=False)
        for done in bar:
            for group in state.optimiser.param_groups:
                group["lr"] = learning_rate(config, epoch - 1 + done / self.n_batches)
            loss, nll, kl = objective(*self.batch(rng, generator))
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
        return tuple((self.team.mean(sums) / self.n_batches).tolist())

    def _validate(self) -> Tensor:
        multiply_in_bfloat16(self.state.network.eval(), False)
        with torch.inference_mode():
            return self.validate()

    def _save(self) -> None:
        result = self.result()
        checkpoint.save(self.out_dir, self.state.network, result, self.card(result), self.calibration)

    def result(self) -> dict:
        """Of the best epoch so far."""
        best = self.state.best_epoch
        return {
            "epochs": len(self.state.history),
            "best_epoch": best["epoch"],
            "val_nll": best["val_nll"],
            "train_nll": best["train_nll"],
            **self.told(),
            "parameters": sum(p.numel() for p in self.state.network.parameters()),
            "seconds": sum(epoch["seconds"] for epoch in self.state.history),
        }


def objects_held_out(object_id: np.ndarray, config: TrainingConfig, what: str) -> np.ndarray:
    """The random part of the objects in object_id (n,) that is for validation.

    Raises:
        GmiError: FILE_DAMAGED where there is one object only, of `what`.
    """
    objects = np.unique(object_id)
    if len(objects) < 2:
        message = f"{what} of one object cannot be split into training and validation; at least 2 are needed"
        raise GmiError(ErrorCode.FILE_DAMAGED, message)
    rng = np.random.default_rng(config.seed)
    return rng.permutation(objects)[: max(1, round(len(objects) * config.validation_fraction))]


def _wants_bfloat16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bfloat16"
    can = torch.cpu.get_capabilities()
    return device.type == "cuda" or bool(can.get("amx_bf16") or can.get("avx512_bf16"))


def multiply_in_bfloat16(network: nn.Module, wanted: bool) -> None:
    """In the convolutions over the image."""
    for module in network.modules():
        if isinstance(module, (VisualFeatures, SpatialFeatures, HiddenSideNetwork)):
            module.bfloat16 = wanted


def _log(history: list[dict]) -> bytes:
    lines = [",".join(_COLUMNS)]
    lines += [",".join(f"{epoch[name]:.6g}" for name in _COLUMNS) for epoch in history]
    return ("\n".join(lines) + "\n").encode()
