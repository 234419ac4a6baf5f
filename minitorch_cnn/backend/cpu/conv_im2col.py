"""Convolution as im2col and one matrix product (Chellapilla, Puri, Simard 2006): the form to read first.

`im2col` writes each window that the kernel looks at as a column. Then all output pixels of an image come from one product:

    columns (C*KH*KW, OH*OW)       weight as a matrix (O, C*KH*KW)
    y  = weight @ columns          (O, OH*OW)
    dw = dy @ columns.T            (O, C*KH*KW)
    dx = col2im(weight.T @ dy)     each column entry added back to the pixel it came from

It copies each pixel KH*KW times. `conv_rowshift.py` copies it KW times, and explains how.
"""

import numpy as np

from ..sizes import conv_output_size
from .threads import chunks, parallel, sum_of_parts


def im2col(x, kernel_size, stride, padding, dilation):
    N, C, H, W = x.shape
    (KH, KW), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    OH, OW = conv_output_size((H, W), kernel_size, stride, padding, dilation)
    padded = np.zeros((N, C, H + 2 * ph, W + 2 * pw), x.dtype)
    padded[:, :, ph : ph + H, pw : pw + W] = x
    columns = np.empty((N, C, KH, KW, OH, OW), x.dtype)
    for u in range(KH):
        for v in range(KW):
            top, left = u * dh, v * dw
            columns[:, :, u, v] = padded[:, :, top : top + sh * OH : sh, left : left + sw * OW : sw]
    return columns.reshape(N, C * KH * KW, OH * OW)


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    (H, W), (KH, KW), (sh, sw), (ph, pw), (dh, dw) = image_size, kernel_size, stride, padding, dilation
    OH, OW = conv_output_size((H, W), kernel_size, stride, padding, dilation)
    N, C = len(columns), columns.shape[1] // (KH * KW)
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    padded = np.zeros((N, C, H + 2 * ph, W + 2 * pw), columns.dtype)
    for u in range(KH):
        for v in range(KW):
            top, left = u * dh, v * dw
            padded[:, :, top : top + sh * OH : sh, left : left + sw * OW : sw] += columns[:, :, u, v]
    return np.ascontiguousarray(padded[:, :, ph : ph + H, pw : pw + W])


def forward(x, weight, bias, stride, padding, dilation, groups):
    N, O = len(x), len(weight)
    OH, OW = conv_output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    weight_matrix = weight.reshape(groups, O // groups, -1)  # (groups, O/groups, C/groups*KH*KW)
    y = np.empty((N, O, OH, OW), x.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, weight[0].size * groups * OH * OW * x.itemsize):
            columns = im2col(x[a:b], weight.shape[2:], stride, padding, dilation)
            columns = columns.reshape(b - a, groups, -1, OH * OW)  # (n, groups, C/groups*KH*KW, OH*OW)
            np.matmul(weight_matrix, columns, out=y[a:b].reshape(b - a, groups, O // groups, OH * OW))
            if bias is not None:
                y[a:b] += bias[:, None, None]

    parallel(N, part)
    return y


def input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    N, O, OH, OW = grad.shape
    weight_t = weight.reshape(groups, O // groups, -1).transpose(0, 2, 1)  # (groups, C/groups*KH*KW, O/groups)
    gx = np.empty((N, weight.shape[1] * groups, *image_size), grad.dtype)

    def part(lo, hi):
        for a, b in chunks(lo, hi, weight[0].size * groups * OH * OW * grad.itemsize):
            columns = weight_t @ grad[a:b].reshape(b - a, groups, O // groups, OH * OW)
            columns = columns.reshape(b - a, -1, OH * OW)  # (n, C*KH*KW, OH*OW)
            gx[a:b] = col2im(columns, image_size, weight.shape[2:], stride, padding, dilation)

    parallel(N, part)
    return gx


def weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    N, O, OH, OW = grad.shape
    C, (KH, KW) = x.shape[1], kernel_size
    sums = {}

    def part(lo, hi):
        total = np.zeros((groups, O // groups, C // groups * KH * KW), grad.dtype)
        for a, b in chunks(lo, hi, C * KH * KW * OH * OW * x.itemsize):
            columns = im2col(x[a:b], kernel_size, stride, padding, dilation)
            columns_t = columns.reshape(b - a, groups, -1, OH * OW).transpose(0, 1, 3, 2)
            total += (grad[a:b].reshape(b - a, groups, O // groups, OH * OW) @ columns_t).sum(0)
        sums[lo] = total

    parallel(N, part)
    return sum_of_parts(sums).reshape(O, C // groups, KH, KW)
