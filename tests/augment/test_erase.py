"""Erasing: the reference's loops against NumPy, where the holes are, and how they are spread."""

import re

import numpy as np
import pytest

from minitorch_cnn.augment import Compose, RandomCrop
from minitorch_cnn.augment.erase import CoarseDropout, Cutout, GridDropout, RandomErasing, cells
from minitorch_cnn.backend import cpu, reference

DTYPES = [np.uint8, np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)

N, C, H, W = 5, 3, 7, 9
MAKE = {
    "Cutout": lambda **o: Cutout(4, 2, **o),
    "CoarseDropout": lambda **o: CoarseDropout((1, 3), (0.2, 0.5), (0.2, 0.5), **o),
    "RandomErasing": lambda **o: RandomErasing(**o),
    "GridDropout": lambda **o: GridDropout(**o),
}
every_transform = pytest.mark.parametrize("name", MAKE)


def images_of(rng, size, dtype):
    """No value is 0, what the holes are filled with."""
    return rng.integers(1, 256, size).astype(np.uint8) if dtype == np.uint8 else (0.1 + rng.random(size)).astype(dtype)


def random_boxes(rng, count):
    corner = np.stack([rng.integers(0, W + 1, (N, count)), rng.integers(0, H + 1, (N, count))], axis=2)
    other = np.stack([rng.integers(0, W + 1, (N, count)), rng.integers(0, H + 1, (N, count))], axis=2)
    return np.concatenate([corner, other], axis=2)  # some are the wrong way round: empty


@every_dtype
@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("kind", ["one value", "one a channel", "one a pixel"])
def test_the_forms_of_fill_boxes(kind, count, dtype, rng):
    x, boxes = images_of(rng, (N, C, H, W), dtype), random_boxes(rng, count)
    keys = rng.integers(0, 2**53, N).astype(np.uint64) if kind == "one a pixel" else None
    fill = {"one value": np.full(C, 7.0), "one a channel": np.array([1.0, 2.5, 3.0]), "one a pixel": rng.random(65536)}[
        kind
    ]
    before = x.copy()
    y = cpu.fill_boxes(x, boxes, fill, keys)
    assert y.dtype == dtype and y.flags.c_contiguous and np.array_equal(x, before)
    assert np.array_equal(y, reference.fill_boxes(x, boxes, fill, keys))
    turned = x[::-1, :, ::-1]
    assert np.array_equal(
        cpu.fill_boxes(turned, boxes, fill, keys), cpu.fill_boxes(np.ascontiguousarray(turned), boxes, fill, keys)
    )


@every_dtype
@every_transform
def test_samples_that_are_not_chosen_stay(name, dtype, rng):
    x = images_of(rng, (40, C, 12, 14), dtype)
    assert np.array_equal(MAKE[name](p=0)(x), x)
    transform = MAKE[name](p=0.5)
    applied, y = transform.sample(np.arange(40))["applied"], transform(x)
    assert 8 < applied.sum() < 32 and np.array_equal(y[~applied], x[~applied]) and y.dtype == dtype
    changed = y != x
    assert changed.any(axis=(1, 2, 3))[applied].all() and (y[changed] == 0).all()
    assert np.array_equal(changed[:, 0], changed[:, 1]), "all channels at the same places"


@every_transform
def test_one_channel_and_the_smallest_images(name, rng):
    for size in ((3, 1, 2, 3), (2, 1, 5, 2)):
        x = images_of(rng, size, np.uint8)
        y = MAKE[name](p=1)(x)
        assert ((y == x) | (y == 0)).all()
    if name != "GridDropout":
        x = np.ones((4, 3, 1, 1), np.float32)
        y = MAKE[name](p=1)(x)
        assert y.shape == x.shape and (name != "RandomErasing" or (y == 1).all())


@every_transform
def test_masks_and_boxes_are_left_alone(name, rng):
    x, masks = images_of(rng, (2, 3, 8, 8), np.uint8), np.ones((2, 1, 8, 8), np.uint8)
    boxes = [np.array([[1.0, 2, 5, 6]]), np.zeros((0, 4))]
    y, targets = MAKE[name](p=1)(x, targets={"masks": masks, "boxes": boxes})
    assert np.array_equal(targets["masks"], masks) and np.array_equal(targets["boxes"][0], boxes[0])
    assert (y == 0).any()


