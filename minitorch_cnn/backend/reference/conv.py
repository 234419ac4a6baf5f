"""Convolution by its definition, in loops (in deep learning's sense: cross-correlation, the kernel is not flipped).

    y[n,o,i,j] = b[o] + sum over c,u,v of w[o,c,u,v] * x[n, c, s*i + u*d - p, s*j + v*d - p]

A place outside the image counts as zero. With `groups`, the channels of x and y are cut into so many parts, and part g of y sees
part g of x only.
"""

import numpy as np

from ..sizes import conv_output_size

__all__ = ["channel_sum", "col2im", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "im2col"]


def _taps(image_size, kernel_size, stride, padding, dilation):
    """Every (i, j, u, v, h, w): output pixel (i, j) meets kernel place (u, v) at image pixel (h, w), if that is inside."""
    H, W = image_size
    (KH, KW), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    OH, OW = conv_output_size(image_size, kernel_size, stride, padding, dilation)
    for i in range(OH):
        for j in range(OW):
            for u in range(KH):
                for v in range(KW):
                    h, w = i * sh + u * dh - ph, j * sw + v * dw - pw
                    if 0 <= h < H and 0 <= w < W:
                        yield i, j, u, v, h, w


def conv2d(x, weight, bias, stride, padding, dilation, groups):
    N = len(x)
    O, c_group, *kernel_size = weight.shape
    y = np.zeros((N, O, *conv_output_size(x.shape[2:], kernel_size, stride, padding, dilation)), x.dtype)
    if bias is not None:
        y += bias[:, None, None]
    for i, j, u, v, h, w in _taps(x.shape[2:], kernel_size, stride, padding, dilation):
        for n in range(N):
            for o in range(O):
                first = o // (O // groups) * c_group  # the first input channel that output channel o sees
                for c in range(c_group):
                    y[n, o, i, j] += weight[o, c, u, v] * x[n, first + c, h, w]
    return y


def conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    N = len(grad)
    O, c_group, *kernel_size = weight.shape
    gx = np.zeros((N, c_group * groups, *image_size), grad.dtype)
    for i, j, u, v, h, w in _taps(image_size, kernel_size, stride, padding, dilation):
        for n in range(N):
            for o in range(O):
                first = o // (O // groups) * c_group
                for c in range(c_group):
                    gx[n, first + c, h, w] += weight[o, c, u, v] * grad[n, o, i, j]
    return gx


def conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    N, C = x.shape[:2]
    O, c_group = grad.shape[1], C // groups
    gw = np.zeros((O, c_group, *kernel_size), grad.dtype)
    for i, j, u, v, h, w in _taps(x.shape[2:], kernel_size, stride, padding, dilation):
        for n in range(N):
            for o in range(O):
                first = o // (O // groups) * c_group
                for c in range(c_group):
                    gw[o, c, u, v] += grad[n, o, i, j] * x[n, first + c, h, w]
    return gw


def im2col(x, kernel_size, stride, padding, dilation):
    N, C = x.shape[:2]
    KH, KW = kernel_size
    OH, OW = conv_output_size(x.shape[2:], kernel_size, stride, padding, dilation)
    columns = np.zeros((N, C, KH, KW, OH, OW), x.dtype)
    for i, j, u, v, h, w in _taps(x.shape[2:], kernel_size, stride, padding, dilation):
        for n in range(N):
            for c in range(C):
                columns[n, c, u, v, i, j] = x[n, c, h, w]
    return columns.reshape(N, C * KH * KW, OH * OW)


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    N, rows = columns.shape[:2]
    KH, KW = kernel_size
    C = rows // (KH * KW)
    x = np.zeros((N, C, *image_size), columns.dtype)
    OH, OW = conv_output_size(x.shape[2:], kernel_size, stride, padding, dilation)
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    for i, j, u, v, h, w in _taps(x.shape[2:], kernel_size, stride, padding, dilation):
        for n in range(N):
            for c in range(C):
                x[n, c, h, w] += columns[n, c, u, v, i, j]
    return x


def channel_sum(x):
    total = np.zeros(x.shape[1], x.dtype)
    for n in range(len(x)):
        for c in range(x.shape[1]):
            for value in x[n, c].flat:
                total[c] += value
    return total
