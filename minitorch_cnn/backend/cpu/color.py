"""Colour jitter, and channels lightened and exchanged, in NumPy. What the steps are says color_step.py.

Some images at a time are worked on in float, in place, while they are in the cache. Those that have the same step to come are
changed together: at 32 x 32 a call for each image would cost more than its arithmetic.
"""

import numpy as np

from ..color_step import GREY, NEUTRAL, UP
from .threads import chunks, parallel, scratch

__all__ = ["add_to_channels", "color_jitter", "normalize", "permute_channels"]

_WORTH = 1 << 20  # values to change, from which a second thread pays
_CACHE = 1 << 21  # bytes of floats that are worked on at a time: 3 images of 224 x 224, 170 of 32 x 32


def color_jitter(x, factors, order):
    N, C, H, W = x.shape
    whole = x.dtype == np.uint8
    real = np.float64 if x.dtype == np.float64 else np.float32
    x = np.ascontiguousarray(x).reshape(N, C, H * W)
    y = np.empty(x.shape, x.dtype)
    active = (factors != NEUTRAL)[np.arange(N)[:, None], order]
    steps = np.where(active, order, -1)  # (N, 4), -1 is none: these are put behind the others, so that samples meet
    steps = np.take_along_axis(steps, np.argsort(~active, axis=1, kind="stable"), axis=1)
    factors = factors.astype(real)

    def part(lo, hi):
        for a, b in chunks(lo, hi, C * H * W * np.dtype(real).itemsize, _CACHE):
            images = scratch("color images", (b - a, C, H * W), real) if whole else y[a:b]
            np.copyto(images, x[a:b])
            changed = False
            for step, members in groups(steps[a:b]):
                own = factors[a:b, step][members][:, None]  # (n, 1)
                some = images[members]
                if changed and whole:
                    np.floor(some, out=some)
                CHANGE[step](some, own, 255 if whole else 1, W)
                if not isinstance(members, slice):  # `some` is a copy
                    images[members] = some
                changed = True
            if whole:
                np.copyto(y[a:b], images, casting="unsafe")  # rounds down

    parallel(N, part, np.count_nonzero(active) * C * H * W > _WORTH)
    return y.reshape(N, C, H, W)


def groups(steps):
    """(step, members) in the order of work, from the samples' steps (n, 4); members are a slice where they can be."""
    for column in steps.T:
        for step in set(column.tolist()) - {-1}:
            members = np.flatnonzero(column == step)
            first, last = members[0], members[-1] + 1
            yield step, slice(first, last) if len(members) == last - first else members


# in place, on images (n, C, L) with a factor (n, 1) for each -----------------------------------------------------------


def brightness(images, factor, top, W):
    images *= factor[:, None]
    settle(images, factor, top)


def contrast(images, factor, top, W):
    n, C, L = images.shape
    grey = grey_of(images, top)
    rows = grey.reshape(n, -1, W) @ np.ones(W, grey.dtype)  # whole numbers stay exact: 255 * W is small
    mean = rows.sum(1, dtype=np.float64).astype(grey.dtype)[:, None] / grey.dtype.type(L)  # (n, 1)
    images *= factor[:, None]
    images += ((1 - factor) * mean)[:, None]
    settle(images, factor, top)


def saturation(images, factor, top, W):
    grey = grey_of(images, top)
    grey *= 1 - factor
    images *= factor[:, None]
    images += grey[:, None]  # (n, 1, L)
    settle(images, factor, top)


