"""What is at given places of some images: the pixels around each place, with weights.

Two special cases are cheaper. "Packed" is bilinear sampling of uint8 with three channels, in whole numbers of 32 bits. "Upright" is
where x doesn't depend on the row, nor y on the column: a sum of rows, then of columns, as in resample.py.
"""

import numpy as np

from ..warp_step import TAPS
from .resample import WeightedSums
from .threads import scratch

__all__ = []

CUBIC = -0.75
BORDER = 5  # pixels around the image: places lie up to 3 outside of it, and bicubic looks 2 further


class Sampler:
    """What is at the places (X, Y), which broadcast to (n, OH, OW), in images like x (N, C, H, W)."""

    def __init__(self, X, Y, interpolation, x):
        self.interpolation, self.whole, self.single = interpolation, x.dtype == np.uint8, X.dtype
        upright = X.shape[1] == 1 and Y.shape[2] == 1
        rounded = self.whole and interpolation == "bilinear"
        self.packed = rounded and x.shape[1] == 3 and not upright
        if rounded:
            X, Y = to_256ths(X), to_256ths(Y)
        if rounded and not self.packed:
            X, Y = X * X.dtype.type(1 / 256), Y * Y.dtype.type(1 / 256)
        self.X, self.Y, self.sums = X, Y, None
        if upright and interpolation != "nearest":
            rows, row_weights = taps(Y[:, :, 0], interpolation)  # (n, OH), a list of as many
            columns, column_weights = taps(X[:, 0], interpolation)  # (n, OW)
            down, across = (np.stack(weights, axis=-1) for weights in (row_weights, column_weights))  # (n, OUT, taps)
            size = x.shape[2] + 2 * BORDER, x.shape[3] + 2 * BORDER
            self.sums = WeightedSums(rows, down, columns, across, size, X.dtype)

    def __call__(self, images, step, out):
        """Images (n, C, H, W) into `out` (n, C, OH, OW). The rule of `step`, the chain's first one, says what is around them."""
        if self.packed:
            return sample_packed(images, step, self.X, self.Y, out)
        values = scratch("warp values", out.shape, self.single) if self.whole else out
        source = bordered(images, step, self.single)
        if self.sums:
            self.sums(source, values)
        else:
            gather(source, self.X, self.Y, self.interpolation, values)
        if self.whole:
            values += self.single.type(0.5)  # halves go up
            if self.interpolation == "bicubic":
                np.clip(values, 0, 255, out=values)
            np.copyto(out, values, casting="unsafe")  # rounds down


def bordered(images, step, dtype):
    """(n, C, H, W) -> (n, C, H + 10, W + 10) with the border that the rule asks for, in scratch memory."""
    n, C, H, W = images.shape
    result = scratch("warp source", (n, C, H + 2 * BORDER, W + 2 * BORDER), dtype)
    if step.border == "constant":
        result[...] = np.asarray(step.fill, dtype).reshape(-1, 1, 1)
    result[:, :, BORDER:-BORDER, BORDER:-BORDER] = images
    if step.border != "constant":
        repeat(result, H, W, step.border)
    return result


def repeat(bordered, H, W, border):
    """Fill the border of (..., H + 10, W + 10) with what the rule takes from inside."""
    outside = np.r_[:BORDER, -BORDER:0]
    rows, columns = (np.pad(np.arange(length), BORDER, border)[outside] + BORDER for length in (H, W))
    bordered[..., BORDER:-BORDER, outside] = bordered[..., BORDER:-BORDER, columns]
    bordered[..., outside, :] = bordered[..., rows, :]


def gather(source, X, Y, interpolation, values):
    """values[n, c] = the sum of weight * pixel of source[n, c] (H, W) around its places."""
    n, C, H, W = source.shape
    columns, column_weights = taps(X, interpolation)
    rows, row_weights = taps(Y, interpolation)
    # the upper left pixel of those around each place, in the flat source
    first = rows * W + columns + (C * H * W) * np.arange(n)[:, None, None]  # (n, OH, OW)
    pixels = scratch("warp pixels", first.shape, values.dtype)
    pairs = [(i, j, a * b) for i, a in enumerate(row_weights) for j, b in enumerate(column_weights)]
    flat = source.reshape(-1)
    for c in range(C):
        for i, j, weight in pairs:
            np.take(flat[(c * H + i) * W + j :], first, out=pixels, mode="clip")
            pixels *= weight
            if i == j == 0:
                values[:, c] = pixels
            else:
                values[:, c] += pixels


