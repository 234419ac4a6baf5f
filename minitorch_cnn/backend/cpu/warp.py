"""Sampling images at the places where a chain of coordinate maps leads, in NumPy.

Sample by sample: the places of all its pixels at once (`source_of`), then the pixels around them, gathered from a copy of the image
with a border. Three special cases are far cheaper, and common:

    whole windows    crops, padding and mirroring move each pixel by whole numbers: slices are copied
    packed           bilinear sampling of uint8 with three channels, in whole numbers of 32 bits
    separable        where x doesn't depend on the row, nor y on the column (a resize): rows first, then columns
"""

import numpy as np

from ..warp_step import TAPS
from .threads import parallel, scratch

__all__ = ["warp"]

CUBIC = -0.75


def warp(x, steps, size, interpolation):
    N, C, H, W = x.shape
    y = np.empty((N, C, *size), x.dtype)
    whole = whole_windows(steps)

    def part(lo, hi):
        copy_windows(x, y, steps[0], [n for n in range(lo, hi) if whole[n]])
        for n in range(lo, hi):
            if not whole[n]:
                warp_one(x[n], y[n], n, steps, interpolation)

    worth = 1 << 21 if whole.all() else 1 << 16
    parallel(N, part, y.size > worth)
    return y


def warp_one(image, y, n, steps, interpolation):
    """Sample n: (C, H, W) -> y (C, OH, OW)."""
    C, size = len(image), y.shape[1:]
    single = np.float64 if image.dtype == np.float64 else np.float32
    X, Y, lost = source_of(steps, n, size, single)
    if image.dtype == np.uint8 and interpolation == "bilinear":
        X, Y = to_256ths(X), to_256ths(Y)
        if C == 3 and X.shape == Y.shape == size:
            sample_packed(image, X, Y, steps[0], y)
            for step, where in lost:
                for c in range(C):
                    np.copyto(y[c], step.fill[c % len(step.fill)], where=where, casting="unsafe")
            return
        X, Y = X * single(1 / 256), Y * single(1 / 256)
    source = bordered(image, steps[0], single)
    values = scratch("warp values", (C, *size), single)
    sample(source, X, Y, image.shape[1:], interpolation, values)
    for step, where in lost:
        for c in range(C):
            np.copyto(values[c], step.fill[c % len(step.fill)], where=where)
    if image.dtype == np.uint8:
        values += single(0.5)  # halves go up
        if interpolation == "bicubic":
            np.clip(values, 0, 255, out=values)
    np.copyto(y, values, casting="unsafe")  # of uint8, rounds down


# whole windows --------------------------------------------------------------------------------------------------------


def whole_windows(steps):
    """(N,): whose pixels move by whole numbers, perhaps mirrored, with a border that is filled."""
    step = steps[0]
    if len(steps) > 1 or step.kind != "projective" or step.border != "constant":
        return np.zeros(len(step.numbers), bool)
    a, b, c, d, e, f, g, h, i = step.numbers.T
    upright = (np.abs(a) == 1) & (np.abs(e) == 1) & (b == 0) & (d == 0) & (g == 0) & (h == 0) & (i == 1)
    return upright & (c == np.rint(c)) & (f == np.rint(f))


def copy_windows(x, y, step, samples):
    (H, W), (OH, OW) = x.shape[2:], y.shape[2:]
    fill = np.asarray(step.fill, y.dtype).reshape(-1, 1, 1)
    for n, (a, _, c, _, e, f, *_) in zip(samples, step.numbers[samples].astype(int).tolist()):
        to_rows, from_rows, all_rows = window(e, f, OH, H)
        to_columns, from_columns, all_columns = window(a, c, OW, W)
        if not (all_rows and all_columns):
            y[n] = fill
        y[n, :, to_rows, to_columns] = x[n, :, from_rows, from_columns]


def window(sign, offset, out, length):
    """Slices (to, from), and whether `to` is all: pixel j of `out` is pixel sign * j + offset of `length`, where there is one."""
    first, last = (-offset, length - 1 - offset) if sign > 0 else (offset - length + 1, offset)  # of those j
    first, last = max(first, 0), min(last, out - 1)
    if last < first:
        return slice(0, 0), slice(0, 0), False
    whole = first == 0 and last == out - 1
    if sign > 0:
        return slice(first, last + 1), slice(first + offset, last + 1 + offset), whole
    stop = offset - last - 1
    return slice(first, last + 1), slice(offset - first, stop if stop >= 0 else None, -1), whole


# where the pixels come from -------------------------------------------------------------------------------------------


