"""Colour and tone on a cuda device against the CPU: the primitives, the transforms, and that each takes one launch."""

import importlib.util

import numpy as np
import pytest
from gpu.device import require_cupy

cupy = require_cupy()

from minitorch_cnn.augment.color import (
    Brightness,
    ChannelShuffle,
    ColorJitter,
    Contrast,
    Hue,
    PCALighting,
    RGBShift,
    Saturation,
    ToGray,
)
from minitorch_cnn.augment.normalize import Normalize
from minitorch_cnn.augment.tone import AutoContrast, Equalize, Gamma, Invert, Posterize, Solarize
from minitorch_cnn.backend.color_step import NEUTRAL
from minitorch_cnn.backend.cpu import color as cpu_color
from minitorch_cnn.backend.cpu import tone as cpu_tone
from minitorch_cnn.backend.gpu import color as gpu_color
from minitorch_cnn.backend.gpu import tone as gpu_tone

emulated = importlib.util.find_spec("cupy_on_cpu") is not None
counted = pytest.mark.skipif(not emulated, reason="only the emulated device counts launches and waits")

DTYPES = [np.uint8, np.float32, np.float64]
# a sum in another order, which a contrast of 40 makes 40 times as large; a product that isn't rounded before it is added to;
# the device's own power function
RTOL = {np.float32: 1e-5, np.float64: 1e-13}
EVERY = [Brightness(0.5), Contrast(0.5), Saturation(0.5), Hue(0.3), ColorJitter(0.4, 0.4, 0.4, 0.1), ToGray(0.5)]
EVERY += [RGBShift(p=0.5), PCALighting(p=0.5), ChannelShuffle(0.5), Normalize([0.4] * 3, [0.3] * 3, p=0.5)]
EVERY += [Gamma(), Posterize((1, 7)), Solarize((0, 1)), Invert(), AutoContrast(), Equalize()]


def images(rng, dtype, shape=(7, 3, 29, 19)):
    """More pixels than a block has threads, and no multiple of them."""
    x = rng.integers(0, 256, shape).astype(np.uint8)
    x[0] = 77
    x[1, 0] = np.where(x[1, 0] < 100, 10, 200)
    x[2] = x[2, :1]
    x[3] //= 9
    return x if dtype == np.uint8 else (x / 255).astype(dtype)


def assert_near(got, expected, dtype):
    """uint8 to the last level: the kernels round each product and sum as NumPy does."""
    assert isinstance(got, cupy.ndarray) and got.dtype == expected.dtype and got.shape == expected.shape
    if got.dtype == np.uint8:
        assert np.array_equal(got.get(), expected)
    else:
        np.testing.assert_allclose(
            got.get(), expected, rtol=0, atol=RTOL[got.dtype.type] * max(1, np.abs(expected).max())
        )


def compare(name, x, *arguments):
    cpu, gpu = (cpu_color, gpu_color) if name in cpu_color.__all__ else (cpu_tone, gpu_tone)
    on_device = cupy.asarray(x)
    got = getattr(gpu, name)(on_device, *arguments)
    assert_near(got, getattr(cpu, name)(x, *arguments), x.dtype.type)
    assert np.array_equal(on_device.get(), x)
    strided = cupy.asarray(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
    assert np.array_equal(getattr(gpu, name)(strided, *arguments).get(), got.get())
    return got.get()


@pytest.mark.parametrize("shape", [(7, 3, 29, 19), (7, 1, 29, 19), (7, 3, 1, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_jitter(dtype, shape, rng):
    x = images(rng, dtype, shape)
    for _ in range(3):
        factors = np.column_stack([rng.uniform(0, 2, (7, 3)), rng.uniform(-0.5, 0.5, 7)])
        some = rng.random((7, 4)) < 0.3
        factors[some] = np.tile(NEUTRAL, (7, 1))[some]
        factors[4] = NEUTRAL
        if shape[1] == 1:
            factors[:, 2:] = NEUTRAL[2:]
        y = compare("color_jitter", x, factors, np.argsort(rng.random((7, 4)), axis=1))
        assert np.array_equal(y[4], x[4])


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_step_alone(dtype, step, rng):
    factors = np.tile(NEUTRAL, (7, 1))
    factors[:, step] = [0, 0.3, 1, 1.7, 2, 40, 0.999] if step < 3 else [0, 0.5, -0.5, 0.2, -0.01, 1 / 3, -1 / 6]
    compare("color_jitter", images(rng, dtype), factors, np.tile([2, 0, 3, 1], (7, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels(dtype, rng):
    x = images(rng, dtype, (7, 2, 9, 5))
    amount = rng.uniform(-90, 90, (7, 2)) / (1 if dtype == np.uint8 else 255)
    amount[4], amount[3, 0] = 0, 300
    compare("add_to_channels", x, amount)
    compare("permute_channels", x, np.argsort(rng.random((7, 2)), axis=1))
    compare("normalize", x, *rng.standard_normal((2, 7, 2)))


@pytest.mark.parametrize("shape", [(7, 3, 29, 19), (7, 2, 1, 255), (7, 1, 1, 1)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tones(dtype, shape, rng):
    x, applied = images(rng, dtype, shape), np.array([True, True, False, True, False, True, True])
    compare("autocontrast", x, applied)
    compare("equalize", x, applied)
    compare("posterize", x, np.array([0, 1, 2, 3, 5, 7, 8]), applied)
    threshold = np.array([77, 200, 3, 102.5, 0, 255, -np.inf]) / (1 if dtype == np.uint8 else 255)
    compare("solarize", x, threshold, applied)
    if dtype == np.uint8:
        compare("look_up", x, rng.integers(0, 256, (7, 256)).astype(np.uint8))
        compare("look_up", x, rng.integers(0, 256, (*shape[:2], 256)).astype(np.uint8))
    else:
        compare("power", x, np.array([0.5, 2, 1, 0.01, 1, 3, 1.2]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", EVERY, ids=lambda t: t.name)
def test_transforms(transform, dtype, rng):
    x = images(rng, dtype)
    params = transform.sample(np.arange(7), seed=5)
    assert_near(transform.apply(cupy.asarray(x), params), transform.apply(x, params), dtype)


@counted
@pytest.mark.parametrize("transform", EVERY, ids=lambda t: t.name)
def test_a_transform_is_one_launch_and_the_host_never_waits(transform, rng):
    import cupy_on_cpu

    for dtype in (np.uint8, np.float32):
        x = cupy.asarray(images(rng, dtype))
        transform(x)
        with cupy_on_cpu.count() as counts:
            transform(x)
        assert sum(counts.launches.values()) == 1, counts.launches
        assert counts.syncs == [] and not [t for t in counts.transfers if t[1] == "host"]
