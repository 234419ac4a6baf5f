"""Bending images: by a smooth random field, by a grid whose lines move, by a lens.

Each is a coordinate map (backend/warp_step.py), so it is one sampling pass together with the crops and rotations around it, and
boxes, keypoints and masks follow.
"""

import numpy as np

from ..backend import array_module
from ..backend import primitives as P
from ..backend.warp_step import Step
from .check import fill_value, interpolation_name, interval, natural, number
from .transform import Transform

__all__ = ["ElasticTransform", "GridDistortion", "OpticalDistortion"]


class ElasticTransform(Transform):
    """Every pixel moves a little, and its neighbours with it: as handwriting varies.

    A random number in [-1, 1] for each pixel, blurred by a Gaussian, times alpha / 2, is how many pixels to the right its
    source lies; another one for how far below.

    Args:
        alpha: how strong. Along each axis pixels move by 0.08 * alpha / sigma (the rms, in pixels).
        sigma: of the Gaussian, in pixels: how far neighbours move together; 0 doesn't blur. Both may be torchvision's pair
            (along x, along y), of equal numbers.
        interpolation: "nearest", "bilinear" or "bicubic", or torchvision's InterpolationMode of that name.
        fill: what is seen where the image has nothing: a number, or one for each channel; None: 0.
        p: the probability of it.
    Source: torchvision.transforms.v2.ElasticTransform; its alpha counts half images, hence the 1/2. Simard, Steinkraus,
    Platt 2003, section 2, count pixels: their alpha = 34, sigma = 4 is `ElasticTransform(alpha=68, sigma=4)`. Outside of the
    image is the fill value; torchvision blends it into the outermost half pixel once more.

    The parameter "keys" (N,) names the stream of each sample's numbers.

    >>> ElasticTransform()(np.full((2, 3, 28, 28), 9, np.uint8), epoch=1)[0, 0, 14, 10:18].tolist()
    [9, 9, 9, 9, 9, 9, 9, 9]
    """

    def __init__(self, alpha=50.0, sigma=5.0, interpolation="bilinear", fill=0, p=1.0):
        super().__init__(p)
        self.alpha = both_axes(self.name, "alpha", alpha)
        self.sigma = both_axes(self.name, "sigma", sigma)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        return {"keys": draws.keys()}

    def change(self, batch, params):
        fill = fill_value(self.name, self.fill, batch.channels)
        factor, field = np.full((batch.N, 1), self.alpha / 2), None
        if params["applied"].any():
            keys = array_module(batch.images).asarray(params["keys"])
            dtype = np.float64 if batch.images.dtype == np.float64 else np.float32
            field = P.smooth_noise(keys, tuple(batch.size), gaussian(self.sigma), dtype)
        bent = Step("displacement", factor, batch.size, batch.size, "constant", fill, field, params["applied"])
        batch.add([bent], self.interpolation)


class GridDistortion(Transform):
    """The image behind a grid, whose columns and rows get other widths and heights.

    Args:
        num_steps: how many cells the grid has along each axis; what is left over of the image's size is one more, narrower.
        distort_limit: each cell shows 1 + u times its width of the image; u is drawn from (least, most), or from
            (-distort_limit, distort_limit).
        interpolation, fill, p: see `ElasticTransform`.
        normalized: then scale all of them, so that together they are as wide as the image.
    Raises: ValueError when applied to images with fewer than num_steps pixels along an axis.
    Source: albumentations.GridDistortion 2.0.8.

    The parameters "steps_x" and "steps_y" are the factors 1 + u, (N, num_steps + 1).

    >>> images = np.arange(4, dtype=np.uint8).repeat(4).reshape(1, 1, 4, 4)
    >>> GridDistortion(num_steps=2, distort_limit=(0, 0), p=1)(images)[0, 0, :, 0].tolist()
    [0, 2, 2, 0]
    """

    def __init__(
        self, num_steps=5, distort_limit=(-0.3, 0.3), interpolation="bilinear", fill=0, normalized=True, p=0.5
    ):
        super().__init__(p)
        self.num_steps = natural(self.name, "num_steps", num_steps, 1)
        self.distort_limit = interval(self.name, "distort_limit", distort_limit, low=-1.0, high=1.0)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.fill = fill_value(self.name, fill)
        self.normalized = bool(normalized)

    def draw(self, draws):
        low, high = self.distort_limit
        factors = 1 + low + (high - low) * draws.numbers(2 * (self.num_steps + 1))
        return {"steps_x": factors[:, : self.num_steps + 1], "steps_y": factors[:, self.num_steps + 1 :]}

    def change(self, batch, params):
        fill = fill_value(self.name, self.fill, batch.channels)
        H, W = batch.size
        if min(H, W) < self.num_steps:
            raise ValueError(
                f"{self.name}: images of {H} x {W} (height x width) can't be cut into {self.num_steps} steps of a pixel "
                f"or more; give num_steps={min(H, W)} or less"
            )
        tables = [
            places(factors, length, self.num_steps, self.normalized)
            for factors, length in ((params["steps_y"], H), (params["steps_x"], W))
        ]
        table = np.concatenate(tables, axis=1)
        bent = Step("table", table, batch.size, batch.size, "constant", fill, applied=params["applied"])
        batch.add([bent], self.interpolation)


