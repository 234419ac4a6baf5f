"""Dropout's mask in NumPy: float32 coins, whatever the dtype, so that float32 and float64 drop the same values."""

import numpy as np

from .. import random

__all__ = ["dropout_mask"]


def dropout_mask(x, p):
    kept = random.generator().random(x.shape, dtype=np.float32) >= np.float32(p)
    return kept * x.dtype.type(1 / (1 - p) if p < 1 else 0)
