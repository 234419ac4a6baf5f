"""ElasticTransform, GridDistortion, OpticalDistortion, and the noise behind the first of them."""

import importlib

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn.augment.compose import Compose
from minitorch_cnn.augment.distort import ElasticTransform, GridDistortion, OpticalDistortion, gaussian, places
from minitorch_cnn.augment.flip import HorizontalFlip
from minitorch_cnn.backend import cpu, reference

CPU, LOOPS = (importlib.import_module(f"minitorch_cnn.backend.{form}.smooth_noise") for form in ("cpu", "reference"))
ALL = [ElasticTransform(alpha=40, sigma=3), GridDistortion(p=1), OpticalDistortion(0.4, p=1)]
DTYPES = [np.uint8, np.float32, np.float64]


def images(rng, dtype, *shape):
    x = rng.integers(0, 256, shape)
    return x.astype(np.uint8) if dtype == np.uint8 else (x / 255).astype(dtype)


def gradient(N, H, W):
    """(N, 2, H, W) images that show where they are looked at: the column's number, and the row's."""
    return np.broadcast_to(np.stack(np.meshgrid(np.arange(W), np.arange(H))).astype(float), (N, 2, H, W)).copy()


# smooth noise ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 2e-6)])
@pytest.mark.parametrize("size", [(7, 5), (1, 6), (6, 1), (1, 1), (2, 3)])
@pytest.mark.parametrize("taps", [[1.0], [0.25, 0.5, 0.25], [0.1, 0.2, 0.4, 0.2, 0.1], list(gaussian(1.4))])
def test_smooth_noise_in_matrices_is_that_of_the_loops(size, taps, dtype, rtol):
    keys = np.array([5, 2**64 - 1, 0], np.uint64)
    got, expected = (form.smooth_noise(keys, size, np.array(taps), dtype) for form in (CPU, LOOPS))
    assert got.shape == (3, 2, *size)
    assert_close(got, expected, rtol)


def test_unsymmetric_taps_keep_their_order():
    keys, taps = np.array([9], np.uint64), [0.7, 0.2, 0.1]
    noise = 2 * cpu.uniform(keys, 2 * 4 * 5, np.float64).reshape(1, 2, 4, 5) - 1
    wide = 0.7 * noise[..., [1, 0, 1, 2, 3]] + 0.2 * noise + 0.1 * noise[..., [1, 2, 3, 4, 3]]
    expected = 0.7 * wide[:, :, [1, 0, 1, 2]] + 0.2 * wide + 0.1 * wide[:, :, [1, 2, 3, 2]]
    for form in (CPU, LOOPS):
        assert_close(form.smooth_noise(keys, (4, 5), np.array(taps), np.float64), expected)


def test_a_sample_has_the_same_noise_in_any_batch():
    keys = np.arange(1, 60, dtype=np.uint64)
    together = CPU.smooth_noise(keys, (40, 30), gaussian(2.0), np.float32)
    for n in (0, 31, 58):
        assert np.array_equal(CPU.smooth_noise(keys[n : n + 1], (40, 30), gaussian(2.0), np.float32)[0], together[n])


def test_noise_is_uniform_both_ways_and_has_the_rms_that_the_docstring_says():
    keys = np.arange(100, dtype=np.uint64)
    plain = CPU.smooth_noise(keys, (20, 25), gaussian(0), np.float64)
    counts = np.histogram(plain, 20, (-1, 1))[0]
    assert counts.sum() == plain.size
    assert ((counts - plain.size / 20) ** 2 / (plain.size / 20)).sum() < 43.8  # chi-square, 19 degrees: 1 in 1000
    correlation = (plain[:, 0] * plain[:, 1]).mean() * 3  # of x and y; the variance is 1/3
    assert abs(correlation) < 4 / np.sqrt(plain.size / 2)
    smooth = CPU.smooth_noise(keys, (60, 60), gaussian(3.0), np.float64)[:, :, 15:45, 15:45]
    assert abs(np.sqrt((smooth**2).mean()) * 3.0 / 2 / 0.0814 - 1) < 0.05