class OpticalDistortion(Transform):
    """As through a lens: what is r away from the middle comes from r (1 + k r^2 + k r^4), with r = 1 one image's width away.

    Args:
        distort_limit: k is drawn from (least, most), or (-distort_limit, distort_limit). Where it is positive, the image
            shrinks towards its edges.
        interpolation, fill, p: see `ElasticTransform`.
    Source: albumentations.OpticalDistortion 2.0.8 with mode="camera": OpenCV's undistorting map with k1 = k2 = k. Theirs also
    moves the image by half a pixel to the left and upwards, even with k = 0; this one leaves its middle where it is.

    >>> images = np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)
    >>> bool((OpticalDistortion(distort_limit=(0, 0), p=1)(images) == images).all())
    True
    """

    def __init__(self, distort_limit=(-0.05, 0.05), interpolation="bilinear", fill=0, p=0.5):
        super().__init__(p)
        self.distort_limit = interval(self.name, "distort_limit", distort_limit)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        return {"k": draws.uniform(*self.distort_limit)}

    def change(self, batch, params):
        fill = fill_value(self.name, self.fill, batch.channels)
        H, W = batch.size
        lens = np.tile([(W - 1) / 2, (H - 1) / 2, W, H, 0.0], (batch.N, 1))
        lens[:, 4] = params["k"]
        bent = Step("lens", lens, batch.size, batch.size, "constant", fill, applied=params["applied"])
        batch.add([bent], self.interpolation)


def gaussian(sigma):
    """The taps of torchvision's blur: as many as there are within 4 sigma to each side, 1 in sum."""
    K = int(8 * sigma + 1) // 2 * 2 + 1  # made odd
    x = np.arange(K) - K // 2
    weights = np.exp(-((x / sigma) ** 2) / 2) if sigma else np.ones(1)
    return weights / weights.sum()


def places(factors, length, num_steps, normalized):
    """Where each pixel of an axis comes from, (N, length).

    From its first pixel to its last one, a cell shows what lies from its beginning to its end, both included, and the next one
    begins there.

    Args: factors (N, num_steps + 1): how much of the image each cell shows, in units of its width.
    """
    width = length // num_steps
    pixel = np.arange(length)
    cell = np.minimum(pixel // width, num_steps)  # (length,)
    rest = length - num_steps * width
    if normalized:
        factors = factors * np.append(np.ones(num_steps), rest / width)
        total = np.maximum(factors.sum(axis=1, keepdims=True), 1e-9)  # (N, 1); 0 where all cells show nothing
        factors = factors * (length / width / total)
    ends = width * np.cumsum(factors, axis=1)
    begins = ends - width * factors  # (N, num_steps + 1)
    last = np.append(np.full(num_steps, width), rest) - 1  # of each cell, counted from its first
    part = (pixel - width * cell) / np.maximum(last, 1)[cell]
    return begins[:, cell] + width * factors[:, cell] * part


def both_axes(name, what, value):
    """A number from 0 on; or a list of it, or of two that are equal."""
    values = value if isinstance(value, tuple | list) and len(value) in (1, 2) else [value]
    x, y = (number(name, what, v, 0) for v in (values[0], values[-1]))
    if x != y:
        raise ValueError(f"{name}: {what} must be the same along x and y, got {value!r}")
    return x
