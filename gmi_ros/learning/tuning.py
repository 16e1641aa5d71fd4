"""What going on with trained networks has in common: the mixture of new records and replayed ones, and its card."""

from copy import deepcopy
from dataclasses import dataclass

from torch import nn

from gmi_ros.core.settings import Settings, setting
from gmi_ros.learning.config import EVALUATOR, TrainingConfig

# How each network goes on where nothing else is asked: a low rate that falls to nothing, many variations.
EVALUATOR_TUNING = TrainingConfig(
    model=EVALUATOR, learning_rate=2e-4, cooldown=1.0, batch_size=192, grasps_per_image=8, max_epochs=5, patience=5,
    mirrored=0.5, validation_fraction=0.2, precision="float32",
)  # fmt: skip
GENERATOR_TUNING = TrainingConfig(
    model="mixture", learning_rate=4e-4, cooldown=1.0, batch_size=64, grasps_per_image=1, max_epochs=8, patience=8,
    mirrored=0.5, shifted=0.005, turned=0.1, validation_fraction=0.2,
)  # fmt: skip


@dataclass(frozen=True)
class Mixture(Settings):
    """What minibatches are made of."""

    share: float = setting(0.5, "part of each minibatch that is new records; the others are replayed", 0.05, 0.95)
    batches: int = setting(40, "minibatches of an epoch", 1, 100_000)
    imagined: int = setting(
        0,
        "views of new records on which further grasps are rehearsed at most, to be learned from as records are; "
        "those of failures first; about a second of two cores each",
        0,
        1_000_000,
    )

    def new_of(self, n: int) -> int:
        """How many of n are new: at least one, and one less than all."""
        return min(max(1, round(n * self.share)), max(1, n - 1))


def between(before: nn.Module, after: nn.Module, part: float) -> nn.Module:
    """A network whose weights lie between those of two, `part` of the way from the first to the second: most of what is new
    stays with a part of what it cost (Wortsman et al. 2022)."""
    found, had = deepcopy(after), before.state_dict()
    state = {n: t if not t.is_floating_point() else had[n].lerp(t, part) for n, t in after.state_dict().items()}
    found.load_state_dict(state)
    return found


def tuning_card(title: str, config: TrainingConfig, mixture: Mixture, digest: str, result: dict, unit: str) -> str:
    """Markdown for `card.md`."""
    return f"""# {title}, gone on with

From weights {digest[:16]} on records of executed grasps, {100 * mixture.share:g} % of every minibatch; the others are
replayed old training data. `comparison.json` in the model's folder says what was better and what worse afterwards.

| | |
|---|---|
| new records to learn from, held out; replayed | {result["n_train"]}, {result["n_validation"]}; {result["n_replay"]} |
| minibatch | {config.batch_size}, {mixture.new_of(config.batch_size)} of them new |
| epochs of {mixture.batches} minibatches (at most {config.max_epochs}), best | {result["epochs"]}, {result["best_epoch"]} |
| mixed loss on what was held out [nats a {unit}] | {result["val_nll"]:.4f} |
| parameters | {result["parameters"]} |
| seed, learning rate (falls to zero) | {config.seed}, {config.learning_rate} |
"""
