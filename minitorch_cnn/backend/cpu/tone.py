"""Tone curves in NumPy. Looking 8 bits up in a table costs as much as six passes of arithmetic, so only what needs it does."""

import numpy as np

from .threads import chunks, parallel, scratch

__all__ = ["autocontrast", "equalize", "look_up", "posterize", "power", "solarize"]

_WORTH = 1 << 18  # values from which a second thread pays
_CACHE = 1 << 20  # bytes that are worked on at a time


def work(x, part, bytes_each):
    """part(a, b) for some samples at a time, so that what it makes of them stays in the cache."""

    def samples(lo, hi):
        for a, b in chunks(lo, hi, bytes_each, _CACHE):
            part(a, b)

    parallel(len(x), samples, x.size > _WORTH)


def rows_of(x):
    """(N, C, H, W) as (N, C, L)."""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], -1)


def look_up(x, tables):
    y = np.empty(x.shape, x.dtype)
    shape = *tables.shape[:-1], -1
    levels, out = np.ascontiguousarray(x).reshape(shape), y.reshape(shape)  # (N, C*L), or (N, C, L)

    def part(a, b):
        np.take(tables[a:b], places(levels[a:b]), out=out[a:b], mode="clip")

    work(x, part, x[0].size * 8)
    return y


def places(levels):
    """Where the levels (..., L) are in as many tables of 256: (..., L) in scratch memory."""
    index = scratch("tone places", levels.shape, np.intp)
    np.copyto(index, levels)
    tables = levels.shape[:-1]
    index += 256 * np.arange(np.prod(tables)).reshape(*tables, 1)
    return index


def power(x, exponent):
    y = np.empty(x.shape, x.dtype)
    exponent = exponent.astype(x.dtype)[:, None, None, None]
    kept = exponent.ravel() == 1

    def part(a, b):
        np.maximum(x[a:b], 0, out=y[a:b])
        np.power(y[a:b], exponent[a:b], out=y[a:b])
        keep(x[a:b], y[a:b], kept[a:b])

    work(x, part, x[0].nbytes)
    return y


def keep(x, y, kept):
    """The samples that are `kept`, copied from x to y."""
    if kept.any():
        y[kept] = x[kept]


def posterize(x, bits, applied):
    y = np.empty(x.shape, x.dtype)
    bits = bits[:, None, None, None].astype(np.int64)
    levels = (2**bits).astype(np.int64 if x.dtype == np.uint8 else x.dtype)
    mask = (256 - (256 >> bits)).astype(np.uint8)  # its upper bits

    def part(a, b):
        if x.dtype == np.uint8:
            np.bitwise_and(x[a:b], mask[a:b], out=y[a:b])
        else:
            np.multiply(x[a:b], levels[a:b], out=y[a:b])
            np.floor(y[a:b], out=y[a:b])
            np.clip(y[a:b], 0, levels[a:b] - 1, out=y[a:b])
            y[a:b] /= levels[a:b]
        keep(x[a:b], y[a:b], ~applied[a:b])

    work(x, part, x[0].nbytes)
    return y


def solarize(x, threshold, applied):
    y = np.empty(x.shape, x.dtype)
    kept = ~applied
    if x.dtype == np.uint8:
        least = np.ceil(threshold)  # the first level to turn over
        kept = kept | (least > 255)
        threshold = np.clip(least, 0, 255)
    threshold = threshold.astype(x.dtype)[:, None, None, None]

    def part(a, b):
        over = scratch("tone over", (b - a, *x.shape[1:]), np.bool_)
        np.greater_equal(x[a:b], threshold[a:b], out=over)
        if x.dtype == np.uint8:
            np.negative(over.view(np.uint8), out=y[a:b])  # 255 where over
            y[a:b] ^= x[a:b]
        else:  # over * (1 - x) + (1 - over) * x
            other = scratch("tone other", over.shape, x.dtype)
            np.subtract(1, x[a:b], out=y[a:b])
            y[a:b] *= over
            np.multiply(x[a:b], ~over, out=other)
            y[a:b] += other
        keep(x[a:b], y[a:b], kept[a:b])

    work(x, part, x[0].nbytes)
    return y


def autocontrast(x, applied):
    N, C, H, W = x.shape
    rows = rows_of(x)
    y = np.empty(rows.shape, x.dtype)
    whole = x.dtype == np.uint8
    real = np.float64 if x.dtype == np.float64 else np.float32

    def part(a, b):
        least, most = (v.astype(real)[:, :, None] for v in (rows[a:b].min(2), rows[a:b].max(2)))  # (n, C, 1)
        plain = (least == most) | ~applied[a:b, None, None]
        values = scratch("tone values", (b - a, C, H * W), real) if whole else y[a:b]
        np.copyto(values, rows[a:b])
        values -= least
        values *= 255 if whole else 1
        values /= np.where(plain, 1, most - least)
        np.copyto(y[a:b], values, casting="unsafe")
        keep(rows[a:b].reshape(-1, H * W), y[a:b].reshape(-1, H * W), plain.ravel())

    work(x, part, C * H * W * np.dtype(real).itemsize)
    return y.reshape(x.shape)


def equalize(x, applied):
    N, C, H, W = x.shape
    rows = rows_of(x)
    y = np.empty(rows.shape, x.dtype)

    def part(a, b):
        index = places(rows[a:b] if x.dtype == np.uint8 else in_levels(rows[a:b]))  # (n, C, L)
        count = np.bincount(index.ravel(), minlength=(b - a) * C * 256).reshape(b - a, C, 256)
        tables = equalizing_tables(count).astype(x.dtype)
        if x.dtype != np.uint8:
            tables /= 255
        np.take(tables, index, out=y[a:b], mode="clip")
        keep(rows[a:b], y[a:b], ~applied[a:b])

    work(x, part, C * H * W * 8)
    return y.reshape(x.shape)


def in_levels(values):
    """0 to 1 in the levels of uint8."""
    scaled = values * values.dtype.type(255.999)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def equalizing_tables(count):
    """(..., 256) new levels from how many pixels have each; see the reference."""
    up_to = np.cumsum(count, axis=-1)
    total = up_to[..., -1:]
    brightest = np.argmax(up_to == total, axis=-1)[..., None]
    step = (total - np.take_along_axis(count, brightest, axis=-1)) // 255
    tables = (up_to - count + step // 2) // np.maximum(step, 1)
    return np.where(step == 0, np.arange(256), np.minimum(tables, 255))
