"""Sampling images at the places where a chain of coordinate maps leads, in NumPy.

Some samples at a time: the places of all their pixels at once (warp_places.py), then the pixels around them (warp_pixels.py). Two
special cases are far cheaper, and common:

    whole windows    crops, padding and mirroring move each pixel by whole numbers: slices are copied
    upright          where x doesn't depend on the row, nor y on the column (a resize): a sum of rows, then of columns

A sample's pixels don't depend on the others, to the last bit: which case it is, is asked of each sample by itself.
"""

import numpy as np

from .threads import chunks, parallel, scratch
from .warp_pixels import Sampler
from .warp_places import picked, source_of

__all__ = ["warp"]

TOGETHER = 1 << 19  # bytes of the places x of samples that are worked on at a time: 2 of 224 x 224, 128 of 32 x 32


def warp(x, steps, size, interpolation):
    N, C, H, W = x.shape
    y = np.empty((N, C, *size), x.dtype)
    windows, whole = whole_windows(steps)
    upright, same = are_upright(steps), are_same(steps)
    single = np.float64 if x.dtype == np.float64 else np.float32

    def places(samples):
        X, Y, lost = source_of(steps, samples, size, single)
        return Sampler(X, Y, interpolation, x), lost

    def part(lo, hi):
        copy_windows(x, y, windows, steps[0].fill, lo + np.flatnonzero(whole[lo:hi]))
        for kind in (upright, ~upright):
            samples = lo + np.flatnonzero(kind[lo:hi] & ~whole[lo:hi])
            for a, b in chunks(0, len(samples), size[0] * size[1] * np.dtype(single).itemsize, TOGETHER):
                if a == 0 or not same:
                    sampler, lost = places(samples[:1] if same else samples[a:b])
                warp_some(x, y, samples[a:b], steps[0], sampler, lost)

    worth = 1 << 21 if whole.all() else 1 << 19
    parallel(N, part, y.size > worth)
    return y


def warp_some(x, y, samples, step, sampler, lost):
    """The numbered samples of x (N, C, H, W), into y (N, C, OH, OW)."""
    own = picked(samples)
    view = isinstance(own, slice)
    out = y[own] if view else scratch("warp out", (len(samples), *y.shape[1:]), y.dtype)
    sampler(x[own], step, out)
    for step, where in lost:
        for c in range(x.shape[1]):
            np.copyto(out[:, c], step.fill[c % len(step.fill)], where=where, casting="unsafe")
    if not view:
        y[own] = out


def are_same(steps):
    """Whether the steps do the same to all samples."""
    return all(
        step.applies().all() and step.field is None and (step.numbers == step.numbers[:1]).all() for step in steps
    )


def are_upright(steps):
    """(N,): of which samples x doesn't depend on the row, nor y on the column."""
    result = np.ones(len(steps[0].numbers), bool)
    for step in steps:
        if step.kind == "projective":
            result &= (step.numbers[:, [1, 3, 6, 7]] == 0).all(axis=1) | ~step.applies()
        elif step.kind != "table":
            result &= ~step.applies()
    return result


# whole windows --------------------------------------------------------------------------------------------------------


def whole_windows(steps):
    """(numbers (N, 9), whole (N,)): whose pixels move by whole numbers, perhaps mirrored, with a border that is filled."""
    first, *others = steps
    still = np.tile(np.eye(3).ravel(), (len(first.numbers), 1))
    numbers = np.where(first.applies()[:, None], first.numbers, still) if first.kind == "projective" else still
    a, b, c, d, e, f, g, h, i = numbers.T
    whole = (np.abs(a) == 1) & (np.abs(e) == 1) & (b == 0) & (d == 0) & (g == 0) & (h == 0) & (i == 1)
    whole &= (c == np.rint(c)) & (f == np.rint(f))
    if first.kind != "projective" or first.border != "constant":
        whole &= ~first.applies()
    return numbers, whole & ~np.any([step.applies() for step in others], axis=0) if others else whole


def copy_windows(x, y, numbers, fill, samples):
    """The numbered samples of x into y; `numbers` are those of one step."""
    if not len(samples):
        return
    fill = np.asarray(fill, y.dtype).reshape(-1, 1, 1)
    numbers = numbers[samples]
    other = (numbers[1:] != numbers[:-1]).any(axis=1) | (np.diff(samples) != 1)
    first = np.flatnonzero(np.append(True, other))  # of those that follow each other and move alike: these go together
    last = np.append(first[1:], len(samples)) - 1
    a, _, c, _, e, f, *_ = numbers[first].T.astype(int)
    columns, rows = window(a, c, y.shape[3], x.shape[3]), window(e, f, y.shape[2], x.shape[2])
    for begin, end, left, right, j, upper, lower, i, down, along in zip(
        *map(np.ndarray.tolist, (samples[first], samples[last] + 1, *columns, *rows, e, a))
    ):
        n = slice(begin, end)
        if (upper, lower, left, right) != (0, y.shape[2], 0, y.shape[3]):
            y[n] = fill
        to = y[n, :, upper:lower, left:right]
        source = x[n, :, ::down][:, :, i : i + lower - upper]
        if along > 0:
            to[...] = source[..., j : j + right - left]
        else:
            j = x.shape[3] - j  # counted from the left again
            copy_mirrored(source[..., j - (right - left) : j], to)


def window(sign, offset, out, length):
    """(first, last, source), (n,) each: pixels first to last, not included, of `out` are those from `source` on of `length`.

    Pixel j is pixel sign * j + offset; where the sign is -1, `source` counts from the other end.
    """
    offset = np.where(sign > 0, offset, length - 1 - offset)
    first, last = np.clip(-offset, 0, out), np.clip(length - offset, 0, out)
    return first, last, np.where(first < last, first + offset, 0)


def copy_mirrored(source, to):
    """Pixels of one byte are mirrored by eights: a number whose bytes are read in the other order."""
    rest = source.shape[-1] % 8
    if source.dtype == np.uint8 and source.strides[-1] == 1 and source.shape[-1] >= 16 and source.size > 1 << 14:
        to[..., : to.shape[-1] - rest].view("<u8")[...] = source[..., rest:].view(">u8")[..., ::-1]
        source, to = source[..., :rest], to[..., to.shape[-1] - rest :]
    to[...] = source[..., ::-1]
