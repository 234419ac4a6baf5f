"""A linear map along the rows and one along the columns of each image; bilinear sampling is one, with two weights a row each.

One thread makes one value of the output. It looks through a row of each matrix and skips weights of zero, so for bilinear sampling
it reads four pixels.
"""

import cupy

__all__ = ["separable_map"]

_separable_map = cupy.ElementwiseKernel(
    "raw T x, raw T rows, raw T columns, int32 H, int32 W, int32 OH, int32 OW",
    "T y",
    """
    int ow = i % OW, oh = i / OW % OH;
    ptrdiff_t image = i / (OH * OW) * H * W;
    T sum = 0;
    for (int h = 0; h < H; ++h) {
      T row = rows[oh * H + h];
      if (row == T(0)) continue;
      T line = 0;
      for (int w = 0; w < W; ++w) {
        T column = columns[ow * W + w];
        if (column != T(0)) line += column * x[image + h * W + w];
      }
      sum += row * line;
    }
    y = sum;
    """,
    "mt_separable_map",
)


def separable_map(x, rows, columns):
    x, rows, columns = (cupy.ascontiguousarray(a) for a in (x, rows, columns))
    y = cupy.empty((*x.shape[:2], len(rows), len(columns)), x.dtype)
    return _separable_map(x, rows, columns, *x.shape[2:], *y.shape[2:], y)
