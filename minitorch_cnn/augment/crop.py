"""Padding and crops: each pixel moves by whole numbers."""

import numpy as np

from ..backend import array_module
from ..backend.warp_step import BORDERS
from .check import fill_value, natural, one_of, pair
from .geometry import projective
from .transform import Transform, is_certain

__all__ = ["CenterCrop", "FiveCrop", "Pad", "RandomCrop", "TenCrop"]


class Pad(Transform):
    """Pixels added on each side.

    Args:
        padding: how many; one integer for all sides, (left and right, top and bottom), or (left, top, right, bottom).
        fill: their value, or one for each channel, with padding_mode="constant".
        padding_mode: "constant"; "edge", the outermost pixels; "reflect" and "symmetric", mirrored without and with the outermost.
    Source: torchvision.transforms.v2.Pad.

    >>> Pad((1, 0), fill=7)(np.zeros((1, 1, 1, 2), np.uint8)).tolist()
    [[[[7, 0, 0, 7]]]]
    """

    def __init__(self, padding, fill=0, padding_mode="constant"):
        super().__init__()
        self.padding = sides(self.name, padding)
        self.fill = fill_value(self.name, fill)
        self.padding_mode = one_of(self.name, "padding_mode", padding_mode, BORDERS)

    def change(self, batch, params):
        step = padded(self, batch, self.padding, params["applied"])
        same_size(self, batch.size, step.output_size, params)
        batch.add([step])


class RandomCrop(Transform):
    """A window of the image, each place as likely as any other.

    Args:
        size: (height, width), or one integer for both.
        padding: added first, as `Pad` has it; None adds nothing.
        pad_if_needed: pad an image that is smaller than the crop, on both sides by what is missing.
        fill, padding_mode: of the padding, see `Pad`.
    Raises: ValueError when applied to images smaller than the crop.
    Source: torchvision.transforms.v2.RandomCrop. With size=32, padding=4 what He et al. 2015 (1512.03385) train on CIFAR-10 with.

    The parameters "top" and "left" are fractions of the room there is: 0 is the first place, just below 1 the last.

    >>> RandomCrop(3)(np.zeros((2, 3, 5, 4), np.uint8)).shape
    (2, 3, 3, 3)
    """

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        super().__init__()
        self.size = pair(self.name, "size", size)
        self.padding = None if padding is None else sides(self.name, padding)
        self.pad_if_needed = pad_if_needed
        self.fill = fill_value(self.name, fill)
        self.padding_mode = one_of(self.name, "padding_mode", padding_mode, BORDERS)

    def draw(self, draws):
        return {"top": draws.uniform(), "left": draws.uniform()}

    def change(self, batch, params):
        h, w = self.size
        before = batch.size
        if self.padding is not None:
            batch.add([padded(self, batch, self.padding, params["applied"])])
        H, W = batch.size
        if self.pad_if_needed and (H < h or W < w):
            below, beside = max(h - H, 0), max(w - W, 0)
            batch.add([padded(self, batch, (beside, below, beside, below), params["applied"])])
            H, W = batch.size
        fits(self, self.size, batch.size)
        same_size(self, before, self.size, params)
        top, left = np.floor(params["top"] * (H - h + 1)), np.floor(params["left"] * (W - w + 1))
        batch.add([window(top, left, params["applied"], batch.size, self.size)])


class CenterCrop(Transform):
    """The middle of the image; what is odd of the rest goes to the even side, as Python rounds.

    Raises: ValueError when applied to images smaller than the crop. (torchvision would put zeros around them: `Pad` does that.)
    Source: torchvision.transforms.v2.CenterCrop.

    >>> CenterCrop(1)(np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3)).tolist()
    [[[[4]]]]
    """

    def __init__(self, size):
        super().__init__()
        self.size = pair(self.name, "size", size)

    def change(self, batch, params):
        fits(self, self.size, batch.size)
        same_size(self, batch.size, self.size, params)
        top, left = (round((have - want) / 2) for have, want in zip(batch.size, self.size))
        batch.add([window(np.full(batch.N, top), np.full(batch.N, left), params["applied"], batch.size, self.size)])


