"""Resize, RandomResizedCrop, and the weighted sums behind them. (tests/ops has a test_resize.)"""

import importlib

import numpy as np
import pytest
from closeness import assert_close

from minitorch_cnn.augment.affine import Rotate
from minitorch_cnn.augment.compose import Compose
from minitorch_cnn.augment.crop import CenterCrop, RandomCrop
from minitorch_cnn.augment.resize import RandomResizedCrop, Resize, cubic, resized, taps

CPU, LOOPS = (importlib.import_module(f"minitorch_cnn.backend.{form}.resample") for form in ("cpu", "reference"))
DTYPES = [np.uint8, np.float32, np.float64]
INTERPOLATIONS = ["nearest", "bilinear", "bicubic"]


def images(rng, dtype, *shape):
    x = rng.integers(0, 256, shape)
    return x.astype(np.uint8) if dtype == np.uint8 else (x / 255).astype(dtype)


# the primitive --------------------------------------------------------------------------------------------------------


def weights(rng, N, out, length, K):
    """Any first taps, in order, and any weights, some of them negative."""
    first = np.sort(rng.integers(0, length - K + 1, (N, out)), axis=1)
    return first, rng.uniform(-0.5, 1.0, (N, out, K))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows_of, columns_of", [(3, 3), (1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize(
    "C, H, W, OH, OW, K, M", [(2, 9, 7, 5, 11, 3, 2), (1, 1, 4, 3, 1, 1, 4), (3, 60, 3, 50, 2, 8, 1)]
)
def test_resample_in_blocks_is_that_of_the_loops(C, H, W, OH, OW, K, M, rows_of, columns_of, dtype, rng):
    x = images(rng, dtype, 3, C, H, W)
    before = x.copy()
    arguments = x, *weights(rng, rows_of, OH, H, K), *weights(rng, columns_of, OW, W, M)
    got, expected = CPU.resample(*arguments), LOOPS.resample(*arguments)
    assert np.array_equal(x, before)
    if dtype == np.uint8:
        assert got.dtype == np.uint8 and got.shape == expected.shape
        assert np.array_equal(got, expected)
    else:
        assert_close(got, expected, 1e-6 if dtype == np.float32 else 1e-14)


@pytest.mark.parametrize("weight, pixels, expected", [
    (2.0, [0, 100, 200], [0, 200, 255]), (-1.0, [0, 100, 200], [0, 0, 0]),
    (1 / 16, [8, 24, 25], [0, 2, 2]),  # 0.5 and 1.5 go to the even number
])  # fmt: skip
def test_what_overshoots_is_cut_not_wrapped_around(weight, pixels, expected):
    one, columns = np.zeros((1, 1), int), np.arange(3)[None]
    for form in (CPU, LOOPS):
        x = np.array(pixels, np.uint8).reshape(1, 1, 1, 3)
        y = form.resample(x, one, np.ones((1, 1, 1)), columns, np.full((1, 3, 1), weight))
        assert y.ravel().tolist() == expected


def test_resample_looks_at_images_that_are_not_contiguous(rng):
    x = rng.random((2, 8, 9, 3)).transpose(0, 3, 1, 2)[:, ::-1]
    arguments = *weights(rng, 2, 4, 8, 3), *weights(rng, 2, 5, 9, 2)
    assert_close(CPU.resample(x, *arguments), LOOPS.resample(x, *arguments))


@pytest.mark.parametrize("size", [(30, 50), (90, 70)])
def test_a_sample_is_the_same_in_any_batch(size, rng):
    x = images(rng, np.float32, 40, 3, 60, 65)
    crop = RandomResizedCrop(size)
    for transform in (crop, Resize(size)):
        together = transform(x, epoch=1)
        for n in (0, 17, 39):
            assert np.array_equal(transform(x[n : n + 1], ids=[n], epoch=1)[0], together[n])


# weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("image, size", [(17, 5), (5, 17), (9, 9), (1, 4), (4, 1), (2, 3), (100, 7)])
def test_weights_lie_within_their_part_and_sum_to_1(image, size, interpolation, antialias, rng):
    start = rng.integers(0, image, 20)
    length = rng.integers(1, image - start + 1)
    first, weight = taps(start, length, image, size, interpolation, antialias)
    assert first.shape == (20, size) and weight.shape[:2] == (20, size)
    assert (first >= 0).all() and (first + weight.shape[2] <= image).all() and (np.diff(first, axis=1) >= 0).all()
    assert np.allclose(weight.sum(axis=2), 1, atol=1e-12)
    pixel = first[..., None] + np.arange(weight.shape[2])
    outside = (pixel < start[:, None, None]) | (pixel >= (start + length)[:, None, None])
    assert (weight[outside] == 0).all()


