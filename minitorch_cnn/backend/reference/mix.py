"""Two images in one, one pixel at a time: their weighted mean, and a box of one pasted into the other."""

import numpy as np

__all__ = ["mix", "paste_boxes"]


def mix(x, others, rows, lam):
    real = np.float64 if x.dtype == np.float64 else np.float32  # what is computed in
    y = np.empty_like(x)
    for n in range(len(x)):
        a = real(lam[n])
        b = real(1) - a
        for place in np.ndindex(x.shape[1:]):
            value = a * real(x[n][place]) + b * real(others[rows[n]][place])
            y[n][place] = np.rint(value) if x.dtype == np.uint8 else value
            if lam[n] == 1:  # not even a NaN of the other image changes it
                y[n][place] = x[n][place]
    return y


def paste_boxes(x, others, rows, boxes):
    y = np.empty_like(x)
    N, C, H, W = x.shape
    for n in range(N):
        left, top, right, bottom = boxes[n]
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    pasted = top <= i < bottom and left <= j < right
                    y[n, c, i, j] = others[rows[n], c, i, j] if pasted else x[n, c, i, j]
    return y