class FiveCrop(Transform):
    """Five crops of each image, (N, 5, C, height, width): upper left and right, lower left and right, middle.

    For evaluation, at the end of a recipe: `model(Tensor(crops.reshape(-1, *crops.shape[2:])))`, then the mean of each five.

    Raises: ValueError when applied to images smaller than the crop, and with targets, which don't fit five images.
    Source: torchvision.transforms.v2.FiveCrop; Krizhevsky et al. 2012, section 4.1.

    >>> FiveCrop(2)(np.zeros((4, 3, 6, 5), np.uint8)).shape
    (4, 5, 3, 2, 2)
    """

    def __init__(self, size):
        super().__init__()
        self.size = pair(self.name, "size", size)

    def change(self, batch, params):
        if batch.targets:
            raise ValueError(f"{self.name}: makes several images of one, which targets can't follow")
        if not is_certain(params):
            raise ValueError(f"{self.name}: makes several images of one, so it can't be applied to some images only")
        batch.finish()
        images = batch.images
        fits(self, self.size, batch.size)
        crops = [crop for view in self.views(images) for crop in self.crops(view)]
        batch.images = array_module(images).stack(crops, axis=1)

    def views(self, images):
        return [images]

    def crops(self, images):
        (H, W), (h, w) = images.shape[2:], self.size
        middle = round((H - h) / 2), round((W - w) / 2)
        places = [(0, 0), (0, W - w), (H - h, 0), (H - h, W - w), middle]
        return [images[:, :, top : top + h, left : left + w] for top, left in places]


class TenCrop(FiveCrop):
    """`FiveCrop`, then the same of the mirrored image: (N, 10, C, height, width).

    Args:
        size: (height, width), or one integer for both.
        vertical_flip: mirror it top to bottom instead of left to right.
    Source: torchvision.transforms.v2.TenCrop.
    """

    def __init__(self, size, vertical_flip=False):
        super().__init__(size)
        self.vertical_flip = bool(vertical_flip)

    def views(self, images):
        return [images, images[:, :, ::-1] if self.vertical_flip else images[:, :, :, ::-1]]


def window(top, left, applied, input_size, output_size):
    """The step of a crop: (N,) offsets of the first row and column."""
    matrix = np.tile(np.eye(3), (len(top), 1, 1))
    matrix[:, 0, 2], matrix[:, 1, 2] = left, top
    return projective(matrix, applied, input_size, output_size)


def padded(transform, batch, padding, applied):
    """The step of (left, top, right, bottom) more pixels; a sample that isn't applied keeps its place, at the upper left."""
    (H, W), (left, top, right, bottom) = batch.size, padding
    moved = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], float)
    fill = fill_value(transform.name, transform.fill, batch.channels)
    larger = (H + top + bottom, W + left + right)
    return projective(moved, applied, batch.size, larger, transform.padding_mode, fill)


def fits(transform, crop, size):
    if crop[0] > size[0] or crop[1] > size[1]:
        raise ValueError(
            f"{transform.name}: a crop of {crop[0]} x {crop[1]} doesn't fit into images of {size[0]} x {size[1]} "
            "(height x width); Resize or Pad them first"
        )


def same_size(transform, before, after, params):
    if tuple(before) != tuple(after) and not is_certain(params):
        raise ValueError(
            f"{transform.name}: makes images of {before[0]} x {before[1]} into {after[0]} x {after[1]}, so it can't be "
            "applied to some images only: a batch has one size"
        )


def sides(name, padding):
    """(left, top, right, bottom)."""
    if not isinstance(padding, tuple | list):
        padding = (padding,)
    if len(padding) not in (1, 2, 4):
        raise ValueError(f"{name}: padding must have 1, 2 or 4 numbers, got {padding!r}")
    padding = [natural(name, "padding", p) for p in padding]
    return tuple(padding * (4 // len(padding)))
