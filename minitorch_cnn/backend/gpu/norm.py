"""Normalisation: a block of threads does a channel (batch norm) or a row (layer norm, group norm), statistics and all.

Mean and variance come from one pass: each thread keeps a running mean and the sum of squared differences from it (Welford 1962);
then the threads' own are put together (Chan, Golub, LeVeque 1979). So they are accurate where the mean is much larger than the
spread.
"""

import math

import cupy

from .block_kernel import BlockKernel

__all__ = ["batch_norm", "batch_norm_backward", "channel_affine", "row_norm", "row_norm_backward"]

_STATISTICS = r"""
// of `count` values, number j at x[at(j)]: the mean, and the sum of the squared differences from it, to each thread of the block
template <typename Place>
__device__ void statistics(const T* x, Place at, int count, T* mean, T* squares) {
  T m = 0, s = 0;
  int seen = 0;
  for (int j = threadIdx.x; j < count; j += blockDim.x) {
    T value = x[at(j)], difference = value - m;
    m += difference / T(++seen);
    s += difference * (value - m);
  }
  // together: the mean of the means, and each thread's squares plus what its mean lies off
  *mean = block_sum(m * (T(seen) / T(count)));
  T off = m - *mean;
  *squares = block_sum(s + T(seen) * off * off);
}
"""

_PLACE = r"""
// value j of a channel c of (N, C, L)
struct InChannel {
  long long c, C, L;
  __device__ long long operator()(int j) const { return (j / L * C + c) * L + j % L; }
};
"""

# a block takes a channel: its statistics first, then each thread normalises its share of the values
_batch_norm = BlockKernel(
    "mt_batch_norm",
    _STATISTICS
    + _PLACE
    + r"""
extern "C" __global__ void mt_batch_norm(
    const T* x, const T* weight, const T* bias, T* y, T* mean, T* var, T* running_mean, T* running_var,
    int N, int C, int L, T momentum, T eps) {
  int c = blockIdx.x, count = N * L;
  InChannel at = {c, C, L};
  T mu, squares;
  statistics(x, at, count, &mu, &squares);
  T variance = squares / T(count);
  T scale = (weight ? weight[c] : T(1)) / sqrt(variance + eps), shift = bias ? bias[c] : T(0);
  for (int j = threadIdx.x; j < count; j += blockDim.x) y[at(j)] = (x[at(j)] - mu) * scale + shift;
  if (threadIdx.x == 0) {
    mean[c] = mu;
    var[c] = variance;
    T old = T(1) - momentum, unbiased = squares / T(count - 1);
    if (running_mean) running_mean[c] = old * running_mean[c] + momentum * mu;
    if (running_var) running_var[c] = old * running_var[c] + momentum * unbiased;
  }
}
""",
)

# a block takes a channel: the two sums of ops/norm.py's formula, then each thread its share of dx
_batch_norm_backward = BlockKernel(
    "mt_batch_norm_backward",
    _PLACE
    + r"""
extern "C" __global__ void mt_batch_norm_backward(
    const T* grad, const T* x, const T* weight, const T* mean, const T* var,
    T* gx, T* gweight, T* gbias, int N, int C, int L, T eps) {
  int c = blockIdx.x, count = N * L;
  InChannel at = {c, C, L};
  T mu = mean[c], inv = T(1) / sqrt(var[c] + eps);
  T sum_g = 0, sum_gx = 0;                                     // of g, and of g * xhat
  for (int j = threadIdx.x; j < count; j += blockDim.x) {
    T g = grad[at(j)];
    sum_g += g;
    sum_gx += g * ((x[at(j)] - mu) * inv);
  }
  sum_g = block_sum(sum_g);
  sum_gx = block_sum(sum_gx);
  T scale = (weight ? weight[c] : T(1)) * inv, mean_g = sum_g / T(count), mean_gx = sum_gx / T(count);
  for (int j = threadIdx.x; j < count; j += blockDim.x)
    gx[at(j)] = scale * (grad[at(j)] - mean_g - (x[at(j)] - mu) * inv * mean_gx);
  if (threadIdx.x == 0) {
    gweight[c] = sum_gx;
    gbias[c] = sum_g;
  }
}
""",
)

