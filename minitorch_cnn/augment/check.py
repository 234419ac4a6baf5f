"""Checks of images and options, at the door of each transform. The first argument is the transform's name, for the message."""

import enum
import math
import operator

import numpy as np

from .. import backend
from ..autograd import Tensor
from ..backend.warp_step import TAPS


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
    return fraction(name, what, p, "probability")


def fraction(name, what, value, sort="fraction"):
    if not isinstance(value, int | float | np.floating) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError(f"{name}: {what} must be a {sort} from 0 to 1, got {value!r}")
    return float(value)


def number(name, what, value, least=-math.inf):
    """A finite number from `least` on."""
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not known or not math.isfinite(value) or value < least:
        wanted = "finite number" if least == -math.inf else f"number from {least} on"
        raise ValueError(f"{name}: {what} must be a {wanted}, got {value!r}")
    return float(value)


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
    """(a, b) with low <= a <= b <= high, from a pair, or from one number d: (around - d, around + d); around=None: (d, d)."""
    ends = value
    if isinstance(value, int | float | np.number):
        if around is None:
            ends = (value, value)
        elif value < 0:
            raise ValueError(f"{name}: {what} must be a number from 0 on or a pair (least, most), got {value!r}")
        else:
            ends = (max(around - value, low), min(around + value, high))
    try:
        a, b = map(float, ends)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {what} must be a number or a pair (least, most), got {value!r}") from None
    if not low <= a <= b <= high or not np.isfinite([a, b]).all():
        wanted = "a number or a pair" if around is None else "a pair"
        raise ValueError(f"{name}: {what} must be {wanted} {low} <= least <= most <= {high}, got {value!r}")
    return a, b


def integer_range(name, what, value, least=0, most=math.inf):
    """Two integers a <= b from `least` to `most`."""
    try:
        a, b = value
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {what} must be a pair (least, most) of integers, got {value!r}") from None
    a, b = natural(name, what, a, least), natural(name, what, b, least)
    if not a <= b <= most:
        raise ValueError(f"{name}: {what} must be a pair {least} <= least <= most <= {most}, got {value!r}")
    return a, b


def positive(name, what, value):
    """(a, b) with 0 < a <= b, of a pair."""
    a, b = two(name, what, value)
    if not 0 < a <= b < math.inf:
        raise ValueError(f"{name}: {what} must be a pair 0 < least <= most, got {value!r}")
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


def interpolation_name(name, value):
    """One of the three, by its name or as a member of an enum that has the name as its value, such as torchvision's."""
    return one_of(name, "interpolation", value.value if isinstance(value, enum.Enum) else value, list(TAPS))


def parameter(name, what, values, low, below):
    """Parameters can be changed by hand: they must still be within what `sample` can give."""
    values = np.asarray(values)
    wrong = values[~((low <= values) & (values < below))]
    if wrong.size:
        raise ValueError(f'{name}: params["{what}"] must be from {low} to below {below}, got {wrong[0]}')


def fill_value(name, fill, channels=None, what="fill"):
    """A number, or one for each channel, as a tuple. None is 0, as in torchvision."""
    fill = 0 if fill is None else fill
    try:
        values = tuple(float(v) for v in fill) if isinstance(fill, tuple | list | np.ndarray) else (float(fill),)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: {what} must be a number, or one for each channel, got {fill!r}") from None
    if channels is not None and len(values) not in (1, channels):
        raise ValueError(f"{name}: {what} has {len(values)} numbers, but the images have {channels} channels")
    return values
