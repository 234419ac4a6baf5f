"""Blur, sharpness, noise and erasing against torchvision and albumentations, with the parameters given."""

import numpy as np
import pytest

from minitorch_cnn.augment.blur import GaussianBlur, MotionBlur, Sharpness, line_kernels
from minitorch_cnn.augment.erase import RandomErasing, cells
from minitorch_cnn.augment.noise import GaussianNoise

torch = pytest.importorskip("torch")
v2 = pytest.importorskip("torchvision.transforms.v2")
tv = v2.functional

DTYPES = [np.uint8, np.float32]
TOLERANCE = {np.uint8: 1, np.float32: 1e-5}
N, C, H, W = 4, 3, 17, 22

every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def images_of(rng, dtype, size=(N, C, H, W)):
    return rng.integers(0, 256, size).astype(np.uint8) if dtype == np.uint8 else rng.random(size).astype(dtype)


def assert_near(got, expected, dtype):
    expected = np.asarray(expected)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    assert np.abs(got.astype(float) - expected.astype(float)).max() <= TOLERANCE[dtype]


@every_dtype
@pytest.mark.parametrize("kernel", [(3, 3), (5, 3), (9, 11), (23, 23)])
def test_gaussian_blur(kernel, dtype, rng):
    x = images_of(rng, dtype)
    sigma = np.array([0.1, 0.6, 1.234, 2.0])
    y = GaussianBlur(kernel).apply(x, {"applied": np.ones(N, bool), "sigma": sigma})
    for n in range(N):
        assert_near(y[n], tv.gaussian_blur(torch.from_numpy(x[n]), list(kernel), [sigma[n]] * 2), dtype)


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.4, 2.0, 5.0])
@pytest.mark.parametrize("pattern", ["noise", "black and white", "stripes"])
def test_gaussian_blur_of_the_hardest_images_is_within_one_grey_level(pattern, sigma, rng):
    x = {
        "noise": rng.integers(0, 256, (1, 1, 150, 170)),
        "black and white": 255 * rng.integers(0, 2, (1, 1, 150, 170)),
        "stripes": np.broadcast_to(255 * (np.arange(170) // 2 % 2), (1, 1, 150, 170)),
    }[pattern].astype(np.uint8)
    for size in (5, 23):
        wanted = tv.gaussian_blur(torch.from_numpy(x), [size, size], [sigma, sigma]).numpy()
        difference = np.abs(GaussianBlur(size, sigma)(x).astype(int) - wanted)
        assert difference.max() <= 1 and difference.mean() < 0.1


@every_dtype
@pytest.mark.parametrize("factor", [0.0, 0.3, 0.5, 0.99, 1.7, 2.0, 4.0])
@pytest.mark.parametrize("size", [(N, C, H, W), (2, 1, 3, 3), (2, 3, 2, 9)])
def test_sharpness(size, factor, dtype, rng):
    x = images_of(rng, dtype, size)
    wanted = tv.adjust_sharpness(torch.from_numpy(x), factor)
    y = Sharpness(factor, p=1)(x)
    assert_near(y, wanted, dtype)
    if dtype == np.uint8:  # both cut off: only where the value is a whole number may rounding make a difference
        assert (y != wanted.numpy()).mean() < 0.02


@pytest.mark.parametrize("size", [3, 5, 7])
def test_the_lines_of_motion_blur_are_those_of_albumentations(size):
    pytest.importorskip("albumentations")
    import random

    from albumentations.augmentations.blur.functional import create_motion_kernel

    for angle in np.arange(0.5, 360, 3.7):
        theirs = create_motion_kernel(size, angle, 0.0, False, random.Random(0))
        ours = line_kernels(np.array([size]), np.array([angle]))[0]
        np.testing.assert_allclose(ours, theirs / theirs.sum(), rtol=0, atol=1e-7)


@every_dtype
@pytest.mark.parametrize("size", [3, 7])
def test_motion_blur(size, dtype, rng):
    pytest.importorskip("albumentations")
    from albumentations.augmentations.pixel.functional import convolve

    x, angles = images_of(rng, dtype), np.array([10.0, 100.0, 217.0, 301.0])
    y = MotionBlur().apply(x, {"applied": np.ones(N, bool), "size": np.full(N, size), "angle": angles})
    kernels = line_kernels(np.full(N, size), angles).astype(np.float32)
    for n in range(N):
        wanted = convolve(np.ascontiguousarray(x[n].transpose(1, 2, 0)), kernels[n])
        assert_near(y[n], wanted.transpose(2, 0, 1), dtype)


@every_dtype
@pytest.mark.parametrize("value", [0, 0.5, (0.25, 1, 0.75)])
def test_random_erasing(value, dtype, rng):
    x = images_of(rng, dtype)
    theirs = v2.RandomErasing(p=1, value=value)
    for seed in range(20):
        torch.manual_seed(seed)
        box = theirs.make_params([torch.from_numpy(x[:1])])
        areas = np.full((1, 10), box["h"] * box["w"] / (H * W))
        params = {
            "applied": np.ones(1, bool),
            "areas": areas,
            "ratios": np.full((1, 10), box["h"] / box["w"]),
            "top": np.array([(box["i"] + 0.5) / (H - box["h"] + 1)]),
            "left": np.array([(box["j"] + 0.5) / (W - box["w"] + 1)]),
            "keys": np.zeros(1, np.uint64),
        }
        wanted = theirs.transform(torch.from_numpy(x[:1]), box)
        assert np.array_equal(RandomErasing(p=1, value=value).apply(x[:1], params), wanted.numpy())


def test_random_erasing_is_spread_as_torchvisions(rng):
    x = np.ones((1500, 1, 24, 32), np.uint8)
    torch.manual_seed(0)
    theirs = v2.RandomErasing(p=0.5)
    wanted = np.stack([theirs(image).numpy() for image in torch.from_numpy(x)])
    y = RandomErasing()(x, seed=1)
    share, wanted_share = ((a == 0).mean(axis=(1, 2, 3)) for a in (y, wanted))
    edges = [0, 1e-9, 0.08, 0.14, 0.2, 0.26, 1]
    a, b = (np.histogram(s, edges)[0] for s in (share, wanted_share))
    assert ((a - b) ** 2 / (a + b)).sum() < 20.5  # chi-square of two samples, 5 degrees of freedom
    assert np.abs((y == 0).mean(axis=0) - (wanted == 0).mean(axis=0)).max() < 0.06  # each place as often


@every_dtype
def test_gaussian_noise_is_spread_as_torchvisions(dtype):
    x = np.full((4, 3, 64, 64), 128 if dtype == np.uint8 else 0.5, dtype)
    torch.manual_seed(0)
    wanted = tv.gaussian_noise(torch.from_numpy(x), 0.05, 0.2).numpy().astype(float)
    y = GaussianNoise(0.05, 0.2)(x).astype(float)
    one = 255 if dtype == np.uint8 else 1
    edges = (np.arange(-4, 5) * 0.15 + 0.5 + 1e-3) * one
    a, b = (np.bincount(np.digitize(values.ravel(), edges), minlength=10) / values.size for values in (y, wanted))
    assert np.abs(a - b).max() < 0.012  # torchvision cuts the noise of uint8 off towards 0, here it is rounded
    assert abs((y == one).mean() - (wanted == one).mean()) < 0.005, "as many are white"


def test_the_holes_of_grid_dropout_are_as_large_as_albumentations_has_them():
    pytest.importorskip("albumentations")
    from albumentations.augmentations.dropout.functional import generate_grid_holes

    for ratio in (0.1, 0.5, 0.9):
        theirs = generate_grid_holes((40, 60), (5, 6), ratio, False, (0, 0), np.random.default_rng(0))
        cell, size = cells((40, 60), (5, 6), ratio)
        assert np.array_equal(np.concatenate([cell[:, 0], cell[:, 0] + size], axis=1), theirs)
