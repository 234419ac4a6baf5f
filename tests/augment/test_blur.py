"""Blurring and sharpening: the reference's loops against NumPy, what must stay, and what must be refused."""

import re

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.augment import Compose, HorizontalFlip
from minitorch_cnn.augment.blur import GaussianBlur, MotionBlur, Sharpness, gaussian_weights, line_kernels, whole_parts
from minitorch_cnn.backend import cpu, reference

DTYPES = [np.uint8, np.float32, np.float64]
SIZES = [(5, 3, 7, 9), (4, 1, 1, 1), (4, 2, 2, 5), (3, 3, 5, 1), (2, 1, 3, 3), (2, 4, 12, 8)]
# uint8: sums of whole numbers, the same in any order. float32: the reference computes in float64
TOLERANCE = {np.uint8: 0, np.float32: 1e-6, np.float64: 1e-14}

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_size = pytest.mark.parametrize("size", SIZES)


def images_of(rng, size, dtype):
    return rng.integers(0, 256, size).astype(np.uint8) if dtype == np.uint8 else rng.random(size).astype(dtype)


def some(N):
    return np.arange(N) % 3 != 1


def assert_near(got, expected, dtype):
    assert got.dtype == expected.dtype == dtype and got.shape == expected.shape
    assert np.abs(got.astype(float) - expected.astype(float)).max() <= TOLERANCE[dtype]


@every_dtype
@every_size
@pytest.mark.parametrize("kernel", [(5, 3), (1, 7), (3, 1), (9, 9)])
def test_the_forms_of_blur(size, kernel, dtype, rng):
    x, applied = images_of(rng, size, dtype), some(size[0])
    rows, columns = (gaussian_weights(k, rng.uniform(0.1, 3, size[0])) for k in kernel)
    if dtype == np.uint8:
        rows, columns = whole_parts(rows, 4096), whole_parts(columns, 4096)
    before = x.copy()
    y = cpu.blur(x, rows, columns, applied)
    assert_near(y, reference.blur(x, rows, columns, applied), dtype)
    assert np.array_equal(y[~applied], x[~applied]) and np.array_equal(x, before)


@every_dtype
@every_size
def test_the_forms_of_filter2d(size, dtype, rng):
    x, applied = images_of(rng, size, dtype), some(size[0])
    for kernels in (
        line_kernels(2 * rng.integers(1, 4, size[0]) + 1, rng.uniform(0, 360, size[0])),
        rng.integers(-8, 9, (size[0], 3, 5)) / 8,  # sums below 0 and above white
    ):
        if dtype == np.uint8:
            kernels = np.rint(kernels * 65536) / 65536
        y = cpu.filter2d(x, kernels, applied)
        assert_near(y, reference.filter2d(x, kernels, applied), dtype)
        assert np.array_equal(y[~applied], x[~applied])


@every_dtype
@every_size
def test_the_forms_of_sharpen(size, dtype, rng):
    x = images_of(rng, size, dtype)
    factors = np.where(some(size[0]), rng.choice([0.0, 0.3, 0.7, 1.9, 2.0, 5.0], size[0]), 1.0)
    y = cpu.sharpen(x, factors)
    assert_near(y, reference.sharpen(x, factors), dtype)
    assert np.array_equal(y[factors == 1], x[factors == 1])
    for edge in ((..., 0), (..., -1), (..., 0, slice(None)), (..., -1, slice(None))):
        assert np.array_equal(y[edge], x[edge]), "the outermost pixels stay"


def test_blocks_and_threads_give_the_same(rng):
    x = images_of(rng, (5, 3, 150, 130), np.uint8)
    weights = whole_parts(gaussian_weights(5, rng.uniform(0.5, 2, 5)), 4096)
    kernels = whole_parts(line_kernels(np.array([3, 7, 5, 3, 7]), rng.uniform(0, 360, 5)), 65536)
    factors = np.array([2.0, 1, 0.3, 0, 1.5])
    applied = some(5)

    def all_of_them(part):
        own = slice(*part)
        return [
            cpu.blur(x[own], weights[own], weights[own], applied[own]),
            cpu.filter2d(x[own], kernels[own], applied[own]),
            cpu.sharpen(x[own], factors[own]),
        ]

    two = all_of_them((0, 5))
    threads = mt.get_num_threads()
    mt.set_num_threads(1)
    try:
        one = all_of_them((0, 5))
        each = [np.concatenate(parts) for parts in zip(*(all_of_them((n, n + 1)) for n in range(5)))]
    finally:
        mt.set_num_threads(threads)
    for a, b, c in zip(two, one, each):
        assert np.array_equal(a, b) and np.array_equal(a, c)


