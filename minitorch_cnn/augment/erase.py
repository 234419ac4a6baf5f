"""Parts of the image that are covered: the network must not rely on one place alone.

All of these fill boxes of pixels. They work on images as they come, and after Normalize, where 0 is the mean colour. Targets
are left alone: the masks, boxes and keypoints are still those of what is behind.
"""

import numpy as np

from ..backend import primitives as P
from .check import fill_value, fraction, integer_range, interval, natural
from .noise import normal_quantiles
from .transform import Transform

__all__ = ["CoarseDropout", "Cutout", "GridDropout", "RandomErasing"]


class Cutout(Transform):
    """Squares filled with 0; the middle is any pixel of the image, so a square may be cut off by the border.

    Args:
        length: the square's side in pixels. (16 for CIFAR-10 and 8 for CIFAR-100 in the paper, after normalisation.)
        n_holes: how many squares.
        p: the probability of it.
        fill: another value instead of 0, or one for each channel.
    Source: DeVries and Taylor 2017 (1708.04552), section 3.2.

    >>> images = np.ones((100, 3, 32, 32), np.float32)
    >>> covered = (Cutout(16)(images) == 0).mean(axis=(1, 2, 3)) * 32 * 32
    >>> int(covered.max()), int(covered.min()) >= 64  # all of the square, or at a corner a quarter
    (256, True)
    """

    def __init__(self, length, n_holes=1, p=1.0, fill=0):
        super().__init__(p)
        self.length = natural(self.name, "length", length, 1)
        self.n_holes = natural(self.name, "n_holes", n_holes, 1)
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        return {"centers": draws.numbers(2 * self.n_holes).reshape(-1, self.n_holes, 2)}  # (x, y) as fractions

    def change(self, batch, params):
        H, W = batch.size
        length = min(self.length, 2 * max(H, W))  # that much covers the image from any place
        start = np.floor(params["centers"] * [W, H]) - length // 2  # (N, holes, 2)
        fill_holes(self, batch, start, start + length, params["applied"])


class CoarseDropout(Transform):
    """Rectangles filled with 0, each whole inside the image.

    Args:
        num_holes_range: how many, drawn from (least, most).
        hole_height_range, hole_width_range: drawn from (least, most) for each hole: fractions of the image's height and width
            if these are floats, pixels if both are integers.
        fill: the value, or one for each channel.
        p: the probability of it.
    Raises: ValueError when applied to images smaller than the smallest hole.
    Source: albumentations.CoarseDropout.

    >>> images = np.ones((1, 1, 4, 4), np.uint8)
    >>> CoarseDropout((1, 1), (2, 2), (4, 4), p=1)(images).sum().item()
    8
    """

    def __init__(
        self, num_holes_range=(1, 2), hole_height_range=(0.1, 0.2), hole_width_range=(0.1, 0.2), fill=0, p=0.5
    ):
        super().__init__(p)
        self.num_holes_range = integer_range(self.name, "num_holes_range", num_holes_range, 1)
        self.hole_height_range = hole_range(self.name, "hole_height_range", hole_height_range)
        self.hole_width_range = hole_range(self.name, "hole_width_range", hole_width_range)
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        most = self.num_holes_range[1]
        return {
            "holes": draws.integers(*self.num_holes_range),
            "sizes": draws.numbers(2 * most).reshape(-1, most, 2),  # (width, height) between least and most
            "places": draws.numbers(2 * most).reshape(-1, most, 2),  # (x, y) as fractions of the room there is
        }

    def change(self, batch, params):
        H, W = batch.size
        width = hole_sizes(self, self.hole_width_range, params["sizes"][..., 0], W, "wide")
        height = hole_sizes(self, self.hole_height_range, params["sizes"][..., 1], H, "high")
        size = np.stack([width, height], axis=2)  # (N, holes, 2)
        size[np.arange(size.shape[1]) >= params["holes"][:, None]] = 0
        start = np.floor(params["places"] * ([W + 1, H + 1] - size))
        fill_holes(self, batch, start, start + size, params["applied"])


