"""Pooling: forward, a thread looks through one window; backward, a thread gathers for one pixel from the windows that hold it."""

import cupy

from ..sizes import pool_output_size

__all__ = [
    "adaptive_max_pool2d",
    "avg_pool2d",
    "avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_indices",
    "put_at_indices",
]

_SIZES = "int32 H, int32 W, int32 OH, int32 OW, int32 KH, int32 KW, int32 sh, int32 sw, int32 ph, int32 pw"

# a NaN is the largest of all, and the first of several equal values counts
_LARGEST = """
    ptrdiff_t image = i / (OH * OW) * H * W;
    int top = i / OW % OH * sh - ph, left = i % OW * sw - pw;
    T largest = lowest;                                  // what a window that holds nothing but padding gets
    ptrdiff_t place = -1;
    for (int h = top; h < top + KH * dh; h += dh)
      for (int w = left; w < left + KW * dw; w += dw)
        if (0 <= h && h < H && 0 <= w && w < W) {
          T value = x[image + h * W + w];
          if (place < 0 || value > largest || (value != value && largest == largest)) {
            largest = value;
            place = h * W + w;
          }
        }
"""

_max_pool2d = cupy.ElementwiseKernel(
    f"raw T x, {_SIZES}, int32 dh, int32 dw, T lowest", "T y", f"{_LARGEST} y = largest;", "mt_max_pool2d"
)
_max_pool2d_indices = cupy.ElementwiseKernel(
    f"raw T x, {_SIZES}, int32 dh, int32 dw, T lowest",
    "int64 index",
    f"{_LARGEST} index = place;",
    "mt_max_pool2d_indices",
)

_max_pool2d_backward = cupy.ElementwiseKernel(
    f"raw T grad, raw T x, raw T y, {_SIZES}, int32 dh, int32 dw",
    "T gx",
    """
    int h = i / W % H, w = i % W;
    ptrdiff_t image = i - (h * W + w), windows = i / (H * W) * OH * OW;
    T value = x[i], sum = 0;
    for (int u = 0; u < KH; ++u) {                       // the window in which this pixel is in row u, column v
      int down = h + ph - u * dh, oh = down / sh;
      if (down < 0 || down % sh || oh >= OH) continue;
      for (int v = 0; v < KW; ++v) {
        int right = w + pw - v * dw, ow = right / sw;
        if (right < 0 || right % sw || ow >= OW) continue;
        T best = y[windows + oh * OW + ow];
        bool mine = value == best || (value != value && best != best);
        for (int before = 0; mine && before < u * KW + v; ++before) {   // unless an earlier pixel has the same value
          int a = oh * sh - ph + before / KW * dh, b = ow * sw - pw + before % KW * dw;
          if (a < 0 || a >= H || b < 0 || b >= W) continue;
          T other = x[image + a * W + b];
          if (other == best || (other != other && best != best)) mine = false;
        }
        if (mine) sum += grad[windows + oh * OW + ow];
      }
    }
    gx = sum;
    """,
    "mt_max_pool2d_backward",
)

# one thread goes through all outputs of its image: for the few of adaptive pooling
_put_at_indices = cupy.ElementwiseKernel(
    "raw T grad, raw int64 indices, int32 pixels, int32 outputs",
    "T gx",
    """
    ptrdiff_t first = i / pixels * outputs;
    T sum = 0;
    for (int o = 0; o < outputs; ++o)
      if (indices[first + o] == i % pixels) sum += grad[first + o];
    gx = sum;
    """,
    "mt_put_at_indices",
)

_adaptive_max_pool2d = cupy.ElementwiseKernel(
    "raw T x, int32 H, int32 W, int32 OH, int32 OW",
    "T y, int64 index",
    """
    ptrdiff_t image = i / (OH * OW) * H * W;
    int oh = i / OW % OH, ow = i % OW;
    y = x[image + oh * H / OH * W + ow * W / OW];
    index = oh * H / OH * W + ow * W / OW;
    for (int h = oh * H / OH; h < ((oh + 1) * H + OH - 1) / OH; ++h)
      for (int w = ow * W / OW; w < ((ow + 1) * W + OW - 1) / OW; ++w) {
        T value = x[image + h * W + w];
        if (value > y || (value != value && y == y)) {
          y = value;
          index = h * W + w;
        }
      }
    """,
    "mt_adaptive_max_pool2d",
)

