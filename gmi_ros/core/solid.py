"""What is solid behind what a camera sees of an object, in layers: how likely it is (..., LAYERS), nearest first.

Layer j reaches from j to j + 1 times LAYER_M behind the front, along the optical axis.
"""

import numpy as np

LAYERS, LAYER_M = 48, 0.005


def thickness(solid: np.ndarray, least: float) -> np.ndarray:
    """(...) [m] from the front to where the object is, for the first time, no longer as likely as `least`: between the
    layers' middles linearly, the front itself being certain."""
    likely = np.concatenate([np.ones_like(solid[..., :1]), solid, np.zeros_like(solid[..., :1])], axis=-1)
    first = (likely < least).argmax(axis=-1)[..., None]  # at least 1
    before, after = (np.take_along_axis(likely, first - k, axis=-1)[..., 0] for k in (1, 0))
    share = (before - least) / np.maximum(before - after, 1e-9)
    middle = np.where(first[..., 0] == 1, 0.0, first[..., 0] - 1.5)  # of the layer before
    step = np.where(first[..., 0] == 1, 0.5, 1.0)
    return LAYER_M * np.minimum(middle + share * step, LAYERS)


def further(there: np.ndarray) -> list[tuple[float, float]]:
    """Where one ray is solid again, of whose layers (LAYERS,) bool says which are: from and to [m]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], there, [0]]))) * LAYER_M
    return [(float(a), float(b)) for a, b in edges[1:].reshape(-1, 2)]
