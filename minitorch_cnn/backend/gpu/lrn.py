"""Local response normalisation: one thread makes one value, from the `size` channels around it at its place."""

import math

import cupy

__all__ = ["local_response_norm", "local_response_norm_backward"]

# i counts (n, c, place); the window of channel c is c - before .. c + after
_forward = cupy.ElementwiseKernel(
    "raw T x, int32 C, int32 L, int32 before, int32 after, T k, T alpha, T beta",
    "T y, T scale",
    """
    int c = i / L % C;
    T sum = 0;
    for (int j = max(c - before, 0); j <= min(c + after, C - 1); ++j) {
      T value = x[i + (ptrdiff_t)(j - c) * L];
      sum += value * value;
    }
    scale = k + alpha * sum;
    y = x[i] * pow(scale, -beta);
    """,
    "mt_local_response_norm",
)

# channel c is in the window of channel j exactly when j is in the mirrored window of c
_backward = cupy.ElementwiseKernel(
    "raw T grad, raw T x, raw T scale, int32 C, int32 L, int32 before, int32 after, T alpha, T beta",
    "T gx",
    """
    int c = i / L % C;
    T sum = 0;
    for (int j = max(c - after, 0); j <= min(c + before, C - 1); ++j) {
      ptrdiff_t at = i + (ptrdiff_t)(j - c) * L;
      sum += grad[at] * x[at] * pow(scale[at], -beta - T(1));
    }
    gx = grad[i] * pow(scale[i], -beta) - T(2) * alpha * beta * x[i] * sum;
    """,
    "mt_local_response_norm_backward",
)


def local_response_norm(x, size, alpha, beta, k):
    x = cupy.ascontiguousarray(x)
    y, scale = cupy.empty(x.shape, x.dtype), cupy.empty(x.shape, x.dtype)
    L = math.prod(x.shape[2:])
    _forward(x, x.shape[1], L, size // 2, (size - 1) // 2, k, alpha / size, beta, y, scale)
    return y, scale


def local_response_norm_backward(grad, x, scale, size, alpha, beta, k):
    grad, x = cupy.ascontiguousarray(grad), cupy.ascontiguousarray(x)
    gx = cupy.empty(x.shape, x.dtype)
    L = math.prod(x.shape[2:])
    _backward(grad, x, scale, x.shape[1], L, size // 2, (size - 1) // 2, alpha / size, beta, gx)
    return gx
