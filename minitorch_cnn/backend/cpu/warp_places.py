"""Where the pixels of some samples come from: a chain of coordinate maps, walked backwards, for all of them at once.

Places are a pair X, Y that broadcasts to (n, OH, OW). They begin as (1, 1, OW) and (1, OH, 1), and stay that small as long as x
doesn't depend on the row, nor y on the column.
"""

import numpy as np

__all__ = []

BEYOND = 3.0  # how far outside of the image places are at most


def source_of(steps, samples, size, dtype):
    """(X, Y, lost): places of the numbered samples, and for each step that loses pixels a mask (n, OH, OW) of these."""
    X = np.arange(size[1], dtype=dtype)[None, None, :]
    Y = np.arange(size[0], dtype=dtype)[None, :, None]
    lost, gone = [], False
    for step in reversed(steps):
        (H, W), applied = step.input_size, step.applies()[samples][:, None, None]
        if applied.any():
            before = X, Y
            X, Y = one_step(step, samples, X, Y)
            if step.border != "constant":
                X, Y = fold(X, W, step.border), fold(Y, H, step.border)
            if not applied.all():
                X, Y = (np.where(applied, new, old) for new, old in zip((X, Y), before))
        if step is steps[0] and step.border == "constant":
            # its fill is around the image: places beyond are brought there, and so is a NaN
            X, Y = within(X, W), within(Y, H)
            continue
        # by axis, so that X and Y stay as small as they are; no NaN is inside
        inside_x = ((X >= -0.5) & (X <= W - 0.5)) | ~applied
        inside_y = ((Y >= -0.5) & (Y <= H - 0.5)) | ~applied
        if not (inside_x.all() and inside_y.all()):
            mask = np.broadcast_to(~(inside_x & inside_y), (len(samples), *size)) & ~np.asarray(gone)
            lost.append((step, mask))
            gone = gone | mask
            X, Y = np.where(inside_x, X, dtype(0)), np.where(inside_y, Y, dtype(0))
    return X, Y, lost


def one_step(step, samples, X, Y):
    """Where (X, Y) of the step's output lie in its input, for the numbered samples."""
    numbers = step.numbers[samples].astype(X.dtype)[:, :, None, None]  # numbers[:, k] is (n, 1, 1)
    if step.kind == "projective":
        return project(numbers, X, Y)
    if step.kind == "table":
        table = numbers[:, :, 0, 0]
        return on_lines(table[:, step.output_size[0] :], X), on_lines(table[:, : step.output_size[0]], Y)
    if step.kind == "lens":
        cx, cy, fx, fy, k = numbers.swapaxes(0, 1)
        u, v = (X - cx) / fx, (Y - cy) / fy
        r2 = u * u + v * v
        longer = 1 + k * r2 + k * r2 * r2
        return cx + fx * u * longer, cy + fy * v * longer
    H, W = step.output_size
    field = step.field[picked(samples)]  # (n, 2, H, W)
    if is_count(X, (1, 1, W)) and is_count(Y, (1, H, 1)):
        return X + numbers[:, 0] * field[:, 0], Y + numbers[:, 0] * field[:, 1]
    return X + numbers[:, 0] * between(field[:, 0], X, Y), Y + numbers[:, 0] * between(field[:, 1], X, Y)


def picked(samples):
    """The index of the numbered samples: a slice where they follow each other, which is no copy."""
    first, last = samples[0], samples[-1]
    return slice(first, last + 1) if last - first == len(samples) - 1 else samples


def project(numbers, X, Y):
    horizon = (numbers[:, 6:8] != 0).any(axis=1, keepdims=True)  # (n, 1, 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = np.where(horizon, numbers, numbers / numbers[:, 8:])
        a, b, c, d, e, f, g, h, i = numbers.swapaxes(0, 1)
        X, Y, w = line(a, X, b, Y, c), line(e, Y, d, X, f), line(g, X, h, Y, i) if horizon.any() else None
        return (X, Y) if w is None else (X / w, Y / w)  # w is 1 where there is no horizon


def line(a, X, b, Y, c):
    """a X + b Y + c; in the shape of X where b is 0."""
    return a * X + (b * Y + c) if b.any() else a * X + c


def on_lines(table, X):
    """Each sample's table (n, L) at its X, on straight lines between the entries."""
    n, L = table.shape
    if L == 1:
        return table[:, :, None] + X
    i = np.clip(np.floor(X), 0, L - 2).astype(np.intp)
    which = np.arange(n)[:, None, None]
    return table[which, i] + (X - i.astype(X.dtype)) * np.diff(table)[which, i]


def between(values, X, Y):
    """Each sample's values (n, H, W) at its places, bilinear; outside, the nearest ones."""
    n, H, W = values.shape
    which = np.arange(n)[:, None, None]
    X, Y = np.clip(X, 0, W - 1), np.clip(Y, 0, H - 1)
    i, j = Y.astype(np.intp), X.astype(np.intp)
    below, right = np.minimum(i + 1, H - 1), np.minimum(j + 1, W - 1)
    t, s = X - j.astype(X.dtype), Y - i.astype(Y.dtype)
    upper = values[which, i, j] + t * (values[which, i, right] - values[which, i, j])
    lower = values[which, below, j] + t * (values[which, below, right] - values[which, below, j])
    return upper + s * (lower - upper)


def is_count(places, shape):
    """Whether places are those of the output's pixels themselves."""
    return places.shape == shape and np.array_equal(places.ravel(), np.arange(places.size))


def fold(X, length, border):
    if border == "edge" or length == 1:
        return np.where(np.isinf(X), np.nan, np.clip(X, 0, length - 1))  # infinity is nowhere
    if border == "reflect":
        X = np.abs(X) % X.dtype.type(2 * (length - 1))
        return np.minimum(X, 2 * (length - 1) - X)
    X = np.abs(X + X.dtype.type(0.5)) % X.dtype.type(2 * length)
    return np.minimum(X, 2 * length - X) - X.dtype.type(0.5)


def within(X, length):
    """Places cut to the surroundings of the image. (fmin and fmax would take care of NaN, but are three times as slow.)"""
    X = np.clip(X, -BEYOND, length - 1 + BEYOND)
    if np.isnan(X.min()):
        X[np.isnan(X)] = -BEYOND
    return X
