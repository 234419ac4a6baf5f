"""Layers that change an image's size without learning."""

from .. import functional as F
from ..ops import check
from .module import Module


class Upsample(Module):
    """The image at another size. Arguments as functional.interpolate."""

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input):
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self):
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class _Pad2d(Module):
    mode = ""

    def __init__(self, padding):
        op = type(self).__name__
        sides = padding if isinstance(padding, tuple | list) else (padding,) * 4
        if len(sides) != 4:
            raise ValueError(f"{op}: padding must be an int or (left, right, top, bottom), got {padding!r}")
        self.padding = tuple(check.integer(op, "padding", n) for n in sides)

    def forward(self, input):
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class ConstantPad2d(_Pad2d):
    """One value around the image: padding is an int, or (left, right, top, bottom); negative numbers crop.

    >>> from minitorch_cnn import Tensor, nn
    >>> nn.ConstantPad2d((1, 0, 0, 1), 9.0)(Tensor([[[[1.0, 2.0]]]])).numpy().tolist()
    [[[[9.0, 1.0, 2.0], [9.0, 9.0, 9.0]]]]
    """

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, value=self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ZeroPad2d(_Pad2d):
    """Zeros around the image: an int, or (left, right, top, bottom); negative numbers crop."""

    mode = "constant"


class ReflectionPad2d(_Pad2d):
    """The image mirrored at its edges: an int, or (left, right, top, bottom)."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """The edge pixels repeated: an int, or (left, right, top, bottom)."""

    mode = "replicate"
