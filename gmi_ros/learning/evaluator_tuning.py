"""Going on with a trained evaluator on new records, without forgetting what it learned from the old.

Every minibatch has a stated part of new records; the others are replayed (Robins 1995). What was not tried of an old one, as
repetitions with errors of the wrist, has for its target what the network said of it before (Li and Hoiem 2016). What became
of a new record counts for all answers: a robot's wrist has its errors each time, and all of them are what grasps are ranked by.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning import checkpoint
from gmi_ros.learning.config import EVALUATOR, TrainingConfig
from gmi_ros.learning.evaluator import EvaluatorNetwork, widened
from gmi_ros.learning.evaluator_training import by_image, cross_entropy, tensors, varied
from gmi_ros.learning.judged import JudgedData
from gmi_ros.learning.metrics import area_under_roc, calibration_error
from gmi_ros.learning.parallel import Team, team
from gmi_ros.learning.run import Run
from gmi_ros.learning.spec import SHARE, STEADY
from gmi_ros.learning.tuning import Mixture, tuning_card

_CHUNK = 256  # trials judged at once


def tune_evaluator(
    config: TrainingConfig,
    mixture: Mixture,
    folder: Path,
    new: JudgedData,
    old: JudgedData,
    held_out: JudgedData,
    check: JudgedData,
    out_dir: Path,
    resume: bool = True,
    progress: bool = True,
    steady: bool = False,
    planned: bool = False,
) -> dict:
    """Go on with the evaluator in `folder` and write the weights of its best epoch to `out_dir`, in all as `training.train`.

    Its calibration goes with it: what the frame tells of its grasps stays nearly the same.

    Args:
        new, old: to learn from. held_out, check: new and old ones that are not; the best epoch is the one with the least
            loss on them, mixed as the minibatches are.
        steady, planned: learn these too, where the evaluator could not (evaluator.widened).

    Raises:
        GmiError: as `training.train`; WEIGHTS_MISSING or WEIGHTS_DAMAGED for the folder.
    """
    network, digest = checkpoint.load_network(Path(folder), (EVALUATOR,))
    mixed = (_counted_for_all(new), old, _counted_for_all(held_out), check)
    data = tuple(with_answers(trials, network, progress) for trials in mixed)
    network = widened(network, steady, planned)
    config = replace(config, model=EVALUATOR, network=network.config)
    with team() as members:
        run = _Tuning(config, mixture, network, digest, data, Path(out_dir), members, progress and members.rank == 0)
        run.calibration = checkpoint.load_evaluator(folder).calibration
        return run.train(resume)


def probabilities(network: EvaluatorNetwork, data: JudgedData, progress: bool = False) -> np.ndarray:
    """(n, k) of each trial, in the order of spec.JUDGEMENTS, by a network in evaluation mode."""
    device = next(network.parameters()).device
    told = np.empty((len(data), network.n_answers))
    with torch.inference_mode():
        images = by_image(data.image_index, len(data.rgb))
        for rows in tqdm(images, "judging", leave=False, disable=not progress, dynamic_ncols=True):
            for start in range(0, len(rows), _CHUNK):
                some = rows[start : start + _CHUNK]
                *seen, _ = tensors(data, data.image_index[some[:1]], some[None], device)
                told[some] = torch.sigmoid(network(*seen))[0].cpu().numpy()
    return told


def with_answers(data: JudgedData, network: EvaluatorNetwork, progress: bool = False) -> JudgedData:
    """The same trials; what was not tried of them (errors of the wrist, closing without support) is what the network says."""
    told = probabilities(network.eval(), data, progress).astype(np.float32)
    answers = {"share": SHARE, "steady": STEADY}
    filled = {
        name: np.where(np.isnan(had := getattr(data, name)), told[:, answer], had)
        for name, answer in answers.items()
        if answer < told.shape[1]
    }
    return replace(data, **filled)


def _counted_for_all(data: JudgedData) -> JudgedData:
    """New records: what they were not tried for, errors of the wrist or closing without support, ended as they did."""
    told = {name: getattr(data, name) for name in ("share", "steady")}
    return replace(data, **{n: np.where(np.isnan(t), data.held, t).astype(np.float32) for n, t in told.items()})


def losses(probability: np.ndarray, held: np.ndarray) -> np.ndarray:
    """(n,) negative log-likelihood [nats] of each outcome."""
    likely = np.clip(np.where(held, probability, 1 - probability), 1e-7, 1.0)
    return -np.log(likely)


def judged_summary(probability: np.ndarray, held: np.ndarray) -> dict:
    """n, held, nll [nats a trial], auc (None where all or none held), ece."""
    auc = area_under_roc(probability, held)
    return {
        "n": len(held),
        "held": float(held.mean()),
        "nll": float(losses(probability, held).mean()),
        "auc": None if np.isnan(auc) else auc,
        "ece": calibration_error(probability, held),
    }


class _Objective(nn.Module):
    def __init__(self, network: EvaluatorNetwork, share: float):
        super().__init__()
        self.network, self.share = network, share

    def forward(self, new: tuple[Tensor, ...], old: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The mixed loss twice, and 0 for the KL term that there is none of."""
        loss = self.share * self._loss(*new) + (1 - self.share) * self._loss(*old)
        return loss, loss, torch.zeros_like(loss)

    def _loss(self, *batch: Tensor) -> Tensor:
        *seen, judged = batch
        return cross_entropy(self.network(*seen), judged)


