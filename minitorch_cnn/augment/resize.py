"""Images of another size: the whole of them, or a random part.

Each axis is by itself. Pixel i of the output covers the input from start + i * scale to start + (i + 1) * scale, counted from
its edge, with scale = (how long the part is) / (how long it becomes). Its value is

    sum over p of k((p + 1/2 - middle) / s) * input[p] / sum over p of the same k

where k is a triangle ("bilinear") or Keys' cubic curve ("bicubic"). With antialias, s is the scale where that is above 1, so a
smaller image takes a mean over all it covers, as Pillow does; without, s is 1, and pixels in between are never looked at. For
"nearest" it is the pixel at floor(i * scale).
"""

import math

import numpy as np

from ..backend import primitives as P
from .check import interpolation_name, natural, pair, parameter, positive
from .crop import same_size
from .geometry import projective
from .transform import Transform

__all__ = ["RandomResizedCrop", "Resize"]

TRIES = 10  # RandomResizedCrop's, as in torchvision


class Resize(Transform):
    """Images of the given size.

    Args:
        size: (height, width), or an integer for the shorter side, which the longer one follows; None leaves it to max_size.
        interpolation: "nearest", "bilinear" or "bicubic", or torchvision's InterpolationMode of that name.
        max_size: with an integer `size`, the most that the longer side may have, if need be with a shorter one below `size`;
            without size, the longer side.
        antialias: images that shrink take the mean of all pixels that fall together, not of the 2 x 2 or 4 x 4 next to a place.
    Raises: ValueError if max_size contradicts size; when applied, if a side would have less than one pixel.
    Source: torchvision.transforms.v2.Resize. Masks that follow take the nearest pixel.

    >>> Resize(2)(np.arange(24, dtype=np.uint8).reshape(1, 1, 4, 6))[0, 0].tolist()
    [[5, 7, 9], [14, 16, 18]]
    """

    def __init__(self, size, interpolation="bilinear", max_size=None, antialias=True):
        super().__init__()
        self.size = checked_size(self.name, size, max_size)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.max_size = max_size
        self.antialias = bool(antialias)

    def change(self, batch, params):
        size = resized(self.name, batch.size, self.size, self.max_size)
        same_size(self, batch.size, size, params)
        if size == tuple(batch.size):
            return
        boxes = np.array([[0, 0, *batch.size]])
        larger = size[0] >= batch.size[0] and size[1] >= batch.size[1]
        # two pixels each way, wherever they are: a coordinate map, which is one pass with those before and after it
        if self.interpolation == "bilinear" and (larger or not self.antialias):
            batch.add([zoom(boxes, batch, size)], self.interpolation)
        else:
            resize(batch, boxes, size, self.interpolation, self.antialias)


