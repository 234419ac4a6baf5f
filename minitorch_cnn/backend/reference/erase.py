"""Boxes of an image that are filled, one pixel at a time."""

from .noise import bits16

__all__ = ["fill_boxes"]


def fill_boxes(x, boxes, fill, keys=None):
    N, C, H, W = x.shape
    y = x.copy()
    for n in range(N):
        for x1, y1, x2, y2 in boxes[n].tolist():
            for c in range(C):
                for i in range(y1, y2):
                    for j in range(x1, x2):
                        number = (c * H + i) * W + j
                        y[n, c, i, j] = fill[c % len(fill)] if keys is None else fill[bits16(keys[n], number)]
    return y