# by how much the sum of window (oh, ow) is divided; what lies beyond the padding never counts
_DIVISOR = """
    int top = oh * sh - ph, left = ow * sw - pw, bottom = top + KH, right = left + KW;
    int divisor = (min(bottom, H + ph) - top) * (min(right, W + pw) - left);
    if (!padding_counts) divisor = (min(bottom, H) - max(top, 0)) * (min(right, W) - max(left, 0));
    if (given_divisor) divisor = given_divisor;
"""

_avg_pool2d = cupy.ElementwiseKernel(
    f"raw T x, {_SIZES}, bool padding_counts, int32 given_divisor",
    "T y",
    f"""
    ptrdiff_t image = i / (OH * OW) * H * W;
    int oh = i / OW % OH, ow = i % OW;
    {_DIVISOR}
    T sum = 0;
    for (int h = max(top, 0); h < min(bottom, H); ++h)
      for (int w = max(left, 0); w < min(right, W); ++w) sum += x[image + h * W + w];
    y = sum / T(divisor);
    """,
    "mt_avg_pool2d",
)

_avg_pool2d_backward = cupy.ElementwiseKernel(
    f"raw T grad, {_SIZES}, bool padding_counts, int32 given_divisor",
    "T gx",
    f"""
    int h = i / W % H + ph, w = i % W + pw;
    ptrdiff_t windows = i / (H * W) * OH * OW;
    T sum = 0;
    for (int oh = h < KH ? 0 : (h - KH) / sh + 1; oh <= min(h / sh, OH - 1); ++oh)
      for (int ow = w < KW ? 0 : (w - KW) / sw + 1; ow <= min(w / sw, OW - 1); ++ow) {{
        {_DIVISOR}
        sum += grad[windows + oh * OW + ow] / T(divisor);
      }}
    gx = sum;
    """,
    "mt_avg_pool2d_backward",
)


def max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode):
    x = cupy.ascontiguousarray(x)
    out = pool_output_size(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y = cupy.empty((*x.shape[:2], *out), x.dtype)
    return _max_pool2d(x, *x.shape[2:], *out, *kernel_size, *stride, *padding, *dilation, float("-inf"), y)


def max_pool2d_backward(grad, x, y, kernel_size, stride, padding, dilation, ceil_mode):
    grad, x = cupy.ascontiguousarray(grad), cupy.ascontiguousarray(x)
    gx = cupy.empty(x.shape, x.dtype)
    sizes = (*x.shape[2:], *y.shape[2:], *kernel_size, *stride, *padding, *dilation)
    return _max_pool2d_backward(grad, x, y, *sizes, gx)


def max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode):
    x = cupy.ascontiguousarray(x)
    out = pool_output_size(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    index = cupy.empty((*x.shape[:2], *out), "int64")
    return _max_pool2d_indices(x, *x.shape[2:], *out, *kernel_size, *stride, *padding, *dilation, float("-inf"), index)


def put_at_indices(grad, indices, image_size):
    grad, indices = cupy.ascontiguousarray(grad), cupy.ascontiguousarray(indices)
    gx = cupy.empty((*grad.shape[:2], *image_size), grad.dtype)
    return _put_at_indices(grad, indices, image_size[0] * image_size[1], grad.shape[2] * grad.shape[3], gx)


def adaptive_max_pool2d(x, output_size):
    x = cupy.ascontiguousarray(x)
    shape = (*x.shape[:2], *output_size)
    return _adaptive_max_pool2d(x, *x.shape[2:], *output_size, cupy.empty(shape, x.dtype), cupy.empty(shape, "int64"))


def avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    x = cupy.ascontiguousarray(x)
    out = pool_output_size(x.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    y = cupy.empty((*x.shape[:2], *out), x.dtype)
    sizes = (*x.shape[2:], *out, *kernel_size, *stride, *padding)
    return _avg_pool2d(x, *sizes, count_include_pad, divisor_override or 0, y)


def avg_pool2d_backward(grad, image_size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    grad = cupy.ascontiguousarray(grad)
    gx = cupy.empty((*grad.shape[:2], *image_size), grad.dtype)
    sizes = (*image_size, *grad.shape[2:], *kernel_size, *stride, *padding)
    return _avg_pool2d_backward(grad, *sizes, count_include_pad, divisor_override or 0, gx)
