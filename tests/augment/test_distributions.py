"""The random parameters of every transform have the distribution that its documentation says: chi-square, with a fixed seed."""

from statistics import NormalDist

import numpy as np
import pytest

from minitorch_cnn import augment as A
from minitorch_cnn.augment.transform import Transform

MANY, BINS = 20_000, 20
LIMIT = {
    1: 15.1,
    3: 21.1,
    4: 23.5,
    5: 25.7,
    19: 50.8,
    80: 133.0,
}  # by degrees of freedom; a good one exceeds it once in 10,000


def uniform(low, high):
    return lambda values: np.floor((values - low) / (high - low) * BINS), BINS


def log_uniform(low, high):
    classes, bins = uniform(np.log(low), np.log(high))
    return lambda values: classes(np.log(values)), bins


def integers(low, high):
    return lambda values: values - low, high - low + 1


def normal(sigma):
    below = np.vectorize(NormalDist(0, sigma).cdf)
    return lambda values: np.floor(below(values) * BINS), BINS


def beta(alpha):
    """By the quantiles of a million of NumPy's, which are as good as exact here."""
    edges = np.quantile(np.random.default_rng(0).beta(alpha, alpha, 1_000_000), np.arange(1, BINS) / BINS)
    return lambda values: np.searchsorted(edges, values), BINS


# transform, and for each of its parameters how it is distributed
TRANSFORMS = [
    (A.RandomCrop(4), {"top": uniform(0, 1), "left": uniform(0, 1)}),
    (
        A.RandomResizedCrop(4),
        {"scale": uniform(0.08, 1), "ratio": log_uniform(3 / 4, 4 / 3), "top": uniform(0, 1), "left": uniform(0, 1)},
    ),
    (A.Rotate(20), {"angle": uniform(-20, 20)}),
    (
        A.Affine((-5, 15), (0.1, 0.1), (0.8, 1.2), (2, 4, 2, 4)),
        {"angle": uniform(-5, 15), "translate": uniform(-0.1, 0.1), "scale": uniform(0.8, 1.2), "shear": uniform(2, 4)},
    ),
    (A.Perspective(), {"corners": uniform(0, 1)}),
    (A.OpticalDistortion(), {"k": uniform(-0.05, 0.05)}),
    (A.GridDistortion(), {"steps_x": uniform(0.7, 1.3), "steps_y": uniform(0.7, 1.3)}),
    (
        A.ColorJitter(0.1, 0.2, (0.3, 2.0), 0.4),
        {
            "brightness": uniform(0.9, 1.1),
            "contrast": uniform(0.8, 1.2),
            "saturation": uniform(0.3, 2.0),
            "hue": uniform(-0.4, 0.4),
            "order": integers(0, 3),
        },
    ),
    (A.Brightness(0.3), {"factor": uniform(0.7, 1.3)}),
    (A.Contrast(0.3), {"factor": uniform(0.7, 1.3)}),
    (A.Saturation(0.3), {"factor": uniform(0.7, 1.3)}),
    (A.Hue(0.3), {"factor": uniform(-0.3, 0.3)}),
    (A.Gamma(), {"gamma": uniform(0.8, 1.2)}),
    (A.RGBShift(), {"shift": uniform(-20, 20)}),
    (A.PCALighting(0.1), {"alpha": normal(0.1)}),
    (A.ChannelShuffle(), {"order": uniform(0, 1)}),
    (A.Posterize((2, 6)), {"bits": integers(2, 6)}),
    (A.Solarize(0.5), {}),
    (A.Sharpness((0.5, 2.0)), {"factor": uniform(0.5, 2.0)}),
    (A.GaussianBlur(5), {"sigma": uniform(0.1, 2.0)}),
    (A.MotionBlur((3, 9)), {"size": (lambda values: (values - 3) / 2, 4), "angle": uniform(0, 360)}),
    (A.ImageCompression((10, 90)), {"quality": integers(10, 90)}),
    (A.SaltAndPepper((0.1, 0.1), (0.2, 0.6)), {"salt": uniform(0.02, 0.06), "pepper": uniform(0.04, 0.08)}),
    (A.Cutout(4), {"centers": uniform(0, 1)}),
    (A.CoarseDropout((1, 4)), {"holes": integers(1, 4), "sizes": uniform(0, 1), "places": uniform(0, 1)}),
    (
        A.RandomErasing(1.0),
        {
            "areas": uniform(0.02, 0.33),
            "ratios": log_uniform(0.3, 3.3),
            "top": uniform(0, 1),
            "left": uniform(0, 1),
        },
    ),
    (A.GridDropout(unit_size_range=(3, 7)), {"unit": integers(3, 7)}),
    (A.Mixup(alpha=0.2, num_classes=3), {"lam": beta(0.2)}),
    (A.CutMix(alpha=1.0, num_classes=3), {"lam": uniform(0, 1), "x": uniform(0, 1), "y": uniform(0, 1)}),
]
NOT_NUMBERS = {"applied", "certain", "keys", "partner"}
CASES = [
    pytest.param(transform, name, distribution, id=f"{transform.name} {name}")
    for transform, parameters in TRANSFORMS
    for name, distribution in parameters.items()
]


@pytest.mark.parametrize("transform, name, distribution", CASES)
def test_a_parameter_is_distributed_as_documented(transform, name, distribution):
    values = transform.sample(np.arange(MANY), epoch=2, seed=5)[name]
    classes, bins = distribution
    for column in values.reshape(MANY, -1).T[:6]:
        counts = np.bincount(classes(column).astype(int), minlength=bins)
        assert len(counts) == bins, "values outside of the range"
        expected = MANY / bins
        assert ((counts - expected) ** 2 / expected).sum() < LIMIT[bins - 1]


@pytest.mark.parametrize("transform, parameters", TRANSFORMS, ids=[t.name for t, _ in TRANSFORMS])
def test_no_parameter_is_left_out(transform, parameters):
    found = {name for name in transform.sample([0]) if name not in NOT_NUMBERS}
    assert found - {"threshold"} == set(parameters)  # Solarize's is fixed


def test_no_transform_is_left_out():
    elsewhere = {  # nothing but whether and in which order; streams of numbers; policies: test_compose, test_draws, test_policy
        *("Compose", "OneOf", "SomeOf", "RandomApply", "Pad", "CenterCrop", "FiveCrop", "TenCrop", "Resize"),
        *("HorizontalFlip", "VerticalFlip", "ToGray", "Invert", "Equalize", "AutoContrast", "Normalize"),
        *("ElasticTransform", "GaussianNoise", "AutoAugment", "RandAugment", "TrivialAugment"),
    }
    everything = {t.__name__ for t in vars(A).values() if isinstance(t, type) and issubclass(t, Transform)}
    assert everything - elsewhere - {"Transform"} == {transform.name for transform, _ in TRANSFORMS}


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_transform_is_applied_with_its_probability(p):
    applied = A.HorizontalFlip(p).sample(np.arange(MANY), epoch=1, seed=9)["applied"]
    assert abs(applied.mean() - p) < 4 * np.sqrt(p * (1 - p) / MANY)
