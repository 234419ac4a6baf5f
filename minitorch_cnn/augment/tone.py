"""Tone: each level of brightness becomes another one, by a curve (Gamma, Posterize, Solarize, Invert), or as it suits the image
(Equalize, AutoContrast).
"""

import numpy as np

from ..backend import primitives as P
from .check import check_values, interval, natural, positive
from .transform import Transform

__all__ = ["AutoContrast", "Equalize", "Gamma", "Invert", "Posterize", "Solarize"]


class Gamma(Transform):
    """x to the power of gamma, with x from 0 to 1: above 1 the image gets darker.

    Args:
        gamma_limit: 100 * gamma is drawn from (least, most); one number from 1 on is the most, 1 the least.
        p: the probability of it.
    Source: albumentations.RandomGamma.

    >>> Gamma((200, 200), p=1)(np.array([0, 51, 255], np.uint8).reshape(1, 1, 1, 3)).ravel().tolist()
    [0, 10, 255]
    """

    def __init__(self, gamma_limit=(80, 120), p=0.5):
        super().__init__(p)
        single = isinstance(gamma_limit, int | float | np.number)
        self.gamma_limit = positive(self.name, "gamma_limit", (1, gamma_limit) if single else gamma_limit)

    def draw(self, draws):
        return {"gamma": draws.uniform(*self.gamma_limit) / 100}

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        gamma = np.where(params["applied"], params["gamma"], 1.0)
        if batch.images.dtype == np.uint8:
            tables = (255 * (np.arange(256) / 255) ** gamma[:, None]).astype(np.uint8)  # (N, 256), rounded down
            batch.images = P.look_up(batch.images, tables)
        else:
            batch.images = P.power(batch.images, gamma)


class Posterize(Transform):
    """Only the upper bits of each pixel.

    Args:
        bits: how many, 0 to 8, or a pair (least, most) to draw from.
        p: the probability of it.
    Source: torchvision.transforms.v2.RandomPosterize. Float images get 2**bits levels, the lowest 0.

    >>> Posterize(2, p=1)(np.array([10, 100, 255], np.uint8).reshape(1, 1, 1, 3)).ravel().tolist()
    [0, 64, 192]
    """

    def __init__(self, bits, p=0.5):
        super().__init__(p)
        both = bits if isinstance(bits, tuple | list) else (bits, bits)
        if len(both) != 2:
            raise ValueError(f"{self.name}: bits must be an integer or a pair (least, most), got {bits!r}")
        self.bits = tuple(natural(self.name, "bits", b) for b in both)
        if not self.bits[0] <= self.bits[1] <= 8:
            raise ValueError(f"{self.name}: bits must be 0 to 8, or a pair 0 <= least <= most <= 8, got {bits!r}")

    def draw(self, draws):
        return {"bits": draws.integers(*self.bits)}

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        batch.images = P.posterize(batch.images, params["bits"], params["applied"])


class Solarize(Transform):
    """Pixels from a threshold on turned over: x becomes 255 - x, or 1 - x for float images.

    Args:
        threshold: in the images' own units, 0 to 255 for uint8 and 0 to 1 for float; or a pair (least, most) to draw from.
        p: the probability of it.
    Raises: ValueError when applied to images in which no value can reach the threshold.
    Source: torchvision.transforms.v2.RandomSolarize.

    >>> Solarize(100, p=1)(np.array([99, 100, 255], np.uint8).reshape(1, 1, 1, 3)).ravel().tolist()
    [99, 155, 0]
    """

    def __init__(self, threshold, p=0.5):
        super().__init__(p)
        self.threshold = interval(self.name, "threshold", threshold, around=None, low=0, high=255)

    def draw(self, draws):
        return {"threshold": draws.uniform(*self.threshold)}

    def change(self, batch, params):
        batch.finish()
        top = 255 if batch.images.dtype == np.uint8 else 1
        if self.threshold[1] > top:
            raise ValueError(
                f"{self.name}: the threshold {self.threshold[1]:g} is above {top}, the largest value of "
                f"{batch.images.dtype} images; give it in their units"
            )
        check_values(self.name, batch.images)
        batch.images = P.solarize(batch.images, params["threshold"], params["applied"])


class Invert(Transform):
    """The negative: 255 - x, or 1 - x for float images.

    Args:
        p: the probability of it.
    Source: torchvision.transforms.v2.RandomInvert.

    >>> Invert(p=1)(np.array([0, 100], np.uint8).reshape(1, 1, 1, 2)).ravel().tolist()
    [255, 155]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        batch.images = P.solarize(batch.images, np.full(batch.N, -np.inf), params["applied"])  # everything is above


class AutoContrast(Transform):
    """Each channel stretched, so that its darkest pixel becomes 0 and its brightest 255 (or 1); one of a single value stays.

    Args:
        p: the probability of it.
    Source: torchvision.transforms.v2.RandomAutocontrast (there, rounding makes most of the brightest pixels 254).

    >>> AutoContrast(p=1)(np.array([50, 100, 150], np.uint8).reshape(1, 1, 1, 3)).ravel().tolist()
    [0, 127, 255]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        batch.images = P.autocontrast(batch.images, params["applied"])


class Equalize(Transform):
    """Each channel's levels spread out, so that all of them are about equally frequent.

    Float images are brought to 256 levels for that.

    Args:
        p: the probability of it.
    Source: torchvision.transforms.v2.RandomEqualize, after Pillow's ImageOps.equalize.

    >>> image = np.repeat(np.array([100, 101, 102], np.uint8), 255).reshape(1, 1, 5, 153)
    >>> np.unique(Equalize(p=1)(image)).tolist()
    [0, 128, 255]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        batch.images = P.equalize(batch.images, params["applied"])
