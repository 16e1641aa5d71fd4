"""All of a training run between two epochs, as one safetensors file: reading it back continues to the bit.

There is no generator in it: every epoch draws from streams of its own, made from seed, epoch and rank.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensor_bytes
from torch import Tensor, nn

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning.files import check_tensors, write_together

FILE = "resume.safetensors"


@dataclass
class TrainingState:
    """What changes while training; `history` has one dict per finished epoch."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    best: dict[str, Tensor]
    history: list[dict] = field(default_factory=list)

    @property
    def best_epoch(self) -> dict:
        """The epoch whose weights are in `best`: the one with the least validation bound."""
        return min(self.history, key=lambda epoch: epoch["val_nll"])

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor, by a name that says where it belongs."""
        parts = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        parts |= {f"best.{name}": t for name, t in self.best.items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            parts |= {f"adam.{index}.{name}": t for name, t in moments.items()}
        return {name: t.detach().cpu().contiguous() for name, t in parts.items()}


def save_state(folder: Path, state: TrainingState, identity: dict) -> None:
    """Write the state; a kill while writing leaves the previous epoch's. `identity` tells which run it is."""
    rest = {"identity": identity, "history": state.history}
    write_together(Path(folder), {FILE: tensor_bytes(state.tensors(), metadata={"state": json.dumps(rest)})})


def load_state(folder: Path, state: TrainingState, identity: dict) -> bool:
    """Bring a fresh state to where the run in `folder` stopped; False, and unchanged, where there is none.

    Raises:
        GmiError: BAD_SETTING where the folder holds a run with other settings or data; WEIGHTS_DAMAGED where the
            file is cut off or does not fit.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return False
    try:
        with safe_open(path, "pt") as file:
            rest = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, ValueError, KeyError) as error:
        message = f"{path} is not a whole training state ({error}); train into another folder or without resuming"
        raise GmiError(ErrorCode.WEIGHTS_DAMAGED, message) from error
    for name, value in identity.items():
        if rest["identity"].get(name) != value:
            raise GmiError(
                ErrorCode.BAD_SETTING,
                f"{folder} holds a run with other {name}: {_differences(rest['identity'].get(name), value)}; "
                "train into another folder or without resuming",
            )
    parts = {prefix: _under(prefix, tensors) for prefix in ("network", "best", "adam")}
    expected = state.network.state_dict()
    check_tensors(parts["network"], expected, path)
    if rest["history"]:  # before the first epoch nothing is best
        check_tensors(parts["best"], expected, path)

    state.network.load_state_dict(parts["network"])
    state.best = parts["best"]
    adam = state.optimiser.state_dict()
    for name, tensor in parts["adam"].items():
        index, moment = name.split(".")
        adam["state"].setdefault(int(index), {})[moment] = tensor
    state.optimiser.load_state_dict(adam)
    state.history = rest["history"]
    return True


def _differences(was: Any, now: Any, where: str = "") -> str:
    """What is not the same, by name."""
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return f"{where}{was}, now {now}"
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return "; ".join(_differences(was.get(name), now.get(name), f"{where}{name} ") for name in names)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(f"{prefix}."): t for n, t in tensors.items() if n.startswith(f"{prefix}.")}
