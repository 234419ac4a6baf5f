"""Convolution: im2col with the padding in it, one matrix product by cuBLAS, and col2im; a depthwise one has kernels of its own.

With the samples side by side, (C*KH*KW, N*OH*OW), the columns of all samples take one product. Its rows are output channels, and a
last kernel brings it into the order (N, O, OH, OW) and adds the bias:

    y  = weight @ columns          (O, N*OH*OW)
    dw = dy @ columns.T            (O, C*KH*KW), dy with its channels first: (O, N*OH*OW)
    dx = col2im(weight.T @ dy)

The columns of a large batch would not fit the device's memory, so they are made for a part of the samples at a time. The limit is
256 MB; MINITORCH_CNN_COLUMNS_MB in the environment, or `columns_limit` here, sets another.
"""

import os

import cupy

from ..sizes import conv_output_size
from .block_kernel import BlockKernel

__all__ = ["channel_sum", "col2im", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "im2col"]

columns_limit = int(float(os.environ.get("MINITORCH_CNN_COLUMNS_MB", "256")) * 2**20)  # bytes

_SIZES = (
    "int32 H, int32 W, int32 OH, int32 OW, int32 KH, int32 KW, "
    "int32 sh, int32 sw, int32 ph, int32 pw, int32 dh, int32 dw"
)

# one thread writes one value of the columns (c, u, v, n, oh, ow): the pixel that output (oh, ow) sees at kernel place (u, v)
_im2col = cupy.ElementwiseKernel(
    f"raw T x, int32 N, int32 C, {_SIZES}",
    "T column",
    """
    int ow = i % OW, oh = i / OW % OH;
    ptrdiff_t rest = i / (OH * OW);
    int n = rest % N, place = rest / N % (KH * KW), c = rest / N / (KH * KW);
    int h = oh * sh + place / KW * dh - ph, w = ow * sw + place % KW * dw - pw;
    column = 0 <= h && h < H && 0 <= w && w < W ? x[(((ptrdiff_t)n * C + c) * H + h) * W + w] : T(0);
    """,
    "mt_im2col",
)

# one thread sums up for one pixel (n, c, h, w) what the columns hold of it: a gather, so no two threads add to one place
_col2im = cupy.ElementwiseKernel(
    f"raw T columns, int32 N, int32 C, {_SIZES}",
    "T pixel",
    """
    int h = i / W % H + ph, w = i % W + pw, c = i / (H * W) % C, n = i / (H * W) / C;
    T sum = 0;
    for (int u = 0; u < KH; ++u) {
      int down = h - u * dh, oh = down / sh;
      if (down < 0 || down % sh || oh >= OH) continue;
      for (int v = 0; v < KW; ++v) {
        int right = w - v * dw, ow = right / sw;
        if (right < 0 || right % sw || ow >= OW) continue;
        sum += columns[((((ptrdiff_t)c * KH + u) * KW + v) * N + n) * OH * OW + oh * OW + ow];
      }
    }
    pixel = sum;
    """,
    "mt_col2im",
)

# the product (O, N, L) as (N, O, L), with the bias
_samples_first = cupy.ElementwiseKernel(
    "raw T product, raw T bias, bool biased, int32 N, int32 O, int32 L",
    "T y",
    """
    int o = i / L % O;
    y = product[((ptrdiff_t)o * N + i / L / O) * L + i % L] + (biased ? bias[o] : T(0));
    """,
    "mt_samples_first",
)

# depthwise: output channel o sees input channel o / multiple alone
_depthwise = cupy.ElementwiseKernel(
    f"raw T x, raw T weight, raw T bias, bool biased, int32 O, int32 multiple, {_SIZES}",
    "T y",
    """
    int ow = i % OW, oh = i / OW % OH, o = i / (OH * OW) % O;
    ptrdiff_t image = i / (OH * OW) / multiple;               // n * C + c
    T sum = biased ? bias[o] : T(0);
    for (int u = 0; u < KH; ++u)
      for (int v = 0; v < KW; ++v) {
        int h = oh * sh + u * dh - ph, w = ow * sw + v * dw - pw;
        if (0 <= h && h < H && 0 <= w && w < W) sum += weight[(o * KH + u) * KW + v] * x[(image * H + h) * W + w];
      }
    y = sum;
    """,
    "mt_depthwise",
)

