"""Pooling: one number for each window of an image.

    max      y = the largest of the window; its gradient goes to where it stood, to the first if there are several
    average  y = the sum of the window / its size; each pixel gets g / size

Padding counts as minus infinity for the maximum, as zero for the average. Where windows overlap, a pixel's gradients add up.
Sizes are those of a convolution; with ceil_mode a window that hangs over the right or lower edge counts too.
"""

from .. import backend
from ..autograd import Function, Tensor
from ..backend import primitives as P
from . import check


class MaxPool2d(Function):
    def __init__(self, kernel_size, stride, padding, dilation, ceil_mode):
        self.options = (kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x):
        self.x = x
        self.y = P.max_pool2d(x, *self.options)
        return self.y

    def backward(self, grad):
        return P.max_pool2d_backward(grad, self.x, self.y, *self.options)


class AvgPool2d(Function):
    def __init__(self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        self.options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)

    def forward(self, x):
        self.image_size = x.shape[2:]
        return P.avg_pool2d(x, *self.options)

    def backward(self, grad):
        return P.avg_pool2d_backward(grad, self.image_size, *self.options)


class AdaptiveMaxPool2d(Function):
    def __init__(self, output_size):
        self.output_size = output_size

    def forward(self, x):
        self.image_size = x.shape[2:]
        y, self.indices = P.adaptive_max_pool2d(x, self.output_size)
        return y

    def backward(self, grad):
        return P.put_at_indices(grad, self.indices, self.image_size)


class AdaptiveAvgPool2d(Function):
    """The mean of each window: of its rows first, then of its columns."""

    def __init__(self, output_size):
        self.output_size = output_size

    def forward(self, x):
        self.image_size = x.shape[2:]
        y = _window_means(x, 2, self.output_size[0])  # (N, C, OH, W)
        return _window_means(y, 3, self.output_size[1])

    def backward(self, grad):
        g = _spread_means(grad, 3, self.image_size[1])  # (N, C, OH, W)
        return _spread_means(g, 2, self.image_size[0])


def _window_means(x, axis, out):
    # a slice for each window: in a product with a matrix of averages, 0 * inf would put NaN in every window
    windows = backend.adaptive_windows(x.shape[axis], out)
    means = [x[_along(axis, start, end)].sum(axis) / x.dtype.type(end - start) for start, end in windows]
    return backend.array_module(x).stack(means, axis)


def _spread_means(grad, axis, n):
    shape = (*grad.shape[:axis], n, *grad.shape[axis + 1 :])
    gx = backend.array_module(grad).zeros(shape, grad.dtype)
    for i, (start, end) in enumerate(backend.adaptive_windows(n, grad.shape[axis])):
        gx[_along(axis, start, end)] += grad[_along(axis, i, i + 1)] / grad.dtype.type(end - start)
    return gx


def _along(axis, start, end):
    return (slice(None),) * axis + (slice(start, end),)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """The largest value of each window.

    Args:
        input: (N, C, H, W) float tensor.
        kernel_size, dilation: int or (vertical, horizontal).
        stride: int or pair; by default the kernel's size, so that windows don't overlap.
        padding: int or pair, at most half the kernel's size; counts as minus infinity.
        ceil_mode: also take windows that hang over the right or lower edge.
        return_indices: also return where each maximum stood, as h*W + w (int64).
    Returns: (N, C, OH, OW), or a pair of that and the indices.
    Raises: ValueError on a window larger than the padded image or in the padding alone, or padding beyond half the kernel.
    Source: torch.nn.functional.max_pool2d; overlapping windows: Krizhevsky et al. 2012, section 3.4.

    >>> from minitorch_cnn import Tensor
    >>> max_pool2d(Tensor([[[[1.0, 2.0, 5.0], [4.0, 3.0, 0.0]]]]), kernel_size=2, stride=1).numpy().tolist()
    [[[[4.0, 5.0]]]]
    """
    kernel_size, stride, padding = _window("max_pool2d", input, kernel_size, stride, padding)
    dilation = check.pair("max_pool2d", "dilation", dilation, least=1)
    _check_size("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    y = MaxPool2d.apply(
        input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=bool(ceil_mode)
    )
    if return_indices:
        with backend.on_device_of(input.data):
            indices = P.max_pool2d_indices(input.data, kernel_size, stride, padding, dilation, bool(ceil_mode))
        return y, Tensor(indices)
    return y


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """The mean of each window.

    Args:
        input: (N, C, H, W) float tensor.
        kernel_size, stride, padding, ceil_mode: as for max_pool2d; padding counts as zeros.
        count_include_pad: whether padding counts in the number by which the sum is divided.
        divisor_override: a number to divide by instead.
    Returns: (N, C, OH, OW).
    Raises: ValueError as max_pool2d, or if divisor_override is 0.
    Source: torch.nn.functional.avg_pool2d.

    >>> from minitorch_cnn import Tensor
    >>> avg_pool2d(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]]), kernel_size=2).item()
    3.0
    """
    kernel_size, stride, padding = _window("avg_pool2d", input, kernel_size, stride, padding)
    _check_size("avg_pool2d", input, kernel_size, stride, padding, (1, 1), ceil_mode)
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override must not be 0")
    return AvgPool2d.apply(
        input,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=bool(ceil_mode),
        count_include_pad=bool(count_include_pad),
        divisor_override=divisor_override,
    )


