"""Images of another size, each pixel a weighted sum of those that it covers: the rows first, then the columns, in NumPy.

Each is a product with a matrix (OUT, L) that holds the weights in a band. The band is cut into blocks, to leave out most zeros:
24 rows of the output need little more than the input's rows that they cover. Samples that share their weights go through it
together, as many as fit into the cache; else one by one.
"""

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["resample"]

BLOCK = 24  # of the output in one product: for 224 of 256 a third of the time of the whole matrix


def resample(x, rows, row_weights, columns, column_weights):
    N, C, H, W = x.shape
    OH, OW = rows.shape[1], columns.shape[1]
    y = np.empty((N, C, OH, OW), x.dtype)
    single = np.float64 if x.dtype == np.float64 else np.float32
    # a mean of values from 0 to 255 lies there too
    mean = all(w.min() >= 0 and w.sum(axis=2).max() < 1.001 for w in (row_weights, column_weights))
    shared = len(rows) == len(columns) == 1
    each = C * (H * W + OH * W + OH * OW) * np.dtype(single).itemsize  # bytes

    def part(lo, hi):
        for a, b in chunks(lo, hi, each) if shared else ((n, n + 1) for n in range(lo, hi)):
            if a == lo or not shared:
                down = Band(rows[a % len(rows)], row_weights[a % len(rows)], single)
                across = Band(columns[a % len(columns)], column_weights[a % len(columns)], single)
            window = scratch("resample window", (b - a, C, down.length, across.length), single)
            np.copyto(window, x[a:b, :, down.inside, across.inside])
            lines = scratch("resample lines", (b - a, C, OH, across.length), single)
            for i, j, first, last in down.blocks:
                np.matmul(down.matrix[i:j, first:last], window[:, :, first:last], out=lines[:, :, i:j])
            values = y[a:b] if x.dtype == single else scratch("resample values", (b - a, C, OH, OW), single)
            # one product a sample: with more rows BLAS rounds otherwise, and a sample mustn't depend on the others
            flat, out = lines.reshape(b - a, C * OH, across.length), values.reshape(b - a, C * OH, OW)
            for i, j, first, last in across.blocks:
                np.matmul(flat[:, :, first:last], across.matrix[i:j, first:last].T, out=out[:, :, i:j])
            if x.dtype == np.uint8:
                np.rint(values, out=values)
                if not mean:
                    np.clip(values, 0, 255, out=values)
                np.copyto(y[a:b], values, casting="unsafe")

    parallel(N, part, x.size + y.size > 1 << 17)
    return y


class Band:
    """The matrix of one axis, for the pixels that have a weight at all.

    Attributes:
        inside: these pixels, a slice of the input.
        length: how many.
        matrix: (OUT, length).
        blocks: (i, j, first, last): rows i to j of the matrix have weights in its columns first to last, the ends not included.
    """

    def __init__(self, first, weights, dtype):
        OUT, K = weights.shape
        begin, end = int(first[0]), int(first[-1]) + K
        self.inside, self.length = slice(begin, end), end - begin
        first = first - begin
        self.matrix = np.zeros((OUT, self.length), dtype)
        self.matrix[np.arange(OUT)[:, None], first[:, None] + np.arange(K)] = weights
        bounds = [(i, min(i + BLOCK, OUT)) for i in range(0, OUT, BLOCK)]
        self.blocks = [(i, j, first[i], first[j - 1] + K) for i, j in bounds]
