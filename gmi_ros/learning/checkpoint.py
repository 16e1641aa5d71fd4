"""A trained network as a folder: config.json, weights.safetensors (with the normaliser), metrics.json, card.md."""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from safetensors.torch import save as tensor_bytes
from torch import nn

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.core.resources import SHIPPED_HIDDEN_SIDE, resource
from gmi_ros.core.settings import Settings
from gmi_ros.learning.calibration import Calibration
from gmi_ros.learning.config import EVALUATOR, HIDDEN_SIDE, MODELS, from_dict, to_dict
from gmi_ros.learning.devices import device_named
from gmi_ros.learning.evaluator import EvaluatorNetwork, GraspEvaluator
from gmi_ros.learning.files import check_tensors, read_tensors, write_together
from gmi_ros.learning.hidden_side import HiddenSideGuesser, HiddenSideNetwork
from gmi_ros.learning.model import GraspModel
from gmi_ros.learning.networks import NETWORKS

VERSION = 1  # of the folder's layout and of the network; raised when older weights no longer mean the same
_KINDS: dict[str, type[nn.Module]] = {**NETWORKS, EVALUATOR: EvaluatorNetwork, HIDDEN_SIDE: HiddenSideNetwork}
CONFIG, WEIGHTS, METRICS, CARD = "config.json", "weights.safetensors", "metrics.json", "card.md"
CALIBRATION, TRUST = "calibration", "trust"  # of an evaluator, in its config


def save(
    folder: Path,
    network: nn.Module,
    metrics: dict,
    card: str,
    calibration: Calibration = Calibration(),
    trust: Calibration = Calibration(),
) -> None:
    """Write the folder; a reader or a full disk never meets half of it.

    Args:
        network: with weight normalisation still in place (not folded), so that training can go on from it.
        calibration, trust: of an evaluator (GraspEvaluator).
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    weights = tensor_bytes(tensors)
    config = {
        "architecture": architecture_of(network),
        "version": VERSION,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "network": to_dict(network.config),
    }
    for name, told in ((CALIBRATION, calibration), (TRUST, trust)):
        if told != Calibration():
            config[name] = asdict(told)
    contents = {WEIGHTS: weights, CONFIG: _json(config), METRICS: _json(metrics), CARD: card.encode()}
    write_together(Path(folder), contents)


def architecture_of(network: nn.Module) -> str:
    """The network's name: of a grasp model in NETWORKS, `evaluator`, or `hidden_side`."""
    return next(name for name, kind in _KINDS.items() if kind is type(network))


def load(folder: Path, device: str = "cpu") -> GraspModel:
    """Read a folder written by `save` for inference on a device (cpu, cuda, auto), strictly.

    Where it holds a folder `evaluator`, that ranks the model's grasps.

    Raises:
        GmiError: WEIGHTS_MISSING, naming the folder and the files it lacks; WEIGHTS_DAMAGED where the config is of
            another architecture or version, or the weights are cut off, do not fit it, are not finite or were
            changed since they were saved; BAD_SETTING for a GPU that is not there.
    """
    network, digest = load_network(folder)
    judge = Path(folder) / EVALUATOR
    if not judge.exists():
        return GraspModel(network, digest[:16], device_named(device))
    evaluator = load_evaluator(judge, device)
    both = hashlib.sha256(f"{digest[:16]} {evaluator.hash}".encode()).hexdigest()
    return GraspModel(network, both[:16], device_named(device), evaluator)


def load_evaluator(folder: Path, device: str = "cpu") -> GraspEvaluator:
    """The evaluator of a folder. Raises as `load` does."""
    network, digest = load_network(folder, (EVALUATOR,))
    calibration, trust = calibration_of(folder), calibration_of(folder, TRUST)
    for told in (calibration, trust):
        if told != Calibration():
            digest = hashlib.sha256(f"{digest} {told}".encode()).hexdigest()
    return GraspEvaluator(network, digest[:16], device_named(device), calibration, trust)


@cache
def hidden_side() -> HiddenSideGuesser:
    """The network of hidden sides that comes with the package. Raises as `load` does, and FILE_NOT_FOUND."""
    network, digest = load_network(resource(SHIPPED_HIDDEN_SIDE), (HIDDEN_SIDE,))
    return HiddenSideGuesser(network, digest[:16])


def calibration_of(folder: Path, name: str = CALIBRATION) -> Calibration:
    """CALIBRATION or TRUST of a folder's network, that it was saved with. Raises as `load` does."""
    path = Path(folder) / CONFIG
    told = _read_config(path, (EVALUATOR, *MODELS)).get(name, {})
    try:
        return Calibration(**told)
    except (TypeError, GmiError) as error:
        raise _damaged(path, f"{name}: {getattr(error, 'message', error)}") from error


def load_network(folder: Path, kinds: tuple[str, ...] = MODELS) -> tuple[nn.Module, str]:
    """A network of one of these kinds with its weight normalisation, and its weights' SHA-256. Raises as `load` does."""
    folder = Path(folder)
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise GmiError(
            ErrorCode.WEIGHTS_MISSING,
            f"{folder} {'lacks ' + ' and '.join(missing) if folder.is_dir() else 'is not a folder'}; "
            f"a model folder holds {CONFIG}, {WEIGHTS}, {METRICS} and {CARD}",
        )
    config = _read_config(folder / CONFIG, kinds)
    network = _KINDS[config["architecture"]](_network_config(config, folder / CONFIG))
    path = folder / WEIGHTS
    content = path.read_bytes()
    tensors = read_tensors(content, path)
    check_tensors(tensors, network.state_dict(), path)
    digest = hashlib.sha256(content).hexdigest()
    if digest != config["weights_sha256"]:
        raise _damaged(path, f"SHA-256 is {digest[:16]}.., {CONFIG} says {str(config['weights_sha256'])[:16]}..")
    network.load_state_dict(tensors)
    return network, digest


def _read_config(path: Path, kinds: tuple[str, ...]) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSON or UTF-8
        raise _damaged(path, f"not JSON: {error}") from error
    fields = {"architecture", "version", "weights_sha256", "network"}
    if not isinstance(config, dict) or not fields <= set(config):
        raise _damaged(path, f"must be an object with {sorted(fields)}")
    for name, known in (("architecture", list(kinds)), ("version", [VERSION])):
        if config[name] not in known:
            raise _damaged(path, f"{name} is {config[name]!r}, this program reads {', '.join(map(repr, known))}")
    return config


def _network_config(config: dict, path: Path) -> Settings:
    try:
        return from_dict(_KINDS[config["architecture"]].config_type, config["network"])
    except GmiError as error:
        raise _damaged(path, error.message) from error


def _json(value: dict) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _damaged(path: Path, message: str) -> GmiError:
    return GmiError(ErrorCode.WEIGHTS_DAMAGED, f"{path}: {message}")
