"""The model card: what the weights are, from what, and how good by which measure."""

import numpy as np

from gmi_ros.learning.config import TrainingConfig, to_dict
from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.image_arrays import ImageArrays
from gmi_ros.learning.judged import JudgedData

TITLES = {
    "cnn": "CNN",
    "cnn_full": "CNN with full covariance",
    "gsnn": "GSNN",
    "cvae": "CVAE",
    "r_cvae": "R-CVAE",
    "mixture": "Autoregressive mixture",
    "evaluator": "Grasp evaluator",
    "hidden_side": "Hidden sides",
}


def card(config: TrainingConfig, data: GraspData, result: dict) -> str:
    """Markdown for `card.md`, from the answer of `training.train`."""
    bounded = config.model in ("cvae", "r_cvae")
    objective = "negative bound (Eq. 4)" if bounded else "negative log-likelihood"
    sizes = ", ".join(f"{name} {value}" for name, value in to_dict(config.network).items())
    return f"""# {TITLES[config.model]}

Grasps of a three-finger hand, 18 numbers [p1 p2 p3 n1 n2 n3] in the object frame, from one 64x64x5 image
(Veres, Moussa and Taylor 2017). {result["parameters"]} parameters: {sizes}.

| | |
|---|---|
| successes for training / validation | {result["n_train"]} / {result["n_validation"]} |
| views of a success, mean | {len(data) / len(np.unique(data.trial)):.1f} |
| images, objects, classes | {len(data.rgb)}, {_count(data.object_id, data.class_id)}, {_count(data.class_id)} |
| minibatch | {config.batch_size} pairs, {config.grasps_per_image} of each image |
| epochs run (at most {config.max_epochs}), best | {result["epochs"]}, {result["best_epoch"]} |
| {objective}, validation [nats, standardised] | {result["val_nll"]:.3f} |
| {objective}, training, with input noise | {result["train_nll"]:.3f} |
| seed, beta, learning rate | {config.seed}, {config.beta}, {config.learning_rate} |
| fingerprint of the data | {data.fingerprint()} |

Validation pairs are a random tenth: they show objects seen in training, so this says nothing of new objects.
"""


def evaluator_card(config: TrainingConfig, data: JudgedData, result: dict) -> str:
    """Markdown for `card.md`, from the answer of `evaluator_training.train_evaluator`."""
    sizes = ", ".join(f"{name} {value}" for name, value in to_dict(config.network).items())
    also = ", and that the closing hand hardly turns the object" if config.network.steady else ""
    met = ", and the contacts that the grasp was made for" if config.network.planned else ""
    repeated, closed = np.isfinite(data.share), np.isfinite(data.steady)
    return f"""# Grasp evaluator

The probability that a grasp holds, as planned and with an error of the wrist{also}, from one 64x64x5 image and the planes
that the fingers close in{met}. {result["parameters"]} parameters: {sizes}.

| | |
|---|---|
| trials for training / validation | {result["n_train"]} / {result["n_validation"]} |
| held | {100 * data.held.mean():.1f} % |
| repeated with errors of the wrist, of these held | {repeated.sum()}, {_percent(data.share[repeated])} |
| closed on the object with nothing else to hold it, of these steady | {closed.sum()}, {_percent(data.steady[closed])} |
| images, objects | {len(data.rgb)}, {_count(data.object_id)} |
| minibatch | {config.batch_size} trials, {config.grasps_per_image} of each image |
| epochs run (at most {config.max_epochs}), best | {result["epochs"]}, {result["best_epoch"]} |
| negative log-likelihood, validation [nats a judgement] | {result["val_nll"]:.4f} |
| area under the ROC, validation | {result["val_auc"]:.4f} |
| seed, learning rate | {config.seed}, {config.learning_rate} |
| fingerprint of the data | {data.fingerprint()} |

Validation trials are those of a random part of the objects, which are not trained on.
"""


def hidden_side_card(config: TrainingConfig, data: ImageArrays, result: dict) -> str:
    """Markdown for `card.md`, from the answer of `hidden_side_training.train_hidden_side`."""
    return f"""# Hidden sides

How likely an object is there, in layers of 5 mm behind each cell that a camera sees of it. {result["parameters"]}
parameters: filters {config.network.filters}.

| | |
|---|---|
| views for training / validation, of {_count(data.object_id)} objects | {result["n_train"]} / {result["n_validation"]} |
| epochs run (at most {config.max_epochs}), best | {result["epochs"]}, {result["best_epoch"]} |
| cross entropy, validation [nats a cell, of all its layers] | {result["val_nll"]:.4f} |
| thickness of what is solid in front off by, median of the cells [mm] | {1e3 * result["error_m"]:.1f} |
| minibatch, learning rate, seed | {config.batch_size} views, {config.learning_rate}, {config.seed} |
| fingerprint of the data | {data.fingerprint()} |

Validation views are those of a random part of the objects, which are not trained on.
"""


def _percent(shares: np.ndarray) -> str:
    return f"{100 * shares.mean():.1f} %" if len(shares) else "-"


def _count(*columns: np.ndarray) -> int:
    return len(np.unique(np.stack(columns, axis=1), axis=0))
