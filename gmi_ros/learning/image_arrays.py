"""What training data of all kinds share: images kept once and compactly, and a fingerprint of everything."""

import hashlib
from dataclasses import fields

import numpy as np


class ImageArrays:
    """Base of dataclasses of arrays with rgb (m, 64, 64, 3) uint8, depth (m, 64, 64) float [m] and mask (m, 64, 64) bool;
    of hidden sides they have 96 cells on a side, and rgb one that is black."""

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray

    def images(self, indices: np.ndarray) -> np.ndarray:
        """(k, 64, 64, 5) float32 of these images, equal to `Observation.image`; of their own size where that is another."""
        images = np.empty((len(indices), *self.mask.shape[1:], 5), np.float32)
        np.divide(self.rgb[indices], np.float32(255), out=images[..., :3])
        images[..., 3] = self.depth[indices]
        images[..., 4] = self.mask[indices]
        return images

    def fingerprint(self) -> str:
        """16 hex digits that change when any value does."""
        digest = hashlib.sha256()
        for f in fields(self):
            array = np.ascontiguousarray(getattr(self, f.name))
            digest.update(f"{f.name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.data)
        return digest.hexdigest()[:16]
