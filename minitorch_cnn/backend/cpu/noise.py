"""Noise for each pixel, in NumPy: a hash of 64 bits makes 16 bits for each of four pixels, and a table makes noise of these."""

import numpy as np

from .threads import chunks, parallel, scratch
from .uniform import GOLDEN, mix

__all__ = ["add_noise", "salt_and_pepper"]


def bits16(keys, count):
    """(n, count) uint16: the first `count` numbers of each key."""
    steps = np.arange(1, -(-count // 4) + 1, dtype=np.uint64) * np.uint64(GOLDEN)  # (count/4,)
    hashes = mix(keys[:, None] + steps).astype("<u8", copy=False)  # the lowest bits first
    return hashes.view("<u2")[:, :count]


def bits16_at(key, numbers):
    """The same for one key and any numbers (uint64), in their shape."""
    hashes = mix(key + (numbers // np.uint64(4) + np.uint64(1)) * np.uint64(GOLDEN))
    return (hashes >> np.uint64(16) * (numbers % np.uint64(4))).astype(np.uint16)


def add_noise(x, keys, table, applied, clip):
    which = np.flatnonzero(applied)
    y = x.copy()
    count = x[0].size
    low, high = (0, 255) if x.dtype == np.uint8 else (0.0, 1.0)

    def part(lo, hi):
        for a, b in chunks(lo, hi, 4 * count):
            n = which[a:b]
            noise = scratch("noise", (b - a, count), table.dtype)
            np.take(table, bits16(keys[n], count), out=noise, mode="clip")
            np.add(noise, x[n].reshape(b - a, count), out=noise)
            if clip or x.dtype == np.uint8:
                np.clip(noise, low, high, out=noise)
            y[n] = noise.reshape(b - a, *x.shape[1:])

    parallel(len(which), part, len(which) * count > 1 << 16)
    return y


def salt_and_pepper(x, keys, salt, pepper):
    N, C, H, W = x.shape
    y = x.copy()
    salted = np.rint(65536 * salt).astype(np.int64)  # (N,) of 65,536 pixels
    peppered = salted + np.rint(65536 * pepper).astype(np.int64)
    which = np.flatnonzero(peppered)
    pixels = y.reshape(N, C, H * W)  # the same memory
    white = 255 if x.dtype == np.uint8 else 1

    def part(lo, hi):
        for a, b in chunks(lo, hi, 8 * H * W):
            n = which[a:b]
            bits = bits16(keys[n], H * W)  # (n, H*W)
            sample, place = np.nonzero(bits < peppered[n, None])  # few: cheaper than a mask of all
            bright = bits[sample, place] < salted[n[sample]]
            pixels[n[sample], :, place] = (white * bright).astype(y.dtype)[:, None]  # (found, C)

    parallel(len(which), part, len(which) * H * W > 1 << 16)
    return y
