"""Images of another size, each pixel a weighted sum of those that it covers: the rows first, then the columns, in NumPy.

Each is a product with a matrix (OUT, L) that holds the weights in a band. Of large images the band is cut into blocks, to leave out
most zeros: 24 rows of the output need little more than the input's rows that they cover. Samples that share their weights go
through it together, as many as fit into the cache; else one by one. Small images aren't worth that: there, whole matrices.
"""

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["resample"]

BLOCK = 24  # of the output in one product: for 224 of 256 a third of the time of the whole matrix
SMALL = 64  # pixels a side


def resample(x, rows, row_weights, columns, column_weights):
    N, C, H, W = x.shape
    OH, OW = rows.shape[1], columns.shape[1]
    x = np.ascontiguousarray(x)  # BLAS takes matrices whose rows lie together
    y = np.empty((N, C, OH, OW), x.dtype)
    single = np.float64 if x.dtype == np.float64 else np.float32
    # a mean of values from 0 to 255 lies there too
    mean = all(w.min() >= 0 and w.sum(axis=2).max() < 1.001 for w in (row_weights, column_weights))
    shared = len(rows) == len(columns) == 1
    each = C * (H * W + OH * W + OH * OW) * np.dtype(single).itemsize  # bytes

    def part(lo, hi):
        for a, b in chunks(lo, hi, each):
            if a == lo or not shared:
                axes = (Z if len(Z) == 1 else Z[a:b] for Z in (rows, row_weights, columns, column_weights))
                sums = WeightedSums(*axes, (H, W), single)
            values = y[a:b] if x.dtype == single else scratch("resample values", (b - a, C, OH, OW), single)
            sums(x[a:b], values)
            if x.dtype == np.uint8:
                np.rint(values, out=values)
                if not mean:
                    np.clip(values, 0, 255, out=values)
                np.copyto(y[a:b], values, casting="unsafe")

    parallel(N, part, x.size + y.size > 1 << 19)
    return y


class WeightedSums:
    """Row i of the output is the sum over k of row_weights[n, i, k] * row rows[n, i] + k of sample n; then the columns likewise.

    Args:
        rows, row_weights: (n, OH) and (n, OH, K), or 1 in the place of n for the same to all samples. The columns' alike.
        size: (H, W) of the input.
        dtype: float32 or float64.
    """

    def __init__(self, rows, row_weights, columns, column_weights, size, dtype):
        axes = (rows, row_weights, size[0]), (columns, column_weights, size[1])
        self.dtype, self.bands = dtype, None
        if max(*size, rows.shape[1], columns.shape[1]) <= SMALL:
            self.down, self.across = (matrices(*axis, dtype) for axis in axes)  # (n or 1, OH, H), (n or 1, OW, W)
        else:
            down, across = ([Band(*line, dtype) for line in zip(first, weights)] for first, weights, _ in axes)
            n = max(len(down), len(across))
            self.bands = [(down[k % len(down)], across[k % len(across)]) for k in range(n)]

    def __call__(self, x, out):
        """x (n, C, H, W) -> out (n, C, OH, OW), which has the dtype."""
        if self.bands is None:
            self.whole(x, out)
            return
        for k, (down, across) in enumerate(self.bands):
            own = slice(None) if len(self.bands) == 1 else slice(k, k + 1)
            in_blocks(converted(x[own, :, down.inside, across.inside], self.dtype), down, across, out[own])

    # One product a sample, here and in `in_blocks`: with more rows BLAS rounds otherwise, and samples mustn't depend on each other.

    def whole(self, x, out):
        n, C, H, W = x.shape
        lines = scratch("resample lines", (n, C, out.shape[2], W), self.dtype)
        np.matmul(self.down[:, None], converted(x, self.dtype), out=lines)  # (n, 1, OH, H) @ (n, C, H, W)
        np.matmul(lines, self.across[:, None].swapaxes(2, 3), out=out)  # (n, C, OH, W) @ (n, 1, W, OW)


def converted(x, dtype):
    """x itself if it has the dtype, else a copy in scratch memory."""
    if x.dtype == dtype:
        return x
    copy = scratch("resample window", x.shape, dtype)
    np.copyto(copy, x)
    return copy


def matrices(first, weights, length, dtype):
    """(n, OUT, length): the weights (n, OUT, K) in their places, from first (n, OUT) on."""
    n, OUT, K = weights.shape
    result = np.zeros((n, OUT, length), dtype)
    result[np.arange(n)[:, None, None], np.arange(OUT)[:, None], first[..., None] + np.arange(K)] = weights
    return result


def in_blocks(window, down, across, out):
    """The sums of samples with the same weights: (n, C, down.length, across.length) -> out (n, C, OH, OW), both of one dtype."""
    n, C, OH, OW = out.shape
    lines = scratch("resample lines", (n, C, OH, across.length), out.dtype)
    for i, j, first, last in down.blocks:
        np.matmul(down.matrix[i:j, first:last], window[:, :, first:last], out=lines[:, :, i:j])
    lines, out = lines.reshape(n, C * OH, across.length), out.reshape(n, C * OH, OW)
    for i, j, first, last in across.blocks:
        np.matmul(lines[:, :, first:last], across.matrix[i:j, first:last].T, out=out[:, :, i:j])


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
        begin, end = int(first.min()), int(first.max()) + K
        self.inside, self.length = slice(begin, end), end - begin
        first = first - begin
        self.matrix = matrices(first[None], weights[None], self.length, dtype)[0]
        parts = [first[i : i + BLOCK] for i in range(0, OUT, BLOCK)]
        bounds = [(int(part.min()), int(part.max()) + K) for part in parts]
        self.blocks = [(BLOCK * i, min(BLOCK * (i + 1), OUT), *bound) for i, bound in enumerate(bounds)]
