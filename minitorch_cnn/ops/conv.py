"""Convolution, its transpose, and the windows they are made of.

    y[n,o,i,j] = b[o] + sum over c,u,v of w[o,c,u,v] * x[n, c, s*i + u*d - p, s*j + v*d - p]

With g the gradient of y:

    db[o]       = sum over n,i,j of g[n,o,i,j]
    dw[o,c,u,v] = sum over n,i,j of g[n,o,i,j] * x[n, c, s*i + u*d - p, s*j + v*d - p]
    dx          : each g[n,o,i,j] * w[o,c,u,v] added to the pixel that it came from: the transposed convolution of g with w

So a transposed convolution's forward pass is a convolution's gradient by x, and the other way round.
Sizes: OH = floor((H + 2p - d*(KH-1) - 1) / s) + 1; transposed OH = (H-1)*s - 2p + d*(KH-1) + output_padding + 1.
LeCun et al. 1989 for the layer; Dumoulin, Visin 2016 (1603.07285) for the arithmetic of sizes.
"""

from .. import backend
from ..autograd import Function
from ..backend import primitives as P
from . import check
from .shape import pad


class Conv2d(Function):
    def __init__(self, stride, padding, dilation, groups):
        self.options = (stride, padding, dilation, groups)

    def forward(self, x, weight, bias):  # (N, C, H, W), (O, C/groups, KH, KW), (O,) or None
        self.x, self.weight = x, weight
        return P.conv2d(x, weight, bias, *self.options)  # (N, O, OH, OW)

    def backward(self, grad):
        gx = gw = gb = None
        if self.needs_input_grad[0]:
            gx = P.conv2d_input_gradient(grad, self.weight, self.x.shape[2:], *self.options)
        if self.needs_input_grad[1]:
            gw = P.conv2d_weight_gradient(grad, self.x, self.weight.shape[2:], *self.options)
        if self.needs_input_grad[2]:
            gb = P.channel_sum(grad)
        return gx, gw, gb


class ConvTranspose2d(Function):
    def __init__(self, image_size, stride, padding, dilation, groups):
        self.image_size, self.options = image_size, (stride, padding, dilation, groups)

    def forward(self, x, weight, bias):  # (N, C, H, W), (C, O/groups, KH, KW), (O,) or None
        self.x, self.weight = x, weight
        y = P.conv2d_input_gradient(x, weight, self.image_size, *self.options)  # (N, O, OH, OW)
        if bias is not None:
            y += bias[:, None, None]
        return y

    def backward(self, grad):
        gx = gw = gb = None
        if self.needs_input_grad[0]:
            gx = P.conv2d(grad, self.weight, None, *self.options)
        if self.needs_input_grad[1]:
            gw = P.conv2d_weight_gradient(self.x, grad, self.weight.shape[2:], *self.options)
        if self.needs_input_grad[2]:
            gb = P.channel_sum(grad)
        return gx, gw, gb


class Unfold(Function):
    def __init__(self, kernel_size, stride, padding, dilation):
        self.options = (kernel_size, stride, padding, dilation)

    def forward(self, x):
        self.image_size = x.shape[2:]
        return P.im2col(x, *self.options)

    def backward(self, grad):
        return P.col2im(grad, self.image_size, *self.options)


