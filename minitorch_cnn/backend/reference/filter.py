"""Filters with weights of their own for each image, one pixel at a time. Beyond its border an image is mirrored ("reflect").

Values of uint8 are rounded to whole ones, a half to the even one.
"""

import numpy as np

__all__ = ["blur", "filter2d", "sharpen"]


def blur(x, rows, columns, applied):
    N, C, H, W = x.shape
    y = x.copy()
    for n in np.flatnonzero(applied):
        for c in range(C):
            half = np.empty((H, W))
            for i in range(H):
                for j in range(W):
                    half[i, j] = sum(w * pixel(x[n, c], i + k, j) for k, w in centred(rows[n]))
            if x.dtype == np.uint8:
                half = np.rint(16 * half) / 16
            for i in range(H):
                for j in range(W):
                    value = sum(w * pixel(half, i, j + k) for k, w in centred(columns[n]))
                    y[n, c, i, j] = grey(value) if x.dtype == np.uint8 else value
    return y


def filter2d(x, kernels, applied):
    N, C, H, W = x.shape
    y = x.copy()
    for n in np.flatnonzero(applied):
        for c in range(C):
            for i in range(H):
                for j in range(W):
                    value = 0.0
                    for u, row in centred(kernels[n]):
                        for v, w in centred(row):
                            value += w * pixel(x[n, c], i + u, j + v)
                    y[n, c, i, j] = grey(value) if x.dtype == np.uint8 else value
    return y


def sharpen(x, factors):
    N, C, H, W = x.shape
    y = x.copy()
    most = 255 if x.dtype == np.uint8 else 1
    single = (
        np.float64 if x.dtype == np.float64 else np.float32
    )  # uint8 is cut off: an error of one bit may be a grey level
    for n in range(N):
        if factors[n] == 1:
            continue
        less = single(1 - factors[n])
        for c in range(C):
            for i in range(1, H - 1):
                for j in range(1, W - 1):
                    around = x[n, c, i - 1 : i + 2, j - 1 : j + 2].sum(dtype=np.float64)
                    smooth = (around + 4.0 * x[n, c, i, j]) / 13  # weight 1, that of the middle 5
                    if x.dtype == np.uint8:
                        smooth = np.rint(smooth)
                    here = single(x[n, c, i, j])
                    value = here + less * (single(smooth) - here)
                    y[n, c, i, j] = min(max(value, 0), most)
    return y


def centred(weights):
    """(k, weights[k]) with k counted from the middle."""
    return [(k - len(weights) // 2, w) for k, w in enumerate(weights)]


def pixel(image, i, j):
    H, W = image.shape
    return float(image[mirrored(i, H), mirrored(j, W)])


def mirrored(i, length):
    """Row i, which may lie outside, mirrored about the middle of the outermost ones."""
    if length == 1:
        return 0
    i = abs(i) % (2 * (length - 1))
    return min(i, 2 * (length - 1) - i)


def grey(value):
    return min(max(np.rint(value), 0), 255)
