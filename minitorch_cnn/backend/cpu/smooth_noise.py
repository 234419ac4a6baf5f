"""Random numbers for every pixel, blurred, in NumPy: the blur is a product with a matrix (L, L) from each side.

Row i of it holds the taps around i, and beyond the ends those are added to the pixels which are mirrored there.
"""

import numpy as np

from .threads import chunks, parallel, scratch
from .uniform import uniform

__all__ = ["smooth_noise"]


def smooth_noise(keys, size, taps, dtype):
    H, W = size
    y = np.empty((len(keys), 2, H, W), dtype)
    down, across = blur_matrix(H, taps, y.dtype), blur_matrix(W, taps, y.dtype).T

    def part(lo, hi):
        for a, b in chunks(lo, hi, 2 * H * W * y.itemsize, limit=1 << 20):
            noise = uniform(keys[a:b], 2 * H * W, y.dtype)
            noise *= 2
            noise -= 1
            wide = scratch("smooth noise", (b - a, 2, H, W), y.dtype)
            # one product a sample: with more rows BLAS rounds otherwise, and a sample mustn't depend on the others
            np.matmul(noise.reshape(-1, 2 * H, W), across, out=wide.reshape(-1, 2 * H, W))  # (n, 2*H, W) @ (W, W)
            np.matmul(down, wide, out=y[a:b])  # (H, H) @ (n, 2, H, W)

    parallel(len(keys), part, y.nbytes > 1 << 18)
    return y


def blur_matrix(length, taps, dtype):
    """(length, length): matrix @ line is the line, blurred."""
    pixel = np.arange(length)[:, None] + np.arange(len(taps)) - len(taps) // 2  # (length, taps), where each tap looks
    turn = max(2 * (length - 1), 1)
    pixel = np.abs(pixel) % turn
    pixel = np.minimum(pixel, turn - pixel) if length > 1 else 0 * pixel
    matrix = np.zeros((length, length))
    np.add.at(matrix, (np.arange(length)[:, None], pixel), np.broadcast_to(taps, pixel.shape))
    return matrix.astype(dtype)
