"""Filters with weights of their own for each image: one thread gathers what one value of the output needs."""

import cupy
import numpy as np

__all__ = ["blur", "filter2d", "sharpen"]

MIRRORED = """
__device__ inline int mt_mirrored(int i, int length) {  // about the middle of the outermost pixels
  if (length == 1) return 0;
  i = abs(i) % (2 * (length - 1));
  return min(i, 2 * (length - 1) - i);
}
"""

# P is the dtype of the pixels, T the one to compute in; the weights of uint8 images are whole parts, so no sum is rounded
_blur = cupy.ElementwiseKernel(
    "raw P x, raw T weights, raw bool applied, int32 C, int32 H, int32 W, int32 KH, int32 KW",
    "P y",
    """
    int j = i % W, row = i / W % H, n = i / ((ptrdiff_t)C * H * W);
    ptrdiff_t image = i - ((ptrdiff_t)row * W + j), first = (ptrdiff_t)n * (KH + KW);
    if (!applied[n]) y = x[i];
    else {
      T sum = 0;
      for (int v = 0; v < KW; ++v) {
        int column = mt_mirrored(j + v - KW / 2, W);
        T part = 0;
        for (int u = 0; u < KH; ++u)
          part += weights[first + u] * T(x[image + mt_mirrored(row + u - KH / 2, H) * W + column]);
        if (sizeof(P) == 1) part = rint(part * T(16)) * T(0.0625);
        sum += weights[first + KH + v] * part;
      }
      y = sizeof(P) == 1 ? P(rint(sum)) : P(sum);
    }
    """,
    "mt_blur",
    preamble=MIRRORED,
)

_filter2d = cupy.ElementwiseKernel(
    "raw P x, raw T kernels, raw bool applied, int32 C, int32 H, int32 W, int32 KH, int32 KW",
    "P y",
    """
    int j = i % W, row = i / W % H, n = i / ((ptrdiff_t)C * H * W);
    ptrdiff_t image = i - ((ptrdiff_t)row * W + j), first = (ptrdiff_t)n * KH * KW;
    if (!applied[n]) y = x[i];
    else {
      T sum = 0;
      for (int u = 0; u < KH; ++u) for (int v = 0; v < KW; ++v) {
        T weight = kernels[first + u * KW + v];
        if (weight != 0)
          sum += weight * T(x[image + mt_mirrored(row + u - KH / 2, H) * W + mt_mirrored(j + v - KW / 2, W)]);
      }
      y = sizeof(P) == 1 ? P(min(max(rint(sum), T(0)), T(255))) : P(sum);
    }
    """,
    "mt_filter2d",
    preamble=MIRRORED,
)

_sharpen = cupy.ElementwiseKernel(
    "raw P x, raw T less, int32 C, int32 H, int32 W",
    "P y",
    """
    int j = i % W, row = i / W % H, n = i / ((ptrdiff_t)C * H * W);
    if (less[n] == 0 || row == 0 || row == H - 1 || j == 0 || j == W - 1) y = x[i];
    else {
      T here = T(x[i]), smooth = T(4) * here;
      for (int u = -1; u <= 1; ++u) for (int v = -1; v <= 1; ++v) smooth += T(x[i + u * W + v]);
      smooth *= T(1) / T(13);
      if (sizeof(P) == 1) smooth = rint(smooth);
      volatile T change = less[n] * (smooth - here);  // rounded by itself, as on the CPU: uint8 is cut off after the sum
      T most = sizeof(P) == 1 ? T(255) : T(1);
      y = P(min(max(here + change, T(0)), most));
    }
    """,
    "mt_sharpen",
)


def blur(x, rows, columns, applied):
    weights = np.concatenate([rows, columns], axis=1)
    return _run(_blur, x, weights, applied, rows.shape[1], columns.shape[1])


def filter2d(x, kernels, applied):
    return _run(_filter2d, x, kernels, applied, *kernels.shape[1:])


def sharpen(x, factors):
    less = cupy.asarray((1 - factors).astype(_single(x)))
    return _sharpen(cupy.ascontiguousarray(x), less, *x.shape[1:], cupy.empty(x.shape, x.dtype))


def _run(kernel, x, weights, applied, KH, KW):
    weights, applied = cupy.asarray(weights.astype(_single(x))), cupy.asarray(applied)
    y = cupy.empty(x.shape, x.dtype)
    return kernel(cupy.ascontiguousarray(x), weights, applied, *x.shape[1:], KH, KW, y)


def _single(x):
    return np.float64 if x.dtype == np.float64 else np.float32