class Fold(Function):
    def __init__(self, output_size, kernel_size, stride, padding, dilation):
        self.output_size, self.options = output_size, (kernel_size, stride, padding, dilation)

    def forward(self, columns):
        return P.col2im(columns, self.output_size, *self.options)

    def backward(self, grad):
        return P.im2col(grad, *self.options)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Slide a bank of filters over an image: each output value is the dot product of a filter with the window under it.

    Args:
        input: (N, C, H, W) float tensor.
        weight: (O, C/groups, KH, KW), one filter an output channel.
        bias: (O,) or None.
        stride, dilation: int or (vertical, horizontal), from 1 on.
        padding: int or pair of zeros on each side; or "valid" (none), or "same" (output as large as input; stride 1 only).
        groups: cut the channels into so many parts that don't see each other; C groups make a depthwise convolution.
    Returns: (N, O, OH, OW) with OH = floor((H + 2*padding - dilation*(KH-1) - 1) / stride) + 1, of input's dtype.
    Raises: ValueError if the shapes don't fit or the kernel is larger than the padded image; TypeError on mixed dtypes.
    Source: LeCun et al. 1989; arguments as torch.nn.functional.conv2d.

    >>> from minitorch_cnn import Tensor
    >>> image = Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    >>> conv2d(image, Tensor([[[[-1.0, 1.0]]]])).numpy().tolist()        # each pixel's right neighbour minus itself
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    check.float_tensor("conv2d", "input", input, ndim=4)
    check.float_tensor("conv2d", "weight", weight, ndim=4)
    _check_kernel("conv2d", weight)
    stride = check.pair("conv2d", "stride", stride, least=1)
    dilation = check.pair("conv2d", "dilation", dilation, least=1)
    groups = check.integer("conv2d", "groups", groups, least=1)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, padding, stride, dilation)
    padding = check.pair("conv2d", "padding", padding)
    _check_channels("conv2d", input, weight, bias, groups)
    _check_window("conv2d", input, weight.shape[2:], stride, padding, dilation)
    return Conv2d.apply(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv2d: each input value lays a scaled copy of its filter on the output, and overlaps add up.

    Args:
        input: (N, C, H, W) float tensor.
        weight: (C, O/groups, KH, KW): the first axis is the input's, the second the output's.
        bias: (O,) or None.
        stride, padding, dilation, groups: those of the convolution whose transpose this is.
        output_padding: rows and columns added at the bottom and right, less than stride or dilation, to choose among the
            output sizes which a strided convolution maps to one.
    Returns: (N, O, OH, OW) with OH = (H-1)*stride - 2*padding + dilation*(KH-1) + output_padding + 1.
    Raises: ValueError if the shapes don't fit or nothing would be left; TypeError on mixed dtypes.
    Source: Zeiler et al. 2010; arguments as torch.nn.functional.conv_transpose2d.

    >>> from minitorch_cnn import Tensor
    >>> conv_transpose2d(Tensor([[[[1.0, 2.0]]]]), Tensor([[[[1.0, 10.0]]]]), stride=2).numpy().tolist()
    [[[[1.0, 10.0, 2.0, 20.0]]]]
    """
    op = "conv_transpose2d"
    check.float_tensor(op, "input", input, ndim=4)
    check.float_tensor(op, "weight", weight, ndim=4)
    _check_kernel(op, weight)
    stride = check.pair(op, "stride", stride, least=1)
    padding = check.pair(op, "padding", padding)
    dilation = check.pair(op, "dilation", dilation, least=1)
    output_padding = check.pair(op, "output_padding", output_padding)
    groups = check.integer(op, "groups", groups, least=1)
    check.same_dtype(op, input=input, weight=weight, bias=bias)
    C, O = weight.shape[0], weight.shape[1] * groups
    if input.shape[1] != C or C % groups:
        raise ValueError(
            f"{op}: input has {input.shape[1]} channels, but weight expects {C} in {groups} groups (weight.shape[0] = {C}); "
            f"input.shape={input.shape}, weight.shape={weight.shape}"
        )
    if bias is not None and bias.shape != (O,):
        raise ValueError(f"{op}: bias must have shape ({O},), one value an output channel, got {bias.shape}")
    for extra, s, d in zip(output_padding, stride, dilation):
        if extra >= max(s, d):
            raise ValueError(
                f"{op}: output_padding must be less than stride or dilation; "
                f"got output_padding={output_padding}, stride={stride}, dilation={dilation}"
            )
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, s, p, d, k, extra in zip(input.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding)
    )
    if min(size) < 1:
        raise ValueError(
            f"{op}: the output would have size {size}; padding={padding} is too large for input.shape={input.shape}"
        )
    more = tuple(extra // s for extra, s in zip(output_padding, stride))
    if max(more) > 0:  # a convolution of so large an output has so many rows and columns more: here they are zeros
        input = pad(input, (0, more[1], 0, more[0]))
    return ConvTranspose2d.apply(
        input, weight, bias, image_size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """im2col: every window of the image as a column, so that convolution becomes one matrix product.

    Args:
        input: (N, C, H, W) float tensor.
        kernel_size, dilation, padding, stride: int or (vertical, horizontal).
    Returns: (N, C*KH*KW, L), L the number of windows, row by row.
    Raises: ValueError if the window is larger than the padded image.
    Source: Chellapilla, Puri, Simard 2006; arguments as torch.nn.functional.unfold.

    >>> from minitorch_cnn import Tensor
    >>> unfold(Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), kernel_size=2).numpy().tolist()
    [[[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]]
    """
    check.float_tensor("unfold", "input", input, ndim=4)
    kernel_size, stride, padding, dilation = _window("unfold", kernel_size, stride, padding, dilation)
    _check_window("unfold", input, kernel_size, stride, padding, dilation)
    return Unfold.apply(input, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """col2im: put columns back where `unfold` took them from; values that land on the same pixel add up.

    Args:
        input: (N, C*KH*KW, L) float tensor.
        output_size: (H, W) of the image.
        kernel_size, dilation, padding, stride: as for unfold.
    Returns: (N, C, H, W).
    Raises: ValueError if the number of rows or columns doesn't fit the sizes.
    Source: arguments as torch.nn.functional.fold.

    >>> from minitorch_cnn import Tensor
    >>> fold(Tensor([[[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]]), output_size=(2, 3), kernel_size=2).numpy().tolist()
    [[[[1.0, 4.0, 3.0], [4.0, 10.0, 6.0]]]]
    """
    check.float_tensor("fold", "input", input, ndim=3)
    output_size = check.pair("fold", "output_size", output_size, least=1)
    kernel_size, stride, padding, dilation = _window("fold", kernel_size, stride, padding, dilation)
    rows, taps = input.shape[1], kernel_size[0] * kernel_size[1]
    if rows % taps:
        raise ValueError(
            f"fold: input has {rows} rows, not a multiple of kernel_size {kernel_size[0]}*{kernel_size[1]}"
        )
    OH, OW = backend.conv_output_size(output_size, kernel_size, stride, padding, dilation)
    if OH * OW != input.shape[2] or min(OH, OW) < 1:
        raise ValueError(
            f"fold: an image of {output_size} has {OH}*{OW} windows with kernel_size={kernel_size}, stride={stride}, "
            f"padding={padding}, dilation={dilation}, but input has {input.shape[2]} columns; input.shape={input.shape}"
        )
    return Fold.apply(
        input, output_size=output_size, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation
    )


def _window(op, kernel_size, stride, padding, dilation):
    return (
        check.pair(op, "kernel_size", kernel_size, least=1),
        check.pair(op, "stride", stride, least=1),
        check.pair(op, "padding", padding),
        check.pair(op, "dilation", dilation, least=1),
    )


def _check_kernel(op, weight):
    if min(weight.shape[2:]) < 1:
        raise ValueError(f"{op}: the kernel has no pixels (an extent of 0); weight.shape={weight.shape}")


def _check_channels(op, x, weight, bias, groups):
    check.same_dtype(op, input=x, weight=weight, bias=bias)
    C, O = x.shape[1], weight.shape[0]
    if C != weight.shape[1] * groups:
        raise ValueError(
            f"{op}: x has {C} channels, but weight expects {weight.shape[1] * groups} "
            f"(weight.shape[1] * groups = {weight.shape[1]} * {groups}); x.shape={x.shape}, weight.shape={weight.shape}"
        )
    if O % groups:
        raise ValueError(f"{op}: the {O} output channels (weight.shape[0]) can't be cut into {groups} groups")
    if bias is not None and bias.shape != (O,):
        raise ValueError(f"{op}: bias must have shape ({O},), one value an output channel, got {bias.shape}")


def _check_window(op, x, kernel_size, stride, padding, dilation):
    if min(backend.conv_output_size(x.shape[2:], kernel_size, stride, padding, dilation)) < 1:
        raise ValueError(
            f"{op}: the window (kernel_size={tuple(kernel_size)}, dilation={dilation}) is larger than the image with its padding "
            f"({padding}); x.shape={x.shape}"
        )


def _named_padding(x, weight, padding, stride, dilation):
    """ "valid" or "same" as numbers; where "same" needs one zero more at the bottom or right, it is added to x here."""
    check.one_of("conv2d", "padding", padding, ("valid", "same"))
    if padding == "valid":
        return x, (0, 0)
    if stride != (1, 1):
        raise ValueError(f'conv2d: padding="same" needs stride 1, got {stride}')
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
    if total[0] % 2 or total[1] % 2:
        x = pad(x, (0, total[1] % 2, 0, total[0] % 2))
    return x, (total[0] // 2, total[1] // 2)
