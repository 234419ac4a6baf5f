"""Colour jitter, and channels lightened and exchanged, one pixel at a time. What the steps are says color_step.py."""

import numpy as np

from ..color_step import GREY, NEUTRAL, UP

__all__ = ["add_to_channels", "color_jitter", "normalize", "permute_channels"]


def color_jitter(x, factors, order):
    real = np.float64 if x.dtype == np.float64 else np.float32
    y = np.empty_like(x)
    for n in range(len(x)):
        image = x[n].astype(real)
        for step in order[n]:
            if factors[n, step] != NEUTRAL[step]:
                CHANGE[step](image, real(factors[n, step]), real, 255 if x.dtype == np.uint8 else 1)
        y[n] = image
    return y


def brightness(image, factor, real, top):
    for c, i, j in np.ndindex(image.shape):
        image[c, i, j] = settle(image[c, i, j] * factor, top)


def contrast(image, factor, real, top):
    C, H, W = image.shape
    total = 0.0
    for i in range(H):
        for j in range(W):
            total += float(grey_of(image[:, i, j], real, top))
    mean = real(total) / real(H * W)
    for c, i, j in np.ndindex(image.shape):
        image[c, i, j] = settle(image[c, i, j] * factor + (real(1) - factor) * mean, top)


def saturation(image, factor, real, top):
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            grey = grey_of(image[:, i, j], real, top)
            for c in range(3):
                image[c, i, j] = settle(image[c, i, j] * factor + (real(1) - factor) * grey, top)


def hue(image, shift, real, top):
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            red, green, blue = image[:, i, j]
            high, low = max(red, green, blue), min(red, green, blue)
            span = high - low
            if span == 0:
                h = real(0)
            elif high == red:
                h = (green - blue) / span
                h = h + real(6) if h < 0 else h
            elif high == green:
                h = real(2) + (blue - red) / span
            else:
                h = real(4) + (red - green) / span
            h = h + real(6) * shift
            h = h - real(6) * np.floor(h / real(6))
            weights = abs(h - real(3)) - real(1), real(2) - abs(h - real(2)), real(2) - abs(h - real(4))
            for c in range(3):
                value = low + span * min(max(weights[c], real(0)), real(1))
                image[c, i, j] = np.floor(value * real(UP)) if top == 255 else value


CHANGE = (brightness, contrast, saturation, hue)


def grey_of(pixel, real, top):
    if len(pixel) == 1:
        return pixel[0]
    grey = real(GREY[0]) * pixel[0] + real(GREY[1]) * pixel[1] + real(GREY[2]) * pixel[2]
    return np.floor(grey) if top == 255 else grey


def settle(value, top):
    """A value that is possible in an image."""
    value = min(max(value, 0), top)
    return np.floor(value) if top == 255 else value


def add_to_channels(x, amount):
    y = x.copy()
    for n in range(len(x)):
        if not any(amount[n]):
            continue
        for c, i, j in np.ndindex(x.shape[1:]):
            if x.dtype == np.uint8:
                y[n, c, i, j] = min(max(int(x[n, c, i, j]) + int(np.rint(amount[n, c])), 0), 255)
            else:
                y[n, c, i, j] = min(max(x[n, c, i, j] + x.dtype.type(amount[n, c]), 0), 1)
    return y


def permute_channels(x, order):
    y = np.empty_like(x)
    for n in range(len(x)):
        for c in range(x.shape[1]):
            y[n, c] = x[n, order[n, c]]
    return y


def normalize(x, scale, shift):
    y = np.empty(x.shape, np.float64 if x.dtype == np.float64 else np.float32)
    for n, c, i, j in np.ndindex(x.shape):
        y[n, c, i, j] = y.dtype.type(x[n, c, i, j]) * y.dtype.type(scale[n, c]) + y.dtype.type(shift[n, c])
    return y
