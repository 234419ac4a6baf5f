"""Sampling images at the places where a chain of coordinate maps leads, one pixel at a time."""

import math

import numpy as np

__all__ = ["warp"]

CUBIC = -0.75  # Keys' parameter, as in OpenCV and PyTorch


def warp(x, steps, size, interpolation):
    N, C, H, W = x.shape
    y = np.empty((N, C, *size), x.dtype)
    for n in range(N):
        for i in range(size[0]):
            for j in range(size[1]):
                place, lost = source_of(steps, n, float(j), float(i))
                if lost is None and x.dtype == np.uint8 and interpolation == "bilinear":
                    place = [math.floor(256 * p + 0.5) / 256 for p in place]
                for c in range(C):
                    if lost is None:
                        value = sample(x[n, c], *place, steps[0], c, interpolation)
                    else:
                        value = fill_of(lost, c)
                    y[n, c, i, j] = min(max(math.floor(value + 0.5), 0), 255) if x.dtype == np.uint8 else value
    return y


def source_of(steps, n, x, y):
    """Where (x, y) of the last step's output lies in the first step's input, and the step that lost it, or None."""
    for step in reversed(steps):
        if not step.applies()[n]:
            continue
        x, y = one_step(step, n, x, y)
        if not (math.isfinite(x) and math.isfinite(y)):
            return None, step
        H, W = step.input_size
        if step.border != "constant":
            x, y = fold(x, W, step.border), fold(y, H, step.border)
        elif step is not steps[0] and not (-0.5 <= x <= W - 0.5 and -0.5 <= y <= H - 0.5):
            return None, step
    return (x, y), None


def one_step(step, n, x, y):
    numbers = step.numbers[n].tolist()
    if step.kind == "projective":
        a, b, c, d, e, f, g, h, i = numbers
        w = g * x + h * y + i
        return ((a * x + b * y + c) / w, (d * x + e * y + f) / w) if w else (math.inf, math.inf)
    if step.kind == "table":
        rows, columns = numbers[: step.output_size[0]], numbers[step.output_size[0] :]
        return on_lines(columns, x), on_lines(rows, y)
    if step.kind == "lens":
        cx, cy, fx, fy, k = numbers
        u, v = (x - cx) / fx, (y - cy) / fy
        r2 = u * u + v * v
        longer = 1 + k * r2 + k * r2 * r2
        return cx + fx * u * longer, cy + fy * v * longer
    field, (factor,) = step.field[n], numbers
    return x + factor * between(field[0], x, y), y + factor * between(field[1], x, y)


def on_lines(table, x):
    """The table's value at x, on a straight line between its entries, and beyond its ends."""
    if len(table) == 1:
        return table[0] + x
    i = min(max(math.floor(x), 0), len(table) - 2)
    return table[i] + (x - i) * (table[i + 1] - table[i])


def between(values, x, y):
    """Bilinear, the nearest value outside."""
    H, W = values.shape
    x, y = min(max(x, 0), W - 1), min(max(y, 0), H - 1)
    i, j = math.floor(y), math.floor(x)
    below, right = min(i + 1, H - 1), min(j + 1, W - 1)
    upper = values[i, j] + (x - j) * (values[i, right] - values[i, j])
    lower = values[below, j] + (x - j) * (values[below, right] - values[below, j])
    return float(upper + (y - i) * (lower - upper))


def fold(x, length, border):
    """A place on a line of pixels, brought back to where there are some."""
    if border == "edge" or length == 1:
        return min(max(x, 0.0), length - 1.0)
    if border == "reflect":
        x = abs(x) % (2 * (length - 1))
        return min(x, 2 * (length - 1) - x)
    x = abs(x + 0.5) % (2 * length)  # symmetric
    return min(x, 2 * length - x) - 0.5


def sample(image, x, y, step, c, interpolation):
    """The image (H, W) at (x, y): the sum of weight * pixel over the pixels around."""
    total = 0.0
    for i, row_weight in weights(y, interpolation):
        for j, column_weight in weights(x, interpolation):
            total += row_weight * column_weight * pixel(image, i, j, step, c)
    return total


def weights(x, interpolation):
    """(pixel, weight) along one axis."""
    if interpolation == "nearest":
        return [(round(x), 1.0)]  # a half goes to the even pixel
    first, t = math.floor(x), x - math.floor(x)
    if interpolation == "bilinear":
        return [(first, 1 - t), (first + 1, t)]
    return [(first + k, keys(abs(t - k))) for k in (-1, 0, 1, 2)]


def keys(t):
    """Cubic convolution (Keys 1981) of a pixel at distance t."""
    a = CUBIC
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a


def pixel(image, i, j, step, c):
    H, W = image.shape
    if step.border == "constant":
        return float(image[i, j]) if 0 <= i < H and 0 <= j < W else fill_of(step, c)
    return float(image[int(fold(i, H, step.border)), int(fold(j, W, step.border))])


def fill_of(step, c):
    return step.fill[c % len(step.fill)]
