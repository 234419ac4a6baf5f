"""Noise: the reference's loops against NumPy, the distributions, and JPEG."""

import re

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn.augment.noise import GaussianNoise, ImageCompression, SaltAndPepper, normal_quantiles
from minitorch_cnn.backend import cpu, reference
from minitorch_cnn.backend.cpu.noise import bits16, bits16_at
from minitorch_cnn.backend.reference.noise import bits16 as one_of_bits16

DTYPES = [np.uint8, np.float32, np.float64]
SIZES = [(5, 3, 7, 9), (4, 1, 1, 1), (3, 2, 2, 5), (2, 1, 3, 3)]

every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_size = pytest.mark.parametrize("size", SIZES)


def images_of(rng, size, dtype):
    return rng.integers(0, 256, size).astype(np.uint8) if dtype == np.uint8 else rng.random(size).astype(dtype)


def keys_of(rng, N):
    return rng.integers(0, 2**53, N).astype(np.uint64)


def table_of(dtype, sigma=0.3):
    table = sigma * normal_quantiles()
    return np.rint(255 * table).clip(-255, 255).astype(np.int16) if dtype == np.uint8 else table.astype(dtype)


def test_the_hash_is_the_same_one_by_one_and_all_at_once(rng):
    keys = keys_of(rng, 3)
    for count in (1, 3, 4, 9, 40):
        expected = [[one_of_bits16(key, k) for k in range(count)] for key in keys]
        assert bits16(keys, count).tolist() == expected
        numbers = np.arange(count, dtype=np.uint64)
        assert [bits16_at(key, numbers).tolist() for key in keys] == expected


def test_four_pixels_share_the_hash_that_uniform_makes():
    key = np.array([12345], np.uint64)
    first = cpu.uniform(key, 1, np.float64)[0, 0]  # its upper 53 bits
    a, b, c, d = bits16(key, 4)[0].astype(np.uint64).tolist()
    assert (a + (b << 16) + (c << 32) + (d << 48)) >> 11 == int(first * 2**53)


@every_dtype
@every_size
@pytest.mark.parametrize("clip", [True, False])
def test_the_forms_of_add_noise(size, clip, dtype, rng):
    x, keys, applied = images_of(rng, size, dtype), keys_of(rng, size[0]), np.arange(size[0]) % 2 == 0
    before = x.copy()
    y = cpu.add_noise(x, keys, table_of(dtype), applied, clip)
    assert y.dtype == dtype and np.array_equal(y, reference.add_noise(x, keys, table_of(dtype), applied, clip))
    assert np.array_equal(y[~applied], x[~applied]) and np.array_equal(x, before)


@every_dtype
@every_size
def test_the_forms_of_salt_and_pepper(size, dtype, rng):
    N = size[0]
    x, keys = images_of(rng, size, dtype), keys_of(rng, N)
    salt, pepper = rng.uniform(0, 0.5, N) * (np.arange(N) != 1), rng.uniform(0, 0.5, N) * (np.arange(N) != 1)
    y = cpu.salt_and_pepper(x, keys, salt, pepper)
    assert y.dtype == dtype and np.array_equal(y, reference.salt_and_pepper(x, keys, salt, pepper))
    assert np.array_equal(y[1], x[1])


def test_blocks_and_threads_give_the_same(rng):
    x, keys = images_of(rng, (5, 3, 150, 130), np.uint8), keys_of(rng, 5)
    applied, salt = np.array([True, True, False, True, True]), np.array([0.1, 0, 0.2, 0.3, 0.01])
    two = cpu.add_noise(x, keys, table_of(np.uint8), applied, True), cpu.salt_and_pepper(x, keys, salt, salt)
    threads = mt.get_num_threads()
    mt.set_num_threads(1)
    try:
        one = cpu.add_noise(x, keys, table_of(np.uint8), applied, True), cpu.salt_and_pepper(x, keys, salt, salt)
    finally:
        mt.set_num_threads(threads)
    assert np.array_equal(two[0], one[0]) and np.array_equal(two[1], one[1])


