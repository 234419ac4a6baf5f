"""Dropout's mask: each thread makes its own random number, from the number of the value and a seed drawn on the CPU."""

import cupy
import numpy as np

from .. import random
from .uniform import SPLITMIX64

__all__ = ["dropout_mask"]

# splitmix64 (Steele, Lea, Flood 2014): neighbouring numbers come out unrelated, so thread i needs no state but i
_mask = cupy.ElementwiseKernel(
    "uint64 seed, uint64 threshold, T kept",
    "T mask",
    """
    unsigned long long z = mt_mix(seed + (i + 1) * 0x9E3779B97F4A7C15ULL);
    mask = (z >> 32) >= threshold ? kept : T(0);
    """,
    "mt_dropout_mask",
    preamble=SPLITMIX64,
)


def dropout_mask(x, p):
    seed = random.generator().integers(2**63)
    kept = 1 / (1 - p) if p < 1 else 0
    return _mask(np.uint64(seed), np.uint64(round(p * 2**32)), x.dtype.type(kept), cupy.empty_like(x, order="C"))
