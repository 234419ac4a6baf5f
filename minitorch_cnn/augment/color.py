"""Colour: brightness, contrast, saturation and hue (torchvision's), and channels lightened, mixed up, or taken away.

What each step does to a pixel says backend/color_step.py. Images are uint8, or float from 0 to 1; results are cut to that.
"""

import itertools

import numpy as np

from .. import backend
from ..backend import primitives as P
from ..backend.color_step import NEUTRAL, STEPS
from .check import check_values, interval, number, parameter
from .transform import Transform

__all__ = [
    "Brightness",
    "ChannelShuffle",
    "ColorJitter",
    "Contrast",
    "Hue",
    "PCALighting",
    "RGBShift",
    "Saturation",
    "ToGray",
]


class Brightness(Transform):
    """The image times a factor.

    Args:
        brightness: the factor is drawn from (max(0, 1 - brightness), 1 + brightness), or from a pair 0 <= least <= most.
        p: the probability of it.
    Source: torchvision.transforms.v2.ColorJitter, functional.adjust_brightness.

    >>> Brightness((0.5, 0.5))(np.full((1, 3, 1, 1), 101, np.uint8)).ravel().tolist()
    [50, 50, 50]
    """

    def __init__(self, brightness, p=1.0):
        super().__init__(p)
        self.brightness = factor_range(self.name, "brightness", brightness)

    def draw(self, draws):
        return {"factor": draws.uniform(*self.brightness)}

    def change(self, batch, params):
        jitter(self, batch, params["applied"], {"brightness": params["factor"]})


class Contrast(Transform):
    """A blend of the image and its mean grey: 0 is plain grey, 1 the image.

    Args:
        contrast: the factor is drawn from (max(0, 1 - contrast), 1 + contrast), or from a pair 0 <= least <= most.
        p: the probability of it.
    Source: torchvision.transforms.v2.ColorJitter, functional.adjust_contrast.

    >>> Contrast((0.5, 0.5))(np.array([0, 100], np.uint8).reshape(1, 1, 1, 2)).ravel().tolist()
    [25, 75]
    """

    def __init__(self, contrast, p=1.0):
        super().__init__(p)
        self.contrast = factor_range(self.name, "contrast", contrast)

    def draw(self, draws):
        return {"factor": draws.uniform(*self.contrast)}

    def change(self, batch, params):
        jitter(self, batch, params["applied"], {"contrast": params["factor"]})


class Saturation(Transform):
    """A blend of the image and its grey copy: 0 is grey, 1 the image.

    Args:
        saturation: the factor is drawn from (max(0, 1 - saturation), 1 + saturation), or from a pair 0 <= least <= most.
        p: the probability of it.
    Raises: ValueError when applied to images without 3 channels.
    Source: torchvision.transforms.v2.ColorJitter, functional.adjust_saturation.

    >>> Saturation((0.5, 0.5))(np.array([200, 0, 0], np.uint8).reshape(1, 3, 1, 1)).ravel().tolist()
    [129, 29, 29]
    """

    def __init__(self, saturation, p=1.0):
        super().__init__(p)
        self.saturation = factor_range(self.name, "saturation", saturation)

    def draw(self, draws):
        return {"factor": draws.uniform(*self.saturation)}

    def change(self, batch, params):
        jitter(self, batch, params["applied"], {"saturation": params["factor"]})


