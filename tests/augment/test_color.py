"""Colours: the forms against each other, what each transform does to pixels one can reckon by hand, and what it refuses."""

import colorsys

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn.augment.affine import Rotate
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
from minitorch_cnn.augment.compose import Compose
from minitorch_cnn.augment.normalize import Normalize
from minitorch_cnn.backend.color_step import NEUTRAL
from minitorch_cnn.backend.cpu import color as cpu
from minitorch_cnn.backend.cpu import threads
from minitorch_cnn.backend.reference import color as reference

DTYPES = [np.uint8, np.float32, np.float64]
EVERY = [Brightness(0.5), Contrast(0.5), Saturation(0.5), Hue(0.3), ColorJitter(0.4, 0.4, 0.4, 0.1), ToGray(1.0)]
EVERY += [RGBShift(p=1.0), PCALighting(), ChannelShuffle(1.0), Normalize(0.4, 0.3)]
IDS = [t.name for t in EVERY]


def images(rng, dtype, shape=(7, 3, 5, 9)):
    """Images with plain ones, black and white ones, and grey pixels among them."""
    x = rng.integers(0, 256, shape).astype(np.uint8)
    x[0] = 77
    x[1, :, :2] = 255
    x[1, :, 2:] = 0
    x[2] //= 50
    x[3] = x[3, :1]
    return x if dtype == np.uint8 else (x / 255).astype(dtype)


def assert_same(got, expected, dtype):
    """To the last level in uint8, though the forms reckon the sum of an image of floats in another order."""
    if dtype == np.uint8:
        assert got.dtype == np.uint8 and np.array_equal(got, expected)
    else:
        assert_close(got, expected, 1e-6 if dtype == np.float32 else 1e-14)


def factors_and_order(rng, N, C):
    factors = np.column_stack([rng.uniform(0, 2, (N, 3)), rng.uniform(-0.5, 0.5, N)])
    some = rng.random((N, 4)) < 0.3
    factors[some] = np.tile(NEUTRAL, (N, 1))[some]
    factors[5] = NEUTRAL
    if C == 1:
        factors[:, 2:] = NEUTRAL[2:]
    return factors, np.argsort(rng.random((N, 4)), axis=1)


# the forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_jitter_is_the_loops_jitter(dtype, C, rng):
    for _ in range(4):
        x = images(rng, dtype, (7, C, 5, 9))
        factors, order = factors_and_order(rng, 7, C)
        given = x.copy()
        y = cpu.color_jitter(x, factors, order)
        assert np.array_equal(x, given)
        assert_same(y, reference.color_jitter(x, factors, order), dtype)
        assert np.array_equal(y[5], x[5])


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_step_alone_is_the_loops_step(dtype, step, rng):
    x = images(rng, dtype)
    factors = np.tile(NEUTRAL, (7, 1))
    factors[:, step] = [0, 0.3, 1, 1.7, 2, 40, 0.999] if step < 3 else [0, 0.5, -0.5, 0.2, -0.01, 1 / 3, -1 / 6]
    order = np.tile([2, 0, 3, 1], (7, 1))
    assert_same(cpu.color_jitter(x, factors, order), reference.color_jitter(x, factors, order), dtype)


def test_jitter_in_chunks_and_threads_is_the_same(rng, monkeypatch):
    x = images(rng, np.uint8, (11, 3, 6, 5))
    factors, order = factors_and_order(rng, 11, 3)
    whole = cpu.color_jitter(x, factors, order)
    monkeypatch.setattr(cpu, "_CACHE", 2 * x[0].size * 4)
    monkeypatch.setattr(cpu, "_WORTH", 0)
    before = threads.get_num_threads()
    try:
        threads.set_num_threads(3)
        assert np.array_equal(cpu.color_jitter(x, factors, order), whole)
    finally:
        threads.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 3, 5, 9), (6, 2, 1, 1)])
