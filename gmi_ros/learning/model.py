"""A trained network as the pipeline uses it: numpy in, numpy out, the same bits for the same request."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning.distributions import GraspDistribution
from gmi_ros.learning.evaluator import GraspEvaluator
from gmi_ros.learning.layers import fold
from gmi_ros.learning.spec import IMAGE_SHAPE

_MAX_SAMPLES = 4096  # the densities need n^2 numbers


@dataclass(frozen=True)
class GraspSamples:
    """n grasps of one object in {O}.

    contacts: (n, 3, 3) [m], normals: (n, 3, 3) unit outward, row i of each is finger F(i+1).
    log_density: of rows (k,) int gives (k,) nats in standardised units, Eq. 5 over the z drawn for these samples; made when
    it is asked for, since where an evaluator ranks nobody does.
    """

    contacts: np.ndarray
    normals: np.ndarray
    log_density: Callable[[np.ndarray], np.ndarray]


class GraspModel:
    """Wraps a network for inference. It takes the network over: its weights are folded in place.

    hash: 16 hex digits of the weights' SHA-256; with an evaluator, of both. evaluator: ranks the grasps, or None.
    """

    def __init__(
        self,
        network: nn.Module,
        weights_hash: str,
        device: torch.device = torch.device("cpu"),
        evaluator: GraspEvaluator | None = None,
    ):
        fold(network)
        self._network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._device = device
        self.hash, self.evaluator = weights_hash, evaluator

    @property
    def network(self) -> nn.Module:
        """The network, in evaluation mode."""
        return self._network

    def sample(self, image: np.ndarray, n: int, seed: int) -> GraspSamples:
        """Draw n grasps for one image (64, 64, 5), as `Observation.image` gives it.

        A sample is the decoder's mean at a z from the prior, without output noise, its normals made unit again; the
        density is that of the mean as the network gave it. The CNNs run once. The same image, n, seed and number of
        torch threads give the same bits on a CPU, whatever was called before; a GPU draws other numbers.

        Raises:
            GmiError: BAD_REQUEST for an n or seed out of bounds, or an image of another shape or with NaN.
        """
        _check(image, n, seed)
        generator = torch.Generator(self._device).manual_seed(int(seed))
        with torch.inference_mode():
            grasps = self._answer(image)
            return self._samples(grasps, grasps.centres(n, generator))

    def predict(self, image: np.ndarray) -> GraspSamples:
        """The one prediction of Table III (n = 1): z is the prior's mean, y the decoder's mean; a mixture's heaviest way.

        Raises:
            GmiError: as `sample`.
        """
        _check(image, 1, 0)
        with torch.inference_mode():
            grasps = self._answer(image)
            return self._samples(grasps, self._network.normaliser.standardise_grasp(grasps.mean())[:, None])

    def _answer(self, image: np.ndarray) -> GraspDistribution:
        pixels = torch.from_numpy(np.array(image, dtype=np.float32, order="C")[None]).to(self._device)
        return self._network(pixels.permute(0, 3, 1, 2))

    def _samples(self, grasps: GraspDistribution, centres: torch.Tensor) -> GraspSamples:
        """Of centres (1, n, 18), standardised."""

        def log_density(rows: np.ndarray) -> np.ndarray:
            if not len(rows):
                return np.empty(0)
            with torch.inference_mode():
                wanted = torch.as_tensor(rows, dtype=torch.long, device=self._device)
                return grasps.density_at(centres, wanted)[0].cpu().numpy().astype(float)

        vectors = self._network.normaliser.restore_grasp(centres)[0].cpu().numpy().astype(float)
        contacts, normals = vectors.reshape(-1, 2, 3, 3).transpose(1, 0, 2, 3)
        lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
        return GraspSamples(contacts, normals / np.maximum(lengths, 1e-12), log_density)


def _check(image: np.ndarray, n: int, seed: int) -> None:
    if not 1 <= n <= _MAX_SAMPLES:
        raise GmiError(ErrorCode.BAD_REQUEST, f"n must be in [1, {_MAX_SAMPLES}] samples, got {n}")
    if not 0 <= seed < 2**63:
        raise GmiError(ErrorCode.BAD_REQUEST, f"seed must be in [0, 2^63 - 1], got {seed}")
    if image.shape != IMAGE_SHAPE:
        raise GmiError(ErrorCode.BAD_REQUEST, f"the network takes an image of shape {IMAGE_SHAPE}, got {image.shape}")
    bad = int((~np.isfinite(image)).sum())
    if bad:
        raise GmiError(ErrorCode.BAD_REQUEST, f"the image has {bad} values that are not finite")