class RandomResizedCrop(Transform):
    """A random part of the image, of random size and shape, made to the given size.

    Args:
        size: (height, width), or one integer for both.
        scale: (least, most) part of the image's area.
        ratio: (least, most) width / height of the part, before it is resized; log(ratio) is uniform.
        interpolation, antialias: see `Resize`.
        p: the probability of it; below 1 only for images that have the size already.
    Source: torchvision.transforms.v2.RandomResizedCrop; Szegedy et al. 2014 (1409.4842), section 6: 8 % to 100 % of the area.

    The part is the first of ten tries that fits into the image, else the largest part from the middle with an allowed ratio.
    The parameters "scale" and "ratio" are (N, 10), and "top" and "left" fractions of the room there is: 0 is the first place,
    just below 1 the last. `boxes` makes pixels of them.

    >>> crop = RandomResizedCrop(8)
    >>> crop(np.zeros((2, 3, 5, 6), np.uint8)).shape
    (2, 3, 8, 8)
    """

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3 / 4, 4 / 3), interpolation="bilinear", antialias=True, p=1.0):
        super().__init__(p)
        self.size = pair(self.name, "size", size)
        self.scale = positive(self.name, "scale", scale)
        self.ratio = positive(self.name, "ratio", ratio)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.antialias = bool(antialias)

    def draw(self, draws):
        low, high = np.log(self.ratio)
        return {
            "scale": self.scale[0] + (self.scale[1] - self.scale[0]) * draws.numbers(TRIES),
            "ratio": np.exp(low + (high - low) * draws.numbers(TRIES)),
            "top": draws.uniform(),
            "left": draws.uniform(),
        }

    def boxes(self, params, size):
        """(N, 4) integers: top, left, height, width of the parts of images of `size` (height, width)."""
        for what, below in (("scale", math.inf), ("ratio", math.inf), ("top", 1), ("left", 1)):
            parameter(self.name, what, params[what], 0, below)
        H, W = size
        area, ratio = H * W * params["scale"], params["ratio"]  # (N, tries)
        width, height = np.rint(np.sqrt(area * ratio)).astype(int), np.rint(np.sqrt(area / ratio)).astype(int)
        fits = (width > 0) & (width <= W) & (height > 0) & (height <= H)
        best, some = np.argmax(fits, axis=1)[:, None], fits.any(axis=1)
        width, height = (np.take_along_axis(a, best, 1)[:, 0] for a in (width, height))
        top, left = np.floor(params["top"] * (H - height + 1)), np.floor(params["left"] * (W - width + 1))
        h, w = central(size, self.ratio)
        return np.where(
            some[:, None],
            np.stack([top, left, height, width], axis=1).astype(int),
            [(H - h) // 2, (W - w) // 2, h, w],
        )

    def change(self, batch, params):
        same_size(self, batch.size, self.size, params)
        boxes = np.where(params["applied"][:, None], self.boxes(params, batch.size), [0, 0, *batch.size])
        resize(batch, boxes, self.size, self.interpolation, self.antialias)


# sizes ----------------------------------------------------------------------------------------------------------------


def checked_size(name, size, max_size):
    """None, an integer for the shorter side, or (height, width)."""
    if isinstance(size, tuple | list) and len(size) == 1:
        size = size[0]
    if max_size is not None:
        natural(name, "max_size", max_size, 1)
        if isinstance(size, tuple | list):
            raise ValueError(
                f"{name}: max_size is for one size, that of the shorter side; leave it out, got size={size!r}"
            )
    if size is None:
        if max_size is None:
            raise ValueError(f"{name}: give a size, or max_size for the longer side")
        return None
    if isinstance(size, tuple | list):
        return pair(name, "size", size)
    size = natural(name, "size", size, 1)
    if max_size is not None and max_size <= size:
        raise ValueError(f"{name}: max_size must be above size, which the shorter side gets; got {max_size} and {size}")
    return size


def resized(name, before, size, max_size):
    """(height, width) that images of the size `before` get; rounded down, as torchvision does."""
    if isinstance(size, tuple):
        return size
    H, W = before
    short, long = min(H, W), max(H, W)
    if size is None:
        short, long = int(max_size * short / long), max_size
    else:
        short, long = size, int(size * long / short)
        if max_size is not None and long > max_size:
            short, long = int(max_size * short / long), max_size
    if short < 1:
        raise ValueError(
            f"{name}: images of {H} x {W} (height x width) with max_size={max_size} would have a side of 0 pixels; "
            f"give a larger max_size, or both sides as size=(height, width)"
        )
    return (long, short) if W <= H else (short, long)


def central(size, ratio):
    """(height, width) of the largest part from the middle whose width / height is within `ratio`."""
    (H, W), (low, high) = size, ratio
    if W / H < low:
        return round(W / low), W
    if W / H > high:
        return H, round(H * high)
    return H, W


# pixels ---------------------------------------------------------------------------------------------------------------


def resize(batch, boxes, size, interpolation, antialias):
    """Make the parts `boxes` (N or 1, 4) of the images, which may be whole images, to `size`; the targets follow."""
    batch.finish()
    H, W = batch.size
    moved = [zoom(boxes, batch, size)]
    if interpolation == "nearest":
        floor = [floor_zoom(boxes, batch, size)]
        batch.replace(P.warp(batch.images, floor, size, "nearest"), moved, floor)
        return
    top, left, height, width = boxes.T
    rows = taps(top, height, H, size[0], interpolation, antialias)
    columns = taps(left, width, W, size[1], interpolation, antialias)
    batch.replace(P.resample(batch.images, *rows, *columns), moved)


def taps(start, length, image, size, interpolation, antialias):
    """Which pixels of a line make each of the output, and how much of each.

    Args:
        start, length: (N,) the part, in pixels.
        image, size: how many pixels the line has, and how many the output gets.
    Returns: the first pixel (N, size), and weights (N, size, K) of it and those that follow. Only pixels of the part have one:
        with antialias, those outside are left out of the mean; else the outermost stands for them.
    Source: Pillow's resize, PyTorch's interpolate(antialias=True), both with Keys' a = -0.5; else interpolate with a = -0.75.
    """
    scale = length / size
    stretch = np.maximum(scale, 1.0) if antialias else np.ones(len(scale))
    each = 1 if interpolation == "bilinear" else 2  # pixels to either side, where they aren't stretched
    # for the whole line: how many taps there are doesn't depend on the others
    most = max(image / size, 1.0) if antialias else 1.0
    middle = start[:, None] + (np.arange(size) + 0.5) * scale[:, None]  # (N, size), from the edge
    first = np.floor(middle - each * stretch[:, None] - 0.5).astype(int) + 1
    pixel = first[..., None] + np.arange(math.ceil(2 * each * most))  # (N, size, taps)
    t = np.abs(pixel + 0.5 - middle[..., None]) / stretch[:, None, None]
    weights = np.maximum(1 - t, 0) if interpolation == "bilinear" else cubic(t, -0.5 if antialias else -0.75)
    begin, end = start[:, None, None], (start + length)[:, None, None]
    if antialias:
        weights *= (pixel >= begin) & (pixel < end)
        weights /= weights.sum(axis=2, keepdims=True)
    K = min(pixel.shape[2], image)
    first = np.clip(first, 0, image - K)
    # those that lie outside of the part go to its outermost pixel
    places = np.clip(pixel, begin, end - 1) - first[..., None]
    inside = np.zeros((*first.shape, K))
    n, i = np.ogrid[: len(start), :size]
    np.add.at(inside, (n[..., None], i[..., None], places), weights)
    return first, inside


def cubic(t, a):
    """Keys 1981, equation 4: what a pixel at distance t >= 0 counts."""
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.select([t <= 1, t < 2], [near, far], 0.0)


def zoom(boxes, batch, size):
    """The step from images of `size` to the parts `boxes` (N or 1, 4) of the batch's images: middles go where middles are."""
    top, left, height, width = boxes.T
    (y, x), (down, right) = (top, left), (height / size[0], width / size[1])
    return placed(x + 0.5 * right - 0.5, y + 0.5 * down - 0.5, right, down, batch, size)


def floor_zoom(boxes, batch, size):
    """The step for "nearest": to start + floor(i * scale).

    That is start + i * scale - 1/2 + 1/(2 * size), rounded: i * scale is a multiple of 1/size, so it is never a tie.
    """
    top, left, height, width = boxes.T
    (h, w), (down, right) = size, (height / size[0], width / size[1])
    return placed(left - 0.5 + 0.5 / w, top - 0.5 + 0.5 / h, right, down, batch, size)


def placed(x, y, right, down, batch, size):
    """The step to (x, y) + (right * column, down * row)."""
    matrix = np.zeros((batch.N, 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 2] = right, x
    matrix[:, 1, 1], matrix[:, 1, 2] = down, y
    matrix[:, 2, 2] = 1
    return projective(matrix, np.ones(batch.N, bool), batch.size, size, "edge")
