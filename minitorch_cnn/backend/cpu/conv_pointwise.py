"""1x1 convolution: one matrix product over the channels, for all pixels at once, with nothing copied.

    y  = weight @ x             (O, C) @ (C, H*W)
    dx = weight.T @ dy          (C, O) @ (O, H*W)
    dw = sum of dy @ x.T        (O, H*W) @ (H*W, C)

Only for a 1x1 kernel without padding or groups. With a stride, the pixels that count are copied out first, and the gradient is
put back among zeros.
"""

import numpy as np

from .threads import parallel, sum_of_parts


def forward(x, weight, bias, stride, padding, dilation, groups):
    x = _every(x, stride)
    N, C, H, W = x.shape
    O = len(weight)
    matrix, rows = weight.reshape(O, C), x.reshape(N, C, H * W)
    y = np.empty((N, O, H * W), x.dtype)

    def part(lo, hi):
        np.matmul(matrix, rows[lo:hi], out=y[lo:hi])
        if bias is not None:
            y[lo:hi] += bias[:, None]

    parallel(N, part)
    return y.reshape(N, O, H, W)


def input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    N, O, OH, OW = grad.shape
    C = weight.shape[1]
    matrix, rows = weight.reshape(O, C).T, grad.reshape(N, O, OH * OW)
    gx = np.empty((N, C, OH * OW), grad.dtype)

    def part(lo, hi):
        np.matmul(matrix, rows[lo:hi], out=gx[lo:hi])

    parallel(N, part)
    gx = gx.reshape(N, C, OH, OW)
    if stride == (1, 1):
        return gx
    spread = np.zeros((N, C, *image_size), grad.dtype)
    spread[:, :, :: stride[0], :: stride[1]] = gx
    return spread


def weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    x = _every(x, stride)
    N, O, OH, OW = grad.shape
    C = x.shape[1]
    dy, rows_t = grad.reshape(N, O, OH * OW), x.reshape(N, C, OH * OW).transpose(0, 2, 1)
    sums = {}

    def part(lo, hi):
        sums[lo] = (dy[lo:hi] @ rows_t[lo:hi]).sum(0)

    parallel(N, part)
    return sum_of_parts(sums).reshape(O, C, 1, 1)


def _every(x, stride):
    return np.ascontiguousarray(x[:, :, :: stride[0], :: stride[1]])