def test_noise_is_normal():
    noisy = GaussianNoise(mean=0.25, sigma=0.5, clip=False)(np.zeros((16, 3, 64, 32)), seed=4).ravel()
    z = (noisy - 0.25) / 0.5
    assert abs(z.mean()) < 4 / np.sqrt(z.size) and abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    quantiles = normal_quantiles()[6554 * np.arange(1, 10)]  # a tenth of the distribution lies between two
    found = np.bincount(np.searchsorted(quantiles, z), minlength=10)
    assert ((found - z.size / 10) ** 2 / (z.size / 10)).sum() < 27.9  # chi-square, 9 degrees of freedom
    neighbours = z.reshape(16, 3, 64, 32)
    for a, b in (
        (neighbours[..., 1:], neighbours[..., :-1]),
        (neighbours[..., 1:, :], neighbours[..., :-1, :]),
        (neighbours[:, 1:], neighbours[:, :-1]),
        (neighbours[1:], neighbours[:-1]),
    ):
        assert abs((a * b).mean()) < 4 / np.sqrt(a.size)


def test_noise_of_uint8_is_rounded_and_cut_off():
    grey = GaussianNoise(sigma=0.02)(np.full((8, 3, 32, 32), 100, np.uint8)).astype(float)
    assert abs(grey.mean() - 100) < 0.2 and abs(grey.std() - np.hypot(5.1, 12**-0.5)) < 0.2
    for start, other in ((0, 255), (255, 0)):
        for clip in (True, False):
            noisy = GaussianNoise(sigma=0.1, clip=clip)(np.full((2, 3, 16, 16), start, np.uint8))
            assert (noisy == start).mean() > 0.4 and not (noisy == other).any(), "nothing wraps around"
    assert (GaussianNoise(mean=0.8, sigma=0)(np.full((1, 1, 4, 4), 7, np.uint8)) == 7 + 204).all()
    assert (GaussianNoise(mean=9.0)(np.zeros((1, 1, 4, 4), np.uint8)) == 255).all()
    assert (GaussianNoise(mean=-1e6)(np.full((1, 1, 4, 4), 255, np.uint8)) == 0).all()


def test_float_noise_is_clipped_only_if_asked_for():
    x = np.full((4, 3, 16, 16), 0.99, np.float32)
    assert GaussianNoise()(x).max() == 1 and GaussianNoise(clip=False)(x).max() > 1.1
    y = GaussianNoise(mean=0.25, sigma=0)(np.full((1, 1, 3, 3), 0.5, np.float32))
    assert np.allclose(y, 0.75, rtol=0, atol=2e-5 * 0.1) and y.dtype == np.float32


def test_salt_and_pepper_change_the_wanted_share():
    x = np.full((20, 3, 64, 64), 100, np.uint8)
    transform = SaltAndPepper(amount=(0.1, 0.3), salt_vs_pepper=(0.2, 0.8), p=1)
    params = transform.sample(np.arange(20), seed=3)
    y = transform.apply(x, params)
    assert np.array_equal(y[:, 0], y[:, 1]) and np.array_equal(y[:, 0], y[:, 2]) and set(np.unique(y)) == {0, 100, 255}
    for value, which in ((255, "salt"), (0, "pepper")):
        p = params[which]
        share = (y[:, 0] == value).mean(axis=(1, 2))
        assert (np.abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / 64**2)).all()
    total = params["salt"] + params["pepper"]
    assert (0.1 <= total).all() and (total <= 0.3).all()
    white = SaltAndPepper((1, 1), (1, 1), p=1)(np.zeros((1, 3, 4, 5), np.float32))
    assert (white == 1).all()
    black = SaltAndPepper((1, 1), (0, 0), p=1)(np.ones((4, 1, 256, 256), np.uint8))
    assert (black == 0).all(), "no salt is none, also where all 16 bits are 0"


@every_dtype
@pytest.mark.parametrize("cls", [GaussianNoise, SaltAndPepper, ImageCompression])
def test_with_p_0_nothing_happens_and_with_a_half_some(cls, dtype, rng):
    x = images_of(rng, (20, 3, 16, 9), dtype)
    assert np.array_equal(cls(p=0)(x), x)
    transform = cls(p=0.5)
    applied = transform.sample(np.arange(20))["applied"]
    y = transform(x)
    assert 2 < applied.sum() < 18 and y.dtype == dtype and np.array_equal(y[~applied], x[~applied])
    assert (y != x).any(axis=(1, 2, 3))[applied].mean() > 0.5