def hue(images, shift, top, W):
    red, green, blue = images[:, 0], images[:, 1], images[:, 2]
    high, low, span, h = scratch("color planes", (4, *red.shape), images.dtype)
    # the hue by sorting: green and blue change places, then red and green, until red is the largest and green not below blue
    first = green < blue
    np.maximum(green, blue, out=high)
    np.minimum(green, blue, out=low)
    second = red < high
    np.minimum(red, high, out=h)
    np.maximum(red, high, out=high)
    np.subtract(h, low, out=span)  # so far, sorted green - blue
    np.minimum(h, low, out=low)
    high -= low
    np.add(high, images.dtype.type(1e-30), out=h)  # nothing, but never 0
    np.divide(span, h, out=h)
    h += sector(first, second)
    np.abs(h, out=h)
    span, other = high, span
    h += 6 * shift
    np.divide(h, 6, out=other)
    np.floor(other, out=other)
    other *= 6
    h -= other
    for channel, middle in ((red, 3), (green, 2), (blue, 4)):
        np.subtract(h, middle, out=other)
        np.abs(other, out=other)
        if channel is red:
            other -= 1
        else:
            np.subtract(2, other, out=other)
        np.clip(other, 0, 1, out=other)
        other *= span
        np.add(other, low, out=channel)
    if top == 255:
        images *= images.dtype.type(UP)


def sector(first, second):
    """What is added to (green - blue) / span of the sorted channels; the hue is the amount of the sum, in sixths."""
    first, second = first.view(np.int8), second.view(np.int8)
    both = first & second
    both *= 12
    both -= 6 * first  # red is the largest, and blue more than green: 6 - the fraction
    both -= 2 * second  # green is: 2 - the fraction; blue is: 4 + the fraction
    return both


CHANGE = (brightness, contrast, saturation, hue)


def grey_of(images, top):
    """(n, C, L) -> (n, L), in scratch memory."""
    n, C, L = images.shape
    grey, other = scratch("color grey", (2, n, L), images.dtype)
    if C == 1:
        np.copyto(grey, images[:, 0])
        return grey
    weights = np.array(GREY, images.dtype)
    np.multiply(images[:, 0], weights[0], out=grey)
    for c in (1, 2):
        np.multiply(images[:, c], weights[c], out=other)
        grey += other
    return np.floor(grey, out=grey) if top == 255 else grey


def settle(images, factor, top):
    """Cut to what is possible; uint8 with a factor up to 1 is between two possible values already."""
    if top == 1 or not factor.max() <= 1:
        np.clip(images, 0, top, out=images)


# channels --------------------------------------------------------------------------------------------------------------


def add_to_channels(x, amount):
    N, C, H, W = x.shape
    x = np.ascontiguousarray(x).reshape(N, C, H * W)
    y = np.empty(x.shape, x.dtype)
    whole = x.dtype == np.uint8
    amount = amount[:, :, None]  # (N, C, 1)
    amount = np.clip(np.rint(amount), -255, 255).astype(np.int16) if whole else amount.astype(x.dtype)
    kept = ~amount.any(axis=(1, 2))

    def part(lo, hi):
        for a, b in chunks(lo, hi, C * H * W * amount.itemsize, _CACHE):
            sums = scratch("color sums", (b - a, C, H * W), np.int16) if whole else y[a:b]
            np.copyto(sums, x[a:b])
            sums += amount[a:b]
            np.clip(sums, 0, 255 if whole else 1, out=sums)
            if whole:
                np.copyto(y[a:b], sums, casting="unsafe")
            elif kept[a:b].any():
                y[a:b][kept[a:b]] = x[a:b][kept[a:b]]

    parallel(N, part, x.size > _WORTH)
    return y.reshape(N, C, H, W)


def permute_channels(x, order):
    return x[np.arange(len(x))[:, None], order]


def normalize(x, scale, shift):
    N, C, H, W = x.shape
    rows = np.ascontiguousarray(x).reshape(N, C, H * W)
    y = np.empty(rows.shape, np.float64 if x.dtype == np.float64 else np.float32)
    scale, shift = scale.astype(y.dtype)[:, :, None], shift.astype(y.dtype)[:, :, None]  # (N, C, 1)

    def part(lo, hi):
        for a, b in chunks(lo, hi, C * H * W * y.itemsize, _CACHE):
            out = y[a:b]
            np.copyto(out, rows[a:b])
            out *= scale[a:b]
            out += shift[a:b]

    parallel(N, part, x.size > _WORTH)
    return y.reshape(N, C, H, W)
