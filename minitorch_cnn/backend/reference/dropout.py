"""Dropout's mask, one coin at a time."""

import numpy as np

from .. import random

__all__ = ["dropout_mask"]


def dropout_mask(x, p):
    mask = np.zeros(x.shape, x.dtype)
    for index in np.ndindex(x.shape):
        if random.generator().random(dtype=np.float32) >= np.float32(p):
            mask[index] = 1 / (1 - p)
    return mask
