"""Training of the R-CVAE (paper, IV-B): Adam on the bound of Eq. 4, class-balanced minibatches, early stopping."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import TrainingConfig, to_dict
from gmi_ros.learning.dataset import BalancedSampler, GraspData, split_pairs
from gmi_ros.learning.files import write_together
from gmi_ros.learning.r_cvae import RCVAE
from gmi_ros.learning.training_state import TrainingState, load_state, save_state

LOG = "log.csv"
_COLUMNS = ("epoch", "train_nll", "train_kl", "val_nll", "val_kl", "seconds")


def train(config: TrainingConfig, data: GraspData, out_dir: Path, resume: bool = True, progress: bool = True) -> dict:
    """Train a network and write the weights of its best epoch as a model folder.

    After every epoch `out_dir` holds the best model so far (`checkpoint.load` reads it), `log.csv`, and the whole
    state of the run: started again with the same settings and data it goes on from there, and ends with the same
    bits as a run that was not interrupted (on the same machine, with the same number of torch threads, which the
    caller sets with `torch.set_num_threads`).

    Args:
        resume: False starts over, whatever `out_dir` holds.
        progress: show a bar on stderr.

    Returns:
        epochs, best_epoch, val_nll and train_nll (negative bounds of Eq. 4 of the best epoch, nats, standardised
        units), n_train, n_validation, parameters, seconds (of all parts of the run together).

    Raises:
        GmiError: BAD_SETTING for a device that is not there or a folder that holds another run; WEIGHTS_DAMAGED for
            a damaged training state; FILE_DAMAGED for data too small to split; INTERNAL where the loss is no longer
            finite.
    """
    device, out_dir = _device(config.device), Path(out_dir)
    train_pairs, validation_pairs = split_pairs(len(data), config.validation_fraction, config.seed)
    state = _fresh_state(config, data, train_pairs, device)
    identity = {"settings": json.loads(json.dumps(to_dict(config))), "data": data.fingerprint()}
    if resume:
        load_state(out_dir, state, identity)

    while not _finished(state.history, config):
        started = time.perf_counter()
        epoch = len(state.history) + 1
        train_nll, train_kl = _train_epoch(state, data, len(train_pairs), config, device, epoch, progress)
        val_nll, val_kl = _validate(state.network, data, validation_pairs, config, device)
        seconds = time.perf_counter() - started
        state.history.append(dict(zip(_COLUMNS, (epoch, train_nll, train_kl, val_nll, val_kl, seconds), strict=True)))
        improved = state.best_epoch["epoch"] == epoch
        if improved:
            state.best = {name: t.detach().clone() for name, t in state.network.state_dict().items()}
        # The model first: a kill in between repeats the epoch, which ends in the same bits.
        if improved:
            result = _result(state, len(train_pairs), len(validation_pairs))
            checkpoint.save(out_dir, state.network, result, _card(config, data, result))
        write_together(out_dir, {LOG: _log(state.history)})
        save_state(out_dir, state, identity)

    result = _result(state, len(train_pairs), len(validation_pairs))
    state.network.load_state_dict(state.best)
    checkpoint.save(out_dir, state.network, result, _card(config, data, result))
    return result


def to_batch(data: GraspData, pairs: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The images of these pairs, each once, (m, 5, 64, 64), channels last in memory; the image (b,) and the grasp
    (b, 18) of each pair, in data units."""
    indices, rows = np.unique(data.image_index[pairs], return_inverse=True)
    images = torch.from_numpy(data.images(indices)).permute(0, 3, 1, 2)
    grasps = torch.from_numpy(data.grasps[pairs].astype(np.float32))
    return images.to(device), torch.from_numpy(rows).to(device), grasps.to(device)