def source_of(steps, n, size, dtype):
    """(X, Y, lost) of sample n: places that broadcast to `size`, and for each step that loses pixels a mask (OH, OW) of these."""
    X = np.arange(size[1], dtype=dtype)[None, :]  # (1, OW)
    Y = np.arange(size[0], dtype=dtype)[:, None]  # (OH, 1)
    lost, gone = [], False
    for step in reversed(steps):
        X, Y = one_step(step, n, X, Y)
        H, W = step.input_size
        if step.border != "constant":
            X, Y = fold(X, W, step.border), fold(Y, H, step.border)
        elif step is steps[0]:  # its fill is around the image: places beyond are brought there, and so is a NaN
            X, Y = (np.fmin(np.fmax(Z, -BEYOND), length - 1 + BEYOND) for Z, length in ((X, W), (Y, H)))
            continue
        inside = ((X >= -0.5) & (X <= W - 0.5)) & ((Y >= -0.5) & (Y <= H - 0.5))  # no NaN is inside
        if not inside.all():
            mask = np.broadcast_to(~inside, size) & ~np.asarray(gone)
            lost.append((step, mask))
            gone = gone | mask
            X, Y = np.where(inside, X, dtype(0)), np.where(inside, Y, dtype(0))
    return X, Y, lost


def one_step(step, n, X, Y):
    numbers = step.numbers[n].astype(X.dtype)
    if step.kind == "projective":
        a, b, c, d, e, f, g, h, i = numbers
        if g == 0 and h == 0:
            a, b, c, d, e, f = numbers[:6] / i
            return line(a, X, b, Y, c), line(e, Y, d, X, f)
        with np.errstate(divide="ignore", invalid="ignore"):
            w = g * X + (h * Y + i)
            return (a * X + (b * Y + c)) / w, (d * X + (e * Y + f)) / w
    if step.kind == "table":
        rows, columns = numbers[: step.output_size[0]], numbers[step.output_size[0] :]
        return on_lines(columns, X), on_lines(rows, Y)
    if step.kind == "lens":
        cx, cy, fx, fy, k = numbers
        u, v = (X - cx) / fx, (Y - cy) / fy
        r2 = u * u + v * v
        longer = 1 + k * r2 + k * r2 * r2
        return cx + fx * u * longer, cy + fy * v * longer
    if numbers[0] == 0:
        return X, Y
    field = step.field[n]
    if (
        X.shape[0] == 1
        and X.shape[1:] == field.shape[2:]
        and Y.shape == (field.shape[1], 1)
        and is_count(X)
        and is_count(Y)
    ):
        return X + numbers[0] * field[0], Y + numbers[0] * field[1]
    return X + numbers[0] * between(field[0], X, Y), Y + numbers[0] * between(field[1], X, Y)


def is_count(places):
    """Whether places are those of the output's pixels themselves."""
    return np.array_equal(places.ravel(), np.arange(places.size))


def line(a, X, b, Y, c):
    """a X + b Y + c; in the shape of X where b is 0."""
    return a * X + (b * Y + c) if b else a * X + c


def on_lines(table, X):
    if len(table) == 1:
        return table[0] + X
    i = np.clip(np.floor(X), 0, len(table) - 2).astype(np.intp)
    return table[i] + (X - i.astype(X.dtype)) * np.diff(table)[i]


def between(values, X, Y):
    H, W = values.shape
    X, Y = np.clip(X, 0, W - 1), np.clip(Y, 0, H - 1)
    i, j = Y.astype(np.intp), X.astype(np.intp)
    below, right = np.minimum(i + 1, H - 1), np.minimum(j + 1, W - 1)
    t, s = X - j.astype(X.dtype), Y - i.astype(Y.dtype)
    upper = values[i, j] + t * (values[i, right] - values[i, j])
    lower = values[below, j] + t * (values[below, right] - values[below, j])
    return upper + s * (lower - upper)


def fold(X, length, border):
    if border == "edge" or length == 1:
        return np.where(np.isinf(X), np.nan, np.clip(X, 0, length - 1))  # infinity is nowhere
    if border == "reflect":
        X = np.abs(X) % X.dtype.type(2 * (length - 1))
        return np.minimum(X, 2 * (length - 1) - X)
    X = np.abs(X + X.dtype.type(0.5)) % X.dtype.type(2 * length)
    return np.minimum(X, 2 * length - X) - X.dtype.type(0.5)


# what is there --------------------------------------------------------------------------------------------------------

BEYOND = 3.0  # how far outside of the image places are at most
BORDER = 5  # pixels around the image: bicubic looks 2 further


