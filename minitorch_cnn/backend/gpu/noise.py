"""Noise for each pixel: each thread makes the hash of its own pixel's number."""

import cupy
import numpy as np

from .uniform import SPLITMIX64

__all__ = ["add_noise", "salt_and_pepper"]

# 16 bits for pixel `number`: four pixels share a hash
BITS16 = f"""{SPLITMIX64}
__device__ inline int mt_bits16(unsigned long long key, unsigned long long number) {{
  return int(mt_mix(key + (number / 4 + 1) * 0x9E3779B97F4A7C15ULL) >> (16 * (number % 4))) & 0xFFFF;
}}
"""

# S is short for uint8 images, otherwise P
_add_noise = cupy.ElementwiseKernel(
    "P x, raw uint64 keys, raw S table, raw bool applied, int64 count, bool clip",
    "P y",
    """
    ptrdiff_t n = i / count;
    if (!applied[n]) y = x;
    else if (sizeof(P) == 1) y = P(min(max(int(x) + int(table[mt_bits16(keys[n], i % count)]), 0), 255));
    else {
      S value = S(x) + table[mt_bits16(keys[n], i % count)];
      y = P(clip ? min(max(value, S(0)), S(1)) : value);
    }
    """,
    "mt_add_noise",
    preamble=BITS16,
)

_salt_and_pepper = cupy.ElementwiseKernel(
    "P x, raw uint64 keys, raw int32 salted, raw int32 peppered, int64 count, int64 place",
    "P y",
    """
    ptrdiff_t n = i / count;
    int bits = mt_bits16(keys[n], i % place);
    y = bits < salted[n] ? P(sizeof(P) == 1 ? 255 : 1) : bits < peppered[n] ? P(0) : x;
    """,
    "mt_salt_and_pepper",
    preamble=BITS16,
)


def add_noise(x, keys, table, applied, clip):
    keys, table, applied = map(cupy.asarray, (keys, table, applied))
    return _add_noise(cupy.ascontiguousarray(x), keys, table, applied, x[0].size, clip, cupy.empty(x.shape, x.dtype))


def salt_and_pepper(x, keys, salt, pepper):
    salted = np.rint(65536 * salt).astype(np.int32)
    peppered = salted + np.rint(65536 * pepper).astype(np.int32)
    keys, salted, peppered = map(cupy.asarray, (keys, salted, peppered))
    y = cupy.empty(x.shape, x.dtype)
    return _salt_and_pepper(cupy.ascontiguousarray(x), keys, salted, peppered, x[0].size, x[0, 0].size, y)