class RandomErasing(Transform):
    """One rectangle of random area and shape, whole inside the image, filled.

    Ten sizes are drawn, and the first is taken that is smaller than the image in both directions; if none is, nothing happens.

    Args:
        p: the probability of it.
        scale: the area, as a part of the image's, is drawn from (least, most).
        ratio: height / width is drawn from (least, most), its logarithm evenly.
        value: the value, or one for each channel, or "random": normally distributed values of mean 0 and variance 1, as they
            suit a normalised image. uint8 gets 127.5 + 63.75 times these, rounded and cut off at 0 and 255.
    Source: Zhong et al. 2017 (1708.04896), algorithm 1; torchvision.transforms.v2.RandomErasing.

    >>> erased = RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1))(np.ones((1, 3, 32, 32), np.float32))
    >>> (erased == 0).sum().item()
    768
    """

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0):
        super().__init__(p)
        self.scale = interval(self.name, "scale", scale, low=0.0, high=1.0)
        self.ratio = interval(self.name, "ratio", ratio, low=1e-6)
        if value is None or (isinstance(value, str) and value != "random"):
            raise ValueError(f'{self.name}: value must be a number, one for each channel, or "random", got {value!r}')
        self.value = value if isinstance(value, str) else fill_value(self.name, value, what="value")

    def draw(self, draws):
        u, v = np.moveaxis(draws.numbers(20).reshape(-1, 10, 2), 2, 0)  # (N, 10) each
        low, high = np.log(self.ratio)
        return {
            "areas": self.scale[0] + (self.scale[1] - self.scale[0]) * u,
            "ratios": np.exp(low + (high - low) * v),
            "top": draws.uniform(),
            "left": draws.uniform(),
            "keys": draws.keys(),
        }

    def change(self, batch, params):
        H, W = batch.size
        area = H * W * params["areas"]
        heights = np.rint(np.sqrt(area * params["ratios"]))  # (N, 10)
        widths = np.rint(np.sqrt(area / params["ratios"]))
        fits = (heights < H) & (widths < W)
        first = np.argmax(fits, axis=1)[:, None]
        height, width = (np.take_along_axis(sizes, first, axis=1)[:, 0] for sizes in (heights, widths))  # (N,)
        start = np.stack(
            [np.floor(params["left"] * (W - width + 1)), np.floor(params["top"] * (H - height + 1))], axis=1
        )
        end = start + np.stack([width, height], axis=1)
        applied = params["applied"] & fits.any(axis=1)
        if self.value != "random":
            fill_holes(self, batch, start[:, None], end[:, None], applied, self.value)
            return
        values = normal_quantiles()
        if batch.images.dtype == np.uint8:
            values = np.clip(np.rint(127.5 + 63.75 * values), 0, 255)
        fill_holes(self, batch, start[:, None], end[:, None], applied, values, params["keys"])


