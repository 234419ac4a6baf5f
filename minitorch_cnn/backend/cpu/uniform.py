"""Random numbers by their number, splitmix64, in NumPy: integers of 64 bits, which wrap as the formula wants it."""

import numpy as np

from .threads import chunks, parallel

__all__ = ["uniform"]

GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    """Shake the numbers of 64 bits, in place."""
    shifted = np.empty_like(z)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(z, np.uint64(shift), out=shifted)
        z ^= shifted
        z *= np.uint64(factor)
    return z


def uniform(keys, count, dtype):
    bits = 24 if np.dtype(dtype) == np.float32 else 53
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN)  # (count,)
    numbers = np.empty((len(keys), count), dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, 8 * count):
            z = mix(keys[a:b, None] + steps)  # (n, count)
            z >>= np.uint64(64 - bits)
            np.multiply(z, numbers.dtype.type(2.0**-bits), out=numbers[a:b], casting="unsafe")

    parallel(len(keys), part, numbers.nbytes > 1 << 18)
    return numbers
