"""How well probabilities tell what will happen: the area under the ROC, and the calibration error."""

import numpy as np
from scipy.stats import rankdata

BINS = 10  # of the calibration error


def area_under_roc(scores: np.ndarray, held: np.ndarray) -> float:
    """The probability that of two trials, one held (n,) and one not, the one that held has the larger score (n,).

    By the ranks (Mann and Whitney 1947), ties counting half; NaN where all or none held.
    """
    held = np.asarray(held, bool)
    n, k = len(held), int(held.sum())
    if k in (0, n):
        return float("nan")
    return float((rankdata(scores)[held].sum() - k * (k + 1) / 2) / (k * (n - k)))


def calibration_error(probabilities: np.ndarray, held: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015): the mean over trials of |mean probability - share that held| of
    their bin, of BINS equal ones."""
    bins = np.minimum((np.asarray(probabilities) * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, np.asarray(probabilities) - np.asarray(held, float), BINS)
    return float(np.abs(gap).sum() / len(bins))
