"""Automatic policies: of a fixed set of operations, each sample gets some at random.

    AutoAugment       one of 25 pairs of operations, with probabilities and magnitudes that a search found for a data set
                      (Cubuk et al. 2018, 1805.09501, appendix A)
    RandAugment       num_ops operations, all of one magnitude (Cubuk et al. 2019, 1909.13719)
    TrivialAugment    one operation of a random magnitude (Müller and Hutter 2021, 2103.10158)

A magnitude is the number of a bin: bin 0 changes nothing (or little), the last one as much as `LARGEST` says. The operations and
their ranges are torchvision's.
"""

import numpy as np

from .affine import affine_matrix, middle
from .blur import Sharpness
from .check import fill_value, interpolation_name, natural, one_of, parameter
from .color import ColorJitter
from .geometry import projective
from .tone import AutoContrast, Equalize, Posterize, Solarize
from .transform import Transform

__all__ = ["AutoAugment", "RandAugment", "TrivialAugment", "TrivialAugmentWide"]

# the last bin's magnitude, in AutoAugment and RandAugment, and in TrivialAugment
LARGEST = {
    "ShearX": (0.3, 0.99),  # pixels to the side for each pixel down
    "ShearY": (0.3, 0.99),
    "TranslateX": (150 / 331, 32),  # of the width; pixels
    "TranslateY": (150 / 331, 32),  # of the height; pixels
    "Rotate": (30, 135),  # degrees
    "Brightness": (0.9, 0.99),  # above or below the factor of 1, as of the next three
    "Color": (0.9, 0.99),
    "Contrast": (0.9, 0.99),
    "Sharpness": (0.9, 0.99),
    "Posterize": (4, 6),  # bits taken away
    "Solarize": (1, 1),  # how far the threshold goes down, from white to black
    "AutoContrast": (0, 0),  # these have no magnitude
    "Equalize": (0, 0),
    "Invert": (0, 0),
    "Identity": (0, 0),
}
GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
SIGNED = (*GEOMETRIC, "Brightness", "Color", "Contrast", "Sharpness")  # in half of all cases the other way
AT_RANDOM = tuple(name for name in LARGEST if name != "Invert")  # what RandAugment and TrivialAugment choose from