@every_dtype
@pytest.mark.parametrize("transform", [GaussianBlur((7, 3)), MotionBlur(9, p=1), Sharpness((0, 3), p=1)])
def test_one_colour_stays(transform, dtype):
    for grey in (0, 1, 77, 255):
        image = np.full((3, 3, 6, 9), grey if dtype == np.uint8 else grey / 255, dtype)
        assert_near(transform(image), image, dtype)


@pytest.mark.parametrize(
    "cls, options", [(GaussianBlur, {"kernel_size": 5}), (MotionBlur, {}), (Sharpness, {"sharpness_factor": 3})]
)
@every_dtype
def test_with_p_0_nothing_happens_and_with_a_half_some(cls, options, dtype, rng):
    x = images_of(rng, (40, 3, 6, 7), dtype)
    assert np.array_equal(cls(**options, p=0)(x), x)
    transform = cls(**options, p=0.5)
    applied = transform.sample(np.arange(40))["applied"]
    changed = (transform(x) != x).any(axis=(1, 2, 3))
    assert 5 < applied.sum() < 35 and not changed[~applied].any()
    assert cls is GaussianBlur or changed[applied].all()  # a sigma near 0 changes nothing


def test_images_that_are_not_contiguous(rng):
    x = images_of(rng, (4, 3, 8, 7), np.uint8)[::-1, :, ::-1]
    for transform in (GaussianBlur(3), MotionBlur(p=1), Sharpness(2, p=1)):
        assert np.array_equal(transform(x), transform(np.ascontiguousarray(x)))


def test_the_blur_is_as_wide_along_each_axis_as_was_asked_for(rng):
    x = np.zeros((1, 1, 9, 11), np.float64)
    x[0, 0, 4, 5] = 1
    y = GaussianBlur((5, 3), sigma=1.0)(x)[0, 0]
    assert (y > 0).any(axis=0).sum() == 5 and (y > 0).any(axis=1).sum() == 3  # x first, as torchvision has it
    one = np.exp(-0.5 * np.arange(-2, 3) ** 2)
    np.testing.assert_allclose(y[4, 3:8] / y[4, 5], one, rtol=1e-12)
    assert abs(y.sum() - 1) < 1e-12


@pytest.mark.parametrize(
    "make, what", [(GaussianBlur, "kernel_size"), (lambda size: MotionBlur((3, size)), "blur_limit")]
)
def test_kernels_that_are_far_wider_than_the_images_are_refused(make, what):
    wanted = f"a kernel of 100001 pixels is too wide for images of 20 x 9 (height x width); give a {what} of at most 40"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        make(100001)(np.zeros((1, 1, 20, 9), np.uint8))
    for size, kernel in (((20, 9), 39), ((1, 1), 31)):
        assert (make(kernel)(np.full((1, 1, *size), 7, np.uint8)) == 7).all()


def test_what_waits_is_done_before(rng):
    x = images_of(rng, (3, 1, 5, 8), np.uint8)
    both = Compose([HorizontalFlip(1), GaussianBlur((5, 1), sigma=2.0)])(x)
    assert np.array_equal(both, GaussianBlur((5, 1), sigma=2.0)(x[..., ::-1]))


