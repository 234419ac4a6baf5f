"""Tone curves: a thread makes a pixel; where a channel's own values matter, a block of threads works on it."""

import cupy
import numpy as np

from .pixel_kernel import PixelKernel

__all__ = ["autocontrast", "equalize", "look_up", "posterize", "power", "solarize"]

_look_up = cupy.ElementwiseKernel(
    "T x, raw T tables, int32 each", "T y", "y = tables[i / each * 256 + x];", "mt_look_up"
)


def look_up(x, tables):
    each = x.size // (tables.size // 256)  # pixels that share a table
    return _look_up(x, cupy.asarray(tables), each, cupy.empty(x.shape, x.dtype))


_power = cupy.ElementwiseKernel(
    "T x, raw T exponent, int32 each",
    "T y",
    "T e = exponent[i / each]; y = e == 1 ? x : T(pow(max(x, T(0)), e));",
    "mt_power",
)


def power(x, exponent):
    return _power(x, cupy.asarray(exponent.astype(x.dtype)), x[0].size, cupy.empty(x.shape, x.dtype))


_posterize_levels = cupy.ElementwiseKernel(
    "uint8 x, raw int32 bits, int32 each", "uint8 y", "y = x & (256 - (256 >> bits[i / each]));", "mt_posterize_levels"
)
_posterize = cupy.ElementwiseKernel(
    "T x, raw int32 bits, int32 each",
    "T y",
    """
    int b = bits[i / each];
    T levels = T(1 << b);
    y = b > 8 ? x : min(max(floor(x * levels), T(0)), levels - 1) / levels;
    """,
    "mt_posterize",
)


def posterize(x, bits, applied):
    kernel, none = (_posterize_levels, 8) if x.dtype == np.uint8 else (_posterize, 9)
    bits = np.where(applied, bits, none).astype(np.int32)
    return kernel(x, cupy.asarray(bits), x[0].size, cupy.empty(x.shape, x.dtype))


_solarize = cupy.ElementwiseKernel(
    "T x, raw R threshold, int32 each, T top",
    "T y",
    "y = R(x) >= threshold[i / each] ? T(top - x) : x;",
    "mt_solarize",
)


def solarize(x, threshold, applied):
    whole = x.dtype == np.uint8
    # whole numbers are held against the first one that isn't below the threshold: float32 may have no room for the threshold
    threshold = np.where(applied, np.ceil(threshold) if whole else threshold, np.inf)
    threshold = cupy.asarray(threshold.astype(np.float32 if whole else x.dtype))
    return _solarize(x, threshold, x[0].size, x.dtype.type(255 if whole else 1), cupy.empty(x.shape, x.dtype))


_autocontrast = PixelKernel(
    "mt_autocontrast",
    """
extern "C" __global__ void mt_autocontrast(const P *x, P *y, const int *applied, int C, int L) {
  x += (ptrdiff_t)blockIdx.x * L;
  y += (ptrdiff_t)blockIdx.x * L;
  T least = T(x[0]), most = least;
  for (int j = threadIdx.x; j < L; j += blockDim.x) { least = min(least, T(x[j])); most = max(most, T(x[j])); }
  least = block_join(least, Least());
  most = block_join(most, Most());
  bool plain = least == most || !applied[blockIdx.x / C];
  for (int j = threadIdx.x; j < L; j += blockDim.x)
    y[j] = plain ? x[j] : P((T(x[j]) - least) * TOP / (most - least));
}
""",
)


def autocontrast(x, applied):
    return _a_block_a_channel(_autocontrast, x, applied)


_equalize = PixelKernel(
    "mt_equalize",
    """
__device__ int level_of(P value) {  // 0 to 255
  return WHOLE ? int(value) : int(min(max(T(value) * T(255.999), T(0)), T(255)));
}

extern "C" __global__ void mt_equalize(const P *x, P *y, const int *applied, int C, int L) {
  __shared__ int count[256], table[256];
  x += (ptrdiff_t)blockIdx.x * L;
  y += (ptrdiff_t)blockIdx.x * L;
  if (!applied[blockIdx.x / C]) {
    for (int j = threadIdx.x; j < L; j += blockDim.x) y[j] = x[j];
    return;
  }
  int level = threadIdx.x;  // each thread makes the table's entry of one level
  count[level] = 0;
  __syncthreads();
  for (int j = threadIdx.x; j < L; j += blockDim.x) atomicAdd(&count[level_of(x[j])], 1);  // integers: in any order
  __syncthreads();
  int brightest = block_join(count[level] ? level : 0, Most()), step = (L - count[brightest]) / 255, below = 0;
  for (int k = 0; k < level; ++k) below += count[k];
  table[level] = step ? min((below + step / 2) / step, 255) : level;
  __syncthreads();
  for (int j = threadIdx.x; j < L; j += blockDim.x) {
    int to = table[level_of(x[j])];
    y[j] = WHOLE ? P(to) : P(T(to) / T(255));
  }
}
""",
)


def equalize(x, applied):
    return _a_block_a_channel(_equalize, x, applied)


def _a_block_a_channel(kernel, x, applied):
    N, C, H, W = x.shape
    x = cupy.ascontiguousarray(x)
    y = cupy.empty(x.shape, x.dtype)
    kernel(x, N * C, x, y, applied, C, H * W)
    return y
