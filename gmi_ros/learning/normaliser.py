"""Standardisation to zero mean and unit variance (paper, IV-B), kept as tensors with the weights."""

import numpy as np
import torch
from torch import Tensor, nn

from gmi_ros.learning.dataset import GraspData
from gmi_ros.learning.spec import GRASP_DIM, IMAGE_CHANNELS

_CONSTANT = 1e-6  # a dimension that varies less than this is only centred: its spread is rounding, not information


class Normaliser(nn.Module):
    """Image mean and standard deviation per channel (5,), grasp mean and standard deviation per dimension (18,)."""

    def __init__(self):
        super().__init__()
        self.register_buffer("image_mean", torch.zeros(IMAGE_CHANNELS))
        self.register_buffer("image_std", torch.ones(IMAGE_CHANNELS))
        self.register_buffer("grasp_mean", torch.zeros(GRASP_DIM))
        self.register_buffer("grasp_std", torch.ones(GRASP_DIM))

    def fit(self, data: GraspData, pairs: np.ndarray) -> "Normaliser":
        """Set the statistics from the own pairs among these (indices into `data`), each counting once with its image."""
        pairs = pairs[data.own[pairs]]
        used, counts = np.unique(data.image_index[pairs], return_counts=True)
        total, squares = np.zeros(IMAGE_CHANNELS), np.zeros(IMAGE_CHANNELS)
        for start in range(0, len(used), 256):  # in float64 a few at a time: all of them would fill the memory
            images = data.images(used[start : start + 256]).astype(float)  # (k, 64, 64, 5)
            total += counts[start : start + 256] @ images.mean(axis=(1, 2))
            squares += counts[start : start + 256] @ np.square(images).mean(axis=(1, 2))
        mean = total / len(pairs)
        self._set("image", mean, np.sqrt(np.maximum(squares / len(pairs) - mean**2, 0.0)))
        grasps = data.grasps[pairs].astype(float)
        self._set("grasp", grasps.mean(axis=0), grasps.std(axis=0))
        return self

    def _set(self, name: str, mean: np.ndarray, std: np.ndarray) -> None:
        getattr(self, f"{name}_mean").copy_(torch.from_numpy(mean))
        getattr(self, f"{name}_std").copy_(torch.from_numpy(np.where(std < _CONSTANT, 1.0, std)))

    def standardise_image(self, image: Tensor) -> Tensor:
        """(b, 5, 64, 64) in the units of `Observation.image` to standardised units."""
        return (image - self.image_mean[:, None, None]) / self.image_std[:, None, None]

    def standardise_grasp(self, grasp: Tensor) -> Tensor:
        """(..., 18) in data units to standardised units."""
        return (grasp - self.grasp_mean) / self.grasp_std

    def restore_grasp(self, grasp: Tensor) -> Tensor:
        """(..., 18) in standardised units to data units."""
        return grasp * self.grasp_std + self.grasp_mean

    @property
    def log_volume(self) -> Tensor:
        """Nats to add to a log density in data units to have it in standardised units (the log-Jacobian)."""
        return self.grasp_std.log().sum()