def _device(name: str) -> torch.device:
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise GmiError(ErrorCode.BAD_SETTING, "device is cuda, but torch sees no GPU here; use auto or cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def _fresh_state(config: TrainingConfig, data: GraspData, pairs: np.ndarray, device: torch.device) -> TrainingState:
    network = RCVAE(config.network, config.seed)
    network.normaliser.fit(data, pairs)
    network.to(device, memory_format=torch.channels_last)  # the faster order of the convolutions
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    generator = torch.Generator(device).manual_seed(config.seed)
    return TrainingState(network, optimiser, BalancedSampler(data, pairs, config.seed), generator, {})


def _finished(history: list[dict], config: TrainingConfig) -> bool:
    if not history:
        return False
    best = min(history, key=lambda epoch: epoch["val_nll"])["epoch"]
    return len(history) >= config.max_epochs or len(history) - best >= config.patience


def _train_epoch(
    state: TrainingState,
    data: GraspData,
    n_pairs: int,
    config: TrainingConfig,
    device: torch.device,
    epoch: int,
    progress: bool,
) -> tuple[float, float]:
    """N / batch_size minibatches; the mean negative bound and KL term over them."""
    state.network.train()
    n_batches = max(1, n_pairs // config.batch_size)
    sums = torch.zeros(2, dtype=torch.float64)
    bar = tqdm(range(n_batches), desc=f"epoch {epoch}/{config.max_epochs}", disable=not progress, leave=False)
    for done in bar:
        images, rows, grasps = to_batch(data, state.sampler.draw(config.batch_size, config.grasps_per_image), device)
        bound = state.network(images, state.generator, rows).elbo(grasps, state.generator)
        loss = (config.beta * bound.kl - bound.reconstruction).mean()
        state.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        state.optimiser.step()
        nll = (bound.kl - bound.reconstruction).mean()
        sums += torch.stack([nll, bound.kl.mean()]).detach().cpu().double()
        if not torch.isfinite(sums).all():
            raise GmiError(
                ErrorCode.INTERNAL,
                f"the loss is {loss.item()} in epoch {epoch}; a learning rate below {config.learning_rate} may help",
            )
        bar.set_postfix(nll=f"{sums[0].item() / (done + 1):.2f}")
    return tuple((sums / n_batches).tolist())


def _validate(
    network: RCVAE, data: GraspData, pairs: np.ndarray, config: TrainingConfig, device: torch.device
) -> tuple[float, float]:
    """Mean negative bound (beta 1, no input noise) and KL term; every epoch draws the same z noise."""
    network.eval()
    generator = torch.Generator(device).manual_seed(config.seed)
    sums = torch.zeros(2, dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, len(pairs), config.batch_size):
            images, rows, grasps = to_batch(data, pairs[start : start + config.batch_size], device)
            bound = network(images, rows=rows).elbo(grasps, generator)
            sums += torch.stack([(bound.kl - bound.reconstruction).sum(), bound.kl.sum()]).cpu().double()
    return tuple((sums / len(pairs)).tolist())


def _result(state: TrainingState, n_train: int, n_validation: int) -> dict:
    best = state.best_epoch
    return {
        "epochs": len(state.history),
        "best_epoch": best["epoch"],
        "val_nll": best["val_nll"],
        "train_nll": best["train_nll"],
        "n_train": n_train,
        "n_validation": n_validation,
        "parameters": sum(p.numel() for p in state.network.parameters()),
        "seconds": sum(epoch["seconds"] for epoch in state.history),
    }


def _log(history: list[dict]) -> bytes:
    lines = [",".join(_COLUMNS)]
    lines += [",".join(f"{epoch[name]:.6g}" for name in _COLUMNS) for epoch in history]
    return ("\n".join(lines) + "\n").encode()


def _card(config: TrainingConfig, data: GraspData, result: dict) -> str:
    """The model card: what the weights are, from what, and how good by which measure."""
    return f"""# R-CVAE

Grasps of a three-finger hand, 18 numbers [p1 p2 p3 n1 n2 n3] in the object frame, from one 64x64x5 image
(Veres, Moussa and Taylor 2017). {result["parameters"]} parameters, latent dimension {config.network.latent}.

| | |
|---|---|
| pairs for training / validation | {result["n_train"]} / {result["n_validation"]} |
| images, objects, classes | {len(data.rgb)}, {_count(data.object_id, data.class_id)}, {_count(data.class_id)} |
| minibatch | {config.batch_size} pairs, {config.grasps_per_image} of each image |
| epochs run (at most {config.max_epochs}), best | {result["epochs"]}, {result["best_epoch"]} |
| negative bound (Eq. 4), validation [nats, standardised] | {result["val_nll"]:.3f} |
| negative bound (Eq. 4), training, with input noise | {result["train_nll"]:.3f} |
| seed, beta, learning rate | {config.seed}, {config.beta}, {config.learning_rate} |
| fingerprint of the data | {data.fingerprint()} |

Validation pairs are a random tenth: they show objects seen in training, so this says nothing of new objects.
"""


def _count(*columns: np.ndarray) -> int:
    return len(np.unique(np.stack(columns, axis=1), axis=0))
