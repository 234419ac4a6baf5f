"""The matrix product by its definition: c[i, j] = sum over k of a[i, k] * b[k, j], for each matrix of a batch."""

import numpy as np

__all__ = ["matmul"]


def matmul(a, b):
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
    c = np.zeros((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    for index in np.ndindex(c.shape):
        *sample, i, j = index
        for k in range(a.shape[-1]):
            c[index] += a[(*sample, i, k)] * b[(*sample, k, j)]
    return c