class GridDropout(Transform):
    """A grid laid over the image, with a hole in each of its cells.

    Args:
        ratio: the hole's height and width, as a part of the cell's; a cell is never filled as a whole, nor left out.
        random_offset: each hole is anywhere in its cell; False: in its upper left corner.
        unit_size_range: the height and width of a cell in pixels are drawn from (least, most); None: a tenth of the image's.
            What is left over is shared out among the cells.
        fill: the value, or one for each channel.
        p: the probability of it.
    Raises: ValueError when applied to images smaller than the largest cell, or than 2 x 2.
    Source: albumentations.GridDropout; after GridMask, Chen et al. 2020 (2001.04086).

    >>> images = np.ones((1, 1, 4, 4), np.uint8)
    >>> GridDropout(unit_size_range=(2, 2), random_offset=False, p=1)(images)[0, 0].tolist()
    [[0, 1, 0, 1], [1, 1, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]]
    """

    def __init__(self, ratio=0.5, random_offset=True, unit_size_range=None, fill=0, p=0.5):
        super().__init__(p)
        self.ratio = fraction(self.name, "ratio", ratio)
        self.random_offset = random_offset
        self.unit_size_range = (
            None if unit_size_range is None else integer_range(self.name, "unit_size_range", unit_size_range, 2)
        )
        self.fill = fill_value(self.name, fill)

    def draw(self, draws):
        return {"unit": draws.integers(*(self.unit_size_range or (0, 0))), "keys": draws.keys()}

    def change(self, batch, params):
        H, W = batch.size
        if min(H, W) < max(self.unit_size_range or (2,)):
            raise ValueError(
                f"{self.name}: cells of {max(self.unit_size_range or (2,))} pixels don't fit into images of {H} x {W} "
                "(height x width)"
            )
        unit = params["unit"] if self.unit_size_range else np.zeros(batch.N, int)
        grids = {u: (H // (u or max(2, H // 10)), W // (u or max(2, W // 10))) for u in set(unit.tolist())}
        most = max(rows * columns for rows, columns in grids.values())
        numbers = P.uniform(params["keys"], 2 * most, np.float64)  # on the CPU, like all parameters
        start, end = np.zeros((2, batch.N, most, 2))
        for u, (rows, columns) in grids.items():
            of_these, count = unit == u, rows * columns
            cell, size = cells((H, W), (rows, columns), self.ratio)
            room = cell[:, 1] - cell[:, 0] - size  # (count, 2)
            if self.random_offset:
                offset = np.floor(numbers[of_these, : 2 * count].reshape(-1, count, 2) * (room + 1))
            else:
                offset = np.zeros((of_these.sum(), count, 2))
            start[of_these, :count] = cell[:, 0] + offset
            end[of_these, :count] = cell[:, 0] + offset + size
        fill_holes(self, batch, start, end, params["applied"])


def cells(size, grid, ratio):
    """The cells of a grid (rows, columns): (start, end) of (x, y), (count, 2, 2); their holes' (width, height), (count, 2)."""
    top, left = (np.arange(n + 1) * length // n for n, length in zip(grid, size))
    start = np.stack(np.meshgrid(left[:-1], top[:-1]), axis=-1).reshape(-1, 2)
    end = np.stack(np.meshgrid(left[1:], top[1:]), axis=-1).reshape(-1, 2)
    whole = end - start
    return np.stack([start, end], axis=1), np.clip(whole * ratio, 1, whole - 1).astype(int)


def fill_holes(transform, batch, start, end, applied, fill=None, keys=None):
    """Fill the boxes from `start` to below `end`, (N, holes, 2) of (x, y), cut off at the border, where `applied` (N,) is True.

    fill: a value for each channel, None for the transform's; with keys (N,) 65,536 values, of which each pixel gets one.
    """
    batch.finish()
    H, W = batch.size
    boxes = np.concatenate([start, end], axis=2).astype(np.int64)
    np.clip(boxes, 0, [W, H, W, H], out=boxes)
    boxes[~applied] = 0
    fill = transform.fill if fill is None else fill
    if keys is None:
        fill = np.broadcast_to(fill_value(transform.name, fill, batch.channels), (batch.channels,))
        if batch.images.dtype == np.uint8 and not (0 <= fill.min() and fill.max() <= 255):
            raise ValueError(f"{transform.name}: fill is {fill.tolist()}, but uint8 images hold 0 to 255")
    batch.images = P.fill_boxes(batch.images, boxes, fill, keys)


def hole_range(name, what, value):
    """Two integers, of pixels, or two floats from 0 to 1, of the image's length."""
    if isinstance(value, tuple | list) and all(isinstance(v, int | np.integer) for v in value):
        return integer_range(name, what, value, 1)
    return interval(name, what, value, low=0.0, high=1.0)


def hole_sizes(transform, limits, numbers, length, how):
    """Whole pixels for numbers from 0 to 1, as `hole_range` has the limits."""
    least, most = limits
    if isinstance(least, float):
        return np.floor(length * (least + (most - least) * numbers))
    if least > length:
        raise ValueError(f"{transform.name}: a hole {least} pixels {how} doesn't fit into images {length} pixels {how}")
    return least + np.floor(numbers * (min(most, length) - least + 1))