def bordered(image, step, dtype):
    """(C, H, W) -> (C, H + 10, W + 10) with the border that the rule asks for."""
    C, H, W = image.shape
    if step.border != "constant":
        return np.pad(image.astype(dtype), ((0, 0), (BORDER, BORDER), (BORDER, BORDER)), step.border)
    result = scratch("warp source", (C, H + 2 * BORDER, W + 2 * BORDER), dtype)
    result[...] = np.asarray(step.fill, dtype).reshape(-1, 1, 1)
    result[:, BORDER:-BORDER, BORDER:-BORDER] = image
    return result


def sample(source, X, Y, image_size, interpolation, values):
    """values[c] = source[c] at the places, interpolated."""
    C, H, W = source.shape
    columns, column_weights = taps(X, interpolation)
    rows, row_weights = taps(Y, interpolation)
    if X.shape[0] == 1 and Y.shape[1] == 1:
        return separable(source, rows[:, 0], columns[0], row_weights, column_weights, values)
    flat = source.reshape(C, -1)
    first = np.broadcast_to(rows * W + columns, values.shape[1:])  # the upper left pixel of those around, (OH, OW)
    pixels = scratch("warp pixels", values.shape[1:], values.dtype)
    pairs = [(i, j, a * b) for i, a in enumerate(row_weights) for j, b in enumerate(column_weights)]
    for c in range(C):
        for i, j, weight in pairs:
            target = values[c] if i == j == 0 else pixels
            np.take(flat[c, i * W + j :], first, out=target, mode="clip")
            target *= weight
            if target is pixels:
                values[c] += pixels


def to_256ths(X):
    """Places of uint8 images are rounded to 1/256 of a pixel, halves up: the sums of the interpolation are exact then."""
    X = X * X.dtype.type(256)
    X += X.dtype.type(0.5)
    return np.floor(X, out=X)


def sample_packed(image, X, Y, step, y):
    """Bilinear sampling of uint8 (3, H, W) in whole numbers, all channels at once. X and Y (OH, OW) are in 256ths."""
    words, W = packed(image, step)
    u = np.uint32
    X = (X + X.dtype.type(256 * BORDER)).astype(np.int32).view(u)  # positive now
    Y = (Y + Y.dtype.type(256 * BORDER)).astype(np.int32).view(u)
    right, below = X & u(255), Y & u(255)  # the weights, in 256ths, of the pixels to the right and below
    X >>= u(8)
    Y >>= u(8)
    Y *= u(W)
    Y += X
    first = Y.astype(np.intp)
    left, above = u(256) - right, u(256) - below
    one, other = scratch("warp taps", (2, *first.shape), u)
    lines = []
    for row in (0, W):
        np.take(words[row:], first, out=one, mode="clip")
        np.take(words[row + 1 :], first, out=other, mode="clip")
        # channels 0 and 2 at once: 16 bits are enough for 255 * 256
        both = (one & u(0xFF00FF)) * left
        both += (other & u(0xFF00FF)) * right
        one >>= u(8)
        one &= u(0xFF)
        one *= left
        other >>= u(8)
        other &= u(0xFF)
        other *= right
        lines.append((both & u(0xFFFF), one + other, both >> u(16)))
    for c, (upper, lower) in enumerate(zip(*lines)):
        upper *= above
        lower *= below
        upper += lower
        upper += u(1 << 15)  # halves go up
        upper >>= u(16)
        y[c] = upper


def packed(image, step):
    """(words, W): a uint32 for each pixel of the bordered image, row by row, which holds its three bytes; the width."""
    C, H, W = image.shape
    pixels = scratch("warp packed", (H + 2 * BORDER, W + 2 * BORDER, 4), np.uint8)
    words = pixels.view(np.uint32)[..., 0]
    if step.border == "constant":
        fill = np.broadcast_to(np.asarray(step.fill, np.uint8), (C,))
        words[...] = np.append(fill, np.uint8(0)).view(np.uint32)[0]
        for c in range(C):
            pixels[BORDER:-BORDER, BORDER:-BORDER, c] = image[c]
    else:
        words[...] = 0
        for c in range(C):
            pixels[:, :, c] = np.pad(image[c], BORDER, step.border)
    return words.ravel(), W + 2 * BORDER


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


def separable(source, rows, columns, row_weights, column_weights, values):
    """Rows (OH,) and columns (OW,) with their weights, (OH, 1) and (1, OW) each: two passes along one axis each."""
    lines = sum(source[:, rows + i] * weight for i, weight in enumerate(row_weights))  # (C, OH, W)
    values[...] = sum(lines[:, :, columns + j] * weight for j, weight in enumerate(column_weights))
