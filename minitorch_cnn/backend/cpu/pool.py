"""Pooling in NumPy: first along the rows of pixels, then along the columns of what is left.

    max over a window = max over its columns of the max over its rows

so a 3x3 window takes 2 + 2 comparisons instead of 8, and the larger part of them on contiguous memory. No place of the maximum is
kept: the backward pass looks for it again, window place by window place, and the first that equals the maximum takes the gradient.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..sizes import adaptive_windows, pool_output_size
from .threads import chunks, parallel, scratch

__all__ = [
    "adaptive_max_pool2d",
    "avg_pool2d",
    "avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "max_pool2d_indices",
    "put_at_indices",
]

_WORTH = 1 << 21  # bytes from which a second thread pays
_BLOCK = 2 << 20  # bytes of images a thread works on at a time: 4 MB takes 1.5 times as long for overlapping windows


class _Windows:
    """The windows of one pooling: sizes, the padded image that holds them all, and the slices of it that they look at."""

    def __init__(self, image_size, kernel_size, stride, padding, dilation, ceil_mode):
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.H, self.W = image_size
        self.OH, self.OW = pool_output_size(image_size, kernel_size, stride, padding, dilation, ceil_mode)
        # the last window ends here; what of the image lies beyond is in no window
        self.reach = tuple(
            (o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip((self.OH, self.OW), stride, dilation, kernel_size)
        )
        self.Hp = max(self.reach[0], self.H + self.padding[0])
        self.Wp = max(self.reach[1], self.W + self.padding[1])
        self.padded_at_all = (self.Hp, self.Wp) != (self.H, self.W)

    def padded(self, x, fill):
        if not self.padded_at_all:
            return x
        image = scratch("pool padded", (*x.shape[:2], self.Hp, self.Wp), x.dtype)
        image[...] = fill
        self.inside(image)[...] = x
        return image

    def inside(self, image):
        """The image's own pixels in the padded one."""
        if not self.padded_at_all:
            return image
        (ph, pw) = self.padding
        return image[:, :, ph : ph + self.H, pw : pw + self.W]

    def rows(self, u):
        """The slice of padded rows that window row u of every output looks at."""
        first = u * self.dilation[0]
        return slice(first, first + (self.OH - 1) * self.stride[0] + 1, self.stride[0])

    def columns(self, v):
        first = v * self.dilation[1]
        return slice(first, first + (self.OW - 1) * self.stride[1] + 1, self.stride[1])

    def places(self):
        """(rows, columns) for each place of the window, row by row."""
        return [(self.rows(u), self.columns(v)) for u in range(self.kernel_size[0]) for v in range(self.kernel_size[1])]

    def apart(self):
        """Whether no pixel is in two windows."""
        return all(d == 1 and k <= s for d, k, s in zip(self.dilation, self.kernel_size, self.stride))

    def fold(self, ufunc, image, out):
        """out = ufunc over each window: along rows, then along columns."""
        KH, KW = self.kernel_size
        first = image[:, :, self.rows(0)]
        if KH > 1:
            lines = scratch("pool lines", first.shape, image.dtype)
            ufunc(first, image[:, :, self.rows(1)], out=lines)
            for u in range(2, KH):
                ufunc(lines, image[:, :, self.rows(u)], out=lines)
        else:
            lines = first
        if KW == 1:
            out[...] = lines[..., self.columns(0)]
            return
        ufunc(lines[..., self.columns(0)], lines[..., self.columns(1)], out=out)
        for v in range(2, KW):
            ufunc(out, lines[..., self.columns(v)], out=out)


