"""Filters with weights of their own for each image, in NumPy: sums of shifted images.

Each image gets a mirrored border first. Then a shift by rows and columns is a shift by one number in memory, and NumPy adds up
whole blocks of memory in one loop; what it makes of the border is left out at the end.
"""

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["blur", "filter2d", "sharpen"]


def blur(x, rows, columns, applied):
    N, C, H, W = x.shape
    r, s = rows.shape[1] // 2, columns.shape[1] // 2
    HP, WP = H + 2 * r, W + 2 * s
    y, which, single = outset(x, applied)
    finer = 16 if x.dtype == np.uint8 else 1  # the sums down the columns are rounded to 1/16
    down, along = (finer * rows).astype(single), (columns / finer).astype(single)

    def part(lo, hi):
        for a, b in chunks(lo, hi, 3 * C * HP * WP * single.itemsize):
            n = which[a:b]
            wide = with_border(x[n], r, s, single)  # (n, C, HP, WP)
            half, term = (scratch(f"blur {name}", (b - a, C * H * WP), single) for name in ("half", "term"))
            planes = wide.reshape(b - a, C, HP * WP), *(z.reshape(b - a, C, H * WP) for z in (half, term))
            symmetric_sum(down[n], WP, *planes)  # the next row is WP on
            if x.dtype == np.uint8:
                np.rint(half, out=half)

            total = wide.reshape(b - a, -1)[:, : C * H * WP]  # the input isn't needed any more
            inner, term = (z[:, None, : C * H * WP - 2 * s] for z in (total, term))
            symmetric_sum(along[n], 1, half[:, None], inner, term)
            if x.dtype == np.uint8:
                np.rint(inner, out=inner)
            y[n] = total.reshape(b - a, C, H, WP)[..., :W]

    parallel(len(which), part, len(which) * x[0].size > 1 << 16)
    return y


def symmetric_sum(weights, step, x, total, term):
    """total[..., i] = the sum over k of weights[:, k] * x[..., i + k * step]; the weights are the same from both ends.

    weights (n, size), x (n, m, some), total (n, m, fewer); `term` is room like total.
    """
    size, length = weights.shape[1], total.shape[2]
    shifted = [x[..., k * step :][..., :length] for k in range(size)]
    weights = weights[:, :, None, None]  # weights[:, k] is (n, 1, 1)
    np.multiply(shifted[size // 2], weights[:, size // 2], out=total)
    for k in range(size // 2):
        if weights[:, k].any():  # in uint8, most of those of a small sigma are 0
            np.add(shifted[k], shifted[-1 - k], out=term)
            np.multiply(term, weights[:, k], out=term)
            np.add(total, term, out=total)


def filter2d(x, kernels, applied):
    N, C, H, W = x.shape
    KH, KW = kernels.shape[1:]
    HP, WP = H + KH - 1, W + KW - 1
    y, which, single = outset(x, applied)
    length = (C * HP - KH + 1) * WP - KW + 1  # from the first pixel's window to the last one's, in memory

    def part(lo, hi):
        for n in which[lo:hi]:
            flat = with_border(x[n : n + 1], KH // 2, KW // 2, single).reshape(-1)
            total, term = (scratch(name, (C * HP * WP,), single) for name in ("filter total", "filter term"))
            inner, term = total[:length], term[:length]
            inner.fill(0)
            for u, v in np.argwhere(kernels[n]).tolist():  # weights of 0 cost nothing
                np.multiply(flat[u * WP + v :][:length], single.type(kernels[n, u, v]), out=term)
                np.add(inner, term, out=inner)
            if x.dtype == np.uint8:
                np.rint(inner, out=inner)
                np.clip(inner, 0, 255, out=inner)
            np.copyto(y[n], total.reshape(C, HP, WP)[:, :H, :W], casting="unsafe")

    parallel(len(which), part, len(which) * x[0].size > 1 << 16)
    return y


def sharpen(x, factors):
    N, C, H, W = x.shape
    if min(H, W) < 3:
        return x.copy()
    y, which, single = outset(x, factors != 1)
    less = (1 - factors).astype(single)[:, None]
    most = 255 if x.dtype == np.uint8 else 1
    count = C * H * W
    near, nine = count - 2 * W, count - 2 * W - 2  # how many have a row on either side, and a pixel on either side too

    def part(lo, hi):
        for a, b in chunks(lo, hi, 3 * count * single.itemsize):
            n = which[a:b]
            image, three, smooth = (scratch(f"sharpen {k}", (b - a, count), single) for k in range(3))
            own = x[n]
            np.copyto(image, own.reshape(b - a, count))
            middle = image[:, W + 1 : -W - 1]
            three, smooth = three[:, :near], smooth[:, :nine]
            np.add(image[:, :near], image[:, 2 * W :], out=three)  # the sum of three rows, then of three columns
            np.add(three, image[:, W:-W], out=three)
            np.add(three[:, :-2], three[:, 2:], out=smooth)
            np.add(smooth, three[:, 1:-1], out=smooth)
            four = np.multiply(middle, single.type(4), out=three[:, 1:-1])  # the middle one has weight 5
            np.add(smooth, four, out=smooth)
            np.multiply(smooth, single.type(1 / 13), out=smooth)
            if x.dtype == np.uint8:
                np.rint(smooth, out=smooth)
            np.subtract(smooth, middle, out=smooth)
            np.multiply(smooth, less[n], out=smooth)
            np.add(middle, smooth, out=middle)
            np.clip(middle, 0, most, out=middle)
            around = image.reshape(b - a, C, H, W)
            around[:, :, [0, -1]], around[..., [0, -1]] = own[:, :, [0, -1]], own[..., [0, -1]]  # these stay
            y[n] = around  # uint8: cut off

    parallel(len(which), part, len(which) * count > 1 << 16)
    return y


def outset(x, applied):
    """An output that holds what stays, the numbers of the samples that don't, and the dtype to compute in."""
    y = np.empty_like(x, order="C") if applied.all() else x.copy()
    return y, np.flatnonzero(applied), np.dtype(np.float64 if x.dtype == np.float64 else np.float32)


def with_border(images, r, s, dtype):
    """(n, C, H, W) -> (n, C, H + 2r, W + 2s), mirrored about the middle of the outermost pixels; the memory is scratch's."""
    n, C, H, W = images.shape
    wide = scratch("filter wide", (n, C, H + 2 * r, W + 2 * s), dtype)
    np.copyto(wide[:, :, r : r + H, s : s + W], images)
    columns, rows = np.r_[-s:0, W : W + s], np.r_[-r:0, H : H + r]  # those outside
    wide[:, :, r : r + H, s + columns] = wide[:, :, r : r + H, s + mirrored(columns, W)]
    wide[:, :, r + rows] = wide[:, :, r + mirrored(rows, H)]
    return wide


def mirrored(places, length):
    """Places on a line, those outside of it mirrored about the middle of the outermost ones."""
    if length == 1:
        return np.zeros_like(places)
    places = np.abs(places) % (2 * (length - 1))
    return np.minimum(places, 2 * (length - 1) - places)