@pytest.mark.parametrize("sigma, count", [(0, 1), (0.1, 1), (0.2, 3), (4, 33), (5, 41), (1.0, 9), (1.1, 9)])
def test_the_gaussian_has_torchvisions_odd_length_and_sum_1(sigma, count):
    taps = gaussian(sigma)
    assert len(taps) == count and abs(taps.sum() - 1) < 1e-15 and np.array_equal(taps, taps[::-1])


# all three ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", ALL, ids=lambda t: t.name)
def test_samples_that_are_not_applied_keep_every_bit(transform, dtype, rng):
    x = images(rng, dtype, 5, 3, 23, 37)
    before = x.copy()
    mask = np.array([True, False, True, False, False])
    params = {**transform.sample(np.arange(5)), "applied": mask}
    y = transform.apply(x, params)
    assert np.array_equal(x, before) and y.dtype == x.dtype and y.shape == x.shape
    assert np.array_equal(y[~mask], x[~mask])
    assert all((y[n] != x[n]).mean() > 0.2 for n in np.flatnonzero(mask))
    every = transform.apply(x, transform.sample(np.arange(5)))
    assert np.array_equal(every[mask], y[mask])  # and the others depend on nobody else
    assert np.array_equal(transform.apply(x, {**params, "applied": np.zeros(5, bool)}), x)


@pytest.mark.parametrize("make", [ElasticTransform, GridDistortion, OpticalDistortion])
def test_with_p_0_nothing_happens_and_later_numbers_are_the_same(make, rng):
    x = images(rng, np.uint8, 4, 1, 16, 15)
    assert np.array_equal(make(p=0.0)(x), x)
    flips = [Compose([make(p=p), HorizontalFlip()]).sample(np.arange(50))["transforms"][1] for p in (0.0, 0.5, 1.0)]
    assert all(np.array_equal(f["applied"], flips[0]["applied"]) for f in flips)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", ALL, ids=lambda t: t.name)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_the_fast_warp_is_the_loops_warp(transform, interpolation, dtype, rng, monkeypatch):
    x = images(rng, dtype, 3, 2, 13, 10)
    params = transform.sample(np.arange(3))
    monkeypatch.setattr(transform, "interpolation", interpolation)
    monkeypatch.setattr(transform, "fill", (0.25,) if dtype != np.uint8 else (80.0,))
    got = transform.apply(x, params)
    from minitorch_cnn.backend import primitives as P

    monkeypatch.setattr(P, "warp", reference.warp)
    expected = transform.apply(x, params)
    close = np.abs(got.astype(float) - expected) <= (1 if dtype == np.uint8 else 1e-4 if dtype == np.float32 else 1e-9)
    assert close.mean() > (0.995 if interpolation == "nearest" else 0.99999)  # the nearest of two may be either


@pytest.mark.parametrize("transform", ALL, ids=lambda t: t.name)
def test_constant_images_stay_so_away_from_the_border(transform):
    for dtype, value in ((np.uint8, 201), (np.float32, 0.7)):
        y = transform(np.full((3, 2, 60, 50), value, dtype))
        assert np.allclose(y[:, :, 15:45, 15:35], value, atol=1e-6)


@pytest.mark.parametrize("make", [ElasticTransform, lambda: GridDistortion(1, p=1), lambda: OpticalDistortion(p=1)])
def test_images_of_one_pixel(make):
    y = make()(np.full((3, 1, 1, 1), 77, np.uint8))
    assert y.shape == (3, 1, 1, 1) and y.dtype == np.uint8


@pytest.mark.parametrize("transform", ALL, ids=lambda t: t.name)
def test_what_comes_from_outside_shows_the_fill_of_its_channel(transform):
    transform = type(transform)(p=1, fill=(10, 20, 30))
    if transform.name == "ElasticTransform":
        transform.alpha = 200.0
    elif transform.name == "GridDistortion":
        transform.normalized, transform.distort_limit = False, (0.4, 0.4)
    else:
        transform.distort_limit = (0.9, 0.9)
    y = transform(np.full((2, 3, 40, 30), 255, np.uint8))
    outside = (y == np.array([10, 20, 30]).reshape(3, 1, 1)).all(axis=1)
    assert 0 < outside.sum() < 2 * 40 * 30
    with pytest.raises(ValueError, match="fill has 3 numbers, but the images have 4 channels"):
        transform(np.zeros((1, 4, 9, 9), np.uint8))


