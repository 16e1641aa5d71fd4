"""Whether numpy computes here what it computed where the data set was made: bit for bit, or only almost."""

import hashlib
from functools import cache

import numpy as np

# Of x86-64 with AVX2, as `gmi_ros` sets numpy up (gmi_ros/__init__.py): what made data/.
REFERENCE = "66ebdd94fa86"


@cache
def fingerprint() -> str:
    """12 digits that differ wherever a matrix product or a function rounds otherwise than elsewhere."""
    numbers = np.random.default_rng(0).uniform(0.1, 0.9, 999)
    matrix = numbers.reshape(333, 3)
    functions = (np.sin, np.cos, np.arctan, np.arccos, np.arcsin, np.exp, np.log, np.tanh, np.sqrt, np.sum)
    results = [function(numbers) for function in functions]
    results += [numbers**1.7, np.arctan2(numbers, numbers[::-1]), np.linalg.norm(matrix, axis=1)]
    results += [matrix @ matrix[:3], matrix.T @ matrix, np.linalg.inv(matrix[:3])]
    return hashlib.sha256(b"".join(np.ascontiguousarray(r).tobytes() for r in results)).hexdigest()[:12]
