"""Noise: random numbers for each pixel, and what JPEG loses.

The numbers of a sample come from its own key, so they depend on (seed, epoch, sample) alone like all others.
"""

import functools
import io
import statistics

import numpy as np

from ..backend import array_module, to_numpy
from ..backend import primitives as P
from ..backend.cpu.threads import parallel
from .check import check_values, integer_range, interval, number
from .transform import Transform

__all__ = ["GaussianNoise", "ImageCompression", "SaltAndPepper"]


class GaussianNoise(Transform):
    """A random number added to each value, normally distributed.

    Args:
        mean, sigma: of the numbers, on the scale from 0 to 1; uint8 images get 255 times as much, rounded.
        clip: keep float images within 0 to 1. (uint8 ones always stay within 0 to 255.)
        p: the probability of it.
    The normal distribution is one of 65,536 values that are equally likely, up to 4.3 sigma: the same bits on every device.
    Source: torchvision.transforms.v2.GaussianNoise.

    >>> noisy = GaussianNoise(mean=0.5)(np.zeros((1, 3, 32, 32), np.float32))
    >>> bool(abs(noisy.mean() - 0.5) < 0.01), bool(abs(noisy.std() - 0.1) < 0.01)
    (True, True)
    """

    def __init__(self, mean=0.0, sigma=0.1, clip=True, p=1.0):
        super().__init__(p)
        self.mean, self.sigma = number(self.name, "mean", mean), number(self.name, "sigma", sigma, 0)
        self.clip = clip

    def draw(self, draws):
        return {"keys": draws.keys()}

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        table = self.mean + self.sigma * normal_quantiles()
        if batch.images.dtype == np.uint8:
            table = np.rint(np.clip(255 * table, -255, 255)).astype(np.int16)  # more than 255 is white or black too
        else:
            table = table.astype(batch.images.dtype)
        batch.images = P.add_noise(batch.images, params["keys"], table, params["applied"], self.clip)


class SaltAndPepper(Transform):
    """Some pixels, all channels together, become white or black.

    Args:
        amount: the probability of a pixel to change is drawn from (least, most).
        salt_vs_pepper: the share of white among those is drawn from (least, most).
        p: the probability of it.
    Source: albumentations.SaltAndPepper, which changes exactly that share of the pixels; here it is each one's probability.

    >>> changed = SaltAndPepper(amount=(0.5, 0.5), salt_vs_pepper=(0, 0), p=1)(np.ones((1, 3, 32, 32), np.float32))
    >>> bool(abs(changed.mean() - 0.5) < 0.05)
    True
    """

    def __init__(self, amount=(0.01, 0.06), salt_vs_pepper=(0.4, 0.6), p=0.5):
        super().__init__(p)
        self.amount = interval(self.name, "amount", amount, low=0.0, high=1.0)
        self.salt_vs_pepper = interval(self.name, "salt_vs_pepper", salt_vs_pepper, low=0.0, high=1.0)

    def draw(self, draws):
        amount, share = draws.uniform(*self.amount), draws.uniform(*self.salt_vs_pepper)
        return {"salt": amount * share, "pepper": amount * (1 - share), "keys": draws.keys()}

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        salt, pepper = (params["applied"] * params[which] for which in ("salt", "pepper"))
        batch.images = P.salt_and_pepper(batch.images, params["keys"], salt, pepper)


class ImageCompression(Transform):
    """What is left of the image after it was written as JPEG and read again.

    Pillow does it, on the CPU: a batch on a GPU goes to the host and back, and the host waits for it. Float images, from 0 to
    1, become uint8 on the way.

    Args:
        quality_range: JPEG's quality, from 1 to 100, is drawn from (least, most).
        p: the probability of it.
    Raises: ValueError when applied to images of other than 1 or 3 channels.
    Source: albumentations.ImageCompression.

    >>> images = np.full((1, 3, 16, 16), 200, np.uint8)
    >>> bool((ImageCompression((50, 50), p=1)(images) == images).all())  # one colour is kept
    True
    """

    def __init__(self, quality_range=(99, 100), p=0.5):
        super().__init__(p)
        self.quality_range = integer_range(self.name, "quality_range", quality_range, 1, 100)

    def draw(self, draws):
        return {"quality": draws.integers(*self.quality_range)}

    def change(self, batch, params):
        if batch.channels not in (1, 3):
            raise ValueError(f"{self.name}: a JPEG file has 1 or 3 channels, but the images have {batch.channels}")
        batch.finish()
        check_values(self.name, batch.images)
        images = to_numpy(batch.images).copy()
        which = np.flatnonzero(params["applied"])

        def part(lo, hi):
            for n in which[lo:hi]:
                images[n] = through_jpeg(images[n], int(params["quality"][n]))

        # what Pillow does in Python for each file runs in one thread anyway
        parallel(len(which), part, images[0].size > 1 << 14)
        batch.images = array_module(batch.images).asarray(images)


@functools.cache
def normal_quantiles():
    """(65536,): the middle of each of as many equally likely parts of the normal distribution, made exactly symmetric."""
    quantile = statistics.NormalDist().inv_cdf
    half = np.array([quantile((k + 0.5) / 65536) for k in range(32768)])
    return np.concatenate([half, -half[::-1]])


def through_jpeg(image, quality):
    """(C, H, W) as a file of that quality gives it back."""
    from PIL import Image

    grey = image if image.dtype == np.uint8 else np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    pixels = grey[0] if len(grey) == 1 else np.ascontiguousarray(grey.transpose(1, 2, 0))  # (H, W, C)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    found = np.asarray(Image.open(file, formats=["JPEG"]))
    found = found[None] if found.ndim == 2 else found.transpose(2, 0, 1)
    return found if image.dtype == np.uint8 else found / image.dtype.type(255)