def test_channels_added_to_exchanged_and_normalised_as_in_the_loops(dtype, shape, rng):
    x = images(rng, dtype, shape)
    N, C = shape[:2]
    amount = rng.uniform(-90, 90, (N, C)) / (1 if dtype == np.uint8 else 255)
    amount[4] = 0
    amount[3, 0] = 1e4
    assert_same(cpu.add_to_channels(x, amount), reference.add_to_channels(x, amount), dtype)
    order = np.argsort(rng.random((N, C)), axis=1)
    assert np.array_equal(cpu.permute_channels(x, order), reference.permute_channels(x, order))
    scale, shift = rng.standard_normal((2, N, C))
    y = cpu.normalize(x, scale, shift)
    assert y.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert_close(y, reference.normalize(x, scale, shift), 1e-14 if dtype == np.float64 else 1e-6)


def test_added_channels_leave_a_sample_of_zeros_alone_even_beyond_0_to_1():
    x = np.array([-0.2, 1.3], np.float32).reshape(1, 1, 1, 2).repeat(2, axis=0)
    y = cpu.add_to_channels(x, np.array([[0.0], [0.1]]))
    assert np.array_equal(y[0], x[0]) and y[1].min() >= 0 and y[1].max() == 1


# what the steps are ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_the_hue_turns_as_in_pythons_colorsys(dtype, rng):
    x = images(rng, dtype, (5, 3, 4, 6))
    y = Hue((0.15, 0.15))(x)
    top = 255 if dtype == np.uint8 else 1
    for n, i, j in np.ndindex(5, 4, 6):
        h, s, v = colorsys.rgb_to_hsv(*(x[n, :, i, j] / top))
        expected = np.array(colorsys.hsv_to_rgb((h + 0.15) % 1, s, v))
        if dtype == np.uint8:
            assert np.abs(y[n, :, i, j] - np.floor(expected * 255.999)).max() <= 1
        else:
            assert np.abs(y[n, :, i, j] - expected).max() < 1e-12


def test_a_hue_turned_all_the_way_in_three_thirds_comes_back(rng):
    x = images(rng, np.float64)
    third = Hue((1 / 3, 1 / 3))
    assert_close(third(third(third(x))), x, 1e-12)
    assert np.allclose(third(x), x[:, [2, 0, 1]])  # a third of a turn moves red to green, green to blue


def test_contrast_keeps_the_mean_grey_and_saturation_the_grey(rng):
    x = rng.uniform(0.4, 0.6, (4, 3, 5, 6))
    weights = np.array([0.2989, 0.587, 0.114])
    grey = np.einsum("c,nchw->nhw", weights, x)
    for factor in (0.3, 1.4):
        y = Contrast((factor, factor))(x)
        mean = grey.mean((1, 2))[:, None, None, None]
        assert_close(y - mean, factor * (x - mean), 1e-12)
        z = Saturation((factor, factor))(x)
        assert_close(z - grey[:, None], factor * (x - grey[:, None]), 1e-12)


def test_the_contrast_of_a_plain_image_and_of_one_pixel(rng):
    plain = np.full((2, 1, 3, 4), 93, np.uint8)
    assert np.array_equal(Contrast((1.7, 1.7))(plain), plain)  # the mean of one channel is the channel itself
    pixel = np.array([10, 200, 30], np.uint8).reshape(1, 3, 1, 1)
    mean = np.floor(0.2989 * 10 + 0.587 * 200 + 0.114 * 30)
    assert np.array_equal(Contrast((0, 0))(pixel).ravel(), [mean] * 3)


def test_jitter_makes_the_steps_in_each_samples_own_order():
    x = np.array([200, 100, 40], np.uint8).reshape(1, 3, 1, 1).repeat(2, axis=0)
    jitter = ColorJitter(brightness=(2, 2), saturation=(0, 0))
    params = jitter.sample([0, 1])
    params["order"] = np.array([[0, 1, 2, 3], [2, 1, 3, 0]])
    y = jitter.apply(x, params)
    bright = np.array([255, 200, 80])
    assert np.array_equal(y[0].ravel(), [np.floor([0.2989, 0.587, 0.114] @ bright)] * 3)
    grey = np.floor(0.2989 * 200 + 0.587 * 100 + 0.114 * 40)
    assert np.array_equal(y[1].ravel(), [2 * grey] * 3)


