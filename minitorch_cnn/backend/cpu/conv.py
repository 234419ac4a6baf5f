"""Which form of convolution runs. All of them compute the same; `choose` says which shape takes which.

Read `conv_im2col.py` first: im2col and one matrix product, the form that is taught. The others are there for speed.
"""

import math

import numpy as np

from ..sizes import conv_output_size
from . import conv_depthwise, conv_folded, conv_im2col, conv_pointwise, conv_rowshift, conv_winograd
from .conv_im2col import col2im, im2col
from .threads import one_blas_thread

__all__ = ["channel_sum", "col2im", "conv2d", "conv2d_input_gradient", "conv2d_weight_gradient", "im2col"]

_FORMS = {
    "pointwise": conv_pointwise,
    "depthwise": conv_depthwise,
    "winograd": conv_winograd,
    "folded": conv_folded,
    "rowshift": conv_rowshift,
    "im2col": conv_im2col,
}
_forced = None


class conv_algorithm:
    """A `with` block in which every convolution on the CPU takes one form: "im2col" to step through it, or to compare them.

    A shape or dtype that the form can't do (Winograd's is 3x3, stride 1, float32; depthwise, pointwise) goes by im2col.
    The switch is one for the whole process, not one for each thread.

    >>> from minitorch_cnn import Tensor, conv_algorithm, functional as F
    >>> x, weight = Tensor(np.ones((1, 1, 3, 3))), Tensor(np.ones((1, 1, 2, 2)))
    >>> with conv_algorithm("im2col"):
    ...     F.conv2d(x, weight).numpy().ravel().tolist()
    [4.0, 4.0, 4.0, 4.0]
    """

    def __init__(self, name):
        if name not in _FORMS:
            raise ValueError(f"conv_algorithm: unknown form {name!r}; known are {', '.join(_FORMS)}")
        self.name = name

    def __enter__(self):
        global _forced
        self.before, _forced = _forced, self.name

    def __exit__(self, *exception):
        global _forced
        _forced = self.before


def choose(channels, outputs, image_size, kernel_size, stride, padding, dilation, groups, dtype):
    """The name of the form that this convolution takes: the first in this list that can do it and pays.

    Measured with benchmarks/run.py on two cores; ratios are to PyTorch's time, forward.
    """
    OH, OW = conv_output_size(image_size, kernel_size, stride, padding, dilation)
    plain = stride == (1, 1) == dilation and groups == 1
    can = {
        "pointwise": kernel_size == (1, 1) and padding == (0, 0) and groups == 1,
        "depthwise": groups == channels == outputs and groups > 1,
        "winograd": kernel_size == (3, 3) and plain and max(padding) <= 2 and dtype == np.float32,
        "folded": groups == 1,
        "rowshift": True,
        "im2col": True,
    }
    pays = {
        "pointwise": True,  # 0.9
        "depthwise": True,  # 2.5; im2col 20
        "winograd": min(channels, outputs) >= 64
        and min(OH, OW) >= 14,  # 0.95 at 64 channels, 56x56, where rowshift is 1.25
        # 0.5 to 0.8 of im2col's time at 512 channels, 7x7; with few channels the samples don't pay for being put together
        "folded": OH * OW == 1 or (OH * OW <= 49 and min(channels, outputs) >= 128),
        # thin products starve (a 3-channel 7x7 stem with stride 2: im2col 0.9, rowshift 1.4), and so do tiny images
        "rowshift": (stride == (1, 1) or channels // groups >= 8) and OH * OW > 49,
        "im2col": True,
    }
    if _forced is not None:
        return _forced if can[_forced] else "im2col"
    return next(name for name in _FORMS if can[name] and pays[name])


def conv2d(x, weight, bias, stride, padding, dilation, groups):
    name = choose(x.shape[1], len(weight), x.shape[2:], weight.shape[2:], stride, padding, dilation, groups, x.dtype)
    return _FORMS[name].forward(x, weight, bias, stride, padding, dilation, groups)


def conv2d_input_gradient(grad, weight, image_size, stride, padding, dilation, groups):
    channels, outputs = weight.shape[1] * groups, len(weight)
    name = choose(channels, outputs, image_size, weight.shape[2:], stride, padding, dilation, groups, grad.dtype)
    return _FORMS[name].input_gradient(grad, weight, image_size, stride, padding, dilation, groups)


def conv2d_weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups):
    channels, outputs = x.shape[1], grad.shape[1]
    name = choose(channels, outputs, x.shape[2:], kernel_size, stride, padding, dilation, groups, x.dtype)
    return _FORMS[name].weight_gradient(grad, x, kernel_size, stride, padding, dilation, groups)


def channel_sum(x):
    rows = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))  # (N, C, H*W)
    with one_blas_thread:
        return (rows @ np.ones(rows.shape[2], x.dtype)).sum(0)  # 0.4 of the time of x.sum((0, 2, 3))