# as batch norm, but a block takes a row of (rows, L)
_row_norm = BlockKernel(
    "mt_row_norm",
    _STATISTICS
    + r"""
struct InRow {
  long long first;
  __device__ long long operator()(int j) const { return first + j; }
};

extern "C" __global__ void mt_row_norm(const T* x, T* xhat, T* inv, int L, T eps) {
  InRow at = {(long long)blockIdx.x * L};
  T mu, squares;
  statistics(x, at, L, &mu, &squares);
  T scale = T(1) / sqrt(squares / T(L) + eps);
  for (int j = threadIdx.x; j < L; j += blockDim.x) xhat[at(j)] = (x[at(j)] - mu) * scale;
  if (threadIdx.x == 0) inv[blockIdx.x] = scale;
}
""",
)

# dx = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(var + eps), a block a row
_row_norm_backward = BlockKernel(
    "mt_row_norm_backward",
    r"""
extern "C" __global__ void mt_row_norm_backward(const T* grad, const T* xhat, const T* inv, T* gx, int L) {
  long long first = (long long)blockIdx.x * L;
  T sum_g = 0, sum_gx = 0;
  for (int j = threadIdx.x; j < L; j += blockDim.x) {
    sum_g += grad[first + j];
    sum_gx += grad[first + j] * xhat[first + j];
  }
  T mean_g = block_sum(sum_g) / T(L), mean_gx = block_sum(sum_gx) / T(L), scale = inv[blockIdx.x];
  for (int j = threadIdx.x; j < L; j += blockDim.x)
    gx[first + j] = scale * (grad[first + j] - mean_g - xhat[first + j] * mean_gx);
}
""",
)

_channel_affine = cupy.ElementwiseKernel(
    "T x, raw T scale, raw T shift, int32 C, int32 L",
    "T y",
    """
    int c = i / L % C;
    y = x * scale[c] + shift[c];
    """,
    "mt_channel_affine",
)


def _sizes(x):
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])


def batch_norm(x, weight, bias, running_mean, running_var, momentum, eps):
    N, C, L = _sizes(x)
    y, mean, var = cupy.empty(x.shape, x.dtype), cupy.empty(C, x.dtype), cupy.empty(C, x.dtype)
    contiguous = [r if r is None else cupy.ascontiguousarray(r, x.dtype) for r in (running_mean, running_var)]
    _batch_norm(x.dtype, C, x, weight, bias, y, mean, var, *contiguous, N, C, L, float(momentum), float(eps))
    for running, result in zip((running_mean, running_var), contiguous):
        if running is not result:  # it has another dtype than x, or gaps
            running[...] = result
    return y, mean, var


def batch_norm_backward(grad, x, weight, mean, var, eps):
    N, C, L = _sizes(x)
    gx, gweight, gbias = cupy.empty(x.shape, x.dtype), cupy.empty(C, x.dtype), cupy.empty(C, x.dtype)
    _batch_norm_backward(x.dtype, C, grad, x, weight, mean, var, gx, gweight, gbias, N, C, L, float(eps))
    return gx, gweight, gbias


def channel_affine(x, scale, shift):
    _, C, L = _sizes(x)
    return _channel_affine(x, scale, shift, C, L, cupy.empty(x.shape, x.dtype))


def row_norm(x, eps):
    rows, L = x.shape
    xhat, inv = cupy.empty(x.shape, x.dtype), cupy.empty(rows, x.dtype)
    if rows:
        _row_norm(x.dtype, rows, x, xhat, inv, L, float(eps))
    return xhat, inv


def row_norm_backward(grad, xhat, inv):
    gx = cupy.empty(grad.shape, grad.dtype)
    if len(grad):
        _row_norm_backward(grad.dtype, len(grad), grad, xhat, inv, gx, grad.shape[1])
    return gx
