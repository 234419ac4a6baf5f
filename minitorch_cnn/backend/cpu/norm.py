"""Normalisation in NumPy. Batch norm's channels are split over the threads, so that no sum needs a second one to be complete.

Sums are dot products (with ones, or of an array with itself): NumPy's own sum over (0, 2, 3) takes 2.6 times as long. Each row of
H*W values is summed in the array's dtype, the N row sums in float64; the variance is summed from centred values. So the statistics
are accurate where the mean is much larger than the spread.
"""

import math

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["batch_norm", "batch_norm_backward", "channel_affine", "row_norm", "row_norm_backward"]

_WORTH = 1 << 20  # bytes from which a second thread pays


def _rows(x):
    """(N, C, ...) as (N, C, L)."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def _dot(a, b):
    """The dot product along the last axis, for each of the others."""
    return np.vecdot(a, b) if hasattr(np, "vecdot") else np.einsum("...i,...i->...", a, b)


def _total(rows):
    """(N, c, L) -> (c,) float64: the sum over N and L."""
    return (rows @ np.ones(rows.shape[2], rows.dtype)).sum(0, dtype=np.float64)


def _spread(values, rows):
    """(c,) written out to (c, L), beside rows (N, c, L): half the time of letting NumPy broadcast a column along L."""
    return np.repeat(values.astype(rows.dtype), rows.shape[2]).reshape(rows.shape[1:])


def batch_norm(x, weight, bias, running_mean, running_var, momentum, eps):
    y, mean, var = np.empty(x.shape, x.dtype), np.empty(x.shape[1]), np.empty(x.shape[1])
    rows, out = _rows(x), _rows(y)
    N, C, L = rows.shape

    def part(lo, hi):
        for a, b in chunks(lo, hi, N * L * x.itemsize, limit=4 << 20):
            v, d = rows[:, a:b], out[:, a:b]
            mean[a:b] = _total(v) / (N * L)
            np.subtract(v, _spread(mean[a:b], v), out=d)
            var[a:b] = _dot(d, d).sum(0, dtype=np.float64) / (N * L)
            scale = 1 / np.sqrt(var[a:b] + eps)
            d *= _spread(scale if weight is None else scale * weight[a:b], v)
            if bias is not None:
                d += _spread(bias[a:b], v)

    parallel(C, part, x.nbytes > _WORTH)
    for running, batch in ((running_mean, mean), (running_var, var * (N * L / (N * L - 1)))):
        if running is not None:
            running *= running.dtype.type(1 - momentum)
            running += (momentum * batch).astype(running.dtype)
    return y, mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm_backward(grad, x, weight, mean, var, eps):
    gx, gweight, gbias = np.empty(x.shape, x.dtype), np.empty(len(mean), x.dtype), np.empty(len(mean), x.dtype)
    rows, grad_rows, gx_rows = _rows(x), _rows(grad), _rows(gx)
    N, C, L = rows.shape

    def part(lo, hi):
        for a, b in chunks(lo, hi, N * L * x.itemsize, limit=4 << 20):
            g, out = grad_rows[:, a:b], gx_rows[:, a:b]
            d = scratch("batch norm centred", g.shape, x.dtype)
            np.subtract(rows[:, a:b], _spread(mean[a:b], g), out=d)
            inv = 1 / np.sqrt(var[a:b].astype(np.float64) + eps)
            sum_g = _total(g)
            sum_gx = _dot(g, d).sum(0, dtype=np.float64) * inv  # of g * xhat
            gbias[a:b], gweight[a:b] = sum_g, sum_gx
            # dx = weight * inv * (g - (sum_g + xhat * sum_gx) / M)
            scale = inv if weight is None else inv * weight[a:b]
            d *= _spread(-inv * sum_gx / (N * L), g)
            d += g
            d -= _spread(sum_g / (N * L), g)
            np.multiply(d, _spread(scale, g), out=out)

    parallel(C, part, x.nbytes > _WORTH)
    return gx, gweight, gbias


def channel_affine(x, scale, shift):
    y = np.empty(x.shape, x.dtype)
    rows, out = _rows(x), _rows(y)
    scale, shift = _spread(scale, rows), _spread(shift, rows)

    def part(lo, hi):
        for a, b in chunks(lo, hi, x[:1].nbytes):
            np.multiply(rows[a:b], scale, out=out[a:b])
            out[a:b] += shift

    parallel(len(x), part, x.nbytes > _WORTH)
    return y


def row_norm(x, eps):
    xhat, inv = np.empty(x.shape, x.dtype), np.empty(len(x), x.dtype)
    ones = np.ones(x.shape[1], x.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, x[:1].nbytes):
            d = xhat[a:b]
            np.subtract(x[a:b], (x[a:b] @ ones / x.dtype.type(x.shape[1]))[:, None], out=d)
            inv[a:b] = 1 / np.sqrt(_dot(d, d) / x.dtype.type(x.shape[1]) + x.dtype.type(eps))
            d *= inv[a:b, None]

    parallel(len(x), part, x.nbytes > _WORTH)
    return xhat, inv


def row_norm_backward(grad, xhat, inv):
    gx = np.empty(grad.shape, grad.dtype)
    n = grad.dtype.type(grad.shape[1])
    ones = np.ones(grad.shape[1], grad.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, grad[:1].nbytes):
            g, h, out = grad[a:b], xhat[a:b], gx[a:b]
            np.multiply(h, (_dot(g, h) / -n)[:, None], out=out)
            out += g
            out -= (g @ ones / n)[:, None]
            out *= inv[a:b, None]

    parallel(len(grad), part, grad.nbytes > _WORTH)
    return gx
