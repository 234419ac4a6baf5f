"""Normalisation to the mean and spread that a network was trained with; the last step of a recipe."""

import math

import numpy as np

from ..backend import primitives as P
from .check import check_values
from .transform import Transform

__all__ = ["Normalize"]


class Normalize(Transform):
    """(x - mean) / std for each channel, with x from 0 to 1: images of uint8 are divided by 255 and become float32.

    It comes last: the transforms of colour need images from 0 to 1, or uint8.

    Args:
        mean, std: a number for each channel, or one for all, in units of 0 to 1.
        p: the probability of it; the other samples are only divided by 255.
    Raises: ValueError when applied to images of another number of channels.
    Source: torchvision.transforms.v2.Normalize, there after ToDtype(torch.float32, scale=True).

    >>> Normalize(mean=[0.5], std=[0.5])(np.array([0, 255], np.uint8).reshape(1, 1, 1, 2)).ravel().tolist()
    [-1.0, 1.0]
    """

    def __init__(self, mean, std, p=1.0):
        super().__init__(p)
        self.mean, self.std = numbers(self.name, "mean", mean), numbers(self.name, "std", std)
        if not all(s > 0 for s in self.std):
            raise ValueError(f"{self.name}: std must be above 0, got {std!r}")
        if len(self.mean) != len(self.std) and 1 not in (len(self.mean), len(self.std)):
            raise ValueError(f"{self.name}: mean has {len(self.mean)} numbers, but std {len(self.std)}")
        if max(map(abs, self.mean + self.std)) > 4:
            raise ValueError(
                f"{self.name}: mean and std count in units of 0 to 1, got {mean!r} and {std!r}; divide them by 255"
            )

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        C = batch.channels
        for what in ("mean", "std"):
            if len(getattr(self, what)) not in (1, C):
                raise ValueError(
                    f"{self.name}: {what} has {len(getattr(self, what))} numbers, but the images have {C} channels: "
                    f"{batch.images.shape}"
                )
        unit = 255 if batch.images.dtype == np.uint8 else 1
        applied = params["applied"][:, None]
        mean, std = np.where(applied, self.mean, 0.0), np.where(applied, self.std, 1.0)
        scale = np.broadcast_to(1 / (unit * std), (batch.N, C))
        batch.images = P.normalize(batch.images, scale, np.broadcast_to(-mean / std, (batch.N, C)))


def numbers(name, what, value):
    try:
        values = tuple(float(v) for v in (value if np.ndim(value) else [value]))
    except (TypeError, ValueError):
        values = ()
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"{name}: {what} must be a number, or one for each channel, got {value!r}")
    return values
