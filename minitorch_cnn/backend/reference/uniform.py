"""Random numbers by their number: splitmix64 (Steele, Lea, Flood 2014), one at a time.

Number k of a stream is mix(key + (k + 1) * GOLDEN). There is no state, so any device can make any of them in any order.
"""

import numpy as np

__all__ = ["uniform"]

GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio
LOW_64 = 2**64 - 1


def mix(z):
    """A number of 64 bits, well shaken: neighbours come out unrelated."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & LOW_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & LOW_64
    return z ^ (z >> 31)


def uniform(keys, count, dtype):
    bits = 24 if np.dtype(dtype) == np.float32 else 53  # as many as the dtype holds exactly
    numbers = np.empty((len(keys), count), dtype)
    for n, key in enumerate(keys):
        for k in range(count):
            numbers[n, k] = (mix((int(key) + (k + 1) * GOLDEN) & LOW_64) >> (64 - bits)) / 2**bits
    return numbers
