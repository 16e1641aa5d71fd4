"""How many of the known ways to hold an object a network's samples find: recall over recorded successes."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from gmi_ros.learning.dataset import GraspData

MAX_DISTANCE = 0.020  # of every contact [m]
MAX_ANGLE = np.radians(20)  # of every normal


@dataclass(frozen=True)
class Recall:
    """For each of m views: how many recorded grasps it has, how many were found, and whose object it is."""

    known: np.ndarray
    found: np.ndarray
    object_id: np.ndarray

    @property
    def share(self) -> float:
        """Mean over objects of the mean over their views of found / known."""
        shares = self.found / self.known
        return float(np.mean([shares[self.object_id == i].mean() for i in np.unique(self.object_id)]))


def recall(
    network: nn.Module,
    data: GraspData,
    views_per_object: int = 5,
    samples: int = 200,
    noise: bool = False,
    seed: int = 1,
    progress: bool = True,
) -> Recall:
    """Sample grasps for some views of each object; a recorded grasp is found where a sample `hits` it.

    Args:
        network: in evaluation mode.
        data: with the successes of the object and resting pose that are seen in each view (`within` about 20 degrees).
        noise: add the output noise to the samples: needed where a network has no latent.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    by_image = np.split(np.argsort(data.image_index, kind="stable"), np.cumsum(np.bincount(data.image_index))[:-1])
    owner = np.array([data.object_id[pairs[0]] if len(pairs) else -1 for pairs in by_image])
    views = [
        image
        for i in np.unique(data.object_id)
        for image in rng.permutation(np.flatnonzero(owner == i))[:views_per_object]
    ]
    known, found = [], []
    with torch.inference_mode():
        for image in tqdm(views, "modes", disable=not progress, dynamic_ncols=True):
            pixels = torch.from_numpy(data.images(np.array([image]))).permute(0, 3, 1, 2)
            drawn = network(pixels).sample(samples, generator, noise)[0].numpy()
            truth = data.grasps[by_image[image]]
            known.append(len(truth))
            found.append(int(hits(drawn, truth).any(axis=0).sum()))
    return Recall(np.array(known), np.array(found), owner[views])


def hits(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n, m) bool: all contacts of sample (n, 18) within MAX_DISTANCE of truth's (m, 18), all normals within MAX_ANGLE."""
    a, b = (np.asarray(g, float).reshape(-1, 2, 3, 3) for g in (samples, truth))
    distance = np.linalg.norm(a[:, None, 0] - b[None, :, 0], axis=-1)  # (n, m, 3)
    lengths = np.linalg.norm(a[:, 1], axis=-1)[:, None] * np.linalg.norm(b[:, 1], axis=-1)[None]
    cosine = (a[:, None, 1] * b[None, :, 1]).sum(-1) / np.maximum(lengths, 1e-12)
    return ((distance <= MAX_DISTANCE) & (cosine >= np.cos(MAX_ANGLE))).all(axis=-1)
