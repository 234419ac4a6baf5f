"""Tone curves: each pixel's new value depends on its old one, and perhaps on how often the values occur in its channel."""

import numpy as np

__all__ = ["autocontrast", "equalize", "look_up", "posterize", "power", "solarize"]


def look_up(x, tables):
    N, C, H, W = x.shape
    y = np.empty_like(x)
    for n, c, i, j in np.ndindex(x.shape):
        table = tables[n] if tables.ndim == 2 else tables[n, c]
        y[n, c, i, j] = table[x[n, c, i, j]]
    return y


def power(x, exponent):
    y = x.copy()
    for n in range(len(x)):
        if exponent[n] != 1:
            for c, i, j in np.ndindex(x.shape[1:]):
                y[n, c, i, j] = max(x[n, c, i, j], 0) ** x.dtype.type(exponent[n])
    return y


def posterize(x, bits, applied):
    y = x.copy()
    for n in np.flatnonzero(applied):
        levels = 2 ** int(bits[n])
        for c, i, j in np.ndindex(x.shape[1:]):
            if x.dtype == np.uint8:
                y[n, c, i, j] = int(x[n, c, i, j]) * levels // 256 * (256 // levels)
            else:
                y[n, c, i, j] = min(max(np.floor(x[n, c, i, j] * levels), 0), levels - 1) / levels
    return y


def solarize(x, threshold, applied):
    top = 255 if x.dtype == np.uint8 else 1
    y = x.copy()
    for n in np.flatnonzero(applied):
        least = threshold[n] if x.dtype == np.uint8 else x.dtype.type(threshold[n])
        for c, i, j in np.ndindex(x.shape[1:]):
            if x[n, c, i, j] >= least:
                y[n, c, i, j] = top - x[n, c, i, j]
    return y


def autocontrast(x, applied):
    real = np.float64 if x.dtype == np.float64 else np.float32
    top = 255 if x.dtype == np.uint8 else 1
    y = x.copy()
    for n in np.flatnonzero(applied):
        for c in range(x.shape[1]):
            least, most = real(x[n, c].min()), real(x[n, c].max())
            for i, j in np.ndindex(x.shape[2:]):
                if least < most:
                    y[n, c, i, j] = (real(x[n, c, i, j]) - least) * real(top) / (most - least)  # uint8: rounded down
    return y


def equalize(x, applied):
    y = x.copy()
    for n in np.flatnonzero(applied):
        for c in range(x.shape[1]):
            levels = x[n, c] if x.dtype == np.uint8 else in_levels(x[n, c])
            count = [0] * 256
            for level in levels.flat:
                count[level] += 1
            table = equalizing_table(count)
            for i, j in np.ndindex(x.shape[2:]):
                level = table[levels[i, j]]
                y[n, c, i, j] = level if x.dtype == np.uint8 else x.dtype.type(level) / x.dtype.type(255)
    return y


def in_levels(values):
    """0 to 1 in the levels of uint8."""
    scaled = values * values.dtype.type(255.999)
    return np.floor(np.minimum(np.maximum(scaled, 0), 255)).astype(np.uint8)


def equalizing_table(count):
    """The new level of each, from how many pixels have it: level i goes to the share of the pixels that are below it.

    The brightest pixels aren't counted, so that they go to 255.
    """
    brightest = max(level for level in range(256) if count[level])
    step = (sum(count) - count[brightest]) // 255  # pixels for each new level
    if step == 0:
        return list(range(256))
    table, below = [], 0
    for level in range(256):
        table.append(min((below + step // 2) // step, 255))
        below += count[level]
    return table
