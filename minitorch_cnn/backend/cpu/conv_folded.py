"""Convolution of tiny images: im2col with the batch folded into the columns.

im2col's products are one a sample, with OH*OW columns each. At 7x7 these are 49, so thin that BLAS does half of what it can. Side
by side the columns of all samples make one product, whose rows are shared between the threads; nothing is summed at the end:

    columns (C*KH*KW, N*OH*OW)
    y  = weight @ columns          (O, N*OH*OW), then the samples in front again
    dw = dy @ columns.T            (O, C*KH*KW)
    dx = weight.T @ dy             added back to the pixels, channel by channel

Only without groups. At 512 channels, 7x7, batch 8 forward takes 0.8 of im2col's time, the gradients 0.5 and 0.7.
"""

import numpy as np

from ..sizes import conv_output_size
from .threads import chunks, parallel, scratch

_LIMIT = 16 << 20  # bytes of columns at a time


class _Sizes:
    def __init__(self, channels, image_size, kernel_size, stride, padding, dilation, itemsize):
        self.C, (self.H, self.W), (self.KH, self.KW) = channels, image_size, kernel_size
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.OH, self.OW = conv_output_size(image_size, kernel_size, stride, padding, dilation)
        self.taps = self.KH * self.KW
        self.bytes_each = channels * self.taps * self.OH * self.OW * itemsize

    def padded(self, name, channels, n, dtype):
        """Zeros, (channels, n, H + 2 padding, W + 2 padding), and the view of them that is the image."""
        (ph, pw), shape = self.padding, (channels, n, self.H + 2 * self.padding[0], self.W + 2 * self.padding[1])
        padded = scratch(name, shape, dtype)
        padded[...] = 0
        return padded, padded[:, :, ph : ph + self.H, pw : pw + self.W]

    def tap(self, padded, u, v):
        """What kernel place (u, v) of every output sees: (channels, n, OH, OW), a view."""
        (sh, sw), top, left = self.stride, u * self.dilation[0], v * self.dilation[1]
        return padded[:, :, top : top + sh * self.OH : sh, left : left + sw * self.OW : sw]

    def columns(self, x):
        """(n, C, H, W) -> (C*KH*KW, n*OH*OW)."""
        n = len(x)
        columns = scratch("folded columns", (self.C, self.KH, self.KW, n, self.OH, self.OW), x.dtype)

        def part(lo, hi):
            padded, inside = self.padded("folded padded", hi - lo, n, x.dtype)
            inside[...] = x[:, lo:hi].swapaxes(0, 1)
            for u in range(self.KH):
                for v in range(self.KW):
                    columns[lo:hi, u, v] = self.tap(padded, u, v)

        parallel(self.C, part)
        return columns.reshape(self.C * self.taps, n * self.OH * self.OW)


def _folded(dy):
    """(n, O, OH, OW) -> (O, n*OH*OW), a copy."""
    n, O, OH, OW = dy.shape
    folded = scratch("folded gradient", (O, n, OH, OW), dy.dtype)
    folded[...] = dy.swapaxes(0, 1)
    return folded.reshape(O, n * OH * OW)


def forward(x, weight, bias, stride, padding, dilation, groups):
    N, O = len(x), len(weight)
    g = _Sizes(x.shape[1], x.shape[2:], weight.shape[2:], stride, padding, dilation, x.itemsize)
    matrix = weight.reshape(O, g.C * g.taps)
    y = np.empty((N, O, g.OH, g.OW), x.dtype)
    for a, b in chunks(0, N, g.bytes_each, _LIMIT):
        columns = g.columns(x[a:b])

        def part(lo, hi, a=a, b=b, columns=columns):
            product = scratch("folded product", (hi - lo, columns.shape[1]), x.dtype)
            np.matmul(matrix[lo:hi], columns, out=product)
            y[a:b, lo:hi] = product.reshape(hi - lo, b - a, g.OH, g.OW).swapaxes(0, 1)
            if bias is not None:
                y[a:b, lo:hi] += bias[lo:hi, None, None]

        parallel(O, part)
    return y


def weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    N, O = grad.shape[:2]
    g = _Sizes(x.shape[1], x.shape[2:], kernel_size, stride, padding, dilation, x.itemsize)
    gw = (np.empty if N else np.zeros)((O, g.C * g.taps), grad.dtype)  # no sample: nothing is written below
    for a, b in chunks(0, N, g.bytes_each, _LIMIT):
        columns, dy = g.columns(x[a:b]), _folded(grad[a:b])

        def part(lo, hi, a=a, columns=columns, dy=dy):
            if a == 0:
                np.matmul(dy[lo:hi], columns.T, out=gw[lo:hi])
            else:
                gw[lo:hi] += dy[lo:hi] @ columns.T

        parallel(O, part)
    return gw.reshape(O, g.C, *kernel_size)


def input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    (N, O), (C, KH, KW) = grad.shape[:2], weight.shape[1:]
    g = _Sizes(C, image_size, (KH, KW), stride, padding, dilation, grad.itemsize)
    matrix = weight.reshape(O, C * g.taps)
    gx = np.empty((N, C, *image_size), grad.dtype)
    for a, b in chunks(0, N, g.bytes_each, _LIMIT):
        dy = _folded(grad[a:b])

        def part(lo, hi, a=a, b=b, dy=dy):
            shape = (hi - lo, KH, KW, b - a, g.OH, g.OW)
            columns = scratch("folded columns of a part", shape, grad.dtype)
            np.matmul(matrix[:, lo * g.taps : hi * g.taps].T, dy, out=columns.reshape((hi - lo) * g.taps, -1))
            padded, inside = g.padded("folded padded", hi - lo, b - a, grad.dtype)
            for u in range(KH):
                for v in range(KW):
                    tap = g.tap(padded, u, v)
                    tap += columns[:, u, v]
            gx[a:b, lo:hi] = inside.swapaxes(0, 1)

        parallel(C, part)
    return gx
