"""Mirroring."""

import numpy as np

from .geometry import projective
from .transform import Transform

__all__ = ["HorizontalFlip", "RandomHorizontalFlip", "RandomVerticalFlip", "VerticalFlip"]


class HorizontalFlip(Transform):
    """The image mirrored left to right, with probability p.

    Source: torchvision.transforms.v2.RandomHorizontalFlip.

    >>> images = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    >>> HorizontalFlip(p=1)(images)[0, 0].tolist()
    [[1, 0], [3, 2]]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, batch, params):
        H, W = batch.size
        mirror = np.array([[-1, 0, W - 1], [0, 1, 0], [0, 0, 1]], float)
        batch.add([projective(mirror, params["applied"], batch.size, batch.size)])


class VerticalFlip(Transform):
    """The image mirrored top to bottom, with probability p.

    Source: torchvision.transforms.v2.RandomVerticalFlip.

    >>> images = np.arange(4, dtype=np.uint8).reshape(1, 1, 2, 2)
    >>> VerticalFlip(p=1)(images)[0, 0].tolist()
    [[2, 3], [0, 1]]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, batch, params):
        H, W = batch.size
        mirror = np.array([[1, 0, 0], [0, -1, H - 1], [0, 0, 1]], float)
        batch.add([projective(mirror, params["applied"], batch.size, batch.size)])


RandomHorizontalFlip, RandomVerticalFlip = HorizontalFlip, VerticalFlip  # torchvision's names
