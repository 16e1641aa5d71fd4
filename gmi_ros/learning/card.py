"""The model card: what the weights are, from what, and how good by which measure."""

import numpy as np

from gmi_ros.learning.config import TrainingConfig, to_dict
from gmi_ros.learning.dataset import GraspData

TITLES = {
    "cnn": "CNN",
    "cnn_full": "CNN with full covariance",
    "gsnn": "GSNN",
    "cvae": "CVAE",
    "r_cvae": "R-CVAE",
    "mixture": "Autoregressive mixture",
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


def _count(*columns: np.ndarray) -> int:
    return len(np.unique(np.stack(columns, axis=1), axis=0))