def test_weights_by_hand():
    for antialias, expected in (
        (True, [[3 / 7, 3 / 7, 1 / 7, 0], [0, 1 / 7, 3 / 7, 3 / 7]]),  # triangles as wide as four pixels
        (False, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),  # the two pixels in the middle of each half
    ):
        first, weight = taps(np.zeros(1, int), np.array([4]), 4, 2, "bilinear", antialias)
        dense = np.zeros((2, 4))
        dense[np.arange(2)[:, None], first[0][:, None] + np.arange(weight.shape[2])] = weight[0]
        assert np.allclose(dense, expected)
    assert np.allclose(cubic(np.array([0, 1, 2, 3.0]), -0.5), [1, 0, 0, 0])
    assert np.allclose(cubic(np.array([0.5, 1.5]), -0.75), [0.59375, -0.09375])


# Resize ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("before, after", [((9, 14), (5, 6)), ((4, 3), (9, 8)), ((9, 4), (3, 7)), ((1, 1), (3, 2))])
def test_constant_images_stay_so(before, after, antialias, interpolation, dtype):
    for value in (0, 1, 77, 255):
        x = np.full((2, 3, *before), value if dtype == np.uint8 else value / 255, dtype)
        y = Resize(after, interpolation, antialias=antialias)(x)
        assert y.shape == (2, 3, *after) and y.dtype == dtype
        assert np.abs(y.astype(float) - float(x.flat[0])).max() <= (0 if dtype == np.uint8 else 1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_size_that_images_have_already_changes_nothing(interpolation, dtype, rng):
    x = images(rng, dtype, 2, 3, 7, 9)
    same = Resize((7, 9), interpolation)(x)
    assert np.array_equal(same, x) and not np.shares_memory(same, x)
    whole = RandomResizedCrop((7, 9), (1.0, 1.0), (9 / 7, 9 / 7), interpolation)
    assert np.array_equal(whole(x), x)


@pytest.mark.parametrize(
    "before, after", [((10, 7), (4, 5)), ((10, 7), (23, 9)), ((224, 3), (96, 7)), ((70, 100), (7, 10))]
)
def test_nearest_takes_the_pixel_at_floor(before, after, rng):
    x = images(rng, np.uint8, 2, 3, *before)
    rows, columns = (np.arange(out) * have // out for have, out in zip(before, after))
    assert np.array_equal(Resize(after, "nearest")(x), x[:, :, rows][..., columns])


def test_a_mean_of_all_pixels_against_the_nearest_few(rng):
    x = images(rng, np.float64, 1, 1, 64, 64)
    smooth, sparse = Resize(8)(x), Resize(8, antialias=False)(x)
    assert smooth.std() < 0.3 * sparse.std()  # some 100 pixels instead of 4


def test_larger_images_wait_for_the_steps_that_follow(rng, monkeypatch):
    x = images(rng, np.float32, 2, 3, 16, 20)
    passes = []
    from minitorch_cnn.backend import primitives as P

    warp = P.warp
    monkeypatch.setattr(P, "warp", lambda *arguments: passes.append(arguments) or warp(*arguments))
    monkeypatch.setattr(P, "resample", None)
    y = Compose([Resize(32), CenterCrop(24), Rotate((20, 20), "bilinear")])(x)
    assert y.shape == (2, 3, 24, 24) and len(passes) == 1


@pytest.mark.parametrize("size, max_size, before, after", [
    (7, None, (10, 20), (7, 14)), (7, None, (20, 11), (12, 7)), (7, None, (5, 5), (7, 7)), (7, 10, (10, 20), (5, 10)),
    (256, None, (500, 375), (341, 256)), (None, 8, (10, 20), (4, 8)), ((3, 4), None, (9, 9), (3, 4)),
])  # fmt: skip
def test_sizes(size, max_size, before, after):
    assert resized("Resize", before, size, max_size) == after
    assert Resize(size, max_size=max_size)(np.zeros((1, 1, *before), np.uint8)).shape[2:] == after


# RandomResizedCrop ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_a_part_is_cut_out_and_then_resized(interpolation, dtype, rng):
    x = images(rng, dtype, 8, 3, 25, 31)
    crop = RandomResizedCrop((6, 9), (0.02, 1), (0.3, 3), interpolation)
    params = crop.sample(np.arange(8), epoch=3)
    y = crop.apply(x, params)
    for n, (top, left, height, width) in enumerate(crop.boxes(params, (25, 31)).tolist()):
        part = x[n : n + 1, :, top : top + height, left : left + width]
        expected = Resize((6, 9), interpolation)(part)[0]  # larger ones by another primitive
        assert np.abs(y[n].astype(float) - expected).max() <= (1 if dtype == np.uint8 else 1e-5)


def test_boxes_lie_inside_and_have_what_was_asked_for():
    crop = RandomResizedCrop(224, (0.2, 0.5), (0.5, 2.0))
    boxes = crop.boxes(crop.sample(np.arange(3000)), (120, 160))
    top, left, height, width = boxes.T
    assert (boxes[:, :2] >= 0).all() and (top + height <= 120).all() and (left + width <= 160).all()
    area, ratio = height * width / (120 * 160), width / height
    assert area.min() > 0.19 and area.max() < 0.51 and ratio.min() > 0.48 and ratio.max() < 2.05
    # places are uniform among those there are: the fraction below the place, in the middle of its own step
    for offset, room in ((top, 120 - height), (left, 160 - width)):
        counts = np.histogram((offset + 0.5) / (room + 1), 10, (0, 1))[0]
        assert ((counts - 300) ** 2 / 300).sum() < 27.9  # chi-square, 9 degrees: 1 in 1000
    small = RandomResizedCrop(8, (0.1, 0.3), (0.5, 2.0)).sample(np.arange(3000))
    assert small["scale"].shape == small["ratio"].shape == (3000, 10)
    for value, low, high in ((small["scale"], 0.1, 0.3), (np.log2(small["ratio"]), -1, 1)):
        counts = np.histogram(value, 10, (low, high))[0]
        assert counts.sum() == 30000 and ((counts - 3000) ** 2 / 3000).sum() < 27.9


@pytest.mark.parametrize("size, expected", [
    ((64, 4), [29, 0, 5, 4]), ((4, 64), [0, 29, 4, 5]), ((30, 40), [0, 0, 30, 40]), ((1, 1), [0, 0, 1, 1]),
])  # fmt: skip
def test_where_no_try_fits_it_is_the_middle(size, expected):
    crop = RandomResizedCrop(8)
    params = crop.sample(np.arange(5))
    params["scale"][:] = 1.7
    assert (crop.boxes(params, size) == expected).all()
    params["scale"][3, 6] = 0.9
    params["ratio"][3, 6] = 4 / 3 if size == (30, 40) else 1.0
    boxes = crop.boxes(params, size)
    assert (np.delete(boxes, 3, axis=0) == expected).all()
    if size == (30, 40):
        assert (boxes[3, 2:] == [28, 38]).all()  # sqrt(0.9) of each side, rounded


def test_some_samples_only(rng):
    x = images(rng, np.float32, 4, 3, 12, 12)
    crop = RandomResizedCrop(12, p=0.5)
    mask = np.array([True, False, True, False])
    y = crop.apply(x, {**crop.sample(np.arange(4)), "applied": mask})
    assert np.array_equal(y[~mask], x[~mask]) and all((y[n] != x[n]).any() for n in (0, 2))
    assert np.array_equal(RandomResizedCrop(12, p=0.0)(x), x)
    with pytest.raises(ValueError, match="makes images of 12 x 12 into 8 x 8, so it can't be applied to some images"):
        RandomResizedCrop(8, p=0.5)(x)
    with pytest.raises(ValueError, match="Resize: makes images of 12 x 12 into 5 x 5"):
        Resize(5).apply(x, {"applied": mask})


@pytest.mark.parametrize("what, value, allowed", [
    ("top", 1.0, "from 0 to below 1"), ("left", -0.1, "from 0 to below 1"),
    ("scale", -1.0, "from 0 to below inf"), ("ratio", np.nan, "from 0 to below inf"),
])  # fmt: skip
def test_parameters_that_no_sample_has(what, value, allowed):
    crop = RandomResizedCrop(8)
    params = crop.sample(np.arange(3))
    params[what][1] = value
    with pytest.raises(ValueError, match=rf'RandomResizedCrop: params\["{what}"\] must be {allowed}, got {value}'):
        crop.apply(np.zeros((3, 1, 12, 10), np.uint8), params)


# targets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("make", [
    lambda i: Resize((20, 15), i), lambda i: Resize((70, 90), i), lambda i: Resize((20, 15), i, antialias=False),
    lambda i: RandomResizedCrop((30, 25), (0.4, 0.9), interpolation=i),
    lambda i: Compose([RandomCrop((38, 44)), RandomResizedCrop((30, 25), (0.4, 0.9), interpolation=i), Rotate((9, 9))]),
])  # fmt: skip
def test_keypoints_boxes_and_masks_go_where_their_pixels_go(make, interpolation):
    N, H, W = 3, 40, 48
    places = np.stack(np.meshgrid(np.arange(W), np.arange(H))).astype(float)
    points = np.stack(np.meshgrid(np.arange(3, W - 3, 5), np.arange(3, H - 3, 5)), axis=-1).reshape(-1, 2)
    masks = np.zeros((N, 2, H, W), np.uint8)
    masks[:, 1, 12:28, 14:34] = 1
    targets = {
        "masks": masks,
        "boxes": [np.array([[14.0, 12, 34, 28, 5]])] * N,
        "keypoints": [np.column_stack([points, np.arange(len(points))])] * N,
    }
    x = np.broadcast_to(places, (N, 2, H, W)).copy()
    y, moved = make(interpolation)(x, targets=targets)
    h, w = y.shape[2:]
    assert moved["masks"].shape == (N, 2, h, w) and not moved["masks"][:, 0].any()
    scale, slack = 1 / min(h / H, w / W), 1.25 if interpolation == "nearest" else 0.75
    for n in range(N):
        assert len(moved["keypoints"][n]) > 4
        for u, v, k in moved["keypoints"][n]:
            i, j = round(v), round(u)
            if 2 <= i < h - 2 and 2 <= j < w - 2:
                # at most half an output pixel away; "nearest" shows the upper left one of those that it covers
                assert np.abs(y[n, :, i, j] - points[int(k)]).max() <= scale * slack
        inside = np.argwhere(moved["masks"][n, 1])
        x1, y1, x2, y2, five = moved["boxes"][n][0]
        around = np.array([inside[:, 1].min(), inside[:, 0].min(), inside[:, 1].max() + 1, inside[:, 0].max() + 1])
        assert five == 5 and np.abs([x1, y1, x2, y2] - around).max() <= 3


