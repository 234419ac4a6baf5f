"""Blurring and sharpening: each pixel becomes a weighted sum of those around it."""

import numpy as np

from ..backend import primitives as P
from .check import check_values, interval, natural
from .transform import Transform

__all__ = ["GaussianBlur", "MotionBlur", "RandomAdjustSharpness", "Sharpness"]


class GaussianBlur(Transform):
    """Weights exp(-d**2 / (2 sigma**2)) of the distance d in pixels, made to sum to 1; the border is mirrored.

    Args:
        kernel_size: an odd number of pixels, or two of them: (along x, along y), torchvision's order.
        sigma: the standard deviation in pixels is drawn from (least, most); one number is always taken.
        p: the probability of it.
    uint8: the weights are rounded to 1/4096, the sums down a column to 1/16: at most one grey level from torchvision, and the
    same bits on every device.
    Raises: ValueError when applied, if the kernel is wider than 31 pixels and than twice the images' longer side.
    Source: torchvision.transforms.v2.GaussianBlur.

    >>> images = np.zeros((1, 1, 3, 3), np.uint8)
    >>> images[0, 0, 1, 1] = 160
    >>> GaussianBlur(3, sigma=0.8493)(images)[0, 0].tolist()  # weights 1/4, 1/2, 1/4; the mirrored border sees the middle twice
    [[40, 40, 40], [40, 40, 40], [40, 40, 40]]
    """

    def __init__(self, kernel_size, sigma=(0.1, 2.0), p=1.0):
        super().__init__(p)
        sizes = kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
        if len(sizes) != 2:
            raise ValueError(f"{self.name}: kernel_size must be an integer or a pair (x, y), got {kernel_size!r}")
        self.kernel_size = tuple(odd(self.name, "kernel_size", size) for size in sizes)
        self.sigma = interval(self.name, "sigma", sigma, around=None, low=1e-3)

    def draw(self, draws):
        return {"sigma": draws.uniform(*self.sigma)}

    def change(self, batch, params):
        batch.finish()
        kernel_fits(self.name, "kernel_size", max(self.kernel_size), batch.size)
        columns, rows = (gaussian_weights(size, params["sigma"]) for size in self.kernel_size)
        if batch.images.dtype == np.uint8:
            rows, columns = whole_parts(rows, 4096), whole_parts(columns, 4096)
        batch.images = P.blur(batch.images, rows, columns, params["applied"])


