"""Image and grasp pairs for training, and the class-balanced minibatches drawn from them (paper, IV-A and IV-B)."""

from dataclasses import dataclass

import numpy as np

from gmi_ros.core.errors import ErrorCode, GmiError
from gmi_ros.learning.image_arrays import ImageArrays
from gmi_ros.learning.spec import GRASP_DIM, IMAGE_SIZE


@dataclass(frozen=True)
class GraspData(ImageArrays):
    """n successful pairs over m images; many grasps share an image, so images are stored once and compactly.

    rgb: (m, 64, 64, 3) uint8. depth: (m, 64, 64) float16 or float32 [m], relative to the object. mask: (m, 64, 64)
    bool. image_index: (n,) int into the m images. grasps: (n, 18) float32, [p1 p2 p3] [m] and [n1 n2 n3] in {O}.
    object_id, class_id: (n,) int. trial: (n,) int, the success that a pair shows; own: (n,) bool, whether in the view
    that it was planned from. A success has one pair of its own, and others in views that it is shared with.

    Raises:
        GmiError: FILE_DAMAGED, naming the array that is empty, has another shape or type, or holds what it must not.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    image_index: np.ndarray
    grasps: np.ndarray
    object_id: np.ndarray
    class_id: np.ndarray
    trial: np.ndarray
    own: np.ndarray

    def __post_init__(self):
        m, n, side = len(self.rgb), len(self.grasps), (IMAGE_SIZE, IMAGE_SIZE)
        shapes = {
            "rgb": (m, *side, 3), "depth": (m, *side), "mask": (m, *side),
            "image_index": (n,), "grasps": (n, GRASP_DIM), "object_id": (n,), "class_id": (n,), "trial": (n,),
            "own": (n,),
        }  # fmt: skip
        kinds = {"rgb": "u", "depth": "f", "mask": "b", "grasps": "f", "own": "b"}  # the others are integers
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise _damaged(f"{name} has shape {array.shape}, must be {shape}")
            if array.dtype.kind not in kinds.get(name, "iu") or (name == "rgb" and array.dtype != np.uint8):
                raise _damaged(f"{name} has the type {array.dtype}; see GraspData for the right one")
        if not n or not m:
            raise _damaged(f"{n} pairs and {m} images: at least one of each is needed")
        for name in ("depth", "grasps"):
            bad = int((~np.isfinite(getattr(self, name))).sum())
            if bad:
                raise _damaged(f"{name} has {bad} values that are not finite")
        if self.image_index.min() < 0 or self.image_index.max() >= m:
            raise _damaged(
                f"image_index must be in [0, {m - 1}], got {self.image_index.min()} to {self.image_index.max()}"
            )

    def __len__(self) -> int:
        return len(self.grasps)


def _damaged(message: str) -> GmiError:
    return GmiError(ErrorCode.FILE_DAMAGED, f"training data: {message}")


def split_pairs(data: GraspData, fraction: float, seed: int, n_train: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the pairs for training and of those of a random `fraction` of the successes for validation, sorted.

    For validation a success counts in its own view only; for training also in the own views of others for training.

    Args:
        n_train: successes to train on, 0 = all that are left. Of two numbers the smaller one's are among the larger
            one's, and those for validation are the same.

    Raises:
        GmiError: FILE_DAMAGED where there are fewer than two successes; BAD_SETTING where fewer than n_train are left.
    """
    trials = np.unique(data.trial)
    n = len(trials)
    if n < 2:
        raise _damaged(f"{n} success cannot be split into training and validation; at least 2 are needed")
    order = np.random.default_rng(seed).permutation(trials)
    n_validation = max(1, round(n * fraction))
    if n_train > n - n_validation:
        raise GmiError(
            ErrorCode.BAD_SETTING,
            f"pairs must be in [1, {n - n_validation}] ({n} there, {n_validation} for validation), got {n_train}",
        )
    end = n_validation + n_train if n_train else n
    chosen = np.isin(data.trial, order[n_validation:end])
    views = np.isin(data.image_index, data.image_index[chosen & data.own])
    return np.flatnonzero(chosen & views), np.flatnonzero(np.isin(data.trial, order[:n_validation]) & data.own)


class BalancedSampler:
    """Draws pairs with replacement: a class uniformly, then one of its objects, then one of the object's own pairs; or
    one of all own pairs.

    With several grasps per image, the pair drawn names an image, and that many of the grasps paired with it are drawn
    together: one pass of the convolutions, by far the dearest part of a step, then serves them all.
    """

    def __init__(self, data: GraspData, pairs: np.ndarray, balance: str = "class"):
        own = pairs[data.own[pairs]]
        keys = np.stack([data.class_id[own], data.object_id[own]], axis=1) * (balance == "class")
        objects, object_of_pair = np.unique(keys, axis=0, return_inverse=True)  # sorted by class, then object
        self._pairs = own[np.argsort(object_of_pair.ravel(), kind="stable")]
        self._pair_counts = np.bincount(object_of_pair.ravel())
        self._pair_starts = np.cumsum(self._pair_counts) - self._pair_counts
        _, self._object_counts = np.unique(objects[:, 0], return_counts=True)
        self._object_starts = np.cumsum(self._object_counts) - self._object_counts
        order = np.argsort(data.image_index[pairs], kind="stable")
        self._by_image, self._image_of_pair = pairs[order], data.image_index
        images, starts, counts = np.unique(data.image_index[pairs][order], return_index=True, return_counts=True)
        self._image_starts = np.zeros(len(data.rgb), int)
        self._image_counts = np.zeros(len(data.rgb), int)
        self._image_starts[images], self._image_counts[images] = starts, counts

    def draw(self, n: int, rng: np.random.Generator, grasps_per_image: int = 1) -> np.ndarray:
        """(n,) indices into the data; with several grasps per image those of one image stand together."""
        if grasps_per_image > 1:
            images = np.repeat(self._image_of_pair[self.draw(-(-n // grasps_per_image), rng)], grasps_per_image)[:n]
            return self._by_image[self._image_starts[images] + rng.integers(self._image_counts[images])]
        classes = rng.integers(len(self._object_counts), size=n)
        objects = self._object_starts[classes] + rng.integers(self._object_counts[classes])
        return self._pairs[self._pair_starts[objects] + rng.integers(self._pair_counts[objects])]