def test_boxes_are_multiplied_and_keypoints_keep_their_place_in_the_picture():
    x = np.zeros((1, 1, 10, 20), np.uint8)
    for interpolation in INTERPOLATIONS:
        for size in ((5, 10), (20, 40), (5, 40)):
            _, moved = Resize(size, interpolation)(x, targets={"boxes": [[[2, 4, 10, 8]]], "keypoints": [[[9.5, 4.5]]]})
            a, b = size[1] / 20, size[0] / 10
            assert np.allclose(moved["boxes"][0], [[2 * a, 4 * b, 10 * a, 8 * b]])
            assert np.allclose(moved["keypoints"][0], [[10 * a - 0.5, 5 * b - 0.5]])


def test_what_is_not_in_the_part_is_dropped():
    crop = RandomResizedCrop((10, 10), (0.25, 0.25), (1.0, 1.0))
    params = {**crop.sample([0]), "top": np.zeros(1), "left": np.zeros(1)}
    targets = {"boxes": [[[12, 12, 18, 18, 1], [2, 2, 14, 4, 2]]], "keypoints": [[[15, 3], [3, 3]]]}
    _, moved = crop.apply(np.zeros((1, 1, 20, 20), np.uint8), params, targets=targets)
    assert np.allclose(moved["boxes"][0], [[2, 2, 10, 4, 2]]) and np.allclose(moved["keypoints"][0], [[3, 3]])


