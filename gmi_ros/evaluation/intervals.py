"""How sure a mean over objects is."""

import numpy as np


def by_object(values: np.ndarray, object_id: np.ndarray, draws: int = 2000, seed: int = 0) -> list[float]:
    """95 % interval of the mean of values (n,), objects drawn with replacement: pairs of one object are alike."""
    sums = np.bincount(object_id, values)
    counts = np.bincount(object_id)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(counts), size=(draws, len(counts)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    return np.percentile(means, [2.5, 97.5]).tolist()