class MotionBlur(Transform):
    """The camera moved: the mean of the pixels on a straight line through each; the border is mirrored.

    The line has `size` points, at the distances t = -(size // 2) ... size // 2 from the pixel, each rounded to the pixel it is
    in; a pixel that several points fall into counts once.

    Args:
        blur_limit: the size, odd, is drawn from (least, most); one number is the most, 3 the least.
        angle_range: the direction in degrees, clockwise from the right, is drawn from (least, most).
        p: the probability of it.
    Raises: ValueError when applied, if the largest size is above 31 pixels and twice the images' longer side.
    Source: albumentations.MotionBlur(allow_shifted=False, direction_range=(0, 0)).

    >>> images = np.zeros((1, 1, 1, 5), np.uint8)
    >>> images[..., 2] = 90
    >>> MotionBlur((3, 3), angle_range=(0, 0), p=1)(images)[0, 0].tolist()
    [[0, 30, 30, 30, 0]]
    """

    def __init__(self, blur_limit=(3, 7), angle_range=(0.0, 360.0), p=0.5):
        super().__init__(p)
        sizes = blur_limit if isinstance(blur_limit, tuple | list) else (3, blur_limit)
        if len(sizes) != 2:
            raise ValueError(f"{self.name}: blur_limit must be an integer or a pair (least, most), got {blur_limit!r}")
        self.blur_limit = tuple(odd(self.name, "blur_limit", size, 3) for size in sizes)
        if self.blur_limit[0] > self.blur_limit[1]:
            raise ValueError(f"{self.name}: blur_limit must be a pair least <= most, got {blur_limit!r}")
        self.angle_range = interval(self.name, "angle_range", angle_range)

    def draw(self, draws):
        least, most = self.blur_limit
        return {"size": 2 * draws.integers(least // 2, most // 2) + 1, "angle": draws.uniform(*self.angle_range)}

    def change(self, batch, params):
        batch.finish()
        kernel_fits(self.name, "blur_limit", max(self.blur_limit[1], params["size"].max()), batch.size)
        kernels = line_kernels(params["size"], params["angle"])
        if batch.images.dtype == np.uint8:
            kernels = whole_parts(kernels, 65536)
        batch.images = P.filter2d(batch.images, kernels, params["applied"])


class Sharpness(Transform):
    """Away from a smoothed image, or towards it: factor * image + (1 - factor) * smooth, cut off at black and white.

    Smooth is the mean of the nine pixels around, the middle one with weight 5. The outermost pixels stay as they are.

    Args:
        sharpness_factor: 0 is smooth, 1 changes nothing, 2 is sharper; drawn from a pair (least, most), or one number.
        p: the probability of it.
    Source: torchvision.transforms.v2.RandomAdjustSharpness.

    >>> images = np.full((1, 1, 3, 3), 100, np.uint8)
    >>> images[0, 0, 1, 1] = 113
    >>> Sharpness(2, p=1)(images)[0, 0].tolist()  # smooth is 105 there
    [[100, 100, 100], [100, 121, 100], [100, 100, 100]]
    """

    def __init__(self, sharpness_factor, p=0.5):
        super().__init__(p)
        self.sharpness_factor = interval(self.name, "sharpness_factor", sharpness_factor, around=None, low=0.0)

    def draw(self, draws):
        return {"factor": draws.uniform(*self.sharpness_factor)}

    def change(self, batch, params):
        batch.finish()
        check_values(self.name, batch.images)
        batch.images = P.sharpen(batch.images, np.where(params["applied"], params["factor"], 1.0))


RandomAdjustSharpness = Sharpness  # torchvision's name


def gaussian_weights(size, sigma):
    """(N, size) for sigma (N,)."""
    distance = np.arange(size) - size // 2
    weights = np.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)


def line_kernels(sizes, angles):
    """(N, most, most), most the largest of the sizes (N,): lines at the angles (N,), of equal weights that sum to 1."""
    N, most = len(sizes), sizes.max()
    t = np.arange(most) - most // 2  # (most,)
    angles = np.radians(angles)[:, None]
    rows, columns = (most // 2 + np.rint(t * f(angles)).astype(int) for f in (np.sin, np.cos))  # (N, most)
    sample, point = np.nonzero(np.abs(t) <= sizes[:, None] // 2)  # the shorter lines have fewer points
    kernels = np.zeros((N, most, most))
    kernels[sample, rows[sample, point], columns[sample, point]] = 1
    return kernels / kernels.sum(axis=(1, 2), keepdims=True)


def whole_parts(weights, parts):
    """Weights (N, ...) rounded to multiples of 1/parts, the middle one so that they still sum to 1.

    Sums of whole numbers below 2**24 are exact in float32, in any order: so the pixels are the same in any of the three forms.
    """
    whole = np.rint(weights * parts)
    rest = whole.reshape(len(whole), -1)  # the same memory
    rest[:, rest.shape[1] // 2] += parts - rest.sum(axis=1)
    return whole / parts


def kernel_fits(name, what, width, size):
    """A kernel twice as wide as the images reaches all of them from any pixel; a wider one only takes memory."""
    H, W = size
    most = max(2 * H, 2 * W, 31)  # the usual kernels suit the smallest images too
    if width > most:
        raise ValueError(
            f"{name}: a kernel of {width} pixels is too wide for images of {H} x {W} (height x width); "
            f"give a {what} of at most {most}"
        )


def odd(name, what, value, least=1):
    number = natural(name, what, value, least)
    if number % 2 == 0:
        raise ValueError(f"{name}: {what} must be odd, so that there is a middle, got {value!r}")
    return number
