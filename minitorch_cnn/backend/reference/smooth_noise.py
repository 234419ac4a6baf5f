"""Random numbers for every pixel, blurred: the displacement field of an elastic distortion, one value at a time.

Simard, Steinkraus, Platt 2003, section 2: uniform in [-1, 1], convolved with a Gaussian.
"""

import numpy as np

from .uniform import uniform

__all__ = ["smooth_noise"]


def smooth_noise(keys, size, taps, dtype):
    H, W = size
    noise = 2 * uniform(keys, 2 * H * W, dtype).reshape(-1, 2, H, W) - 1  # (N, 2, H, W)
    wide, y = np.empty_like(noise), np.empty_like(noise)
    for n, c, i, j in np.ndindex(noise.shape):
        wide[n, c, i, j] = sum(t * noise[n, c, i, mirrored(j + k, W)] for k, t in offsets(taps))
    for n, c, i, j in np.ndindex(noise.shape):
        y[n, c, i, j] = sum(t * wide[n, c, mirrored(i + k, H), j] for k, t in offsets(taps))
    return y


def offsets(taps):
    """(-1, first), (0, middle), (1, last) for three taps."""
    return [(k - len(taps) // 2, t) for k, t in enumerate(taps)]


def mirrored(i, length):
    """The pixel that pixel i of an endless line mirrors, about the middle of the outermost ones: 2 1 | 0 1 2 3 | 2 1 0."""
    if length == 1:
        return 0
    i = abs(i) % (2 * (length - 1))
    return min(i, 2 * (length - 1) - i)
