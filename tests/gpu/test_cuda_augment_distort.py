"""The distortions and resizing with the real CuPy, against the CPU: on a GPU, or on an emulated device."""

import importlib

import numpy as np
import pytest
from closeness import assert_close
from gpu.device import require_cupy

cupy = require_cupy()

from minitorch_cnn.augment.compose import Compose
from minitorch_cnn.augment.distort import ElasticTransform, GridDistortion, OpticalDistortion, gaussian
from minitorch_cnn.augment.flip import HorizontalFlip
from minitorch_cnn.augment.resize import RandomResizedCrop, Resize

DTYPES = [np.uint8, np.float32, np.float64]


def forms(name):
    """The CPU's and the GPU's form of a primitive."""
    return [getattr(importlib.import_module(f"minitorch_cnn.backend.{form}.{name}"), name) for form in ("cpu", "gpu")]


def images(rng, dtype, *shape):
    x = rng.integers(0, 256, shape)
    return x.astype(np.uint8) if dtype == np.uint8 else (x / 255).astype(dtype)


def assert_nearly(got, expected, exceptions=0.0):
    """To rounding: a grey level, or places in float32 that are 1e-6 apart. `exceptions` may be another pixel altogether."""
    assert isinstance(got, cupy.ndarray)
    got = got.get()
    assert got.shape == expected.shape and got.dtype == expected.dtype
    apart = np.abs(got.astype(float) - expected.astype(float))
    assert (apart > {"u": 1, "f": 2e-4 if got.dtype == np.float32 else 1e-9}[got.dtype.kind]).mean() <= exceptions


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("size", [(7, 5), (1, 6), (6, 1), (1, 1), (40, 33)])
@pytest.mark.parametrize("taps", [[1.0], [0.7, 0.2, 0.1], list(gaussian(1.4))])
def test_smooth_noise(size, taps, dtype, rtol):
    keys = np.array([5, 2**64 - 1, 0], np.uint64)
    cpu, gpu = forms("smooth_noise")
    assert_close(
        gpu(cupy.asarray(keys), size, np.array(taps), dtype).get(), cpu(keys, size, np.array(taps), dtype), rtol
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows_of, columns_of", [(3, 3), (1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize(
    "C, H, W, OH, OW, K, M", [(2, 9, 7, 5, 11, 3, 2), (1, 1, 4, 3, 1, 1, 4), (3, 30, 3, 26, 2, 8, 1)]
)
def test_resample(C, H, W, OH, OW, K, M, rows_of, columns_of, dtype, rng):
    x = images(rng, dtype, 3, C, H, W)
    rows, columns = (
        (np.sort(rng.integers(0, length - taps + 1, (n, out)), axis=1), rng.uniform(-0.5, 1.0, (n, out, taps)))
        for length, taps, n, out in ((H, K, rows_of, OH), (W, M, columns_of, OW))
    )
    cpu, gpu = forms("resample")
    got, expected = gpu(cupy.asarray(x), *rows, *columns).get(), cpu(x, *rows, *columns)
    if dtype == np.uint8:
        assert got.dtype == np.uint8 and np.array_equal(got, expected)
    else:
        assert_close(got, expected, 1e-6 if dtype == np.float32 else 1e-14)
    strided = cupy.asarray(np.ascontiguousarray(x[:, :, ::-1]))[:, :, ::-1]
    assert np.array_equal(gpu(strided, *rows, *columns).get(), got)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(
    "make",
    [
        lambda i: ElasticTransform(alpha=30, sigma=2, interpolation=i, p=0.7),
        lambda i: GridDistortion(interpolation=i),
        lambda i: OpticalDistortion(0.5, interpolation=i, fill=(1, 0.5, 0)),
        lambda i: Resize((8, 9), i),
        lambda i: Resize((8, 9), i, antialias=False),
        lambda i: Resize((26, 40), i),
        lambda i: RandomResizedCrop((9, 12), interpolation=i),
        lambda i: Compose([RandomResizedCrop((11, 12), interpolation=i), HorizontalFlip(), ElasticTransform(9, 3, i)]),
    ],
)
def test_transforms(make, interpolation, dtype, rng):
    transform = make(interpolation)
    x = images(rng, dtype, 4, 3, 17, 22)
    params = transform.sample(np.arange(4), epoch=1)
    exceptions = 0.005 if interpolation == "nearest" else 0.0  # in the middle between two pixels, either
    assert_nearly(transform.apply(cupy.asarray(x), params), transform.apply(x, params), exceptions)


def test_samples_that_are_not_applied_keep_every_bit(rng):
    for dtype in DTYPES:
        x = images(rng, dtype, 3, 3, 17, 22)
        for transform in (ElasticTransform(), GridDistortion(p=1), OpticalDistortion(p=1), RandomResizedCrop((17, 22))):
            params = {**transform.sample(np.arange(3)), "applied": np.array([False, True, False])}
            y = transform.apply(cupy.asarray(x), params).get()
            assert np.array_equal(y[[0, 2]], x[[0, 2]]) and not np.array_equal(y[1], x[1])


def test_targets_follow_on_the_device(rng):
    x, masks = images(rng, np.uint8, 2, 3, 30, 26), images(rng, np.uint8, 2, 1, 30, 26)
    points = [np.array([[12.0, 15.0], [3.0, 4.0]])] * 2
    transform = Compose([Resize((20, 22)), ElasticTransform(9, 3), Resize((9, 8))])
    outcome = []
    for there in (np.asarray, cupy.asarray):
        _, moved = transform(there(x), targets={"masks": there(masks), "keypoints": points}, ids=[4, 5])
        outcome.append(moved)
    on_cpu, on_gpu = outcome
    assert_nearly(on_gpu["masks"], on_cpu["masks"], 0.02)
    for a, b in zip(on_cpu["keypoints"], on_gpu["keypoints"]):
        assert np.allclose(a, b, atol=1e-4)
