"""Images of another size, each pixel a weighted sum of those that it covers: one thread makes one value of the output."""

import cupy
import numpy as np

__all__ = ["resample"]

_resample = cupy.ElementwiseKernel(
    "raw P x, raw int32 rows, raw T row_weights, raw int32 columns, raw T column_weights, "
    "int32 C, int32 H, int32 W, int32 OH, int32 OW, int32 K, int32 M, bool own_rows, bool own_columns",
    "P y",
    """
    int ow = i % OW, oh = i / OW % OH;
    ptrdiff_t image = i / ((ptrdiff_t)OH * OW), n = image / C;
    ptrdiff_t row = (own_rows ? n * OH : 0) + oh, column = (own_columns ? n * OW : 0) + ow;
    const ptrdiff_t first = (image * H + rows[row]) * W + columns[column];  // the upper left pixel of those around
    T sum = 0;
    for (int k = 0; k < K; ++k) {
      T line = 0;
      for (int m = 0; m < M; ++m) line += column_weights[column * M + m] * T(x[first + k * W + m]);
      sum += row_weights[row * K + k] * line;
    }
    y = sizeof(P) == 1 ? P(min(max(rint(sum), T(0)), T(255))) : P(sum);
    """,
    "mt_resample",
)


def resample(x, rows, row_weights, columns, column_weights):
    N, C, H, W = x.shape
    (_, OH, K), (_, OW, M) = row_weights.shape, column_weights.shape
    single = np.float64 if x.dtype == np.float64 else np.float32
    return _resample(
        cupy.ascontiguousarray(x),
        *(cupy.asarray(rows, np.int32), cupy.asarray(row_weights, single)),
        *(cupy.asarray(columns, np.int32), cupy.asarray(column_weights, single)),
        *(C, H, W, OH, OW, K, M, len(rows) > 1, len(columns) > 1),
        cupy.empty((N, C, OH, OW), x.dtype),
    )