class Hue(Transform):
    """The colours turned on the colour circle.

    Args:
        hue: the part of a full turn is drawn from (-hue, hue), or from a pair (least, most), within -0.5 to 0.5.
        p: the probability of it.
    Raises: ValueError when applied to images without 3 channels.
    Source: torchvision.transforms.v2.ColorJitter, functional.adjust_hue.

    >>> Hue((0.5, 0.5))(np.array([200, 10, 10], np.uint8).reshape(1, 3, 1, 1)).ravel().tolist()  # half a turn from red
    [10, 200, 200]
    """

    def __init__(self, hue, p=1.0):
        super().__init__(p)
        self.hue = hue_range(self.name, hue)

    def draw(self, draws):
        return {"factor": draws.uniform(*self.hue)}

    def change(self, batch, params):
        jitter(self, batch, params["applied"], {"hue": params["factor"]})


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue, each with a random factor, in a random order for each sample.

    Args:
        brightness, contrast, saturation, hue: see the transforms of these names; 0 or None leaves that step out.
        p: the probability of all of it.
    Raises: ValueError when applied to images without 3 channels (1 will do for brightness and contrast).
    Source: torchvision.transforms.v2.ColorJitter.

    >>> ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)(np.zeros((2, 3, 8, 9), np.uint8)).shape
    (2, 3, 8, 9)
    """

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0, p=1.0):
        super().__init__(p)
        brightness, contrast, saturation, hue = (0 if v is None else v for v in (brightness, contrast, saturation, hue))
        self.brightness = factor_range(self.name, "brightness", brightness)
        self.contrast = factor_range(self.name, "contrast", contrast)
        self.saturation = factor_range(self.name, "saturation", saturation)
        self.hue = hue_range(self.name, hue)

    def draw(self, draws):
        factors = {step: draws.uniform(*getattr(self, step)) for step in STEPS}
        return {**factors, "order": draws.order(4)}  # order[n, k]: the number of the step that is the k-th

    def change(self, batch, params):
        parameter(self.name, "order", params["order"], 0, 4)
        used = [step for step, value in zip(STEPS, NEUTRAL) if (params[step] != value).any()]
        jitter(self, batch, params["applied"], {step: params[step] for step in used}, params["order"])


class ToGray(Transform):
    """The grey image in all three channels, 0.2989 red + 0.587 green + 0.114 blue (rounded down).

    Args:
        p: the probability of it.
    Raises: ValueError when applied to images without 3 channels.
    Source: albumentations.ToGray, torchvision.transforms.v2.Grayscale(3); torchvision's RandomGrayscale is ToGray(p=0.1).

    >>> ToGray(p=1)(np.array([200, 0, 0], np.uint8).reshape(1, 3, 1, 1)).ravel().tolist()
    [59, 59, 59]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def change(self, batch, params):
        jitter(self, batch, params["applied"], {"saturation": np.zeros(batch.N)})


class RGBShift(Transform):
    """A number added to each channel, rounded for images of uint8.

    Args:
        r_shift_limit, g_shift_limit, b_shift_limit: it is drawn from (least, most), or (-limit, limit), in levels of 0 to 255
            whatever the dtype.
        p: the probability of it.
    Raises: ValueError when applied to images without 3 channels.
    Source: albumentations.RGBShift (which rounds towards 0).

    >>> RGBShift((5, 5), (0, 0), (-20, -20), p=1)(np.full((1, 3, 1, 1), 10, np.uint8)).ravel().tolist()
    [15, 10, 0]
    """

    def __init__(self, r_shift_limit=(-20, 20), g_shift_limit=(-20, 20), b_shift_limit=(-20, 20), p=0.5):
        super().__init__(p)
        self.r_shift_limit = interval(self.name, "r_shift_limit", r_shift_limit)
        self.g_shift_limit = interval(self.name, "g_shift_limit", g_shift_limit)
        self.b_shift_limit = interval(self.name, "b_shift_limit", b_shift_limit)

    def draw(self, draws):
        limits = self.r_shift_limit, self.g_shift_limit, self.b_shift_limit
        return {"shift": np.stack([draws.uniform(*limit) for limit in limits], axis=1)}

    def change(self, batch, params):
        lighten(self, batch, params["applied"], params["shift"])


# of red, green and blue from 0 to 1, as most published code has them; where they were first computed nobody says
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))  # a column each