def test_lines_go_through_the_middle_in_every_direction():
    angles = np.arange(0, 360, 7.0)
    for size in (3, 5, 7):
        kernels = line_kernels(np.full(len(angles), size), angles)
        assert kernels.shape[1:] == (size, size)
        np.testing.assert_allclose(kernels.sum(axis=(1, 2)), 1)
        assert (kernels[:, size // 2, size // 2] > 0).all()
        assert np.array_equal(kernels > 0, kernels[:, ::-1, ::-1] > 0)
        for kernel in kernels:
            assert len(np.unique(kernel[kernel > 0])) == 1, "each pixel of the line counts the same"
    right, down, corner = line_kernels(np.array([3, 3, 5]), np.array([0.0, 90.0, 45.0]))
    third = np.zeros((5, 5))
    third[2, 1:4] = 1 / 3
    np.testing.assert_allclose(right, third)
    np.testing.assert_allclose(down, third.T)
    assert np.array_equal(np.argwhere(corner).tolist(), [[1, 1], [2, 2], [3, 3]])


def test_whole_parts_sum_to_one_and_are_near(rng):
    weights = gaussian_weights(7, rng.uniform(0.1, 3, 50))
    whole = whole_parts(weights, 4096)
    assert np.array_equal(whole * 4096, np.rint(whole * 4096)) and (whole.sum(axis=1) == 1).all()
    assert np.abs(whole - weights).max() <= 3.5 / 4096 and (whole >= 0).all()
    assert np.array_equal(whole, whole[:, ::-1])


def test_parameters_are_spread_as_they_should(rng):
    ids = np.arange(4000)
    sigma = GaussianBlur(3, (0.5, 1.5)).sample(ids, seed=1)["sigma"]
    assert chi_square(np.floor((sigma - 0.5) * 10), 10) < 27.9  # one in a thousand, of 9 degrees of freedom
    params = MotionBlur((3, 9), p=1).sample(ids, seed=1)
    assert chi_square((params["size"] - 3) / 2, 4) < 16.3 and (params["size"] % 2 == 1).all()
    assert chi_square(np.floor(params["angle"] / 36), 10) < 27.9
    factor = Sharpness((0, 2)).sample(ids, seed=1)["factor"]
    assert chi_square(np.floor(factor * 5), 10) < 27.9
    assert (Sharpness(1.7).sample(ids)["factor"] == 1.7).all() and (
        GaussianBlur(3, 0.8).sample(ids)["sigma"] == 0.8
    ).all()


def chi_square(values, classes):
    """Of values 0 to classes - 1, all as likely."""
    found = np.bincount(values.astype(int), minlength=classes)
    assert len(found) == classes
    expected = len(values) / classes
    return ((found - expected) ** 2 / expected).sum()


@pytest.mark.parametrize(
    "make, error, message",
    [
        (
            lambda: GaussianBlur(4),
            ValueError,
            "GaussianBlur: kernel_size must be odd, so that there is a middle, got 4",
        ),
        (lambda: GaussianBlur((3, 0)), ValueError, "kernel_size must be an integer from 1 on, got 0"),
        (lambda: GaussianBlur((3, 3, 3)), ValueError, "kernel_size must be an integer or a pair (x, y), got (3, 3, 3)"),
        (lambda: GaussianBlur(2.5), TypeError, "kernel_size must be an integer, got 2.5"),
        (lambda: GaussianBlur(3, 0), ValueError, "GaussianBlur: sigma must be a number or a pair 0.001 <= least"),
        (lambda: GaussianBlur(3, (2, 1)), ValueError, "least <= most"),
        (
            lambda: MotionBlur((3, 6)),
            ValueError,
            "MotionBlur: blur_limit must be odd, so that there is a middle, got 6",
        ),
        (lambda: MotionBlur(1), ValueError, "MotionBlur: blur_limit must be an integer from 3 on, got 1"),
        (lambda: MotionBlur((7, 3)), ValueError, "MotionBlur: blur_limit must be a pair least <= most, got (7, 3)"),
        (lambda: MotionBlur((3, 5, 7)), ValueError, "an integer or a pair (least, most), got (3, 5, 7)"),
        (lambda: Sharpness(-1), ValueError, "sharpness_factor must be a number or a pair 0.0 <= least"),
        (lambda: Sharpness(2, p=2), ValueError, "Sharpness: p must be a probability from 0 to 1, got 2"),
    ],
)
def test_options_that_make_no_sense(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
