"""Mixing and automatic policies on a cuda device against the CPU, and how many launches they take."""

import importlib.util

import numpy as np
import pytest
from gpu.device import require_cupy

cupy = require_cupy()

from minitorch_cnn.augment.mix import CutMix, Mixup
from minitorch_cnn.augment.policy import LARGEST, AutoAugment, RandAugment, TrivialAugment
from minitorch_cnn.backend import cpu, gpu
from minitorch_cnn.data import TensorDataset

emulated = importlib.util.find_spec("cupy_on_cpu") is not None
counted = pytest.mark.skipif(not emulated, reason="only the emulated device counts launches and waits")

N, C, H, W = 5, 3, 7, 6
# a product may be added without rounding it first; a sum just beside a half then goes to the other grey level
TOLERANCE = {np.uint8: 1, np.float32: 1e-6, np.float64: 1e-14}


def images_of(dtype, rng, count=N):
    shape = (count, C, H, W)
    return rng.integers(0, 256, shape).astype(np.uint8) if dtype == np.uint8 else rng.random(shape).astype(dtype)


def assert_near(got, expected, dtype):
    assert isinstance(got, cupy.ndarray) and got.dtype == expected.dtype and got.shape == expected.shape
    assert np.abs(got.get().astype(float) - expected.astype(float)).max() <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_primitives_are_those_of_the_cpu(dtype, rng):
    x, others = images_of(dtype, rng), images_of(dtype, rng, 3)
    rows, lam = np.array([2, 0, 1, 1, 0]), np.array([0.25, 1.0, 0.0, 0.7, 0.123])
    y = gpu.mix(cupy.asarray(x), cupy.asarray(others), rows, lam)
    assert_near(y, cpu.mix(x, others, rows, lam), dtype)
    assert np.array_equal(y[1].get(), x[1])
    boxes = np.array([[0, 0, W, H], [1, 2, 3, 5], [0, 0, 0, 0], [2, 2, 2, 4], [5, 6, 6, 7]])
    y = gpu.paste_boxes(cupy.asarray(x), cupy.asarray(others), rows, boxes)
    assert isinstance(y, cupy.ndarray) and np.array_equal(y.get(), cpu.paste_boxes(x, others, rows, boxes))


def test_a_share_of_one_keeps_the_image_whatever_the_other_holds():
    x = cupy.ones((2, 1, 2, 3), np.float32)
    y = gpu.mix(x, cupy.full_like(x, np.nan), np.array([1, 0]), np.array([1.0, 0.5])).get()
    assert (y[0] == 1).all() and np.isnan(y[1]).all()


def test_arrays_that_are_not_contiguous(rng):
    x = images_of(np.uint8, rng)
    given = cupy.asarray(x)[::-1, :, ::-1]
    rows, boxes = np.roll(np.arange(N), 1), np.tile([1, 2, 4, 6], (N, 1))
    turned = np.ascontiguousarray(x[::-1, :, ::-1])
    assert np.array_equal(
        gpu.paste_boxes(given, given, rows, boxes).get(), cpu.paste_boxes(turned, turned, rows, boxes)
    )
    assert_near(gpu.mix(given, given, rows, np.full(N, 0.3)), cpu.mix(turned, turned, rows, np.full(N, 0.3)), np.uint8)


@pytest.mark.parametrize("from_dataset", [False, True])
@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_transforms_do_what_they_do_on_the_cpu(kind, dtype, from_dataset, rng):
    images, labels = images_of(dtype, rng), rng.integers(0, 4, N)
    dataset = TensorDataset(images_of(dtype, rng, 9), rng.integers(0, 4, 9)) if from_dataset else None
    transform = kind(num_classes=4, dataset=dataset, p=0.7)
    wanted, wanted_labels = transform(images, labels, epoch=1, seed=3)
    for own in (labels, cupy.asarray(labels), cupy.asarray(np.eye(4)[labels])):  # labels may be on either device
        mixed, shares = transform(cupy.asarray(images), own, epoch=1, seed=3)
        assert_near(mixed, wanted, dtype)
        assert type(shares) is type(own) and shares.dtype == np.float32
        np.testing.assert_allclose(cupy.asnumpy(shares), wanted_labels, atol=1e-6)


@counted
@pytest.mark.parametrize("kind, kernel", [(Mixup, "mt_mix_images"), (CutMix, "mt_paste_boxes")])
def test_one_launch_mixes_the_images_and_the_host_never_waits(kind, kernel, rng):
    import cupy_on_cpu

    images, labels = (
        cupy.asarray(images_of(np.float32, rng)),
        cupy.asarray(np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]),
    )
    kind()(images, labels)
    with cupy_on_cpu.count() as counts:
        kind()(images, labels)
    assert counts.syncs == [] and not [t for t in counts.transfers if t[1:2] == ("host",)]
    launches = dict(counts.launches)
    assert launches.pop(kernel) == (2 if kind is Mixup else 1) and launches.pop("mt_mix_images", 1) == 1
    assert sum(launches.values()) <= 1, launches  # the labels' copy


# automatic policies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AutoAugment, RandAugment, TrivialAugment])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_policies_do_what_they_do_on_the_cpu(kind, dtype, rng):
    y, x = np.mgrid[0:12, 0:15]
    images = np.stack([9 * x + 5 * y, 200 - 7 * y, 60 + 3 * x + 2 * y]) + rng.integers(0, 3, (40, 3, 12, 15))
    images = images.astype(np.uint8) if dtype == np.uint8 else (images / 255).astype(dtype)
    transform = kind(interpolation="bilinear", p=0.9)
    wanted = transform(images, epoch=1, seed=2)
    got = transform(cupy.asarray(images), epoch=1, seed=2)
    assert isinstance(got, cupy.ndarray) and got.dtype == dtype
    difference = np.abs(got.get().astype(float) - wanted.astype(float))
    # where one grey level more makes more of a difference: at Solarize's threshold, in Equalize and Posterize
    assert (difference > (1 if dtype == np.uint8 else 1e-4)).mean() < 0.002


@counted
def test_a_slot_takes_one_launch_for_each_kind_of_operation_and_the_host_never_waits(rng):
    import cupy_on_cpu

    names = sorted(LARGEST)
    images = cupy.asarray(rng.integers(0, 256, (len(names), 3, 12, 15)).astype(np.uint8))
    shape = (len(names), 1)
    params = {"applied": np.ones(len(names), bool), "operation": np.array(names)[:, None]}
    params.update(bin=np.full(shape, 5), sign=np.ones(shape, int))
    AutoAugment().apply(images, params)
    with cupy_on_cpu.count() as counts:
        AutoAugment().apply(images, params)
    assert counts.syncs == [] and not [t for t in counts.transfers if t[1:2] == ("host",)]
    assert set(counts.launches.values()) == {1} and len(counts.launches) <= 7, counts.launches
