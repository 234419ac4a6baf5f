"""Boxes of an image that are filled, in NumPy: one copy, and a slice for each box."""

import numpy as np

from .noise import bits16_at
from .threads import parallel

__all__ = ["fill_boxes"]


def fill_boxes(x, boxes, fill, keys=None):
    N, C, H, W = x.shape
    y = np.empty_like(x, order="C")
    values = np.asarray(fill).astype(x.dtype)
    if keys is None:
        values = values[0] if (values == values[0]).all() else values[:, None, None]  # (C, 1, 1)
    numbers = None if keys is None else np.arange(C * H * W, dtype=np.uint64).reshape(C, H, W)

    def part(lo, hi):
        np.copyto(y[lo:hi], x[lo:hi])
        sample, number = np.nonzero(filled[lo:hi])
        for n, (x1, y1, x2, y2) in zip((lo + sample).tolist(), boxes[lo + sample, number].tolist()):
            if keys is None:
                y[n, :, y1:y2, x1:x2] = values
            else:
                y[n, :, y1:y2, x1:x2] = values[bits16_at(keys[n], numbers[:, y1:y2, x1:x2])]

    filled = (boxes[..., 0] < boxes[..., 2]) & (boxes[..., 1] < boxes[..., 3])  # (N, K)
    parallel(N, part, y.nbytes > 1 << 21)
    return y