_depthwise_input_gradient = cupy.ElementwiseKernel(
    f"raw T grad, raw T weight, int32 C, int32 multiple, {_SIZES}",
    "T gx",
    """
    int h = i / W % H + ph, w = i % W + pw, c = i / (H * W) % C;
    ptrdiff_t image = i / (H * W);                            // n * C + c
    T sum = 0;
    for (int m = 0; m < multiple; ++m)
      for (int u = 0; u < KH; ++u) {
        int down = h - u * dh;
        if (down < 0 || down % sh || down / sh >= OH) continue;
        for (int v = 0; v < KW; ++v) {
          int right = w - v * dw;
          if (right < 0 || right % sw || right / sw >= OW) continue;
          sum += weight[((c * multiple + m) * KH + u) * KW + v]
               * grad[((image * multiple + m) * OH + down / sh) * OW + right / sw];
        }
      }
    gx = sum;
    """,
    "mt_depthwise_input_gradient",
)

# a block sums up one weight's gradient: number (o, u, v)
_depthwise_weight_gradient = BlockKernel(
    "mt_depthwise_weight_gradient",
    r"""
extern "C" __global__ void mt_depthwise_weight_gradient(
    const T* grad, const T* x, T* gweight, int N, int O, int multiple,
    int H, int W, int OH, int OW, int KH, int KW, int sh, int sw, int ph, int pw, int dh, int dw) {
  int v = blockIdx.x % KW, u = blockIdx.x / KW % KH, o = blockIdx.x / (KW * KH);
  T sum = 0;
  for (int j = threadIdx.x; j < N * OH * OW; j += blockDim.x) {
    int ow = j % OW, oh = j / OW % OH;
    long long out = (long long)(j / (OH * OW)) * O + o;       // n * O + o
    int h = oh * sh + u * dh - ph, w = ow * sw + v * dw - pw;
    if (0 <= h && h < H && 0 <= w && w < W)
      sum += grad[(out * OH + oh) * OW + ow] * x[(out / multiple * H + h) * W + w];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) gweight[blockIdx.x] = sum;
}
""",
)


def im2col(x, kernel_size, stride, padding, dilation):
    columns = _columns(x, kernel_size, stride, padding, dilation)  # (C*KH*KW, N, OH*OW)
    return columns.transpose(1, 0, 2)


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    N, C = len(columns), columns.shape[1] // (kernel_size[0] * kernel_size[1])
    image = cupy.empty((N, C, *image_size), columns.dtype)
    return _image(columns.transpose(1, 0, 2), image, kernel_size, stride, padding, dilation)


def _columns(x, kernel_size, stride, padding, dilation):
    """(n, C, H, W) -> (C*KH*KW, n, OH*OW)."""
    N, C, H, W = x.shape
    OH, OW = conv_output_size((H, W), kernel_size, stride, padding, dilation)
    columns = cupy.empty((C * kernel_size[0] * kernel_size[1], N, OH * OW), x.dtype)
    sizes = (H, W, OH, OW, *kernel_size, *stride, *padding, *dilation)
    return _im2col(cupy.ascontiguousarray(x), N, C, *sizes, columns)


def _image(columns, image, kernel_size, stride, padding, dilation):
    """The transpose of `_columns`, into `image` (n, C, H, W)."""
    N, C, H, W = image.shape
    OH, OW = conv_output_size((H, W), kernel_size, stride, padding, dilation)
    sizes = (H, W, OH, OW, *kernel_size, *stride, *padding, *dilation)
    return _col2im(cupy.ascontiguousarray(columns), N, C, *sizes, image)