class PCALighting(Transform):
    """AlexNet's change of the light: one vector added to all pixels of an image, along directions in which colours vary.

        [p1 p2 p3] [alpha1 lambda1, alpha2 lambda2, alpha3 lambda3],  each alpha drawn from a normal distribution

    with p and lambda the eigenvectors and eigenvalues of the covariance of (red, green, blue) over all pixels of the training
    set.

    Args:
        alpha_std: the standard deviation of the alphas.
        eigenvalues: (3,), of colours from 0 to 1; those of ImageNet unless given.
        eigenvectors: (3, 3), p1, p2 and p3 as columns.
        p: the probability of it.
    Raises: ValueError when applied to images without 3 channels.
    Source: Krizhevsky, Sutskever, Hinton 2012, section 4.1.

    >>> PCALighting()(np.zeros((2, 3, 8, 9), np.uint8)).shape
    (2, 3, 8, 9)
    """

    def __init__(self, alpha_std=0.1, eigenvalues=EIGENVALUES, eigenvectors=EIGENVECTORS, p=1.0):
        super().__init__(p)
        self.alpha_std = number(self.name, "alpha_std", alpha_std, 0)
        try:
            self.eigenvalues, self.eigenvectors = np.asarray(eigenvalues, float), np.asarray(eigenvectors, float)
        except (TypeError, ValueError):
            raise ValueError(
                f"{self.name}: eigenvalues must be 3 numbers and eigenvectors 3 x 3, got {eigenvalues!r} and {eigenvectors!r}"
            ) from None
        if self.eigenvalues.shape != (3,) or self.eigenvectors.shape != (3, 3):
            raise ValueError(
                f"{self.name}: eigenvalues must be 3 numbers and eigenvectors 3 x 3, "
                f"got shapes {self.eigenvalues.shape} and {self.eigenvectors.shape}"
            )

    @classmethod
    def of(cls, images, alpha_std=0.1, p=1.0):
        """With the eigenvalues and eigenvectors of a data set's images, (N, 3, H, W) uint8.

        >>> PCALighting.of(np.array([[[[0, 255]]] * 3], np.uint8).reshape(1, 3, 1, 2)).eigenvalues.round(6).tolist()
        [0.75, 0.0, 0.0]
        """
        if not backend.is_array(images) or images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
            got = f"{images.dtype} {images.shape}" if backend.is_array(images) else type(images).__name__
            raise ValueError(f"{cls.__name__}.of: images must be (N, 3, H, W) uint8, got {got}")
        if not images.size:
            raise ValueError(f"{cls.__name__}.of: there is no image in an array of shape {images.shape}")
        total, products = np.zeros(3), np.zeros((3, 3))  # whole numbers, exact
        for start in range(0, len(images), 64):
            block = backend.to_numpy(images[start : start + 64]).astype(float)
            colors = block.transpose(1, 0, 2, 3).reshape(3, -1)  # (3, pixels)
            total += colors.sum(axis=1)
            products += colors @ colors.T
        mean = total / (images.size // 3)
        covariance = (products / (images.size // 3) - np.outer(mean, mean)) / 255**2
        values, vectors = np.linalg.eigh(covariance)  # ascending
        return cls(alpha_std, np.maximum(values[::-1], 0), vectors[:, ::-1], p)

    def draw(self, draws):
        return {"alpha": self.alpha_std * np.stack([draws.normal() for _ in range(3)], axis=1)}  # (N, 3)

    def change(self, batch, params):
        shift = params["alpha"] * self.eigenvalues @ self.eigenvectors.T  # (N, 3) of colours from 0 to 1
        lighten(self, batch, params["applied"], 255 * shift)


class ChannelShuffle(Transform):
    """The channels in a random order, each as likely as any other.

    Args:
        p: the probability of it.
    Raises: ValueError when applied to images of more than 6 channels.
    Source: albumentations.ChannelShuffle, torchvision.transforms.v2.RandomChannelPermutation.

    >>> sorted(ChannelShuffle(p=1)(np.arange(3, dtype=np.uint8).reshape(1, 3, 1, 1)).ravel().tolist())
    [0, 1, 2]
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def draw(self, draws):
        return {"order": draws.uniform()}  # which of all orders, as a fraction of their number: C isn't known yet

    def change(self, batch, params):
        batch.finish()
        C = batch.channels
        if C > 6:
            raise ValueError(f"{self.name}: images must have at most 6 channels, got {batch.images.shape}")
        parameter(self.name, "order", params["order"], 0, 1)
        orders = np.array(list(itertools.permutations(range(C))))  # (C!, C)
        order = orders[(params["order"] * len(orders)).astype(int)]
        order[~params["applied"]] = np.arange(C)
        batch.images = P.permute_channels(batch.images, order)


# what they share ------------------------------------------------------------------------------------------------------


def jitter(transform, batch, applied, factors, order=None):
    """The steps {name: factors (N,)} on a batch, in the order (N, 4) for each sample."""
    batch.finish()
    if batch.channels != 3 and not (batch.channels == 1 and set(factors) <= {"brightness", "contrast"}):
        need = "1 or 3 channels" if set(factors) <= {"brightness", "contrast"} else "3 channels: red, green and blue"
        raise ValueError(f"{transform.name}: images must have {need}; got images of shape {batch.images.shape}")
    check_values(transform.name, batch.images)
    every = np.empty((batch.N, 4))
    every[:] = NEUTRAL
    for step, values in factors.items():
        every[applied, STEPS.index(step)] = values[applied]
    if order is None:
        order = np.broadcast_to(np.arange(4), (batch.N, 4))
    batch.images = P.color_jitter(batch.images, every, order)


def lighten(transform, batch, applied, amount):
    """Levels of 0 to 255 (N, 3) added to the channels."""
    batch.finish()
    if batch.channels != 3:
        raise ValueError(
            f"{transform.name}: images must have 3 channels: red, green and blue; got images of shape {batch.images.shape}"
        )
    check_values(transform.name, batch.images)
    amount = amount * applied[:, None]
    batch.images = P.add_to_channels(batch.images, amount if batch.images.dtype == np.uint8 else amount / 255)


def factor_range(name, what, value):
    return interval(name, what, value, around=1.0, low=0.0)


def hue_range(name, value):
    least, most = interval(name, "hue", value)
    if least < -0.5 or most > 0.5:
        raise ValueError(f"{name}: hue must be within -0.5 to 0.5 (half a turn), got {value!r}")
    return least, most
