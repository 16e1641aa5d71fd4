"""A map of the grasps that were drawn for one view: t-SNE, a kernel density, and its peaks."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.stats import gaussian_kde

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.evaluation.draws import Draws

_PERPLEXITY = 30
_BANDWIDTH = 0.22  # of the density, in standard deviations of the map
_CELLS = 160  # of the density, on a side
_LEAST_PEAK = 0.15  # of the highest


@dataclass(frozen=True, eq=False)
class Map:
    """Grasps laid out in the plane, like beside like (t-SNE); its coordinates mean nothing else.

    samples: (n, 2). likely: (2,). known: (k, 2). density: (c, c) kernel density of the samples, row 0 at the bottom,
    1 at the highest; extent: left, right, bottom, top of it. modes: (m,) samples at its peaks, the highest first.
    """

    samples: np.ndarray
    likely: np.ndarray
    known: np.ndarray
    density: np.ndarray
    extent: tuple[float, float, float, float]
    modes: np.ndarray


def lay_out(draws: Draws, known: np.ndarray, n_modes: int, seed: int) -> Map:
    """Map the draws, y* and the known grasps (k, 18), standardised, together.

    Raises:
        GmiError: BAD_SETTING where all draws are the same; BAD_REQUEST where scikit-learn is not installed.
    """
    if np.ptp(draws.grasps, axis=0).max() < 1e-6:
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"all {len(draws.grasps)} samples are the same grasp: without a latent, only the output noise tells them "
            "apart (--output-noise)",
        )
    at = embed(np.concatenate([draws.grasps, draws.likely[None], known]), seed)
    n = len(draws.grasps)
    samples = at[:n]
    low, high = at.min(axis=0), at.max(axis=0)
    margin = 0.06 * (high - low).max()
    axes = [np.linspace(low[i] - margin, high[i] + margin, _CELLS) for i in (0, 1)]
    x, y = np.meshgrid(*axes)
    density = gaussian_kde(samples.T, _BANDWIDTH)(np.stack([x.ravel(), y.ravel()])).reshape(x.shape)
    density /= density.max()
    extent = (axes[0][0], axes[0][-1], axes[1][0], axes[1][-1])
    tops = np.stack([x, y], axis=-1)[_peaks(density)][:n_modes]  # (m, 2)
    modes = np.linalg.norm(samples[None] - tops[:, None], axis=-1).argmin(axis=1)
    return Map(samples, at[n], at[n + 1 :], density, extent, modes)


def _peaks(density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the maxima, the highest first."""
    rows, columns = np.nonzero((density == maximum_filter(density, 9)) & (density > _LEAST_PEAK))
    order = np.argsort(-density[rows, columns], kind="stable")
    return rows[order], columns[order]


def embed(points: np.ndarray, seed: int) -> np.ndarray:
    """Points (n, d) in the plane (n, 2) by t-SNE (van der Maaten and Hinton 2008), the same for the same seed.

    Raises:
        GmiError: BAD_REQUEST where scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError as error:
        message = f"the map of grasps needs the package {error.name!r}: pip install '.[train]' in the checkout"
        raise GmiError(ErrorCode.BAD_REQUEST, message) from error
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 3)
    layout = TSNE(2, perplexity=perplexity, init="pca", random_state=seed % 2**32)
    with threadpool_limits(1):  # the order of sums over several threads is not always the same
        return layout.fit_transform(points).astype(float)