def taps(X, interpolation):
    """Along one axis: the first pixel of those around each place, counted in the bordered image, and the weight of each of them."""
    if interpolation == "nearest":
        return np.rint(X).astype(np.intp) + BORDER, [X.dtype.type(1)]
    first = np.floor(X)
    t = X - first
    index = first.astype(np.intp) + (BORDER - TAPS[interpolation] // 2 + 1)
    if interpolation == "bilinear":
        return index, [1 - t, t]
    return index, [far(1 + t), near(t), near(1 - t), far(2 - t)]


def near(t):
    """Cubic convolution of a pixel at distance t up to 1."""
    return ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1


def far(t):
    """The same, from 1 to 2."""
    return ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC


# uint8, three channels ------------------------------------------------------------------------------------------------


def to_256ths(X):
    """Places of uint8 images are rounded to 1/256 of a pixel, halves up: the sums of the interpolation are exact then."""
    X = X * X.dtype.type(256)
    X += X.dtype.type(0.5)
    return np.floor(X, out=X)


def sample_packed(images, step, X, Y, out):
    """Bilinear sampling of uint8 (n, 3, H, W) in whole numbers, all channels at once. X and Y are in 256ths."""
    n, u, shape = len(images), np.uint32, (len(images), *out.shape[2:])
    words, H, W = packed(images, step)  # (n * H * W,)
    right, X = split(X)
    below, Y = split(Y)
    Y = Y * u(W) + np.arange(0, n * H * W, H * W, dtype=u)[:, None, None]  # where the line begins in `words`
    first = scratch("warp first", shape, np.intp)
    np.add(X, Y, out=first, casting="unsafe")
    left, above = u(256) - right, u(256) - below
    one, other = scratch("warp taps", (2, *shape), u)
    both = scratch("warp both", (2, *shape), u)  # channels 0 and 2: 16 bits are enough for 255 * 256
    green = scratch("warp green", (2, *shape), u)
    for line, start in enumerate((0, W)):
        np.take(words[start:], first, out=one, mode="clip")
        np.take(words[start + 1 :], first, out=other, mode="clip")
        np.right_shift(one, u(24), out=green[line])
        green[line] *= left
        np.bitwise_and(one, u(0xFF00FF), out=both[line])
        both[line] *= left
        np.right_shift(other, u(24), out=one)
        one *= right
        green[line] += one
        other &= u(0xFF00FF)
        other *= right
        both[line] += other
    red = np.bitwise_and(both, u(0xFFFF), out=scratch("warp taps", (2, *shape), u))
    both >>= u(16)
    for c, (upper, lower) in enumerate((red, green, both)):
        upper *= above
        lower *= below
        upper += lower
        upper += u(1 << 15)  # halves go up
        upper >>= u(16)
        np.copyto(out[:, c], upper, casting="unsafe")


def split(X):
    """Places in 256ths of a pixel -> (the part below a pixel, pixels of the bordered image), both uint32."""
    X = (X + X.dtype.type(256 * BORDER)).astype(np.int32).view(np.uint32)  # positive now
    part = X & np.uint32(255)
    X >>= np.uint32(8)
    return part, X


def packed(images, step):
    """(words, H, W): a uint32 for each pixel of the bordered images, channels 0, 2 and 1 in its bytes 0, 2 and 3; their size."""
    n, C, H, W = images.shape
    H, W = H + 2 * BORDER, W + 2 * BORDER
    words = scratch("warp packed", (n, H, W), np.uint32)
    if step.border == "constant":
        words[...] = join(*np.broadcast_to(np.asarray(step.fill, np.uint32), (C,)))
    words[:, BORDER:-BORDER, BORDER:-BORDER] = join(*(images[:, c].astype(np.uint32) for c in range(C)))
    if step.border != "constant":
        repeat(words, H - 2 * BORDER, W - 2 * BORDER, step.border)
    return words.reshape(-1), H, W


def join(red, green, blue):
    return red | green << np.uint32(24) | blue << np.uint32(16)
