"""Checks of images and options, at the door of each transform. The first argument is the transform's name, for the message."""

import operator

import numpy as np

from .. import backend
from ..autograd import Tensor


def check_images(name, images):
    if isinstance(images, Tensor):
        raise TypeError(f"{name}: images must be an array, got a Tensor; give images.data")
    if not backend.is_array(images):
        raise TypeError(f"{name}: images must be a NumPy or CuPy array, got {type(images).__name__}")
    if images.ndim != 4:
        remedy = "; for one image give image[None]" if images.ndim == 3 else ""
        raise ValueError(f"{name}: images must be (N, C, H, W), got {images.ndim} dimensions: {images.shape}{remedy}")
    least = min(images.shape[1:3])
    square = images.shape[1] == images.shape[2]
    if images.shape[3] in (1, 3, 4) and (least >= 16 or (square and least >= 6)):  # so narrow, and of so many channels?
        raise ValueError(
            f"{name}: images must be (N, C, H, W), and {images.shape} looks like (N, H, W, C); "
            "permute them: np.ascontiguousarray(images.transpose(0, 3, 1, 2))"
        )
    if 0 in images.shape:
        raise ValueError(f"{name}: there is no image in an array of shape {images.shape}")
    if images.dtype not in (np.uint8, np.float32, np.float64):
        raise TypeError(
            f"{name}: images must be uint8 (0 to 255) or float32 (0 to 1), got {images.dtype}; convert them with astype"
        )


def check_values(name, images):
    """Float images that aren't 0 to 1 are an error on the CPU; on a GPU, to look would make the host wait.

    Half of it is let pass on either side: bicubic sampling of sharp edges goes beyond by up to 0.45.
    """
    if images.dtype == np.uint8 or not isinstance(images, np.ndarray):
        return
    least, most = images.min(), images.max()
    if not (least >= -0.5 and most <= 1.5):  # nor NaN
        raise ValueError(
            f"{name}: float images must be 0 to 1, these have values from {least:.4g} to {most:.4g}; "
            "Normalize comes last in a recipe, and images of 0 to 255 are given as uint8"
        )


def probability(name, what, p):
    if not isinstance(p, int | float | np.floating) or isinstance(p, bool) or not 0 <= p <= 1:
        raise ValueError(f"{name}: {what} must be a probability from 0 to 1, got {p!r}")
    return float(p)


def natural(name, what, value, least=0):
    """An integer from `least` on."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {what} must be an integer, got {value!r}") from None
    if isinstance(value, bool) or number < least:
        raise ValueError(f"{name}: {what} must be an integer from {least} on, got {value!r}")
    return number


def interval(name, what, value, around=0.0, low=-np.inf, high=np.inf):
    """(a, b) with low <= a <= b <= high, from a pair, or from one number d: (around - d, around + d)."""
    if isinstance(value, int | float | np.number):
        if value < 0:
            raise ValueError(f"{name}: {what} must be a number from 0 on or a pair (least, most), got {value!r}")
        value = (max(around - value, low), min(around + value, high))
    try:
        a, b = map(float, value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {what} must be a number or a pair (least, most), got {value!r}") from None
    if not low <= a <= b <= high or not np.isfinite([a, b]).all():
        raise ValueError(f"{name}: {what} must be a pair {low} <= least <= most <= {high}, got {value!r}")
    return a, b


def two(name, what, value):
    """Two numbers, of a pair."""
    try:
        a, b = map(float, value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {what} must be two numbers, got {value!r}") from None
    return a, b


def pair(name, what, value, least=1):
    """An integer or two of them, as (height, width)."""
    values = value if isinstance(value, tuple | list) else (value, value)
    if len(values) == 1:
        values = (*values, *values)
    if len(values) != 2:
        raise ValueError(f"{name}: {what} must be an integer or a pair (height, width), got {value!r}")
    return natural(name, what, values[0], least), natural(name, what, values[1], least)


def one_of(name, what, value, known):
    if value not in known:
        raise ValueError(f"{name}: {what} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def fill_value(name, fill, channels=None):
    """A number, or one for each channel, as a tuple."""
    try:
        values = tuple(float(v) for v in fill) if isinstance(fill, tuple | list | np.ndarray) else (float(fill),)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: fill must be a number, or one for each channel, got {fill!r}") from None
    if channels is not None and len(values) not in (1, channels):
        raise ValueError(f"{name}: fill has {len(values)} numbers, but the images have {channels} channels")
    return values