def adaptive_avg_pool2d(input, output_size):
    """The mean of each of OH x OW windows that cover the image evenly, whatever its size.

    Args:
        input: (N, C, H, W) float tensor.
        output_size: (OH, OW), one int for both, or None in a place to keep the image's extent.
    Returns: (N, C, OH, OW). Window i of n spans floor(i*H/n) to ceil((i+1)*H/n).
    Source: torch.nn.functional.adaptive_avg_pool2d; with size 1: global average pooling, Lin et al. (1312.4400).

    >>> from minitorch_cnn import Tensor
    >>> adaptive_avg_pool2d(Tensor([[[[1.0, 2.0, 6.0]]]]), (1, 2)).numpy().tolist()
    [[[[1.5, 4.0]]]]
    """
    output_size = _adaptive_size("adaptive_avg_pool2d", input, output_size)
    H, W = input.shape[2:]
    if H % output_size[0] == 0 and W % output_size[1] == 0:  # equal windows side by side: ordinary pooling
        return avg_pool2d(input, (H // output_size[0], W // output_size[1]))
    return AdaptiveAvgPool2d.apply(input, output_size=output_size)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The largest value of each of OH x OW windows that cover the image evenly; arguments as adaptive_avg_pool2d.

    >>> from minitorch_cnn import Tensor
    >>> adaptive_max_pool2d(Tensor([[[[1.0, 2.0, 6.0]]]]), (1, 2)).numpy().tolist()
    [[[[2.0, 6.0]]]]
    """
    output_size = _adaptive_size("adaptive_max_pool2d", input, output_size)
    y = AdaptiveMaxPool2d.apply(input, output_size=output_size)
    if return_indices:
        with backend.on_device_of(input.data):
            return y, Tensor(P.adaptive_max_pool2d(input.data, output_size)[1])
    return y


def _window(op, input, kernel_size, stride, padding):
    check.float_tensor(op, "input", input, ndim=4)
    kernel_size = check.pair(op, "kernel_size", kernel_size, least=1)
    stride = kernel_size if stride is None else check.pair(op, "stride", stride, least=1)
    padding = check.pair(op, "padding", padding)
    if any(2 * p > k for p, k in zip(padding, kernel_size)):
        raise ValueError(
            f"{op}: padding may be at most half of kernel_size, got padding={padding}, kernel_size={kernel_size}"
        )
    return kernel_size, stride, padding


def _check_size(op, input, kernel_size, stride, padding, dilation, ceil_mode):
    _check_not_empty(op, input)
    if min(backend.pool_output_size(input.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)) < 1:
        raise ValueError(
            f"{op}: the window (kernel_size={kernel_size}, dilation={dilation}) is larger than the image with its padding "
            f"({padding}); x.shape={input.shape}"
        )
    for n, s, p, d in zip(input.shape[2:], stride, padding, dilation):
        if any(start % d >= n for start in range(-p, 0, s)):
            raise ValueError(
                f"{op}: a window would lie in the padding alone, with dilation={dilation} stepping over the image; "
                f"x.shape={input.shape}"
            )


def _check_not_empty(op, input):
    if min(input.shape[2:]) < 1:
        raise ValueError(f"{op}: the image is empty; x.shape={input.shape}")


def _adaptive_size(op, input, output_size):
    check.float_tensor(op, "input", input, ndim=4)
    given = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    if len(given) != 2:
        raise ValueError(f"{op}: output_size must be an int or a pair, got {output_size!r}")
    size = tuple(n if o is None else check.integer(op, "output_size", o, 1) for o, n in zip(given, input.shape[2:]))
    _check_not_empty(op, input)
    return size
