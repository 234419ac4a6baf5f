"""Colour and tone against torchvision's functional forms (v2), parameters given, and albumentations where it has the name.

To one level of grey in uint8: torchvision multiplies and adds without rounding in between, so a grey that is all but whole may
be rounded down to another level.
"""

import numpy as np
import pytest

from minitorch_cnn.augment.color import Brightness, ColorJitter, Contrast, Hue, RGBShift, Saturation, ToGray
from minitorch_cnn.augment.normalize import Normalize
from minitorch_cnn.augment.tone import AutoContrast, Equalize, Gamma, Invert, Posterize, Solarize

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
TF = pytest.importorskip("torchvision.transforms.v2.functional")

DTYPES = [np.uint8, np.float32, np.float64]


def images(rng, dtype, shape=(6, 3, 37, 41)):
    x = rng.integers(0, 256, shape).astype(np.uint8)
    x[0] = 130
    x[1] //= 9
    x[2] = 100 + x[2] // 5
    x[3] = x[3, :1]
    x[4, :, :20] = 255
    return x if dtype == np.uint8 else (x / 255).astype(dtype)


def assert_near(y, n, expected, share=0.3):
    expected = expected.numpy()
    assert y.dtype == expected.dtype
    tolerance = 1 if y.dtype == np.uint8 else 1e-5
    assert np.abs(y[n].astype(float) - expected.astype(float)).max() <= tolerance
    if y.dtype == np.uint8:
        assert (y[n] != expected).mean() < share  # and that only now and then


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "transform, function",
    [
        (Brightness((0, 2.5)), TF.adjust_brightness),
        (Contrast((0, 2.5)), TF.adjust_contrast),
        (Saturation((0, 2.5)), TF.adjust_saturation),
        (Hue(0.5), TF.adjust_hue),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_four_steps(transform, function, dtype, C, rng):
    if C == 1 and transform.name in ("Saturation", "Hue"):
        pytest.skip("of one channel there is no colour to change; torchvision returns the image")
    x = images(rng, dtype, (6, C, 37, 41))
    params = transform.sample(np.arange(6), seed=8)
    y = transform.apply(x, params)
    for n in range(6):
        assert_near(y, n, function(torch.from_numpy(x[n]), float(params["factor"][n])))


@pytest.mark.parametrize("dtype", DTYPES)
def test_jitter(dtype, rng):
    x = images(rng, dtype)
    jitter = ColorJitter(0.4, 0.4, 0.4, 0.1)
    params = jitter.sample(np.arange(6), seed=8)
    y = jitter.apply(x, params)
    names = "brightness", "contrast", "saturation", "hue"
    for n in range(6):
        expected = torch.from_numpy(x[n])
        for k in params["order"][n]:
            expected = getattr(TF, f"adjust_{names[k]}")(expected, float(params[names[k]][n]))
        if dtype == np.uint8:  # a level that is off after the first step may grow in the others
            assert np.abs(y[n].astype(int) - expected.numpy().astype(int)).max() <= 3
            assert (y[n] != expected.numpy()).mean() < 0.2
        else:
            assert_near(y, n, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_grey(dtype, rng):
    x = images(rng, dtype)
    y = ToGray(p=1)(x)
    for n in range(6):
        assert_near(y, n, TF.rgb_to_grayscale(torch.from_numpy(x[n]), num_output_channels=3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "transform, function",
    [
        (Invert(1), TF.invert),
        (AutoContrast(1), TF.autocontrast),
        (Equalize(1), TF.equalize),
        *[(Posterize(bits, 1), lambda x, bits=bits: TF.posterize(x, bits)) for bits in (0, 1, 4, 8)],
    ],
    ids=lambda value: repr(value) if hasattr(value, "name") else "",
)
def test_tones(transform, function, dtype, rng):
    x = images(rng, dtype)
    y = transform(x)
    for n in range(6):
        # what should be whole in a stretched channel is a level too low in torchvision, by rounding: the brightest pixels 254
        share = 1 if transform.name == "AutoContrast" else 0.01
        assert_near(y, n, function(torch.from_numpy(x[n])), share)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threshold", [0, 0.3, 0.5, 1])
def test_solarized(threshold, dtype, rng):
    x = images(rng, dtype)
    threshold = round(255 * threshold) if dtype == np.uint8 else threshold
    y = Solarize(threshold, p=1)(x)
    for n in range(6):
        assert np.array_equal(y[n], TF.solarize(torch.from_numpy(x[n]), threshold).numpy())


def test_equalized_and_posterized_bytes_are_the_very_same(rng):
    x = images(rng, np.uint8)
    for transform, function in ((Equalize(1), TF.equalize), (Posterize(3, 1), lambda a: TF.posterize(a, 3))):
        assert np.array_equal(transform(x), np.stack([function(torch.from_numpy(a)).numpy() for a in x]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalised(dtype, rng):
    x = images(rng, dtype)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    y = Normalize(mean, std)(x)
    for n in range(6):
        image = torch.from_numpy(x[n])
        image = TF.to_dtype(image, torch.float32, scale=True) if dtype == np.uint8 else image
        assert_near(y, n, TF.normalize(image, mean, std))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("gamma", [60, 100, 140])
def test_albumentations_gamma(gamma, dtype, rng):
    albumentations = pytest.importorskip("albumentations")
    theirs = albumentations.RandomGamma((gamma, gamma), p=1)
    x = images(rng, dtype)
    y = Gamma((gamma, gamma), p=1)(x)
    for n in range(6):
        assert_near(y, n, torch.from_numpy(theirs(image=x[n].transpose(1, 2, 0))["image"].transpose(2, 0, 1)))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_albumentations_rgb_shift(dtype, rng):
    albumentations = pytest.importorskip("albumentations")
    limits = (13, 13), (-20, -20), (8, 8)
    x = images(rng, dtype)
    y = RGBShift(*limits, p=1)(x)
    theirs = albumentations.RGBShift(*limits, p=1)
    for n in range(6):
        assert_near(y, n, torch.from_numpy(theirs(image=x[n].transpose(1, 2, 0))["image"].transpose(2, 0, 1)))
