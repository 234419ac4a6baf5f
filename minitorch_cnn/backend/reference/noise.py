"""Noise for each pixel, from the hash of a key and the pixel's number (uniform.py): 16 bits a pixel, so a hash is for four."""

import numpy as np

from .uniform import GOLDEN, LOW_64, mix

__all__ = ["add_noise", "salt_and_pepper"]


def bits16(key, number):
    """Number `number` of the integers below 65,536 that the key names."""
    return mix((int(key) + (number // 4 + 1) * GOLDEN) & LOW_64) >> 16 * (number % 4) & 0xFFFF


def add_noise(x, keys, table, applied, clip):
    y = x.copy()
    for n in np.flatnonzero(applied):
        pixels = y[n].reshape(-1)  # (C*H*W,), the same memory
        for k in range(len(pixels)):
            value = pixels[k] + table[bits16(keys[n], k)]
            if x.dtype == np.uint8:
                value = min(max(value, 0), 255)
            elif clip:
                value = min(max(value, 0.0), 1.0)
            pixels[k] = value
    return y


def salt_and_pepper(x, keys, salt, pepper):
    N, C, H, W = x.shape
    y = x.copy()
    white = 255 if x.dtype == np.uint8 else 1
    for n in range(N):
        salted = round(65536 * salt[n])
        peppered = salted + round(65536 * pepper[n])
        for i in range(H):
            for j in range(W):
                bits = bits16(keys[n], i * W + j)
                if bits < salted:
                    y[n, :, i, j] = white
                elif bits < peppered:
                    y[n, :, i, j] = 0
    return y