def _parts(N, bytes_each):
    """(a, b) that cover the N samples, each part's columns within the limit, and one sample at least."""
    step = max(1, columns_limit // max(1, bytes_each))
    return [(a, min(a + step, N)) for a in range(0, N, step)]


def _product(a, b, out=None):
    """(groups, m, k) @ (groups, k, n) -> (groups, m, n)."""
    if out is None:
        out = cupy.empty((len(a), a.shape[1], b.shape[2]), a.dtype)
    for group in range(len(a)):  # CuPy's batched product would copy the columns where they are transposed
        cupy.matmul(a[group], b[group], out=out[group])
    return out


def _channels_first(grad, groups):
    """(n, O, OH, OW) -> (groups, O/groups, n*OH*OW)."""
    N, O, OH, OW = grad.shape
    return cupy.ascontiguousarray(grad.transpose(1, 0, 2, 3)).reshape(groups, O // groups, N * OH * OW)


def conv2d(x, weight, bias, stride, padding, dilation, groups):
    N, O, kernel_size = len(x), len(weight), weight.shape[2:]
    OH, OW = conv_output_size(x.shape[2:], kernel_size, stride, padding, dilation)
    y = cupy.empty((N, O, OH, OW), x.dtype)
    biased, bias = bias is not None, weight if bias is None else bias  # an array must stand where the bias would
    if groups == x.shape[1]:
        sizes = (*x.shape[2:], OH, OW, *kernel_size, *stride, *padding, *dilation)
        x, weight = cupy.ascontiguousarray(x), cupy.ascontiguousarray(weight)
        return _depthwise(x, weight, bias, biased, O, O // groups, *sizes, y)
    matrix = weight.reshape(groups, O // groups, -1)  # (groups, O/groups, C/groups*KH*KW)

    def part(a, b):  # a function, so that its columns are freed before the next part's are made
        columns = _columns(x[a:b], kernel_size, stride, padding, dilation)
        columns = columns.reshape(groups, matrix.shape[2], (b - a) * OH * OW)
        product = _product(matrix, columns)  # (groups, O/groups, n*OH*OW)
        _samples_first(product, bias, biased, b - a, O, OH * OW, y[a:b])

    for a, b in _parts(N, weight[0].size * groups * OH * OW * x.itemsize):
        part(a, b)
    return y


def conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    N, O, OH, OW = grad.shape
    c_group, kernel_size = weight.shape[1], weight.shape[2:]
    gx = cupy.empty((N, c_group * groups, *image_size), grad.dtype)
    if c_group == 1:
        sizes = (*image_size, OH, OW, *kernel_size, *stride, *padding, *dilation)
        grad, weight = cupy.ascontiguousarray(grad), cupy.ascontiguousarray(weight)
        return _depthwise_input_gradient(grad, weight, groups, O // groups, *sizes, gx)
    matrix = weight.reshape(groups, O // groups, -1).transpose(0, 2, 1)  # (groups, C/groups*KH*KW, O/groups)

    def part(a, b):
        columns = _product(matrix, _channels_first(grad[a:b], groups))  # (groups, C/groups*KH*KW, n*OH*OW)
        _image(columns, gx[a:b], kernel_size, stride, padding, dilation)

    for a, b in _parts(N, weight[0].size * groups * OH * OW * grad.itemsize):
        part(a, b)
    return gx


def conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    (N, O, OH, OW), C = grad.shape, x.shape[1]
    KH, KW = kernel_size
    if groups == C:
        gweight = cupy.empty((O, 1, KH, KW), grad.dtype)
        sizes = (*x.shape[2:], OH, OW, *kernel_size, *stride, *padding, *dilation)
        _depthwise_weight_gradient(grad.dtype, gweight.size, grad, x, gweight, N, O, O // groups, *sizes)
        return gweight
    gweight, depth = cupy.empty((O, C // groups, KH, KW), grad.dtype), C // groups * KH * KW
    total = gweight.reshape(groups, O // groups, depth)

    def part(a, b):
        columns = _columns(x[a:b], kernel_size, stride, padding, dilation).reshape(groups, depth, (b - a) * OH * OW)
        dy = _channels_first(grad[a:b], groups)
        if a == 0:
            _product(dy, columns.swapaxes(1, 2), out=total)
        else:
            cupy.add(total, _product(dy, columns.swapaxes(1, 2)), out=total)

    for a, b in _parts(N, C * KH * KW * OH * OW * x.itemsize) or [(0, 0)]:
        part(a, b)
    return gweight


def channel_sum(x):
    return x.sum((0, *range(2, x.ndim)))
