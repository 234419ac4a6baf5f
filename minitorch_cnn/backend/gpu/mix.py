"""Two images in one: one thread makes one value, of the same place in both."""

import cupy
import numpy as np

__all__ = ["mix", "paste_boxes"]

# P is the pixels' type, T the type that is computed in; both arrays are read as if they were flat
_mix = cupy.ElementwiseKernel(
    "raw P x, raw P others, raw int64 rows, raw T lam, int64 size",
    "P y",
    """
    T a = lam[i / size], b = T(1) - a;
    T value = a * T(x[i]) + b * T(others[rows[i / size] * size + i % size]);
    y = a == T(1) ? x[i] : sizeof(P) == 1 ? P(rint(value)) : P(value);  // of a NaN in `others` nothing is left either
    """,
    "mt_mix_images",
    options=("--fmad=false",),  # products and sums are rounded one by one, as in NumPy
)
_paste = cupy.ElementwiseKernel(
    "raw P x, raw P others, raw int64 places, int64 size, int32 H, int32 W",
    "P y",
    """
    long long n = i / size, place = 5 * n, row = i / W % H, column = i % W;
    bool pasted = places[place + 2] <= row && row < places[place + 4] && places[place + 1] <= column && column < places[place + 3];
    y = pasted ? others[places[place] * size + i % size] : x[i];
    """,
    "mt_paste_boxes",
)


def mix(x, others, rows, lam):
    real = np.float64 if x.dtype == np.float64 else np.float32
    rows, lam = cupy.asarray(np.asarray(rows, np.int64)), cupy.asarray(np.asarray(lam, real))
    size = x.size // max(1, len(x))
    x, others = cupy.ascontiguousarray(x), cupy.ascontiguousarray(others)
    return _mix(x, others, rows, lam, size, cupy.empty(x.shape, x.dtype))


def paste_boxes(x, others, rows, boxes):
    N, C, H, W = x.shape
    places = cupy.asarray(np.column_stack([rows, boxes]).astype(np.int64))  # (N, 5)
    x, others = cupy.ascontiguousarray(x), cupy.ascontiguousarray(others)
    return _paste(x, others, places, C * H * W, H, W, cupy.empty(x.shape, x.dtype))
