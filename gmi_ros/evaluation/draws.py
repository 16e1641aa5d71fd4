"""What a network answers for one view: draws with their latents, and the most likely grasp (paper, footnote 4)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmi_ros.learning.distributions import GraspDistribution, LatentGrasps
from gmi_ros.learning.likelihood import mixture_log_density
from gmi_ros.learning.model import GraspModel

COMPONENTS = 50  # L of footnote 4
_CLIMBS, _STILL = 500, 1e-5  # steps of a climb at most, and the step that ends it [standardised]


@dataclass(frozen=True, eq=False)
class Draws:
    """n draws for one view, standardised: (x - mean) / deviation of the network's training data.

    grasps: (n, 18). likely: (18,) y*, the most likely grasp. latents: (n, l) z from the prior p(z|x); recognised:
    (n, l) z from q(z|x, y) over the view's known grasps; None where a network has none.
    """

    grasps: np.ndarray
    likely: np.ndarray
    latents: np.ndarray | None
    recognised: np.ndarray | None


class Touches(NamedTuple):
    """Grasps in {O}: contacts (n, 3, 3) [m], normals (n, 3, 3) unit, outward; row i of each is finger F(i+1)."""

    contacts: np.ndarray
    normals: np.ndarray


def draw(model: GraspModel, image: np.ndarray, known: np.ndarray, n: int, seed: int, noise: bool = False) -> Draws:
    """Ask a network about one image (64, 64, 5).

    Args:
        known: (k, 18) recorded grasps of the view. noise: add the output noise, without which a CNN's draws are one.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.from_numpy(np.ascontiguousarray(image[None], dtype=np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        answer = model.network(pixels)
        likely = most_likely(answer, generator)
        latents = recognised = None
        if isinstance(answer, LatentGrasps):
            z = answer.sample_latent(n, generator)
            centres, latents = answer.decode(z), z[0]
            recognised = _recognised(model, pixels, known, n, generator)
        else:
            centres = answer.centres(n, generator)
        if noise:
            centres = centres + answer.output_noise(tuple(centres.shape), generator)
    return Draws(*(None if t is None else t.numpy().astype(float) for t in (centres[0], likely, latents, recognised)))


def _recognised(
    model: GraspModel, pixels: Tensor, known: np.ndarray, n: int, generator: torch.Generator
) -> Tensor | None:
    answer = model.network(pixels, rows=torch.zeros(len(known), dtype=torch.long))
    if answer.encode is None:
        return None
    mean, log_sigma = answer.encode(_standardised(model, known))  # (k, l)
    rows = torch.arange(n) % len(known)
    return mean[rows] + log_sigma[rows].exp() * torch.randn(n, mean.shape[1], generator=generator)


def most_likely(answer: GraspDistribution, generator: torch.Generator) -> Tensor:
    """y* = argmax of the mean of L decoded densities p(y|x, z), z from the prior (footnote 4), (18,) standardised.

    Where a network has no latent, the densest of L draws.
    """
    centres = answer.centres(COMPONENTS, generator)  # (1, L, 18)
    if not isinstance(answer, LatentGrasps):
        return centres[0, answer.density(centres)[0].argmax()]
    tops = climb(centres[0], answer.log_scale)
    return tops[mixture_log_density(tops[None], centres, answer.log_scale)[0].argmax()]


def climb(centres: Tensor, log_scale: Tensor) -> Tensor:
    """From each centre of a mixture of equal Gaussians (s, d) to a maximum of its density (s, d), by mean shift.

    A step to the mean of the centres, each weighed by how much of the density here is its own, never goes down.
    """
    sigma = log_scale.exp()
    scaled = centres / sigma
    here = scaled
    for _ in range(_CLIMBS):
        weights = torch.softmax(-0.5 * torch.cdist(here, scaled).square(), dim=-1)  # (s, s)
        there = weights @ scaled
        moved = ((there - here) * sigma).abs().max()
        here = there
        if moved < _STILL:
            break
    return here * sigma


def standardised(model: GraspModel, grasps: np.ndarray) -> np.ndarray:
    """Grasps (n, 18) in data units in those of `Draws`."""
    return _standardised(model, grasps).numpy().astype(float)


def _standardised(model: GraspModel, grasps: np.ndarray) -> Tensor:
    return model.network.normaliser.standardise_grasp(torch.from_numpy(grasps).float())


def touches(model: GraspModel, grasps: np.ndarray) -> Touches:
    """Standardised grasps (n, 18) as contacts and normals, the normals made unit again."""
    restored = model.network.normaliser.restore_grasp(torch.from_numpy(grasps).float()).numpy().astype(float)
    contacts, normals = restored.reshape(-1, 2, 3, 3).swapaxes(0, 1)
    return Touches(contacts, normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12))