def test_nearest_masks_are_the_nearest_images(rng):
    x = rng.integers(0, 5, (2, 1, 17, 13)).astype(np.uint8)
    for transform in (
        Resize((5, 6), "nearest"),
        Resize((29, 14), "nearest"),
        RandomResizedCrop(9, interpolation="nearest"),
    ):
        y, moved = transform(x, targets={"masks": x})
        assert np.array_equal(y, moved["masks"])


# bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make, error, message", [
    (lambda: Resize(0), ValueError, "Resize: size must be an integer from 1 on, got 0"),
    (lambda: Resize(2.5), TypeError, "Resize: size must be an integer, got 2.5"),
    (lambda: Resize((1, 2, 3)), ValueError, r"size must be an integer or a pair \(height, width\), got \(1, 2, 3\)"),
    (lambda: Resize(None), ValueError, "give a size, or max_size for the longer side"),
    (lambda: Resize((3, 4), max_size=8), ValueError, r"max_size is for one size.*got size=\(3, 4\)"),
    (lambda: Resize(9, max_size=9), ValueError, "max_size must be above size.* got 9 and 9"),
    (lambda: Resize(9, "lanczos"), ValueError, "interpolation must be one of 'nearest', 'bilinear', 'bicubic'"),
    (lambda: Resize(None, max_size=3)(np.zeros((1, 1, 2, 9), np.uint8)), ValueError, "2 x 9 .* max_size=3 would have a si"),
    (lambda: RandomResizedCrop(8, scale=0.5), ValueError, "RandomResizedCrop: scale must be two numbers, got 0.5"),
    (lambda: RandomResizedCrop(8, scale=(0.5, 0.1)), ValueError, r"scale must be a pair 0 < least <= most, got \(0.5, 0.1\)"),
    (lambda: RandomResizedCrop(8, ratio=(0, 1)), ValueError, r"ratio must be a pair 0 < least <= most, got \(0, 1\)"),
    (lambda: RandomResizedCrop((8, 9, 9)), ValueError, r"size must be an integer or a pair"),
])  # fmt: skip
def test_bad_input_says_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()
