"""Tone curves: the forms against each other, curves one can reckon by hand, and what is refused."""

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn.augment.affine import Rotate
from minitorch_cnn.augment.compose import Compose
from minitorch_cnn.augment.tone import AutoContrast, Equalize, Gamma, Invert, Posterize, Solarize
from minitorch_cnn.backend.cpu import threads
from minitorch_cnn.backend.cpu import tone as cpu
from minitorch_cnn.backend.reference import tone as reference

DTYPES = [np.uint8, np.float32, np.float64]
EVERY = [Gamma((60, 150), 1), Posterize((1, 7), 1), Solarize((0, 1), 1), Invert(1), AutoContrast(1), Equalize(1)]
IDS = [t.name for t in EVERY]
APPLIED = np.array([True, True, False, True, False, True, True])


def images(rng, dtype, shape=(7, 3, 29, 19)):
    """Images with plain channels, two values, few levels and dark ones among them."""
    x = rng.integers(0, 256, shape).astype(np.uint8)
    x[0] = 77
    x[1, 0] = np.where(x[1, 0] < 100, 10, 200)
    x[3] = 100 + x[3] // 40
    x[4] //= 5
    return x if dtype == np.uint8 else (x / 255).astype(dtype)


def both(name, x, *arguments):
    """The CPU form's result, after comparing it with the loops'."""
    given = x.copy()
    y, expected = getattr(cpu, name)(x, *arguments), getattr(reference, name)(x, *arguments)
    assert np.array_equal(x, given)
    if x.dtype == np.uint8:
        assert y.dtype == np.uint8 and np.array_equal(y, expected)
    else:
        assert_close(y, expected, 1e-6 if x.dtype == np.float32 else 1e-14)
    return y


