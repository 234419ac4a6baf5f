"""Matrix products by BLAS, one part a thread.

The parts are samples of a batch, or blocks of rows of a, or blocks of columns of b where b is the larger. BLAS itself stays on one
thread: its own threads need a handshake for each product, and become 20 times slower when another process takes a core.
"""

import numpy as np

from .threads import one_blas_thread, parallel

__all__ = ["matmul"]

_WORTH = 4e6  # multiply-adds from which a second thread pays; below, waking it costs more


def matmul(a, b):
    work = a.size * b.shape[-1]  # multiply-adds, if b is not the one that is repeated over the batch
    if work < _WORTH:
        with one_blas_thread:
            return np.matmul(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    if batch and batch[0] > 1:
        a_first, b_first = (x.ndim == out.ndim and x.shape[0] > 1 for x in (a, b))

        def part(lo, hi):
            np.matmul(a[lo:hi] if a_first else a, b[lo:hi] if b_first else b, out=out[lo:hi])

        parallel(batch[0], part)
    elif a.shape[-2] >= b.shape[-1]:
        parallel(a.shape[-2], lambda lo, hi: np.matmul(a[..., lo:hi, :], b, out=out[..., lo:hi, :]))
    else:
        parallel(b.shape[-1], lambda lo, hi: np.matmul(a, b[..., lo:hi], out=out[..., lo:hi]))
    return out