def test_jitter_takes_none_for_a_step_that_is_left_out():
    assert repr(ColorJitter(None, 0.1, None, None)) == repr(ColorJitter(0, 0.1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_jitter_is_the_single_transforms_one_after_the_other(dtype, rng):
    x = images(rng, dtype, (4, 3, 6, 5))
    jitter = ColorJitter(0.4, 0.4, 0.4, 0.1)
    params = jitter.sample(np.arange(4))
    singles = Brightness(1), Contrast(1), Saturation(1), Hue(0.5)
    names = "brightness", "contrast", "saturation", "hue"
    for n in range(4):
        y = x[n : n + 1]
        for k in params["order"][n]:
            one = {"applied": np.ones(1, bool), "factor": params[names[k]][n : n + 1]}
            y = singles[k].apply(y, one)
        assert_same(jitter.apply(x, params)[n], y[0], dtype)


def test_gray_has_three_equal_channels(rng):
    x = images(rng, np.uint8)
    y = ToGray(p=1)(x)
    assert np.array_equal(y[:, 0], y[:, 1]) and np.array_equal(y[:, 0], y[:, 2])
    exact = np.einsum("c,nchw->nhw", [0.2989, 0.587, 0.114], x.astype(float))
    assert np.abs(y[:, 0] - exact).max() < 1.001
    assert (y[:, 0] <= exact + 1e-4).all()


def test_rgb_shift_counts_in_levels_whatever_the_dtype(rng):
    x = images(rng, np.uint8)
    shift = RGBShift((12, 12), (-30, -30), (0, 0), p=1)
    y = shift(x)
    assert np.array_equal(y, np.clip(x.astype(int) + np.array([12, -30, 0])[:, None, None], 0, 255))
    assert_close(shift((x / 255).astype(np.float32)), (y / 255).astype(np.float32), 1e-6)


def test_lighting_adds_one_vector_to_all_pixels_of_an_image(rng):
    x = rng.uniform(0.4, 0.6, (5, 3, 4, 6))
    lighting = PCALighting(alpha_std=0.1)
    params = lighting.sample(np.arange(5))
    added = lighting.apply(x, params) - x
    for n in range(5):
        alpha, values, vectors = params["alpha"][n], lighting.eigenvalues, lighting.eigenvectors
        vector = sum(alpha[k] * values[k] * vectors[:, k] for k in range(3))
        assert_close(added[n], np.broadcast_to(vector[:, None, None], (3, 4, 6)), 1e-12)


def test_lighting_of_a_data_set_has_its_covariance(rng):
    mixing = rng.uniform(0, 0.3, (3, 3))
    x = np.clip(np.einsum("dc,nchw->ndhw", mixing, rng.uniform(0, 255, (150, 3, 4, 5))), 0, 255).astype(np.uint8)
    lighting = PCALighting.of(x, alpha_std=0.2, p=0.3)
    covariance = np.cov(x.transpose(1, 0, 2, 3).reshape(3, -1) / 255, bias=True)
    P, values = lighting.eigenvectors, lighting.eigenvalues
    assert_close(P * values @ P.T, covariance, 1e-12)
    assert_close(P.T @ P, np.eye(3), 1e-12)
    assert (np.diff(values) <= 0).all() and lighting.alpha_std == 0.2 and lighting.p == 0.3


def test_shuffled_channels_are_the_same_channels(rng):
    for C in (1, 2, 4):
        x = images(rng, np.uint8, (7, C, 3, 5))
        y = ChannelShuffle(p=1)(x)
        for n in range(7):
            assert sorted(map(bytes, y[n])) == sorted(map(bytes, x[n]))


def test_every_order_of_channels_is_equally_likely():
    x = np.arange(3, dtype=np.uint8).reshape(1, 3, 1, 1).repeat(6000, axis=0)
    orders, count = np.unique(ChannelShuffle(p=1)(x, seed=4).reshape(-1, 3), axis=0, return_counts=True)
    assert len(orders) == 6
    assert ((count - 1000) ** 2 / 1000).sum() < 20.5  # chi-square, 5 degrees of freedom, 0.1 %


# random numbers -------------------------------------------------------------------------------------------------------


def test_factors_are_uniform_and_orders_equally_likely():
    params = ColorJitter(0.5, (1, 3), 1.5, 0.2).sample(np.arange(8000), seed=11)
    for name, low, high in (("brightness", 0.5, 1.5), ("contrast", 1, 3), ("saturation", 0, 2.5), ("hue", -0.2, 0.2)):
        count, _ = np.histogram(params[name], bins=20, range=(low, high))
        assert count.sum() == 8000
        assert ((count - 400) ** 2 / 400).sum() < 43.8  # chi-square, 19 degrees of freedom, 0.1 %
    _, count = np.unique(params["order"], axis=0, return_counts=True)
    assert len(count) == 24 and ((count - 8000 / 24) ** 2 / (8000 / 24)).sum() < 49.7  # 23 degrees


def test_alphas_have_the_deviation_asked_for():
    alpha = PCALighting(alpha_std=0.3).sample(np.arange(20000), seed=2)["alpha"]
    assert np.abs(alpha.mean(0)).max() < 0.01 and np.abs(alpha.std(0) - 0.3).max() < 0.01
    assert np.abs(np.corrcoef(alpha.T) - np.eye(3)).max() < 0.03


# all of them ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_samples_that_are_not_chosen_stay_and_nothing_is_changed_in_place(transform, dtype, rng):
    x = images(rng, dtype)
    given = x.copy()
    params = transform.sample(np.arange(7))
    params["applied"] = np.arange(7) % 3 == 0
    y = transform.apply(x, params)
    assert np.array_equal(x, given) and y.shape == x.shape
    kept = y[~params["applied"]]
    if transform.name == "Normalize" and dtype == np.uint8:
        assert_close(kept, (x[~params["applied"]] / np.float32(255)), 1e-6)
    else:
        assert y.dtype == dtype and np.array_equal(kept, x[~params["applied"]])
    whole = transform.apply(x, {**params, "applied": np.ones(7, bool)})
    assert np.array_equal(y[params["applied"]], whole[params["applied"]])


@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_a_sample_is_the_same_alone_and_in_any_memory_order(transform, rng):
    x = images(rng, np.uint8)
    y = transform(x, epoch=3)
    assert np.array_equal(transform(x[4:5], ids=[4], epoch=3)[0], y[4])
    strided = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert np.array_equal(transform(strided, epoch=3), y)


@pytest.mark.parametrize("transform", EVERY, ids=IDS)
def test_one_pixel(transform, rng):
    assert transform(images(rng, np.uint8, (5, 3, 1, 1))).shape == (5, 3, 1, 1)


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
        (lambda: Brightness(-0.1), "Brightness: brightness must be a number from 0 on or a pair"),
        (
            lambda: Contrast((1.2, 0.8)),
            r"Contrast: contrast must be a pair 0.0 <= least <= most <= inf, got \(1.2, 0.8\)",
        ),
        (lambda: Saturation("much"), "Saturation: saturation must be a number or a pair"),
        (lambda: Hue(0.6), "Hue: hue must be within -0.5 to 0.5"),
        (lambda: ColorJitter(hue=(-0.7, 0)), "ColorJitter: hue must be within -0.5 to 0.5"),
        (lambda: RGBShift((3, 2)), "RGBShift: r_shift_limit must be a pair"),
        (lambda: PCALighting(alpha_std=-1), "PCALighting: alpha_std must be a number from 0 on, got -1"),
        (
            lambda: PCALighting(eigenvalues=[1, 2]),
            r"eigenvalues must be 3 numbers and eigenvectors 3 x 3, got shapes \(2,\)",
        ),
        (
            lambda: PCALighting.of(np.zeros((2, 3, 4, 4))),
            r"PCALighting.of: images must be \(N, 3, H, W\) uint8, got float64",
        ),
        (lambda: PCALighting(eigenvalues=(1, 2, "a")), "PCALighting: eigenvalues must be 3 numbers .* got .* 'a'"),
        (lambda: PCALighting.of(np.zeros((0, 3, 4, 4), np.uint8)), "there is no image"),
        (lambda: ToGray(p=1.2), "ToGray: p must be a probability"),
        (lambda: Normalize([0.5, 0.5], [0.2, 0.2, 0.2]), "Normalize: mean has 2 numbers, but std 3"),
        (lambda: Normalize(0.5, 0), "Normalize: std must be above 0, got 0"),
        (lambda: Normalize([123.7], [58.4]), "Normalize: mean and std count in units of 0 to 1"),
        (lambda: Normalize("grey", 1), "Normalize: mean must be a number, or one for each channel, got 'grey'"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "transform, order, message",
    [
        (ChannelShuffle(p=1), 1.0, r'ChannelShuffle: params\["order"\] must be from 0 to below 1, got 1.0'),
        (ColorJitter(0.1, 0.1), 4, r'ColorJitter: params\["order"\] must be from 0 to below 4, got 4'),
    ],
)
def test_parameters_that_no_sample_has(transform, order, message, rng):
    params = transform.sample(np.arange(7))
    params["order"][3] = order
    with pytest.raises(ValueError, match=message):
        transform.apply(images(rng, np.uint8), params)


@pytest.mark.parametrize("transform", [Saturation(0.5), Hue(0.1), ToGray(1), RGBShift(), PCALighting()])
def test_colours_need_three_channels(transform):
    with pytest.raises(ValueError, match=rf"{transform.name}: images must have 3 channels: .*\(2, 1, 5, 4\)"):
        transform(np.zeros((2, 1, 5, 4), np.uint8))


def test_other_channels():
    with pytest.raises(
        ValueError, match=r"Contrast: images must have 1 or 3 channels; got images of shape \(2, 4, 5, 4\)"
    ):
        Contrast(0.5)(np.zeros((2, 4, 5, 4), np.uint8))
    with pytest.raises(ValueError, match="ColorJitter: images must have 3 channels"):
        ColorJitter(0.1, hue=0.1)(np.zeros((2, 1, 5, 4), np.uint8))
    assert ColorJitter(0.1, 0.1)(np.zeros((2, 1, 5, 4), np.uint8)).shape == (2, 1, 5, 4)
    with pytest.raises(ValueError, match="ChannelShuffle: images must have at most 6 channels"):
        ChannelShuffle(p=1)(np.zeros((2, 7, 5, 8), np.uint8))
    with pytest.raises(ValueError, match="Normalize: mean has 3 numbers, but the images have 1 channels"):
        Normalize([0.5] * 3, [0.2] * 3)(np.zeros((2, 1, 5, 8), np.uint8))


@pytest.mark.parametrize("value", [-2.0, 200.0, np.nan, np.inf])
@pytest.mark.parametrize("transform", EVERY[:8], ids=IDS[:8])
def test_floats_that_are_no_image_are_refused(transform, value):
    x = np.full((2, 3, 5, 4), 0.5, np.float32)
    x[1, 2, 3, 1] = value
    with pytest.raises(ValueError, match=f"{transform.name}: float images must be 0 to 1, .*Normalize comes last"):
        transform(x)


def test_what_bicubic_sampling_overshoots_is_let_pass_and_cut():
    y = Brightness((1.1, 1.1))(np.array([-0.3, 1.4], np.float32).reshape(1, 1, 1, 2))
    assert y.ravel().tolist() == [0, 1]


# normalisation --------------------------------------------------------------------------------------------------------


def test_normalize_makes_floats_of_bytes(rng):
    x = images(rng, np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (x / 255 - mean[:, None, None]) / std[:, None, None]
    assert_close(Normalize(mean, std)(x), expected.astype(np.float32), 1e-6)
    assert_close(Normalize(mean, std)(x / 255), expected, 1e-14)
    assert_close(Normalize(0.5, [0.5])((x / 255).astype(np.float32)), ((x / 255 - 0.5) / 0.5).astype(np.float32), 1e-6)