# the forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("C", [1, 2, 3])
def test_looking_up(C, rng):
    x = images(rng, np.uint8, (7, C, 6, 5))
    y = both("look_up", x, rng.integers(0, 256, (7, 256)).astype(np.uint8))
    assert y.shape == x.shape
    tables = rng.integers(0, 256, (7, C, 256)).astype(np.uint8)
    y = both("look_up", x, tables)
    assert np.array_equal(y[4, C - 1], tables[4, C - 1][x[4, C - 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers(dtype, rng):
    x = images(rng, dtype, (7, 3, 5, 4))
    x[0, 0, 0] = -0.1  # what sampling undershot has no power
    exponent = np.array([0.5, 2, 1, 0.01, 1, 3, 1.2])
    y = both("power", x, exponent)
    assert np.array_equal(y[[2, 4]], x[[2, 4]]) and y[0, 0, 0, 0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_posterized(dtype, rng):
    x = images(rng, dtype, (7, 3, 5, 4))
    y = both("posterize", x, np.array([0, 1, 2, 3, 5, 7, 8]), APPLIED)
    assert np.array_equal(y[~APPLIED], x[~APPLIED])
    assert (y[0] == 0).all() and len(np.unique(y[1])) <= 2 and len(np.unique(y[3])) <= 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_solarized(dtype, rng):
    x = images(rng, dtype, (7, 3, 5, 4))
    threshold = np.array([77, 200, 3, 102.5, 0, 255, -np.inf]) / (1 if dtype == np.uint8 else 255)
    y = both("solarize", x, threshold, APPLIED)
    assert np.array_equal(y[~APPLIED], x[~APPLIED])
    none = both("solarize", x, np.full(7, 256.0), np.ones(7, bool))
    assert np.array_equal(none, x)


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
@pytest.mark.parametrize("shape", [(7, 3, 29, 19), (7, 1, 1, 1), (7, 2, 1, 255), (7, 2, 40, 13)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_stretched_and_equalized(dtype, shape, name, rng):
    x = images(rng, dtype, shape)
    y = both(name, x, APPLIED)
    assert np.array_equal(y[~APPLIED], x[~APPLIED])


def test_in_chunks_and_threads_it_is_the_same(rng, monkeypatch):
    x = images(rng, np.uint8)
    threshold, bits, tables = rng.uniform(0, 255, 7), np.arange(7), rng.integers(0, 256, (7, 3, 256)).astype(np.uint8)

    def all_of_them():
        calls = ("equalize", APPLIED), ("autocontrast", APPLIED), ("look_up", tables)
        calls += ("solarize", threshold, APPLIED), ("posterize", bits, APPLIED)
        return [getattr(cpu, name)(x, *rest) for name, *rest in calls]

    whole = all_of_them()
    monkeypatch.setattr(cpu, "_CACHE", 2 * x[0].size)
    monkeypatch.setattr(cpu, "_WORTH", 0)
    before = threads.get_num_threads()
    try:
        threads.set_num_threads(3)
        assert all(map(np.array_equal, all_of_them(), whole))
    finally:
        threads.set_num_threads(before)


# what the curves are --------------------------------------------------------------------------------------------------


def test_gamma_is_a_power_rounded_down(rng):
    x = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    y = Gamma((50, 50), p=1)(x).ravel()
    exact = 255 * np.sqrt(np.arange(256) / 255)
    assert (y <= exact + 1e-6).all() and (exact - y < 1).all()
    assert np.array_equal(Gamma((100, 100), p=1)(x), x)
    assert_close(Gamma((50, 50), p=1)(x / 255).ravel(), np.sqrt(np.arange(256) / 255), 1e-14)


def test_inverting_twice_is_nothing(rng):
    x = images(rng, np.uint8)
    y = Invert(p=1)(x)
    assert np.array_equal(y, 255 - x) and np.array_equal(Invert(p=1)(y), x)
    assert_close(Invert(p=1)(x / 255), 1 - x / 255, 1e-15)


def test_stretched_channels_go_from_0_to_the_top_and_plain_ones_stay(rng):
    for dtype, top in ((np.uint8, 255), (np.float32, 1)):
        x = images(rng, dtype)
        y = AutoContrast(p=1)(x)
        assert np.array_equal(y[0], x[0])
        assert (y[1:].min((2, 3)) == 0).all() and (y[1:].max((2, 3)) == top).all()


def test_equalized_levels_are_about_equally_frequent(rng):
    x = np.floor(60 + 90 * rng.random((2, 1, 200, 200)) ** 1.5).astype(np.uint8)  # the darkest has 5 % of the pixels
    y = Equalize(p=1)(x)
    assert y.min() == 0 and y.max() == 255
    below = np.array([(y <= level).mean() for level in range(0, 256, 16)])
    assert np.abs(below - np.arange(0, 256, 16) / 255).max() < 0.1
    order = np.argsort(x[0].ravel(), kind="stable")
    assert (np.diff(y[0].ravel()[order].astype(int)) >= 0).all()  # what was darker isn't brighter now


def test_what_is_too_small_to_equalize_stays(rng):
    x = images(rng, np.uint8, (7, 3, 10, 20))
    assert np.array_equal(Equalize(p=1)(x), x)


# random numbers -------------------------------------------------------------------------------------------------------


def test_ranges_are_drawn_from_uniformly():
    ids = np.arange(6000)
    count = np.bincount(Posterize((2, 7)).sample(ids, seed=3)["bits"], minlength=9)
    assert (
        count[[0, 1, 8]].sum() == 0 and ((count[2:8] - 1000) ** 2 / 1000).sum() < 20.5
    )  # chi-square, 5 degrees, 0.1 %
    for values, low, high in (
        (Gamma((80, 120)).sample(ids, seed=3)["gamma"], 0.8, 1.2),
        (Solarize((50, 150)).sample(ids, seed=3)["threshold"], 50, 150),
    ):
        count, _ = np.histogram(values, bins=20, range=(low, high))
        assert count.sum() == 6000 and ((count - 300) ** 2 / 300).sum() < 43.8  # 19 degrees
    assert (Posterize(3).sample(ids)["bits"] == 3).all() and (Solarize(9).sample(ids)["threshold"] == 9).all()


def test_one_number_is_the_most_of_gamma_as_in_albumentations():
    ids = np.arange(50)
    assert np.array_equal(Gamma(120).sample(ids)["gamma"], Gamma((1, 120)).sample(ids)["gamma"])


@pytest.mark.parametrize("transform", [Posterize(3), Solarize(0.5), Invert(), AutoContrast(), Equalize(), Gamma()])
def test_half_of_the_samples_unless_told_otherwise(transform):
    assert abs(transform.sample(np.arange(10000), seed=1)["applied"].mean() - 0.5) < 0.02


# all of them ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_samples_that_are_not_chosen_stay_and_nothing_is_changed_in_place(transform, dtype, rng):
    x = images(rng, dtype, (7, 2, 29, 19))
    given = x.copy()
    params = {**transform.sample(np.arange(7)), "applied": APPLIED}
    y = transform.apply(x, params)
    assert np.array_equal(x, given) and y.dtype == dtype and np.array_equal(y[~APPLIED], x[~APPLIED])
    whole = transform.apply(x, {**params, "applied": np.ones(7, bool)})
    assert np.array_equal(y[APPLIED], whole[APPLIED])
    assert np.array_equal(transform.apply(x, {**params, "applied": np.zeros(7, bool)}), x)


@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_a_sample_is_the_same_alone_and_in_any_memory_order(transform, rng):
    x = images(rng, np.uint8)
    y = transform(x, epoch=3)
    assert np.array_equal(transform(x[4:5], ids=[4], epoch=3)[0], y[4])
    strided = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert np.array_equal(transform(strided, epoch=3), y)


@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_geometric_steps_before_it_are_made_first(transform, rng):
    x = images(rng, np.uint8)
    turn = Rotate(30, fill=90)  # what is filled in is changed as well
    recipe = Compose([turn, transform])
    params = recipe.sample(np.arange(7))
    first, second = params["transforms"]
    assert np.array_equal(recipe.apply(x, params), transform.apply(turn.apply(x, first), second))


# what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Posterize(9), "Posterize: bits must be 0 to 8"),
        (lambda: Posterize((5, 3)), r"Posterize: bits must be 0 to 8, .*got \(5, 3\)"),
        (lambda: Posterize((1, 2, 3)), "Posterize: bits must be an integer or a pair"),
        (lambda: Posterize(-1), "Posterize: bits must be an integer from 0 on, got -1"),
        (lambda: Solarize(300), "Solarize: threshold must be a number or a pair 0 <= .* <= 255, got 300"),
        (lambda: Solarize(-1), "Solarize: threshold must be a number or a pair 0 <= .* <= 255, got -1"),
        (lambda: Solarize("half"), "Solarize: threshold must be a number or a pair"),
        (lambda: Solarize([1]), "Solarize: threshold must be a number or a pair"),
        (lambda: Gamma((0, 100)), "Gamma: gamma_limit must be a pair 0 < least <= most"),
        (lambda: Gamma(0.5), r"Gamma: gamma_limit must be a pair 0 < least <= most, got \(1, 0\.5\)"),
        (lambda: Gamma("ab"), "Gamma: gamma_limit must be two numbers, got 'ab'"),
        (lambda: Gamma((120, 80)), "Gamma: gamma_limit must be a pair 0 < least <= most"),
        (lambda: Invert(p=2), "Invert: p must be a probability"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bits_are_integers():
    with pytest.raises(TypeError, match=r"Posterize: bits must be an integer, got 2\.5"):
        Posterize(2.5)


def test_a_threshold_in_the_units_of_other_images():
    with pytest.raises(ValueError, match="Solarize: the threshold 128 is above 1, the largest value of float32 images"):
        Solarize(128, p=1)(np.zeros((1, 3, 4, 5), np.float32))


@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_floats_that_are_no_image_are_refused(transform):
    x = np.full((2, 3, 5, 4), 100, np.float32)
    with pytest.raises(
        ValueError, match=f"{transform.name}: float images must be 0 to 1, these have values from 100 to 100"
    ):
        transform(x)
