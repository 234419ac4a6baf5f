"""Layers that change an image's size without learning."""

from .. import functional as F
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
        return f"size={self.size}, scale_factor={self.scale_factor}, mode={self.mode!r}"


class _Pad2d(Module):
    mode = ""

    def __init__(self, padding):
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)  # left, right, top, bottom

    def forward(self, input):
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad2d(_Pad2d):
    """Zeros around the image: an int, or (left, right, top, bottom)."""

    mode = "constant"


class ReflectionPad2d(_Pad2d):
    """The image mirrored at its edges: an int, or (left, right, top, bottom)."""

    mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """The edge pixels repeated: an int, or (left, right, top, bottom)."""

    mode = "replicate"