@pytest.mark.parametrize(
    "make", [lambda f: Cutout(3, fill=f), lambda f: CoarseDropout(fill=f, p=1), lambda f: GridDropout(fill=f, p=1)]
)
def test_a_fill_for_each_channel(make, rng):
    x = np.full((4, 3, 20, 20), 9, np.uint8)
    y = make((1, 2, 3))(x)
    hole = (y != 9).all(axis=1)
    assert hole.any() and (y.transpose(0, 2, 3, 1)[hole] == [1, 2, 3]).all()
    normalised = make(-1.5)(np.zeros((4, 3, 20, 20), np.float32))
    assert set(np.unique(normalised)) == {-1.5, 0}


def box_of(y):
    """(top, left, bottom, right) of what is 0, which must be a whole rectangle."""
    rows, columns = np.flatnonzero((y == 0).any(axis=1)), np.flatnonzero((y == 0).any(axis=0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    assert (y[top:bottom, left:right] == 0).all()
    return top, left, bottom, right


def test_cutouts_middle_is_any_pixel():
    H, W, length = 6, 8, 4
    x = np.ones((4800, 1, H, W), np.uint8)
    y = Cutout(length)(x, seed=1)
    found = np.zeros((H, W), int)
    for image in y[:, 0]:
        top, left, bottom, right = box_of(image)
        row = bottom - length // 2 if top == 0 else top + length // 2
        column = right - length // 2 if left == 0 else left + length // 2
        assert bottom == min(row + 2, H) and top == max(row - 2, 0)
        found[row, column] += 1
    assert ((found - 100) ** 2 / 100).sum() < 87  # chi-square, 47 degrees of freedom, one in three thousand


@pytest.mark.parametrize("length", [1, 3, 5, 30, 10**23, 10**400])
def test_cutout_of_any_length(length):
    y = Cutout(length)(np.ones((50, 1, 9, 11), np.uint8))
    sizes = [(bottom - top, right - left) for top, left, bottom, right in map(box_of, y[:, 0])]
    assert max(sizes) == (min(length, 9), min(length, 11)) and min(min(sizes)) >= min(length // 2, 5)


def test_coarse_dropouts_holes_are_whole_and_anywhere():
    x = np.ones((3000, 1, 7, 5), np.uint8)
    y = CoarseDropout((1, 1), (2, 3), (1, 2), p=1)(x, seed=2)
    boxes = np.array([box_of(image) for image in y[:, 0]])
    sizes = boxes[:, 2:] - boxes[:, :2]
    assert set(map(tuple, sizes.tolist())) == {(2, 1), (2, 2), (3, 1), (3, 2)}
    for high in (2, 3):
        tops = boxes[sizes[:, 0] == high, 0]
        found = np.bincount(tops, minlength=8 - high)
        expected = len(tops) / (8 - high)
        assert (
            len(found) == 8 - high and ((found - expected) ** 2 / expected).sum() < 20.5
        )  # up to 5 degrees of freedom


def test_coarse_dropouts_sizes_are_fractions_or_pixels():
    x = np.ones((200, 1, 50, 40), np.uint8)
    for options in (
        {"hole_height_range": (0.1, 0.2), "hole_width_range": (0.5, 0.5)},
        {"hole_height_range": (5, 9), "hole_width_range": (20, 20)},
    ):
        y = CoarseDropout((1, 1), **options, p=1)(x)
        sizes = {(b - t, r - le) for t, le, b, r in map(box_of, y[:, 0])}
        assert sizes == {(h, 20) for h in range(5, 10)}
    whole = CoarseDropout((1, 1), (100, 200), (3, 3), p=1)
    with pytest.raises(
        ValueError, match="CoarseDropout: a hole 100 pixels high doesn't fit into images 50 pixels high"
    ):
        whole(x)
    assert (
        CoarseDropout((1, 1), (1.0, 1.0), (0.0, 1.0), p=1)(x).min(axis=2)
        == CoarseDropout((1, 1), (50, 99), (0.0, 1.0), p=1)(x).max(axis=2)
    ).all()


def test_coarse_dropout_makes_as_many_holes_as_were_drawn():
    transform = CoarseDropout((1, 4), (1, 1), (1, 1), p=1)
    params = transform.sample(np.arange(2000), seed=5)
    y = transform.apply(np.ones((2000, 1, 40, 40), np.uint8), params)
    holes = (y == 0).sum(axis=(1, 2, 3))
    assert (holes <= params["holes"]).all() and (holes == params["holes"]).mean() > 0.98  # two may be at one place
    found = np.bincount(params["holes"], minlength=5)
    assert found[0] == 0 and ((found[1:] - 500) ** 2 / 500).sum() < 16.3


def test_random_erasing_has_the_wanted_area_and_shape():
    x = np.ones((600, 1, 100, 80), np.uint8)
    y = RandomErasing(p=1, scale=(0.1, 0.2), ratio=(0.5, 2))(x, seed=6)
    boxes = np.array([box_of(image) for image in y[:, 0]])
    high, wide = (boxes[:, 2:] - boxes[:, :2]).T
    area, ratio = high * wide / 8000, high / wide
    assert area.min() > 0.097 and area.max() < 0.203 and ratio.min() > 0.48 and ratio.max() < 2.08
    found = np.histogram(np.log(ratio), 6, (-np.log(2), np.log(2)))[0]
    assert abs(area.mean() - 0.15) < 0.005 and ((found - 100) ** 2 / 100).sum() < 25
    assert (boxes[:, 0] == 0).any() and (boxes[:, 2] == 100).any() and (boxes[:, 3] == 80).any()


def test_random_erasing_takes_the_first_size_that_fits():
    transform = RandomErasing(p=1)
    areas, ratios = np.full((3, 10), 0.9), np.ones((3, 10))
    ratios[:, :] = 3.0  # higher than the image
    areas[0, 4], areas[0, 7], ratios[0, 4] = 0.04, 0.09, 1.0
    areas[1, 9], ratios[1, 9] = 0.25, 1.0
    areas[0, 1], ratios[0, 1] = 1.0, 1.0  # as large as the image is too large
    areas[1, 3], ratios[1, 3] = 0.5, 2.0  # 10 x 5: as high
    params = {
        "applied": np.ones(3, bool),
        "areas": areas,
        "ratios": ratios,
        "top": np.full(3, 0.999),
        "left": np.zeros(3),
    }
    y = transform.apply(np.ones((3, 1, 10, 10), np.uint8), params | {"keys": np.zeros(3, np.uint64)})
    assert box_of(y[0, 0]) == (8, 0, 10, 2) and box_of(y[1, 0]) == (5, 0, 10, 5)
    assert (y[2] == 1).all(), "none fits: nothing happens"


@every_dtype
def test_random_values_are_normal(dtype):
    x = np.full((40, 3, 40, 30), 3, dtype)
    y = RandomErasing(p=1, scale=(0.3, 0.3), ratio=(1, 1), value="random")(x, seed=7)
    values = y[y != 3].astype(float)
    if dtype == np.uint8:
        assert 0 < (values == 0).mean() < 0.05 and abs(values.mean() - 127.5) < 1 and 58 < values.std() < 64
    else:
        assert abs(values.mean()) < 0.02 and abs(values.std() - 1) < 0.02
    hole = (y != 3).all(axis=1)[0]
    assert len(np.unique(y[0, :, hole])) > 100 and not np.array_equal(y[0, 0][hole], y[0, 1][hole])


def test_grid_dropout_has_a_hole_in_each_cell():
    x = np.ones((30, 1, 41, 33), np.uint8)
    transform = GridDropout(0.5, unit_size_range=(6, 9), p=1)
    params = transform.sample(np.arange(30))
    y = transform.apply(x, params)
    assert set(params["unit"].tolist()) == {6, 7, 8, 9}
    for unit, image in zip(params["unit"].tolist(), y[:, 0]):
        cell, size = cells((41, 33), (41 // unit, 33 // unit), 0.5)
        assert len(cell) == (41 // unit) * (33 // unit)
        for ((left, top), (right, bottom)), (wide, high) in zip(cell.tolist(), size.tolist()):
            t, le, b, r = box_of(image[top:bottom, left:right])
            assert (r - le, b - t) == (wide, high) and wide == (right - left) // 2
    assert cell[0, 0].tolist() == [0, 0] and cell[-1, 1].tolist() == [33, 41], "the cells cover the image"


def test_grid_dropouts_holes_are_anywhere_in_their_cells():
    y = GridDropout(0.5, unit_size_range=(4, 4), p=1)(np.ones((300, 1, 8, 8), np.uint8), seed=1)
    places = [box_of(y[n, 0, i : i + 4, j : j + 4])[:2] for n in range(300) for i in (0, 4) for j in (0, 4)]
    found = np.bincount([3 * top + left for top, left in places], minlength=9)
    assert ((found - 1200 / 9) ** 2 / (1200 / 9)).sum() < 26.2  # 8 degrees of freedom
    fixed = GridDropout(0.5, False, (4, 4), p=1)(np.ones((2, 1, 8, 8), np.uint8))
    assert np.array_equal(fixed[0, 0, :4, :4], fixed[0, 0, 4:, 4:]) and box_of(fixed[1, 0, :4, :4]) == (0, 0, 2, 2)


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_cell_is_never_filled_as_a_whole_nor_left_out(ratio):
    y = GridDropout(ratio, p=1)(np.ones((2, 1, 30, 50), np.uint8))
    cell, _ = cells((30, 50), (10, 10), ratio)
    for (left, top), (right, bottom) in cell:
        assert 0 < (y[0, 0, top:bottom, left:right] == 0).sum() < (right - left) * (bottom - top)


@every_transform
def test_how_many_numbers_are_drawn_does_not_depend_on_what_comes_out(name, rng):
    """What follows a transform in a recipe gets the same numbers whether it was applied or not."""
    crops = [
        Compose([MAKE[name](p=p), RandomCrop(3)]).sample(np.arange(50), seed=3)["transforms"][1]["top"]
        for p in (0, 0.5, 1)
    ]
    assert np.array_equal(crops[0], crops[1]) and np.array_equal(crops[0], crops[2])


ONE = np.zeros((1, 3, 8, 8), np.uint8)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Cutout(0), ValueError, "Cutout: length must be an integer from 1 on, got 0"),
        (lambda: Cutout(4, n_holes=0), ValueError, "Cutout: n_holes must be an integer from 1 on, got 0"),
        (lambda: Cutout(4, fill=(1, 2))(ONE), ValueError, "Cutout: fill has 2 numbers, but the images have 3 channels"),
        (
            lambda: Cutout(4, fill=-1)(ONE),
            ValueError,
            "Cutout: fill is [-1.0, -1.0, -1.0], but uint8 images hold 0 to 255",
        ),
        (lambda: Cutout(4, fill=256)(ONE), ValueError, "but uint8 images hold 0 to 255"),
        (
            lambda: CoarseDropout(3),
            ValueError,
            "CoarseDropout: num_holes_range must be a pair (least, most) of integers, got 3",
        ),
        (
            lambda: CoarseDropout((3, 2)),
            ValueError,
            "CoarseDropout: num_holes_range must be a pair 1 <= least <= most <= inf, got (3, 2)",
        ),
        (
            lambda: CoarseDropout(hole_width_range=(0.1, 1.5)),
            ValueError,
            "hole_width_range must be a pair 0.0 <= least",
        ),
        (
            lambda: CoarseDropout(hole_height_range=(0, 3)),
            ValueError,
            "hole_height_range must be an integer from 1 on, got 0",
        ),
        (
            lambda: RandomErasing(scale=(0.3, 0.1)),
            ValueError,
            "RandomErasing: scale must be a pair 0.0 <= least <= most <= 1.0",
        ),
        (lambda: RandomErasing(ratio=(0, 1)), ValueError, "RandomErasing: ratio must be a pair 1e-06 <= least"),
        (lambda: RandomErasing(value="noise"), ValueError, "one for each channel, or \"random\", got 'noise'"),
        (lambda: GridDropout(1.5), ValueError, "GridDropout: ratio must be a fraction from 0 to 1, got 1.5"),
        (lambda: RandomErasing(value=None), ValueError, "RandomErasing: value must be a number, one for each channel"),
        (lambda: RandomErasing(value=(1, "a")), ValueError, "RandomErasing: value must be a number, or one for each"),
        (
            lambda: GridDropout(unit_size_range=(3,)),
            ValueError,
            "GridDropout: unit_size_range must be a pair (least, most) of integers, got (3,)",
        ),
        (
            lambda: CoarseDropout(hole_width_range=(1,)),
            ValueError,
            "CoarseDropout: hole_width_range must be a pair (least, most) of integers, got (1,)",
        ),
        (
            lambda: GridDropout(unit_size_range=(1, 4)),
            ValueError,
            "unit_size_range must be an integer from 2 on, got 1",
        ),
        (
            lambda: GridDropout(unit_size_range=(2, 9))(ONE),
            ValueError,
            "GridDropout: cells of 9 pixels don't fit into images of 8 x 8 (height x width)",
        ),
    ],
)
def test_options_that_make_no_sense(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()
