"""Pooling by its definition: one window at a time."""

import math

import numpy as np

from ..sizes import adaptive_windows, pool_output_size

__all__ = [
    "adaptive_max_pool2d",
    "avg_pool2d",
    "avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_indices",
    "put_at_indices",
]


def _window(i, j, image_size, kernel_size, stride, padding, dilation):
    """The pixels (h, w) inside the image that output (i, j) looks at, row by row."""
    for u in range(kernel_size[0]):
        for v in range(kernel_size[1]):
            h = i * stride[0] + u * dilation[0] - padding[0]
            w = j * stride[1] + v * dilation[1] - padding[1]
            if 0 <= h < image_size[0] and 0 <= w < image_size[1]:
                yield h, w


def _largest(image, pixels):
    """The first of the largest pixels; a NaN is larger than anything."""
    best = None
    for place in pixels:
        if best is None or image[place] > image[best] or (math.isnan(image[place]) and not math.isnan(image[best])):
            best = place
    return best


def max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode):
    N, C, H, W = x.shape
    OH, OW = pool_output_size((H, W), kernel_size, stride, padding, dilation, ceil_mode)
    indices = np.zeros((N, C, OH, OW), np.int64)
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        h, w = _largest(x[n, c], _window(i, j, (H, W), kernel_size, stride, padding, dilation))
        indices[n, c, i, j] = h * W + w
    return indices


def max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode):
    indices = max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode)
    y = np.zeros(indices.shape, x.dtype)
    for n, c, i, j in np.ndindex(indices.shape):
        y[n, c, i, j] = x[n, c].flat[indices[n, c, i, j]]
    return y


def max_pool2d_backward(grad, x, y, kernel_size, stride, padding, dilation, ceil_mode):
    return put_at_indices(grad, max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode), x.shape[2:])


def put_at_indices(grad, indices, image_size):
    gx = np.zeros((*grad.shape[:2], *image_size), grad.dtype)
    for n, c, i, j in np.ndindex(grad.shape):
        gx[n, c].flat[indices[n, c, i, j]] += grad[n, c, i, j]
    return gx


def adaptive_max_pool2d(x, output_size):
    N, C, H, W = x.shape
    indices = np.zeros((N, C, *output_size), np.int64)
    y = np.zeros((N, C, *output_size), x.dtype)
    for i, (top, bottom) in enumerate(adaptive_windows(H, output_size[0])):
        for j, (left, right) in enumerate(adaptive_windows(W, output_size[1])):
            for n, c in np.ndindex(N, C):
                pixels = ((h, w) for h in range(top, bottom) for w in range(left, right))
                h, w = _largest(x[n, c], pixels)
                y[n, c, i, j], indices[n, c, i, j] = x[n, c, h, w], h * W + w
    return y, indices


def _divisor(i, j, image_size, kernel_size, stride, padding, count_include_pad, divisor_override):
    if divisor_override is not None:
        return divisor_override
    if not count_include_pad:
        return len(list(_window(i, j, image_size, kernel_size, stride, padding, (1, 1))))
    count = 1
    for place, n, k, s, p in zip((i, j), image_size, kernel_size, stride, padding):
        count *= min(place * s + k, n + 2 * p) - place * s  # what lies beyond the padding doesn't count
    return count


def avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    N, C, H, W = x.shape
    OH, OW = pool_output_size((H, W), kernel_size, stride, padding, (1, 1), ceil_mode)
    y = np.zeros((N, C, OH, OW), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        for h, w in _window(i, j, (H, W), kernel_size, stride, padding, (1, 1)):
            y[n, c, i, j] += x[n, c, h, w]
        y[n, c, i, j] /= _divisor(i, j, (H, W), kernel_size, stride, padding, count_include_pad, divisor_override)
    return y


def avg_pool2d_backward(grad, image_size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    gx = np.zeros((*grad.shape[:2], *image_size), grad.dtype)
    for n, c, i, j in np.ndindex(grad.shape):
        divisor = _divisor(i, j, image_size, kernel_size, stride, padding, count_include_pad, divisor_override)
        for h, w in _window(i, j, image_size, kernel_size, stride, padding, (1, 1)):
            gx[n, c, h, w] += grad[n, c, i, j] / divisor
    return gx