# 25 pairs each: operation, probability, bin of 10
POLICIES = {
    "imagenet": [
        (("Posterize", 0.4, 8), ("Rotate", 0.6, 9)),
        (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
        (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
        (("Posterize", 0.6, 7), ("Posterize", 0.6, 6)),
        (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
        (("Equalize", 0.4, 0), ("Rotate", 0.8, 8)),
        (("Solarize", 0.6, 3), ("Equalize", 0.6, 0)),
        (("Posterize", 0.8, 5), ("Equalize", 1.0, 0)),
        (("Rotate", 0.2, 3), ("Solarize", 0.6, 8)),
        (("Equalize", 0.6, 0), ("Posterize", 0.4, 6)),
        (("Rotate", 0.8, 8), ("Color", 0.4, 0)),
        (("Rotate", 0.4, 9), ("Equalize", 0.6, 0)),
        (("Equalize", 0.0, 0), ("Equalize", 0.8, 0)),
        (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
        (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
        (("Rotate", 0.8, 8), ("Color", 1.0, 2)),
        (("Color", 0.8, 8), ("Solarize", 0.8, 7)),
        (("Sharpness", 0.4, 7), ("Invert", 0.6, 0)),
        (("ShearX", 0.6, 5), ("Equalize", 1.0, 0)),
        (("Color", 0.4, 0), ("Equalize", 0.6, 0)),
        (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
        (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
        (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
        (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
        (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
    ],
    "cifar10": [
        (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
        (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
        (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
        (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
        (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
        (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
        (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
        (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
        (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
        (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
        (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
        (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
        (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
        (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
        (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
        (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
        (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
        (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
        (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
        (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
        (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
        (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
        (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
        (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
        (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
    ],
    "svhn": [
        (("ShearX", 0.9, 4), ("Invert", 0.2, 0)),
        (("ShearY", 0.9, 8), ("Invert", 0.7, 0)),
        (("Equalize", 0.6, 0), ("Solarize", 0.6, 6)),
        (("Invert", 0.9, 0), ("Equalize", 0.6, 0)),
        (("Equalize", 0.6, 0), ("Rotate", 0.9, 3)),
        (("ShearX", 0.9, 4), ("AutoContrast", 0.8, 0)),
        (("ShearY", 0.9, 8), ("Invert", 0.4, 0)),
        (("ShearY", 0.9, 5), ("Solarize", 0.2, 6)),
        (("Invert", 0.9, 0), ("AutoContrast", 0.8, 0)),
        (("Equalize", 0.6, 0), ("Rotate", 0.9, 3)),
        (("ShearX", 0.9, 4), ("Solarize", 0.3, 3)),
        (("ShearY", 0.8, 8), ("Invert", 0.7, 0)),
        (("Equalize", 0.9, 0), ("TranslateY", 0.6, 6)),
        (("Invert", 0.9, 0), ("Equalize", 0.6, 0)),
        (("Contrast", 0.3, 3), ("Rotate", 0.8, 4)),
        (("Invert", 0.8, 0), ("TranslateY", 0.0, 2)),
        (("ShearY", 0.7, 6), ("Solarize", 0.4, 8)),
        (("Invert", 0.6, 0), ("Rotate", 0.8, 4)),
        (("ShearY", 0.3, 7), ("TranslateX", 0.9, 3)),
        (("ShearX", 0.1, 6), ("Invert", 0.6, 0)),
        (("Solarize", 0.7, 2), ("TranslateY", 0.6, 7)),
        (("ShearY", 0.8, 4), ("Invert", 0.8, 0)),
        (("ShearX", 0.7, 9), ("TranslateY", 0.8, 3)),
        (("ShearY", 0.8, 5), ("AutoContrast", 0.7, 0)),
        (("ShearX", 0.7, 2), ("Invert", 0.1, 0)),
    ],
}


class Policy(Transform):
    """What the three share: operations and magnitudes given for each sample, one slot after the other.

    The parameters are, for each of the slots of a sample (N, slots),
        operation    its name; "Identity" leaves the sample as it is
        bin          of its magnitude
        sign         1 or -1, for the magnitudes that have one
    """

    bins = 10  # of magnitudes
    column = 0  # of LARGEST

    def __init__(self, interpolation, fill, p):
        super().__init__(p)
        self.interpolation = interpolation_name(self.name, interpolation)
        self.fill = fill_value(self.name, fill)

    def change(self, batch, params):
        if batch.channels not in (1, 3):
            raise ValueError(f"{self.name}: images must have 1 or 3 channels, got {batch.channels}")
        parameter(self.name, "bin", params["bin"], 0, self.bins)
        for slot in range(params["operation"].shape[1]):
            operation = np.where(params["applied"], params["operation"][:, slot], "Identity")
            if batch.channels == 1:
                operation[operation == "Color"] = "Identity"
            magnitude = np.zeros(batch.N)
            for name in np.unique(operation):
                here = operation == name
                magnitude[here] = self.magnitudes(name, batch.size)[params["bin"][here, slot]]
            magnitude *= np.where(np.isin(operation, SIGNED), params["sign"][:, slot], 1)
            self.move(batch, operation, magnitude)
            batch.finish()  # each slot looks at the image anew, whatever the other samples of the batch do in it
            recolor(batch, operation, magnitude)

    def magnitudes(self, name, size):
        """(bins,) for images of a size (H, W)."""
        largest = LARGEST[name][self.column]
        if name.startswith("Translate") and largest < 1:
            largest *= size[1] if name == "TranslateX" else size[0]
        if name == "Posterize":
            return np.rint(8 - np.arange(self.bins) / ((self.bins - 1) / largest))  # bits that are kept
        first, last = (1, 0) if name == "Solarize" else (0, largest)
        # what is whole but for rounding would be cut to the pixel below
        return np.linspace(first, last, self.bins).round(9)

    def move(self, batch, operation, magnitude):
        """All that is geometric, one matrix a sample: shears about the upper left corner, rotations about the middle."""
        geometric = np.isin(operation, GEOMETRIC)
        amount = {name: np.where(operation == name, magnitude, 0.0) for name in GEOMETRIC}
        shear = np.degrees(np.arctan(np.stack([amount["ShearX"], amount["ShearY"]], axis=1)))  # (N, 2)
        moved = np.trunc(np.stack([amount["TranslateX"], amount["TranslateY"]], axis=1))  # (N, 2) whole pixels
        center = np.where(shear.any(axis=1, keepdims=True), middle(batch.size, (0, 0)), middle(batch.size, None))
        matrix = affine_matrix(-amount["Rotate"], moved, np.ones(batch.N), shear, center)
        fill = fill_value(self.name, self.fill, batch.channels)
        batch.add([projective(matrix, geometric, batch.size, batch.size, fill=fill)], self.interpolation)


class AutoAugment(Policy):
    """One of 25 pairs of operations for each sample, each operation with its probability.

    Args:
        policy: "imagenet", "cifar10" or "svhn": the data set that the pairs were found for.
        interpolation: of the geometric operations, "nearest", "bilinear" or "bicubic", or torchvision's InterpolationMode.
        fill: what is seen where the image has nothing: a number, or one for each channel; None: 0.
        p: the probability of all of it.
    Boxes, keypoints and masks follow the geometric operations.
    Raises: ValueError when applied to images without 1 or 3 channels; with 1, Color changes nothing.
    Source: Cubuk et al. 2018 (1805.09501); torchvision.transforms.v2.AutoAugment. The paper's recipe for CIFAR-10 is
    Compose([RandomCrop(32, padding=4), HorizontalFlip(), AutoAugment("cifar10"), Cutout(16)]).

    >>> params = AutoAugment("cifar10").sample([5], epoch=2, seed=1)
    >>> params["operation"].tolist(), params["bin"].tolist(), params["sign"].tolist()
    ([['Brightness', 'Color']], [[6, 8]], [[1, -1]])
    """

    def __init__(self, policy="imagenet", interpolation="nearest", fill=0, p=1.0):
        super().__init__(interpolation, fill, p)
        self.policy = one_of(self.name, "policy", policy, list(POLICIES))

    def draw(self, draws):
        pairs = POLICIES[self.policy]
        chosen = draws.integers(0, len(pairs) - 1)
        names, chances, bins = (np.array([[slot[k] for slot in pair] for pair in pairs])[chosen] for k in range(3))
        happens = draws.numbers(2) < chances
        return {"operation": np.where(happens, names, "Identity"), "bin": bins, "sign": signs(draws, 2)}


class RandAugment(Policy):
    """Some operations for each sample, drawn with replacement, all of one magnitude.

    Args:
        num_ops: how many.
        magnitude: the bin of all magnitudes, from 0 to num_magnitude_bins - 1.
        num_magnitude_bins: how many bins there are, at least 2.
        interpolation, fill, p: see `AutoAugment`, and what is said of channels and targets there.
    Source: Cubuk et al. 2019 (1909.13719); torchvision.transforms.v2.RandAugment.

    >>> RandAugment()(np.zeros((2, 3, 8, 9), np.uint8)).shape
    (2, 3, 8, 9)
    """

    def __init__(self, num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation="nearest", fill=0, p=1.0):
        super().__init__(interpolation, fill, p)
        self.num_ops = natural(self.name, "num_ops", num_ops)
        self.magnitude = natural(self.name, "magnitude", magnitude)
        self.bins = natural(self.name, "num_magnitude_bins", num_magnitude_bins, 2)
        if self.magnitude >= self.bins:
            raise ValueError(
                f"{self.name}: magnitude {self.magnitude} is no bin: there are {self.bins}, 0 to {self.bins - 1}; "
                "num_magnitude_bins says how many"
            )

    def draw(self, draws):
        chosen = np.floor(draws.numbers(self.num_ops) * len(AT_RANDOM)).astype(np.int64)  # (N, num_ops)
        bins = np.full_like(chosen, self.magnitude)
        return {"operation": np.array(AT_RANDOM)[chosen], "bin": bins, "sign": signs(draws, self.num_ops)}


class TrivialAugment(Policy):
    """One operation of a random magnitude for each sample.

    Args:
        num_magnitude_bins: how many magnitudes there are, at least 2.
        interpolation, fill, p: see `AutoAugment`, and what is said of channels and targets there.
    Source: Müller and Hutter 2021 (2103.10158), the "wide" set; torchvision.transforms.v2.TrivialAugmentWide, which moves by 15
    pixels at the middle bin of 31, where its 16 is 15.999999.

    >>> TrivialAugment()(np.zeros((2, 3, 8, 9), np.uint8)).shape
    (2, 3, 8, 9)
    """

    column = 1

    def __init__(self, num_magnitude_bins=31, interpolation="nearest", fill=0, p=1.0):
        super().__init__(interpolation, fill, p)
        self.bins = natural(self.name, "num_magnitude_bins", num_magnitude_bins, 2)

    def draw(self, draws):
        chosen = draws.integers(0, len(AT_RANDOM) - 1)[:, None]  # (N, 1)
        bins = draws.integers(0, self.bins - 1)[:, None]
        return {"operation": np.array(AT_RANDOM)[chosen], "bin": bins, "sign": signs(draws, 1)}


TrivialAugmentWide = TrivialAugment  # torchvision's name


def signs(draws, count):
    """(N, count): 1 or -1."""
    return np.where(draws.numbers(count) < 0.5, -1, 1)


def recolor(batch, operation, magnitude):
    """All that isn't geometric. A sample has one operation, so the order doesn't matter."""

    def factor(name):
        return np.where(operation == name, 1 + magnitude, 1.0)

    def among(*names):
        return np.isin(operation, names)

    toned = among("Brightness", "Contrast", "Color")
    if toned.any():
        order = np.tile(np.arange(4), (batch.N, 1))
        factors = {"brightness": factor("Brightness"), "contrast": factor("Contrast"), "saturation": factor("Color")}
        ColorJitter().change(batch, {"applied": toned, **factors, "hue": np.zeros(batch.N), "order": order})
    if among("Sharpness").any():
        Sharpness(1).change(batch, {"applied": among("Sharpness"), "factor": factor("Sharpness")})
    if among("Posterize").any():
        bits = np.where(among("Posterize"), magnitude, 8).astype(np.int64)
        Posterize(8).change(batch, {"applied": among("Posterize"), "bits": bits})
    turned = among("Solarize", "Invert")
    if turned.any():
        white = 255 if batch.images.dtype == np.uint8 else 1
        # everything is above minus infinity
        threshold = np.where(among("Invert"), -np.inf, (white * magnitude).round(6))
        Solarize(0).change(batch, {"applied": turned, "threshold": threshold})
    for name, transform in (("AutoContrast", AutoContrast()), ("Equalize", Equalize())):
        if among(name).any():
            transform.change(batch, {"applied": among(name)})