class _Tuning(Run):
    def __init__(
        self,
        config: TrainingConfig,
        mixture: Mixture,
        network: EvaluatorNetwork,
        digest: str,
        data: tuple[JudgedData, ...],
        out_dir: Path,
        members: Team,
        progress: bool,
    ):
        self.new, self.old, self.held_out, self.check = data
        if not 0 < len(self.new):
            raise GmiError(ErrorCode.FILE_DAMAGED, "no new record is left to learn from")
        self.mixture, self._digest = mixture, digest
        self._rows = {id(d): by_image(d.image_index, len(d.rgb)) for d in (self.new, self.old)}
        fingerprint = hashlib.sha256(repr([digest, mixture, *(d.fingerprint() for d in data)]).encode()).hexdigest()[
            :16
        ]
        super().__init__(config, network, fingerprint, mixture.batches, out_dir, members, progress)

    def objective(self) -> nn.Module:
        return _Objective(self.state.network, self.mixture.share)

    def batch(self, rng: np.random.Generator, generator: torch.Generator) -> tuple:
        n_new = self.mixture.new_of(self.share)
        return tuple(
            varied(self._drawn(data, n, per_image, rng), self.config.mirrored, generator)
            for data, n, per_image in (
                (self.new, n_new, 1),
                (self.old, self.share - n_new, self.config.grasps_per_image),
            )
        )

    def _drawn(self, data: JudgedData, n: int, per_image: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        rows = self._rows[id(data)]
        images = rng.choice([i for i, some in enumerate(rows) if len(some)], max(1, n // per_image))
        return tensors(data, images, np.stack([rng.choice(rows[i], per_image) for i in images]), self.device)

    def validate(self) -> Tensor:
        means = [self._loss(data) for data in (self.held_out, self.check)]
        share = self.mixture.share
        return torch.tensor([share * means[0] + (1 - share) * means[1], 0.0], dtype=torch.float64)

    def _loss(self, data: JudgedData) -> float:
        told = np.clip(probabilities(self.state.network, data, self.progress), 1e-7, 1 - 1e-7)
        judged = data.judgements[:, : told.shape[1]]
        return float(np.nanmean(-(judged * np.log(told) + (1 - judged) * np.log(1 - told))))

    def told(self) -> dict:
        return {"n_train": len(self.new), "n_validation": len(self.held_out), "n_replay": len(self.old)}

    def card(self, result: dict) -> str:
        return tuning_card("Grasp evaluator", self.config, self.mixture, self._digest, result, "judgement")
