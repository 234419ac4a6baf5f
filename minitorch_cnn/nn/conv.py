"""Convolution layers. Weights start as PyTorch's: uniform on +-1/sqrt(fan_in), biases too."""

import math

import numpy as np

from .. import functional as F
from ..ops import check
from . import init
from .module import Module, Parameter


class _Conv(Module):
    """What Conv2d and ConvTranspose2d share: sizes, checks, weights."""

    def __init__(self, in_channels, out_channels, kernel_size, stride, dilation, groups, bias, transposed):
        op = type(self).__name__
        self.in_channels = check.integer(op, "in_channels", in_channels, least=1)
        self.out_channels = check.integer(op, "out_channels", out_channels, least=1)
        self.kernel_size = check.pair(op, "kernel_size", kernel_size, least=1)
        self.stride = check.pair(op, "stride", stride, least=1)
        self.dilation = check.pair(op, "dilation", dilation, least=1)
        self.groups = check.integer(op, "groups", groups, least=1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{op}: in_channels={in_channels} and out_channels={out_channels} can't both be cut into {groups} groups"
            )
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(np.zeros(shape, np.float32))
        self.bias = Parameter(np.zeros(out_channels, np.float32)) if bias else None
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        init.uniform_(self.weight, -bound, bound)
        if bias:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self):
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        defaults = {
            "padding": (0, 0),
            "dilation": (1, 1),
            "output_padding": (0, 0),
            "groups": 1,
            "padding_mode": "zeros",
        }
        for name, default in defaults.items():
            if getattr(self, name, default) != default:
                text += f", {name}={getattr(self, name)}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv2d(_Conv):
    """A bank of filters slid over an image: (N, in_channels, H, W) -> (N, out_channels, OH, OW).

    Args:
        in_channels, out_channels: numbers of channels.
        kernel_size, stride, padding, dilation: int or (vertical, horizontal); padding may be "same" or "valid".
        groups: cut the channels into so many parts that don't see each other.
        bias: whether a bias is added.
        padding_mode: what the padding holds: "zeros", "reflect" or "replicate".
    Source: torch.nn.Conv2d; keys `weight` (out, in/groups, KH, KW) and `bias`.

    >>> from minitorch_cnn import Tensor, nn
    >>> import numpy as np
    >>> nn.Conv2d(1, 6, kernel_size=5, padding=2)(Tensor(np.zeros((1, 1, 28, 28), np.float32))).shape
    (1, 6, 28, 28)
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, transposed=False)
        if isinstance(padding, str):
            check.one_of("Conv2d", "padding", padding, ("valid", "same"))
            if padding == "same" and self.stride != (1, 1):
                raise ValueError(f'Conv2d: padding="same" needs stride 1, got {self.stride}')
        self.padding = padding if isinstance(padding, str) else check.pair("Conv2d", "padding", padding)
        check.one_of("Conv2d", "padding_mode", padding_mode, ("zeros", "reflect", "replicate"))
        self.padding_mode = padding_mode

    def forward(self, input):
        if self.padding_mode == "zeros" or self.padding == "valid":
            return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        check.float_tensor("Conv2d", "input", input, ndim=4)
        input = F.pad(input, self._sides(), mode=self.padding_mode)
        return F.conv2d(input, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def _sides(self):
        """The padding as (left, right, top, bottom); of an odd "same" the larger half is at the right and bottom."""
        if self.padding == "same":
            height, width = (d * (k - 1) for d, k in zip(self.dilation, self.kernel_size))
            return width // 2, width - width // 2, height // 2, height - height // 2
        ph, pw = self.padding
        return pw, pw, ph, ph


class ConvTranspose2d(_Conv):
    """The transpose of a convolution, which enlarges: (N, in_channels, H, W) -> (N, out_channels, OH, OW).

    Args as for Conv2d; output_padding adds rows and columns at the bottom and right.
    Source: torch.nn.ConvTranspose2d; keys `weight` (in, out/groups, KH, KW) and `bias`.

    >>> from minitorch_cnn import Tensor, nn
    >>> import numpy as np
    >>> nn.ConvTranspose2d(3, 2, kernel_size=2, stride=2)(Tensor(np.zeros((1, 3, 4, 5), np.float32))).shape
    (1, 2, 8, 10)
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
    ):
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, transposed=True)
        self.padding = check.pair("ConvTranspose2d", "padding", padding)
        self.output_padding = check.pair("ConvTranspose2d", "output_padding", output_padding)

    def forward(self, input):
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


class Unfold(Module):
    """im2col: (N, C, H, W) -> (N, C*KH*KW, L). Arguments as functional.unfold."""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Module):
    """col2im: (N, C*KH*KW, L) -> (N, C, H, W). Arguments as functional.fold."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input):
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
