"""Images at another size. Each output pixel is a weighted mean of input pixels, rows and columns apart:

    y = R x C^T        dx = R^T g C

R (OH, H) holds the weights of the input rows for each output row, C (OW, W) those of the columns.

    nearest         pixel floor(i * in/out)                          nearest-exact   floor((i + 0.5) * in/out)
    bilinear        between the two pixels around (i + 0.5) * in/out - 0.5, or around i * (in-1)/(out-1) with align_corners
    antialias       when shrinking: a triangle of half-width in/out around that place, weights normalised, as in Pillow
"""

import math

import numpy as np

from .. import backend
from ..autograd import Function
from ..backend import primitives as P
from . import check


class Resize(Function):
    """`rows` and `columns` are lists of the weights (OH, H) and (OW, W)."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns

    def forward(self, x):
        xp = backend.array_module(x)
        self.rows, self.columns = xp.asarray(self.rows, x.dtype), xp.asarray(self.columns, x.dtype)
        return P.separable_map(x, self.rows, self.columns)

    def backward(self, grad):
        return P.separable_map(grad, self.rows.T, self.columns.T)


class ResizeNearest(Function):
    """The pixels themselves, picked and not multiplied: an infinity next door stays there."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns

    def forward(self, x):
        xp = backend.array_module(x)
        self.weights = [xp.asarray(w, x.dtype) for w in (self.rows, self.columns)]
        rows, columns = (w.argmax(1) for w in self.weights)
        return x[:, :, rows[:, None], columns]

    def backward(self, grad):
        return P.separable_map(grad, self.weights[0].T, self.weights[1].T)


def _nearest(n, out, ratio, exact):
    # in float32, as torch computes it: where i * in/out is a whole number, rounding decides which pixel that is
    place = (np.arange(out, dtype=np.float32) + np.float32(0.5 if exact else 0)) * np.float32(ratio)
    source = np.minimum(np.floor(place), n - 1)
    return (source[:, None] == np.arange(n)).astype(float)


def _bilinear(n, out, ratio, align_corners):
    if align_corners:
        place = np.arange(out) * ((n - 1) / (out - 1) if out > 1 else 0)
    else:
        place = np.maximum((np.arange(out) + 0.5) * ratio - 0.5, 0)
    # a triangle of half-width 1 around the place; beyond the last pixel the last pixel
    return np.maximum(0, 1 - abs(np.minimum(place, n - 1)[:, None] - np.arange(n)))


def _antialiased(n, out, ratio):
    half = max(ratio, 1.0)
    centre = (np.arange(out)[:, None] + 0.5) * ratio
    weights = np.maximum(0, 1 - abs(np.arange(n) + 0.5 - centre) / half)
    return weights / weights.sum(1, keepdims=True)


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """An image at another size.

    Args:
        input: (N, C, H, W) float tensor.
        size: (OH, OW) or one int for both; or give
        scale_factor: a number or a pair: OH = floor(H * scale_factor).
        mode: "nearest", "nearest-exact" or "bilinear".
        align_corners: (bilinear) let the corner pixels' centres meet, instead of the image's edges.
        recompute_scale_factor: use the ratio of the sizes in the formula, not scale_factor itself.
        antialias: (bilinear) when shrinking, average over all pixels that an output pixel covers.
    Returns: (N, C, OH, OW).
    Raises: ValueError unless exactly one of size and scale_factor is given, or if an option doesn't go with the mode.
    Source: torch.nn.functional.interpolate.

    >>> from minitorch_cnn import Tensor
    >>> interpolate(Tensor([[[[0.0, 2.0]]]]), size=(1, 4), mode="bilinear").numpy().tolist()
    [[[[0.0, 0.5, 1.5, 2.0]]]]
    """
    op = "interpolate"
    check.float_tensor(op, "input", input, ndim=4)
    if 0 in input.shape[2:]:
        raise ValueError(f"{op}: the image has no pixels; input.shape={input.shape}")
    check.one_of(op, "mode", mode, ("nearest", "nearest-exact", "bilinear"))
    if mode != "bilinear" and (align_corners is not None or antialias):
        raise ValueError(f'interpolate: align_corners and antialias go with mode="bilinear", not "{mode}"')
    if antialias and align_corners:
        raise ValueError("interpolate: antialias and align_corners can't go together")
    size, ratios = _sizes(input, size, scale_factor, recompute_scale_factor)
    weights = []
    for n, out, ratio in zip(input.shape[2:], size, ratios):
        # torch, too: an axis that keeps its size stays as it is, and twice the pixels are two of each, whatever scale_factor
        if (out == n and mode != "nearest-exact") or (out == 2 * n and mode == "nearest"):
            ratio = n / out
        if mode == "bilinear":
            weights.append(_antialiased(n, out, ratio) if antialias else _bilinear(n, out, ratio, align_corners))
        else:
            weights.append(_nearest(n, out, ratio, mode == "nearest-exact"))
    function = Resize if mode == "bilinear" else ResizeNearest
    return function.apply(input, rows=weights[0], columns=weights[1])


def _sizes(input, size, scale_factor, recompute_scale_factor):
    """The output size, and for each axis how many input pixels go to an output pixel."""
    op = "interpolate"
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: give size or scale_factor, one of them; got size={size}, scale_factor={scale_factor}"
        )
    if size is not None:
        size = check.pair(op, "size", size, least=1)
        return size, [n / out for n, out in zip(input.shape[2:], size)]
    factors = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor, scale_factor)
    for factor in factors:
        check.number(op, "scale_factor", factor)
    if len(factors) != 2 or min(factors) <= 0:
        raise ValueError(f"interpolate: scale_factor must be a positive number or a pair, got {scale_factor!r}")
    size = tuple(math.floor(n * f) for n, f in zip(input.shape[2:], factors))
    if min(size) < 1:
        raise ValueError(f"interpolate: scale_factor={scale_factor} leaves nothing of an image of {input.shape[2:]}")
    if recompute_scale_factor:
        return size, [n / out for n, out in zip(input.shape[2:], size)]
    return size, [1 / f for f in factors]
