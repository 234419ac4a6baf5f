"""Convolution as im2col and one matrix product (Chellapilla, Puri, Simard 2006): the form to read first.

`im2col` writes each window that the kernel looks at as a column. Then all output pixels of an image come from one product:

    columns (C*KH*KW, OH*OW)       weight as a matrix (O, C*KH*KW)
    y  = weight @ columns          (O, OH*OW)
    dw = dy @ columns.T            (O, C*KH*KW)
    dx = col2im(weight.T @ dy)     each column entry added back to the pixel it came from
"""

import numpy as np

from ..sizes import conv_output_size

__all__ = ["channel_sum", "col2im", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "im2col"]


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
    return padded[:, :, ph : ph + H, pw : pw + W]


def conv2d(x, weight, bias, stride, padding, dilation, groups):
    N, O = len(x), len(weight)
    OH, OW = conv_output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    columns = im2col(x, weight.shape[2:], stride, padding, dilation)  # (N, C*KH*KW, OH*OW)
    y = weight.reshape(groups, O // groups, -1) @ columns.reshape(
        N, groups, -1, OH * OW
    )  # (N, groups, O/groups, OH*OW)
    y = y.reshape(N, O, OH, OW)
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    N, O = grad.shape[:2]
    weight_t = weight.reshape(groups, O // groups, -1).transpose(0, 2, 1)  # (groups, C/groups*KH*KW, O/groups)
    columns = weight_t @ grad.reshape(N, groups, O // groups, -1)  # (N, groups, C/groups*KH*KW, OH*OW)
    columns = columns.reshape(N, -1, columns.shape[-1])
    return np.ascontiguousarray(col2im(columns, image_size, weight.shape[2:], stride, padding, dilation))


def conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    N, O = grad.shape[:2]
    columns = im2col(x, kernel_size, stride, padding, dilation)
    columns = columns.reshape(N, groups, -1, columns.shape[-1])  # (N, groups, C/groups*KH*KW, OH*OW)
    gw = grad.reshape(N, groups, O // groups, -1) @ columns.transpose(0, 1, 3, 2)  # a product for each image ...
    return gw.sum(0).reshape(O, x.shape[1] // groups, *kernel_size)  # ... and their sum


def channel_sum(x):
    rows = x.reshape(len(x), x.shape[1], -1)  # (N, C, H*W)
    return (rows @ np.ones(rows.shape[2], x.dtype)).sum(0)  # 0.4 of the time of x.sum((0, 2, 3))