@pytest.mark.parametrize("transform", ALL, ids=lambda t: t.name)
def test_keypoints_boxes_and_masks_go_where_their_pixels_go(transform):
    N, H, W = 4, 48, 40
    points = np.stack(np.meshgrid(np.arange(3, W - 3, 6), np.arange(3, H - 3, 6)), axis=-1).reshape(-1, 2)
    rows = [np.column_stack([points, np.arange(len(points))]) for _ in range(N)]
    boxes = [np.array([[6.0, 8, 20, 30, n]]) for n in range(N)]
    masks = np.zeros((N, 1, H, W), np.uint8)
    masks[:, :, 8:30, 6:20] = 1
    y, moved = transform(gradient(N, H, W), targets={"masks": masks, "boxes": boxes, "keypoints": rows})
    for n in range(N):
        assert len(moved["keypoints"][n]) > len(points) * 0.7
        for u, v, k in moved["keypoints"][n]:
            if (
                1 <= u <= W - 2 and 1 <= v <= H - 2
            ):  # between the four pixels around, the image shows where they come from
                j, i = int(u), int(v)
                s, t = u - j, v - i
                around = y[n, :, i : i + 2, j : j + 2]
                place = np.array([1 - t, t]) @ around @ np.array([1 - s, s])
                assert np.abs(place - points[int(k)]).max() < 0.25
        inside = np.argwhere(moved["masks"][n, 0])
        (x1, y1, x2, y2, number) = moved["boxes"][n][0]
        assert number == n
        around = [inside[:, 1].min(), inside[:, 0].min(), inside[:, 1].max() + 1, inside[:, 0].max() + 1]
        assert np.abs(np.array([x1, y1, x2, y2]) - around).max() <= 1


def test_targets_of_samples_that_are_not_applied_stay(rng):
    for transform in ALL:
        params = {**transform.sample(np.arange(2)), "applied": np.array([False, True])}
        points = [np.array([[4.0, 7.0], [0.0, 30.0]])] * 2
        _, moved = transform.apply(images(rng, np.uint8, 2, 1, 32, 30), params, targets={"keypoints": points})
        assert np.allclose(moved["keypoints"][0], points[0], atol=1e-12)
        assert np.abs(moved["keypoints"][1][:1] - points[1][:1]).max() > 0.01


# elastic --------------------------------------------------------------------------------------------------------------


def test_elastic_looks_where_the_field_says():
    transform = ElasticTransform(alpha=30, sigma=2)
    params = transform.sample(np.array([7, 3]), epoch=2)
    field = CPU.smooth_noise(params["keys"], (21, 34), gaussian(2), np.float64) * 15
    y = transform.apply(gradient(2, 21, 34), params)
    places = gradient(2, 21, 34) + field
    inside = ((places >= 0) & (places <= np.array([33, 20]).reshape(2, 1, 1))).all(axis=1)
    assert inside.mean() > 0.7
    for k in (0, 1):
        assert np.allclose(y[:, k][inside], places[:, k][inside], atol=1e-9)


def test_elastic_with_alpha_0_or_a_flat_noise():
    x = np.arange(2 * 3 * 9 * 8, dtype=np.uint8).reshape(2, 3, 9, 8)
    assert np.array_equal(ElasticTransform(alpha=0)(x), x)
    assert ElasticTransform(sigma=0, alpha=2)(x).shape == x.shape


def test_elastic_takes_torchvisions_lists_of_equal_numbers():
    transform = ElasticTransform(alpha=[50.0, 50.0], sigma=[5.0])
    assert transform.alpha == 50 and transform.sigma == 5


# grid -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length, num_steps", [(32, 5), (30, 5), (9, 5), (7, 7), (1, 1), (13, 4), (23, 22), (24, 5)])
def test_a_normalised_grid_begins_and_ends_with_the_image_and_never_turns_back(length, num_steps, rng):
    table = places(1 + rng.uniform(-0.9, 0.9, (50, num_steps + 1)), length, num_steps, True)
    assert table.shape == (50, length)
    assert (table[:, 0] == 0).all() and (table <= length + 1e-9).all() and (np.diff(table, axis=1) >= -1e-12).all()


