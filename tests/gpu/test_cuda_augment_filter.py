"""Blur, sharpness, noise and erasing on a cuda device against the CPU, and how many launches they take."""

import importlib.util

import numpy as np
import pytest
from gpu.device import require_cupy

cupy = require_cupy()

from minitorch_cnn.augment.blur import GaussianBlur, MotionBlur, Sharpness, gaussian_weights, line_kernels, whole_parts
from minitorch_cnn.augment.erase import CoarseDropout, Cutout, GridDropout, RandomErasing
from minitorch_cnn.augment.noise import GaussianNoise, ImageCompression, SaltAndPepper, normal_quantiles
from minitorch_cnn.backend import cpu, gpu

emulated = importlib.util.find_spec("cupy_on_cpu") is not None
counted = pytest.mark.skipif(not emulated, reason="only the emulated device counts launches and waits")
every_dtype = pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])

SIZES = [(5, 3, 7, 6), (2, 1, 1, 1), (3, 2, 2, 5), (2, 1, 40, 35)]
TOLERANCE = {
    np.uint8: 0,
    np.float32: 2e-6,
    np.float64: 1e-14,
}  # uint8 has the same bits, whatever the order of the sums

TRANSFORMS = {
    "GaussianBlur": (GaussianBlur((5, 3), p=0.7), "mt_blur"),
    "MotionBlur": (MotionBlur(p=0.7), "mt_filter2d"),
    "Sharpness": (Sharpness((0, 3), p=0.7), "mt_sharpen"),
    "GaussianNoise": (GaussianNoise(0.1, 0.2, p=0.7), "mt_add_noise"),
    "GaussianNoise unclipped": (GaussianNoise(0.1, 0.5, clip=False), "mt_add_noise"),
    "SaltAndPepper": (SaltAndPepper((0.1, 0.6), p=0.7), "mt_salt_and_pepper"),
    "Cutout": (Cutout(3, n_holes=2, fill=0.5, p=0.7), "mt_fill_boxes"),
    "CoarseDropout": (CoarseDropout((1, 3), (0.2, 0.5), (0.2, 0.5), fill=(1, 0, 0.5), p=0.7), "mt_fill_boxes"),
    "RandomErasing": (RandomErasing(p=0.7), "mt_fill_boxes"),
    "RandomErasing random": (RandomErasing(p=0.7, value="random"), "mt_fill_boxes_with_noise"),
    "GridDropout": (GridDropout(unit_size_range=(2, 4), p=0.7), "mt_fill_boxes"),
}


def images_of(dtype, rng, size=SIZES[0]):
    return rng.integers(0, 256, size).astype(np.uint8) if dtype == np.uint8 else rng.random(size).astype(dtype)


def assert_near(got, expected):
    assert isinstance(got, cupy.ndarray) and got.dtype == expected.dtype and got.shape == expected.shape
    assert np.abs(got.get().astype(float) - expected.astype(float)).max() <= TOLERANCE[expected.dtype.type]


def both(name, x, *arguments):
    """The GPU's form against the CPU's; what is given stays, and needn't be contiguous."""
    given = cupy.asarray(x)
    assert_near(getattr(gpu, name)(given, *arguments), getattr(cpu, name)(x, *arguments))
    assert np.array_equal(given.get(), x)
    turned = x[:, :, ::-1, ::-1]
    assert_near(getattr(gpu, name)(given[:, :, ::-1, ::-1], *arguments), getattr(cpu, name)(turned, *arguments))


@every_dtype
@pytest.mark.parametrize("size", SIZES)
def test_the_filters_are_those_of_the_cpu(size, dtype, rng):
    N = size[0]
    x, applied = images_of(dtype, rng, size), np.arange(N) != 1
    rows, columns = (gaussian_weights(k, rng.uniform(0.3, 2, N)) for k in (5, 3))
    kernels = line_kernels(2 * rng.integers(1, 4, N) + 1, rng.uniform(0, 360, N))
    edges = rng.integers(-8, 9, (N, 3, 5)) / 8
    if dtype == np.uint8:
        rows, columns, kernels = whole_parts(rows, 4096), whole_parts(columns, 4096), whole_parts(kernels, 65536)
    both("blur", x, rows, columns, applied)
    both("filter2d", x, kernels, applied)
    both("filter2d", x, edges, applied)
    both("sharpen", x, np.where(applied, rng.choice([0.0, 0.3, 0.7, 1.9, 3.0], N), 1.0))


@every_dtype
@pytest.mark.parametrize("size", SIZES)
def test_noise_is_that_of_the_cpu(size, dtype, rng):
    N = size[0]
    x, applied = images_of(dtype, rng, size), np.arange(N) != 1
    keys, table = rng.integers(0, 2**53, N).astype(np.uint64), 0.3 * normal_quantiles()
    table = np.rint(255 * table).clip(-255, 255).astype(np.int16) if dtype == np.uint8 else table.astype(dtype)
    for clip in (True, False):
        both("add_noise", x, keys, table, applied, clip)
    both("salt_and_pepper", x, keys, applied * rng.uniform(0, 0.5, N), applied * rng.uniform(0, 0.5, N))


@every_dtype
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("holes", [1, 4])
def test_filled_boxes_are_those_of_the_cpu(holes, size, dtype, rng):
    N, C, H, W = size
    x = images_of(dtype, rng, size)
    boxes = np.stack([rng.integers(0, most + 1, (N, holes)) for most in (W, H, W, H)], axis=2)  # some empty
    both("fill_boxes", x, boxes, np.arange(C) / 2)
    both("fill_boxes", x, boxes, 255 * rng.random(65536), rng.integers(0, 2**53, N).astype(np.uint64))


@every_dtype
@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_transforms_do_what_they_do_on_the_cpu(name, dtype, rng):
    transform, _ = TRANSFORMS[name]
    x = images_of(dtype, rng, (9, 3, 12, 11))
    for epoch in range(3):
        assert_near(transform(cupy.asarray(x), epoch=epoch, seed=3), transform(x, epoch=epoch, seed=3))


@every_dtype
def test_compression_goes_to_the_host_and_back(dtype, rng):
    x = images_of(dtype, rng, (4, 3, 12, 11))
    transform = ImageCompression((10, 90))
    y = transform(cupy.asarray(x), seed=3)
    assert isinstance(y, cupy.ndarray) and np.array_equal(y.get(), transform(x, seed=3))


@counted
@every_dtype
@pytest.mark.parametrize("name", TRANSFORMS)
def test_one_launch_and_no_wait(name, dtype, rng):
    import cupy_on_cpu

    transform, kernel = TRANSFORMS[name]
    x = cupy.asarray(images_of(dtype, rng, (9, 3, 12, 11)))
    params = transform.sample(np.arange(9))
    transform.apply(x, params)
    with cupy_on_cpu.count() as c:
        transform.apply(x, params)
    assert c.launches == {kernel: 1} and not c.syncs