def test_each_sample_and_epoch_has_noise_of_its_own(rng):
    x = np.zeros((3, 1, 8, 8), np.float64)
    transform = GaussianNoise(clip=False)
    first, second = transform(x, epoch=1, seed=0), transform(x, epoch=2, seed=0)
    assert len({a.tobytes() for a in (*first, *second)}) == 6
    assert np.array_equal(transform(x[1:2], ids=[1], epoch=1, seed=0)[0], first[1])


def test_compression_is_that_of_a_jpeg_file(rng):
    x = rng.integers(0, 256, (2, 3, 19, 26)).astype(np.uint8)
    x[1] = np.linspace(0, 255, 26).astype(np.uint8)
    good, bad = (ImageCompression((q, q), p=1)(x).astype(int) for q in (100, 5))
    assert np.abs(good[1] - x[1]).max() <= 3 and np.abs(bad[1] - x[1]).mean() > 3
    grey = ImageCompression((100, 100), p=1)(x[:, :1])
    assert grey.shape == (2, 1, 19, 26) and np.abs(grey.astype(int) - x[:, :1]).max() <= 2
    as_float = ImageCompression((50, 50), p=1)(x.astype(np.float32) / np.float32(255))
    assert as_float.dtype == np.float32
    assert np.array_equal(np.rint(as_float * 255), ImageCompression((50, 50), p=1)(x))


def test_quality_is_drawn_from_both_ends():
    quality = ImageCompression((10, 13)).sample(np.arange(4000), seed=1)["quality"]
    found = np.bincount(quality - 10, minlength=4)
    assert len(found) == 4 and ((found - 1000) ** 2 / 1000).sum() < 16.3


def test_large_images_in_threads(rng):
    x = rng.integers(0, 256, (3, 3, 80, 90)).astype(np.uint8)
    together = ImageCompression((30, 90), p=1)(x, seed=2)
    for n in range(3):
        assert np.array_equal(ImageCompression((30, 90), p=1)(x[n : n + 1], ids=[n], seed=2)[0], together[n])


@pytest.mark.parametrize(
    "make, error, message",
    [
        (
            lambda: GaussianNoise(sigma=-1),
            ValueError,
            "GaussianNoise: sigma must be a number from 0 on, got -1",
        ),
        (lambda: GaussianNoise(mean=np.nan), ValueError, "GaussianNoise: mean must be a finite number, got nan"),
        (lambda: GaussianNoise("a"), ValueError, "GaussianNoise: mean must be a finite number, got 'a'"),
        (lambda: GaussianNoise(sigma=(1, 2)), ValueError, "sigma must be a number from 0 on, got (1, 2)"),
        (
            lambda: SaltAndPepper(amount=(0.1, 1.1)),
            ValueError,
            "SaltAndPepper: amount must be a pair 0.0 <= least <= most",
        ),
        (lambda: SaltAndPepper(salt_vs_pepper=(0.6, 0.4)), ValueError, "SaltAndPepper: salt_vs_pepper must be a pair"),
        (
            lambda: ImageCompression((0, 50)),
            ValueError,
            "ImageCompression: quality_range must be an integer from 1 on, got 0",
        ),
        (lambda: ImageCompression((50, 101)), ValueError, "1 <= least <= most <= 100, got (50, 101)"),
        (lambda: ImageCompression(50), ValueError, "quality_range must be a pair (least, most) of integers, got 50"),
        (lambda: ImageCompression((50,)), ValueError, "quality_range must be a pair (least, most) of integers"),
        (
            lambda: ImageCompression(p=1)(np.zeros((1, 4, 8, 8), np.uint8)),
            ValueError,
            "ImageCompression: a JPEG file has 1 or 3 channels, but the images have 4",
        ),
    ],
)
def test_options_that_make_no_sense(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