def test_a_grid_of_two_cells_by_hand():
    # 7 pixels: cells of 3 and 3, and one left over, which shows its beginning
    plain = places(np.array([[1.0, 0.5, 9.0]]), 7, 2, False)
    assert np.allclose(plain, [[0, 1.5, 3, 3, 3.75, 4.5, 4.5]])
    weight = 7 / 3 / (1 + 0.5 + 9 / 3)
    ends = np.cumsum([0, 3 * weight, 1.5 * weight])
    scaled = places(np.array([[1.0, 0.5, 9.0]]), 7, 2, True)
    assert np.allclose(scaled, [[0, ends[1] / 2, ends[1], ends[1], (ends[1] + ends[2]) / 2, ends[2], ends[2]]])
    assert not np.isnan(places(np.zeros((1, 3)), 7, 2, True)).any()


def test_grid_factors_are_uniform():
    params = GridDistortion(num_steps=4, distort_limit=(-0.2, 0.5), p=1).sample(np.arange(2000))
    assert params["steps_x"].shape == params["steps_y"].shape == (2000, 5)
    assert not np.allclose(params["steps_x"], params["steps_y"])
    for factors in (params["steps_x"], params["steps_y"]):
        counts = np.histogram(factors, 10, (0.8, 1.5))[0]
        assert counts.sum() == 10000 and ((counts - 1000) ** 2 / 1000).sum() < 27.9  # 9 degrees: 1 in 1000


def test_applied_has_the_defaults_probabilities():
    for make, p in ((ElasticTransform, 1.0), (GridDistortion, 0.5), (OpticalDistortion, 0.5)):
        applied = make().sample(np.arange(4000))["applied"].mean()
        assert abs(applied - p) <= 4 * np.sqrt(p * (1 - p) / 4000)


# lens -----------------------------------------------------------------------------------------------------------------


def test_a_lens_leaves_the_middle_and_is_the_same_on_all_four_sides(rng):
    y = OpticalDistortion((0.5, 0.5), p=1)(gradient(1, 31, 41))[0]
    assert np.allclose(y[:, 15, 20], [20, 15])
    assert y[0, 15, 25] > 25 and y[0, 15, 15] < 15  # looks at more: the image shrinks
    around = OpticalDistortion((0.2, 0.2), p=1)(np.ones((1, 1, 30, 22)))[0, 0]
    assert np.allclose(around, around[::-1]) and np.allclose(around, around[:, ::-1])
    narrow = OpticalDistortion((-0.5, -0.5), p=1)(gradient(1, 31, 41))[0]
    assert narrow[0, 15, 25] < 25 and narrow[0, 15, 0] > 0


# bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ElasticTransform(alpha=-1), "ElasticTransform: alpha must be a number from 0 on, got -1"),
        (lambda: ElasticTransform(sigma="5"), "ElasticTransform: sigma must be a number from 0 on, got '5'"),
        (lambda: ElasticTransform(sigma=float("nan")), "sigma must be a number from 0 on, got nan"),
        (lambda: ElasticTransform([50.0, 40.0]), r"alpha must be the same along x and y, got \[50.0, 40.0\]"),
        (lambda: ElasticTransform(sigma=[5.0, 5.0, 5.0]), "ElasticTransform: sigma must be a number from 0 on, got"),
        (lambda: ElasticTransform(sigma=[5.0, "a"]), "ElasticTransform: sigma must be a number from 0 on, got 'a'"),
        (lambda: ElasticTransform(interpolation="linear"), "interpolation must be one of 'nearest', 'bilinear', 'bicu"),
        (lambda: ElasticTransform(p=2), "p must be a probability from 0 to 1, got 2"),
        (lambda: GridDistortion(num_steps=0), "GridDistortion: num_steps must be an integer from 1 on, got 0"),
        (lambda: GridDistortion(distort_limit=(-2, 0)), "distort_limit must be a pair -1.0 <= least <= most <= 1.0"),
        (lambda: GridDistortion()(np.zeros((1, 1, 4, 9), np.uint8)), r"4 x 9 \(height x width\).* num_steps=4 or less"),
        (lambda: OpticalDistortion(distort_limit="x"), "OpticalDistortion: distort_limit must be a number or a pair"),
    ],
)
def test_bad_input_says_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()
