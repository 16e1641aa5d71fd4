"""How sure a mean over objects is."""

import numpy as np


def rate_by_object(held: np.ndarray, object_id: np.ndarray) -> list[float]:
    """95 % interval of the part of held (n,) bool that is true, as `by_object`; where all agree, which says nothing of chance to
    it, that of Clopper and Pearson (1934) for as many trials as there are objects."""
    if 0 < np.mean(held) < 1:
        return by_object(np.asarray(held, float), object_id)
    least = 0.025 ** (1 / len(np.unique(object_id)))
    return [least, 1.0] if np.all(held) else [0.0, 1 - least]


def by_object(values: np.ndarray, object_id: np.ndarray, draws: int = 2000, seed: int = 0) -> list[float]:
    """95 % interval of the mean of values (n,), objects drawn with replacement: pairs of one object are alike."""
    sums = np.bincount(object_id, values)
    counts = np.bincount(object_id)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(counts), size=(draws, len(counts)))
    means = sums[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    return np.percentile(means, [2.5, 97.5]).tolist()