def max_pool2d(x, kernel_size, stride, padding, dilation, ceil_mode):
    windows = _Windows(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    y = np.empty((*x.shape[:2], windows.OH, windows.OW), x.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, x[:1].nbytes, limit=_BLOCK):
            windows.fold(np.maximum, windows.padded(x[a:b], -np.inf), y[a:b])

    parallel(len(x), part, x.nbytes > _WORTH)
    return y


def max_pool2d_backward(grad, x, y, kernel_size, stride, padding, dilation, ceil_mode):
    windows = _Windows(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    gx = np.empty(x.shape, grad.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, x[:1].nbytes, limit=_BLOCK):
            _max_backward(windows, grad[a:b], x[a:b], y[a:b], gx[a:b])

    parallel(len(x), part, x.nbytes > _WORTH)
    return gx


def _max_backward(windows, grad, x, y, gx):
    image = windows.padded(x, np.nan)  # equal to no maximum: a window of -inf keeps its gradient from the padding
    gimage = scratch("pool gradient", image.shape, grad.dtype) if windows.padded_at_all else gx
    covered = windows.apart() and windows.reach == (windows.Hp, windows.Wp) and windows.kernel_size == windows.stride
    if not covered:
        gimage[...] = 0
    free = scratch("pool free", y.shape, np.bool_)  # outputs whose maximum hasn't been met yet
    free[...] = True
    here = scratch("pool here", y.shape, np.bool_)
    share = scratch("pool share", y.shape, grad.dtype)
    for rows, columns in windows.places():
        np.equal(image[:, :, rows, columns], y, out=here)
        here &= free
        free ^= here
        if windows.apart():
            np.multiply(grad, here, out=gimage[:, :, rows, columns])
        else:
            np.multiply(grad, here, out=share)
            gimage[:, :, rows, columns] += share
    if free.any():  # NaN equals nothing: it takes the gradient as the largest
        nan = windows.padded(np.isnan(x), False)
        for rows, columns in windows.places():
            here = nan[:, :, rows, columns] & free
            free ^= here
            gimage[:, :, rows, columns] += grad * here
    if windows.padded_at_all:
        gx[...] = windows.inside(gimage)


def max_pool2d_indices(x, kernel_size, stride, padding, dilation, ceil_mode):
    windows = _Windows(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    image = windows.padded(x, -np.inf)
    (KH, KW), (sh, sw), (dh, dw) = kernel_size, stride, dilation
    n, c, h, w = image.strides
    shape = (*x.shape[:2], windows.OH, windows.OW, KH, KW)
    every = as_strided(image, shape, (n, c, sh * h, sw * w, dh * h, dw * w)).reshape(*shape[:4], KH * KW)
    inside = np.zeros((1, 1, windows.Hp, windows.Wp), np.bool_)
    windows.inside(inside)[...] = True
    h, w = inside.strides[2:]
    real = as_strided(inside, shape[2:], (sh * h, sw * w, dh * h, dw * w)).reshape(*shape[2:4], KH * KW)
    first_real = real.argmax(-1)
    place = every.argmax(-1)
    # where a window's real pixels are all -inf, its padding is not better than they
    place = np.where(
        np.take_along_axis(np.broadcast_to(real, every.shape), place[..., None], -1)[..., 0], place, first_real
    )
    row = np.arange(windows.OH)[:, None] * sh + place // KW * dh - padding[0]
    column = np.arange(windows.OW) * sw + place % KW * dw - padding[1]
    return row * x.shape[3] + column


def put_at_indices(grad, indices, image_size):
    N, C, OH, OW = grad.shape
    gx = np.zeros((N * C, image_size[0] * image_size[1]), grad.dtype)
    images = np.arange(N * C)
    for place, values in zip(indices.reshape(N * C, OH * OW).T, grad.reshape(N * C, OH * OW).T):
        gx[images, place] += values  # one output of every image: no pixel twice
    return gx.reshape(N, C, *image_size)


def adaptive_max_pool2d(x, output_size):
    N, C, H, W = x.shape
    y = np.empty((N, C, *output_size), x.dtype)
    indices = np.empty((N, C, *output_size), np.int64)
    for i, (top, bottom) in enumerate(adaptive_windows(H, output_size[0])):
        for j, (left, right) in enumerate(adaptive_windows(W, output_size[1])):
            window = x[:, :, top:bottom, left:right].reshape(N, C, (bottom - top) * (right - left))
            place = window.argmax(2)
            y[:, :, i, j] = np.take_along_axis(window, place[..., None], 2)[..., 0]
            indices[:, :, i, j] = (top + place // (right - left)) * W + left + place % (right - left)
    return y, indices


def _divisors(windows, count_include_pad, divisor_override, dtype):
    """By how much the sum of each window is divided: (OH, 1) and (1, OW), whose product it is."""
    if divisor_override is not None:
        return np.full((1, 1), divisor_override, dtype), np.ones((1, 1), dtype)
    counts = []
    for n, o, k, s, p in zip(
        (windows.H, windows.W), (windows.OH, windows.OW), windows.kernel_size, windows.stride, windows.padding
    ):
        first = np.arange(o) * s - p
        if count_include_pad:
            counts.append(np.minimum(first + k, n + p) - first)  # what lies beyond the padding doesn't count
        else:
            counts.append(np.minimum(first + k, n) - np.maximum(first, 0))
    return counts[0].astype(dtype)[:, None], counts[1].astype(dtype)[None, :]


def avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    windows = _Windows(x.shape[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    rows, columns = _divisors(windows, count_include_pad, divisor_override, x.dtype)
    factor = 1 / (rows * columns)
    y = np.empty((*x.shape[:2], windows.OH, windows.OW), x.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, x[:1].nbytes, limit=_BLOCK):
            windows.fold(np.add, windows.padded(x[a:b], 0), y[a:b])
            y[a:b] *= factor

    parallel(len(x), part, x.nbytes > _WORTH)
    return y


def avg_pool2d_backward(grad, image_size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    windows = _Windows(image_size, kernel_size, stride, padding, (1, 1), ceil_mode)
    rows, columns = _divisors(windows, count_include_pad, divisor_override, grad.dtype)
    factor = 1 / (rows * columns)
    N, C = grad.shape[:2]
    gx = np.empty((N, C, *image_size), grad.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, gx[:1].nbytes, limit=_BLOCK):
            share = grad[a:b] * factor
            lines = np.zeros((b - a, C, windows.OH, windows.Wp), grad.dtype)
            for v in range(kernel_size[1]):
                lines[..., windows.columns(v)] += share
            image = np.zeros((b - a, C, windows.Hp, windows.Wp), grad.dtype)
            for u in range(kernel_size[0]):
                image[:, :, windows.rows(u)] += lines
            gx[a:b] = windows.inside(image)

    parallel(N, part, gx.nbytes > _WORTH)
    return gx
