"""Two images in one, in NumPy: their weighted mean, and a box of one pasted into the other."""

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["mix", "paste_boxes"]


def mix(x, others, rows, lam):
    N, real = len(x), np.float64 if x.dtype == np.float64 else np.float32
    y = np.empty(x.shape, x.dtype)
    flat_x, flat_others, flat_y = x.reshape(N, -1), others.reshape(len(others), -1), y.reshape(N, -1)  # (N, C*H*W)
    a = np.asarray(lam, real)[:, None]
    b = 1 - a
    size = flat_x.shape[1]

    def part(lo, hi):
        for start, end in chunks(lo, hi, size * np.dtype(real).itemsize):
            result = scratch("mix", (end - start, size), real)
            other = scratch("mix other", (end - start, size), real)
            gathered = scratch("mix gathered", (end - start, size), x.dtype)
            np.take(flat_others, rows[start:end], axis=0, out=gathered, mode="clip")  # "raise" would copy once more
            np.multiply(gathered, b[start:end], out=other)
            np.multiply(flat_x[start:end], a[start:end], out=result)
            if x.dtype == np.uint8:
                result += other
                np.rint(result, out=result)
                np.copyto(flat_y[start:end], result, casting="unsafe")
            else:
                np.add(result, other, out=flat_y[start:end])

    parallel(N, part, y.nbytes > 1 << 19)
    for n in np.flatnonzero(np.asarray(lam) == 1).tolist():  # not even a NaN of the other image changes these
        y[n] = x[n]
    return y


def paste_boxes(x, others, rows, boxes):
    y = np.empty(x.shape, x.dtype)
    places = list(zip(np.asarray(rows).tolist(), np.asarray(boxes).tolist()))

    def part(lo, hi):
        y[lo:hi] = x[lo:hi]
        for n in range(lo, hi):
            row, (left, top, right, bottom) = places[n]
            y[n, :, top:bottom, left:right] = others[row, :, top:bottom, left:right]

    parallel(len(x), part, y.nbytes > 1 << 21)
    return y
