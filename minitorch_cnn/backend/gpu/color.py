"""Colour jitter, and channels lightened and exchanged. What the steps are says color_step.py.

Jitter: a block works on an image, all its steps in one launch. Only the contrast needs more than a pixel, the mean of what
comes before it: the block makes these steps once for the sum, and then all of them for the result.
"""

import cupy
import numpy as np

from ..color_step import GREY, NEUTRAL, STEPS, UP
from .pixel_kernel import PixelKernel, real_of

__all__ = ["add_to_channels", "color_jitter", "normalize", "permute_channels"]

_CONSTANTS = f"""
enum {{ {", ".join(STEPS).upper()} }};
#define NEUTRAL(step) (step == HUE ? T({NEUTRAL[3]}) : T({NEUTRAL[0]}))
#define GREY(red, green, blue) (T({GREY[0]}) * (red) + T({GREY[1]}) * (green) + T({GREY[2]}) * (blue))
#define UP T({UP})
"""

_color_jitter = PixelKernel(
    "mt_color_jitter",
    _CONSTANTS
    + """
__device__ T grey_of(const T *v, int C) {
  if (C == 1) return v[0];
  T grey = GREY(v[0], v[1], v[2]);
  return WHOLE ? floor(grey) : grey;
}

__device__ T settle(T value) {  // a value that is possible in an image
  value = min(max(value, T(0)), TOP);
  return WHOLE ? floor(value) : value;
}

__device__ T weight(T t) { return min(max(t, T(0)), T(1)); }

__device__ void turn(T *v, T shift) {
  T high = max(v[0], max(v[1], v[2])), low = min(v[0], min(v[1], v[2])), span = high - low, h = 0;
  if (span > 0) {
    if (high == v[0]) { h = (v[1] - v[2]) / span; if (h < 0) h += T(6); }
    else if (high == v[1]) h = T(2) + (v[2] - v[0]) / span;
    else h = T(4) + (v[0] - v[1]) / span;
  }
  h += T(6) * shift;
  h -= T(6) * floor(h / T(6));
  v[0] = low + span * weight(fabs(h - T(3)) - T(1));
  v[1] = low + span * weight(T(2) - fabs(h - T(2)));
  v[2] = low + span * weight(T(2) - fabs(h - T(4)));
  if (WHOLE) for (int c = 0; c < 3; ++c) v[c] = floor(v[c] * UP);
}

__device__ void change(T *v, int C, int step, T factor, T mean) {
  if (step == HUE) { turn(v, factor); return; }
  T other = step == BRIGHTNESS ? T(0) : (T(1) - factor) * (step == CONTRAST ? mean : grey_of(v, C));
  for (int c = 0; c < C; ++c) v[c] = settle(v[c] * factor + other);
}

extern "C" __global__ void mt_color_jitter(const P *x, P *y, const T *factors, const int *order, int C, int L) {
  ptrdiff_t image = (ptrdiff_t)blockIdx.x * C * L;
  factors += 4 * blockIdx.x;
  int steps[4], count = 0, before = -1;  // those that change something; how many come before the contrast, if it does
  for (int k = 0; k < 4; ++k) {
    int step = order[4 * blockIdx.x + k];
    if (factors[step] == NEUTRAL(step)) continue;
    if (step == CONTRAST) before = count;
    steps[count++] = step;
  }
  T v[3], mean = 0;
  if (before >= 0) {
    S sum = 0;
    for (int j = threadIdx.x; j < L; j += blockDim.x) {
      for (int c = 0; c < C; ++c) v[c] = T(x[image + c * L + j]);
      for (int k = 0; k < before; ++k) change(v, C, steps[k], factors[steps[k]], T(0));
      sum += S(grey_of(v, C));
    }
    mean = T(block_join(sum, Add())) / T(L);
  }
  for (int j = threadIdx.x; j < L; j += blockDim.x) {
    for (int c = 0; c < C; ++c) v[c] = T(x[image + c * L + j]);
    for (int k = 0; k < count; ++k) change(v, C, steps[k], factors[steps[k]], mean);
    for (int c = 0; c < C; ++c) y[image + c * L + j] = P(v[c]);
  }
}
""",
)


def color_jitter(x, factors, order):
    N, C, H, W = x.shape
    x = cupy.ascontiguousarray(x)
    y = cupy.empty(x.shape, x.dtype)
    _color_jitter(x, N, x, y, factors, order, C, H * W)
    return y


_add_to_channels = cupy.ElementwiseKernel(
    "T x, raw R amount, int32 L, int32 C, T top",
    "T y",
    """
    R more = amount[i / L];
    y = x;
    for (int c = 0; c < C; ++c)                          // a sample to which nothing is added stays as it is
      if (amount[i / L / C * C + c] != 0) { y = T(min(max(R(x) + more, R(0)), R(top))); break; }
    """,
    "mt_add_to_channels",
)


def add_to_channels(x, amount):
    N, C, H, W = x.shape
    whole = x.dtype == np.uint8
    amount = cupy.asarray((np.rint(amount) if whole else amount).astype(real_of(x)))
    return _add_to_channels(x, amount, H * W, C, x.dtype.type(255 if whole else 1), cupy.empty(x.shape, x.dtype))


_permute_channels = cupy.ElementwiseKernel(
    "raw T x, raw int32 order, int32 L, int32 C",
    "T y",
    "y = x[(i / L / C * C + order[i / L]) * L + i % L];",
    "mt_permute_channels",
)


def permute_channels(x, order):
    N, C, H, W = x.shape
    return _permute_channels(x, cupy.asarray(order.astype(np.int32)), H * W, C, cupy.empty(x.shape, x.dtype))


_normalize = cupy.ElementwiseKernel(
    "T x, raw R scale, raw R shift, int32 L", "R y", "y = R(x) * scale[i / L] + shift[i / L];", "mt_normalize"
)


def normalize(x, scale, shift):
    N, C, H, W = x.shape
    real = real_of(x)
    scale, shift = cupy.asarray(scale.astype(real)), cupy.asarray(shift.astype(real))
    return _normalize(x, scale, shift, H * W, cupy.empty(x.shape, real))
