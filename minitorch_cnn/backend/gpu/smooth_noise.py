"""Random numbers for every pixel, blurred: along the rows, making each number where it is needed; then along the columns."""

import cupy

from .filter import MIRRORED
from .uniform import SPLITMIX64

__all__ = ["smooth_noise"]

_blurred_rows = cupy.ElementwiseKernel(
    "raw uint64 keys, raw T taps, int32 K, int32 H, int32 W",
    "T y",
    """
    int j = i % W;
    ptrdiff_t row = i / W, n = row / (2 * H), line = row % (2 * H);  // line by line of x's noise, then of y's
    T sum = 0;
    for (int k = 0; k < K; ++k)
      sum += taps[k] * (2 * mt_uniform<T>(keys[n], line * W + mt_mirrored(j + k - K / 2, W)) - 1);
    y = sum;
    """,
    "mt_smooth_noise_rows",
    preamble=SPLITMIX64 + MIRRORED,
)

_blurred_columns = cupy.ElementwiseKernel(
    "raw T x, raw T taps, int32 K, int32 H, int32 W",
    "T y",
    """
    int j = i % W, row = i / W % H;
    ptrdiff_t field = i / ((ptrdiff_t)H * W);
    T sum = 0;
    for (int k = 0; k < K; ++k) sum += taps[k] * x[(field * H + mt_mirrored(row + k - K / 2, H)) * W + j];
    y = sum;
    """,
    "mt_smooth_noise_columns",
    preamble=MIRRORED,
)


def smooth_noise(keys, size, taps, dtype):
    H, W = size
    taps = cupy.asarray(taps, dtype)
    wide, y = (cupy.empty((len(keys), 2, H, W), dtype) for _ in range(2))
    _blurred_rows(cupy.ascontiguousarray(keys), taps, len(taps), H, W, wide)
    return _blurred_columns(wide, taps, len(taps), H, W, y)
