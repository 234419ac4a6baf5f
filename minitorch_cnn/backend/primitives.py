"""The list of the array primitives. Each is here with its contract, and in three forms under the same name and signature:

    reference/      the textbook loop, the definition
    cpu/            NumPy
    gpu/            CuPy kernels (to come)

A call here goes to the form for the device that its first array is on. Everything takes and returns raw arrays; sizes such as
`stride` are pairs (vertical, horizontal) already.
"""

import numpy as np

from . import cpu


def form(array):
    """The module with the primitives for the device that `array` is on."""
    if isinstance(array, np.ndarray):
        return cpu
    raise TypeError(f"no backend for {type(array).__name__}")


# convolution ----------------------------------------------------------------------------------------------------------


def im2col(x, kernel_size, stride, padding, dilation):
    """(N, C, H, W) -> (N, C*KH*KW, OH*OW): column (i, j) holds the window that output pixel (i, j) looks at."""
    return form(x).im2col(x, kernel_size, stride, padding, dilation)


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    """(N, C*KH*KW, OH*OW) -> (N, C, H, W): each column entry added back to the pixel it came from; im2col's transpose."""
    return form(columns).col2im(columns, image_size, kernel_size, stride, padding, dilation)


def conv2d(x, weight, bias, stride, padding, dilation, groups):
    """y[n,o,i,j] = bias[o] + sum over c,u,v of weight[o,c,u,v] * x[n, c, i*stride+u*dilation-padding, j*...].

    x (N, C, H, W), weight (O, C/groups, KH, KW), bias (O,) or None -> (N, O, OH, OW).
    """
    return form(x).conv2d(x, weight, bias, stride, padding, dilation, groups)


def conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    """The gradient of conv2d by x: grad (N, O, OH, OW) -> (N, C, H, W) with (H, W) = image_size."""
    return form(grad).conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups)


def conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    """The gradient of conv2d by weight: grad (N, O, OH, OW), x (N, C, H, W) -> (O, C/groups, KH, KW)."""
    return form(grad).conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups)


def channel_sum(x):
    """(N, C, ...) -> (C,): the sum of each channel over samples and places; the gradient of a bias."""
    return form(x).channel_sum(x)


# matrix products ------------------------------------------------------------------------------------------------------

# elementwise and activations ------------------------------------------------------------------------------------------

# pooling --------------------------------------------------------------------------------------------------------------

# normalisation --------------------------------------------------------------------------------------------------------

# losses ---------------------------------------------------------------------------------------------------------------

# resizing -------------------------------------------------------------------------------------------------------------

# optimisers -----------------------------------------------------------------------------------------------------------
