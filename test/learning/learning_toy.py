"""Small data and networks for the tests of the learning room."""

import numpy as np

from gmi_ros.learning.config import NetworkConfig
from gmi_ros.learning.dataset import GraspData

TINY = NetworkConfig(kernels=(7, 5, 5, 5), channels=(2, 2, 4, 4), hidden=16, latent=2)


def toy_data(n_images: int = 8, per_image: int = 5, seed: int = 0) -> GraspData:
    """Random images and grasps: two classes, the second with one object, the first with the others."""
    rng = np.random.default_rng(seed)
    n = n_images * per_image
    index = np.repeat(np.arange(n_images), per_image)
    return GraspData(
        rgb=rng.integers(0, 256, (n_images, 64, 64, 3), dtype=np.uint8),
        depth=rng.normal(0, 0.05, (n_images, 64, 64)).astype(np.float32),
        mask=rng.random((n_images, 64, 64)) > 0.5,
        image_index=index,
        grasps=rng.normal(0, 0.1, (n, 18)).astype(np.float32),
        object_id=index // 2,
        class_id=(index // 2 == 0).astype(int),
        trial=np.arange(n),
        own=np.ones(n, bool),
    )
