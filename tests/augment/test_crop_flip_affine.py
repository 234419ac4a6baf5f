"""Padding, crops, flips, and the transforms with a matrix, against NumPy and their formulas."""

import enum
import re

import numpy as np
import pytest

from minitorch_cnn import augment as A
from minitorch_cnn.augment.affine import affine_matrix, perspective_matrix

DTYPES = [np.uint8, np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
MODES = {
    "constant": "constant",
    "edge": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
}  # the same names in NumPy


def images_of(rng, shape=(3, 2, 5, 7), dtype=np.uint8):
    return rng.integers(1, 256, shape, dtype=np.uint8) if dtype == np.uint8 else rng.random(shape).astype(dtype) + 0.1


def looks_even(counts):
    """Chi-square of equal shares, not more than four standard deviations off."""
    counts = np.asarray(counts, float).ravel()
    expected, free = counts.sum() / counts.size, counts.size - 1
    assert expected > 5
    return abs(((counts - expected) ** 2).sum() / expected - free) < 4 * np.sqrt(2 * free)


# Pad ------------------------------------------------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "padding, sides",  # sides: left, top, right, bottom
    [
        (2, (2, 2, 2, 2)),
        ((1, 3), (1, 3, 1, 3)),
        ([1, 0, 2, 3], (1, 0, 2, 3)),
        (0, (0, 0, 0, 0)),
        ((4,), (4, 4, 4, 4)),
        (9, (9,) * 4),
    ],
)
def test_pad_is_numpys(mode, padding, sides, dtype, rng):
    images = images_of(rng, dtype=dtype)
    left, top, right, bottom = sides
    out = A.Pad(padding, padding_mode=mode)(images)
    assert np.array_equal(out, np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), MODES[mode]))
    assert out.dtype == dtype


@every_dtype
def test_pad_fills_each_channel_with_its_value(dtype, rng):
    images, values = images_of(rng, dtype=dtype), np.array([7, 200]) if dtype == np.uint8 else np.array([0.5, 0.25])
    out = A.Pad((1, 2, 0, 3), fill=values.tolist())(images)
    inside = np.zeros(out.shape, bool)
    inside[:, :, 2:7, 1:8] = True
    assert np.array_equal(out[inside].reshape(images.shape), images)
    assert (out == values[:, None, None])[~inside].all()
    assert np.array_equal(A.Pad((1, 2, 0, 3), fill=tuple(values))(images), out)
    assert np.array_equal(A.Pad((1, 2, 0, 3), fill=values)(images), out)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("H, W", [(1, 1), (1, 3), (2, 1), (2, 2)])
def test_pad_of_tiny_images(mode, H, W, rng):
    images = images_of(rng, (2, 1, H, W))
    out = A.Pad((3, 4, 2, 5), padding_mode=mode)(images)
    assert np.array_equal(out, np.pad(images, ((0, 0), (0, 0), (4, 5), (3, 2)), MODES[mode]))


@pytest.mark.parametrize("fill, expected", [(1.6, 2), (127.7, 128)])
def test_pads_fill_is_rounded_as_sampling_rounds_it(fill, expected, rng):
    images = images_of(rng)
    turned = A.Affine((45, 45), scale=(0.1, 0.1), fill=fill)(images)
    assert turned[0, 0, 0, 0] == expected
    assert A.Pad(1, fill=fill)(images)[0, 0, 0, 0] == expected


@pytest.mark.parametrize("fill, expected", [(300, 255), (-5, 0)])
def test_a_fill_beyond_uint8_is_the_nearest_grey_or_refused_in_words(fill, expected, rng):
    """As the definition has it, backend/reference/warp.py."""
    images = images_of(rng)
    for transform in (A.Pad(1, fill), A.Affine((45, 45), scale=(0.1, 0.1), fill=fill)):
        try:
            assert transform(images)[0, 0, 0, 0] == expected
        except ValueError as error:
            assert transform.name in str(error)


# crops ----------------------------------------------------------------------------------------------------------------


@every_dtype
def test_random_crop_takes_a_window_as_its_parameters_say(dtype, rng):
    images, crop = images_of(rng, (3, 2, 6, 9), dtype), A.RandomCrop((4, 3))
    params = {"applied": np.ones(3, bool), "top": np.array([0, 0.5, 0.999]), "left": np.array([0.999, 0, 0.3])}
    out = crop.apply(images, params)
    for n, (top, left) in enumerate([(0, 6), (1, 0), (2, 2)]):  # 3 and 7 places
        assert np.array_equal(out[n], images[n, :, top : top + 4, left : left + 3])
    assert out.dtype == dtype


def test_random_crop_takes_each_place_equally_often():
    numbers = np.tile(np.arange(30, dtype=np.uint8).reshape(1, 1, 5, 6), (6000, 1, 1, 1))
    corners = A.RandomCrop((3, 2))(numbers)[:, 0, 0, 0]
    counts = np.bincount(corners, minlength=30).reshape(5, 6)
    assert not counts[3:].any() and not counts[:, 5:].any()  # 3 by 5 places
    assert looks_even(counts[:3, :5])


def test_random_crop_after_padding_reaches_all_corners(rng):
    images = np.ones((3000, 1, 4, 4), np.uint8)
    out = A.RandomCrop(4, padding=2, fill=9)(images)
    rows, columns = (out[:, 0] == 1).any(2), (out[:, 0] == 1).any(1)
    first_row, first_column = rows.argmax(1), columns.argmax(1)
    tops = np.where(rows[:, 0], 4 - rows.sum(1), -first_row)  # -2 .. 2 rows further down than the image
    lefts = np.where(columns[:, 0], 4 - columns.sum(1), -first_column)
    counts = np.histogram2d(tops, lefts, 5, ((-2.5, 2.5), (-2.5, 2.5)))[0]
    assert looks_even(counts)
    assert set(np.unique(out)) == {1, 9}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [3, (1, 2), (1, 0, 4, 2)])
def test_random_crop_pads_first(mode, padding, rng):
    images = images_of(rng, (5, 3, 6, 7))
    crop = A.RandomCrop((5, 8), padding, fill=(1, 2, 3), padding_mode=mode)
    params = crop.sample(np.arange(5))
    apart = A.RandomCrop((5, 8)).apply(A.Pad(padding, (1, 2, 3), mode)(images), params)
    assert np.array_equal(crop.apply(images, params), apart)


@pytest.mark.parametrize("size, padded", [((6, 4), (6, 4)), ((9, 4), (12, 4)), ((5, 8), (6, 12)), ((8, 9), (10, 14))])
def test_random_crop_pads_what_is_missing_on_both_sides(size, padded, rng):
    """A missing row is added above and below, as torchvision does: the place of the image stays random."""
    images = images_of(rng, (40, 1, 6, 4))
    crop = A.RandomCrop(size, pad_if_needed=True, fill=0)
    params = crop.sample(np.arange(40))
    down, right = padded[0] - 6, padded[1] - 4
    larger = np.pad(images, ((0, 0), (0, 0), (down // 2, down // 2), (right // 2, right // 2)))
    assert np.array_equal(crop.apply(images, params), A.RandomCrop(size).apply(larger, params))


@pytest.mark.parametrize(
    "H, W, h, w, top, left",
    [(5, 7, 3, 3, 1, 2), (5, 7, 2, 4, 2, 2), (6, 7, 1, 2, 2, 2), (7, 8, 2, 1, 2, 4), (5, 7, 5, 7, 0, 0)],
)
def test_center_crop_rounds_half_a_pixel_to_the_even_side(H, W, h, w, top, left, rng):
    images = images_of(rng, (2, 3, H, W))
    assert np.array_equal(A.CenterCrop((h, w))(images), images[:, :, top : top + h, left : left + w])


@every_dtype
def test_five_and_ten_crop(dtype, rng):
    images = images_of(rng, (4, 3, 7, 9), dtype)
    five, ten = A.FiveCrop((4, 5))(images), A.TenCrop((4, 5))(images)
    assert five.shape == (4, 5, 3, 4, 5) and ten.shape == (4, 10, 3, 4, 5) and five.dtype == ten.dtype == dtype
    for k, (top, left) in enumerate([(0, 0), (0, 4), (3, 0), (3, 4), (2, 2)]):
        assert np.array_equal(five[:, k], images[:, :, top : top + 4, left : left + 5])
        assert np.array_equal(ten[:, 5 + k], images[..., ::-1][:, :, top : top + 4, left : left + 5])
    assert np.array_equal(ten[:, :5], five)


def test_ten_crop_mirrors_top_and_bottom_if_asked_to(rng):
    images = images_of(rng)
    crops = A.TenCrop((3, 4), vertical_flip=True)(images)
    assert np.array_equal(crops[:, :5], A.FiveCrop((3, 4))(images))
    assert np.array_equal(crops[:, 5:], A.FiveCrop((3, 4))(images[:, :, ::-1]))


def test_five_crop_comes_after_what_came_before(rng):
    images = images_of(rng, (4, 3, 7, 9))
    recipe = A.Compose([A.HorizontalFlip(), A.Pad(1), A.FiveCrop(4)])
    params = recipe.sample(np.arange(4))
    before = A.Compose(recipe.transforms[:2]).apply(images, {**params, "transforms": params["transforms"][:2]})
    assert np.array_equal(recipe.apply(images, params), A.FiveCrop(4)(before))
    crops, labels = A.FiveCrop(4)(images, np.arange(4))
    assert len(crops) == len(labels) == 4


@pytest.mark.parametrize("behind", [A.HorizontalFlip(), A.CenterCrop(2), A.FiveCrop(2)], ids=lambda t: t.name)
def test_a_transform_behind_five_crop_is_refused_in_words(behind):
    with pytest.raises(ValueError, match=r"FiveCrop|HorizontalFlip|CenterCrop"):
        A.Compose([A.FiveCrop(4), behind])(np.zeros((2, 3, 7, 9), np.uint8))


SMALL = np.zeros((2, 3, 8, 10), np.uint8)


@pytest.mark.parametrize(
    "build, error, message",
    [
        (
            lambda: A.RandomCrop(9)(SMALL),
            ValueError,
            "RandomCrop: a crop of 9 x 9 doesn't fit into images of 8 x 10 (height x width); Resize or Pad them first",
        ),
        (
            lambda: A.RandomCrop((3, 11))(SMALL),
            ValueError,
            "RandomCrop: a crop of 3 x 11 doesn't fit into images of 8 x 10",
        ),
        (
            lambda: A.RandomCrop(13, padding=2)(SMALL),
            ValueError,
            "RandomCrop: a crop of 13 x 13 doesn't fit into images of 12 x 14",
        ),
        (lambda: A.CenterCrop(9)(SMALL), ValueError, "CenterCrop: a crop of 9 x 9 doesn't fit into images of 8 x 10"),
        (
            lambda: A.FiveCrop((2, 11))(SMALL),
            ValueError,
            "FiveCrop: a crop of 2 x 11 doesn't fit into images of 8 x 10",
        ),
        (lambda: A.TenCrop((9, 2))(SMALL), ValueError, "TenCrop: a crop of 9 x 2 doesn't fit into images of 8 x 10"),
        (
            lambda: A.Compose([A.Pad(1), A.CenterCrop(11)])(SMALL),
            ValueError,
            "CenterCrop: a crop of 11 x 11 doesn't fit into images of 10 x 12",
        ),
        (
            lambda: A.FiveCrop(2)(SMALL, targets={"masks": SMALL}),
            ValueError,
            "FiveCrop: makes several images of one, which targets can't follow",
        ),
        (lambda: A.RandomCrop(0), ValueError, "RandomCrop: size must be an integer from 1 on, got 0"),
        (lambda: A.RandomCrop((3, -1)), ValueError, "RandomCrop: size must be an integer from 1 on, got -1"),
        (
            lambda: A.CenterCrop((1, 2, 3)),
            ValueError,
            "CenterCrop: size must be an integer or a pair (height, width), got (1, 2, 3)",
        ),
        (lambda: A.CenterCrop(2.5), TypeError, "CenterCrop: size must be an integer, got 2.5"),
        (lambda: A.Pad(-1), ValueError, "Pad: padding must be an integer from 0 on, got -1"),
        (lambda: A.Pad((1, 2, 3)), ValueError, "Pad: padding must have 1, 2 or 4 numbers, got (1, 2, 3)"),
        (lambda: A.Pad(1.5), TypeError, "Pad: padding must be an integer, got 1.5"),
        (
            lambda: A.Pad(1, padding_mode="wrap"),
            ValueError,
            "Pad: padding_mode must be one of 'constant', 'reflect', 'symmetric', 'edge', got 'wrap'",
        ),
        (lambda: A.Pad(1, fill=(1, 2))(SMALL), ValueError, "Pad: fill has 2 numbers, but the images have 3 channels"),
        (
            lambda: A.Rotate(9, fill=(1, 2))(SMALL),
            ValueError,
            "Rotate: fill has 2 numbers, but the images have 3 channels",
        ),
        (
            lambda: A.Affine(9, interpolation="cubic"),
            ValueError,
            "Affine: interpolation must be one of 'nearest', 'bilinear', 'bicubic', got 'cubic'",
        ),
        (
            lambda: A.Affine(-9),
            ValueError,
            "Affine: degrees must be a number from 0 on or a pair (least, most), got -9",
        ),
        (lambda: A.Affine((9, -9)), ValueError, "Affine: degrees must be a pair"),
        (lambda: A.Affine((np.nan, 1)), ValueError, "Affine: degrees must be a pair"),
        (
            lambda: A.Affine(9, translate=(0.1, 1.5)),
            ValueError,
            "Affine: translate must be a fraction of the size from 0 to 1, got 1.5",
        ),
        (lambda: A.Affine(9, scale=(0, 1)), ValueError, "Affine: scale must be a pair"),
        (lambda: A.Affine(9, scale=(2, 1)), ValueError, "Affine: scale must be a pair"),
        (
            lambda: A.Affine(9, shear=(1, 2, 3)),
            ValueError,
            "Affine: shear must be a number or a pair (least, most), got (1, 2, 3)",
        ),
        (
            lambda: A.Perspective(1.5),
            ValueError,
            "Perspective: distortion_scale must be a fraction from 0 to 1, got 1.5",
        ),
    ],
)
def test_bad_options_are_refused_in_words(build, error, message):
    with pytest.raises(error, match=re.escape(message)):
        build()


@pytest.mark.parametrize(
    "name, build",
    [
        ("Affine", lambda: A.Affine(9, translate=0.1)),  # 'float' object is not iterable
        ("Affine", lambda: A.Affine(9, translate=(0.1, 0.1, 0.1))(SMALL)),  # too many values to unpack
        ("Affine", lambda: A.Affine(9, center=3)(SMALL)),  # 'int' object is not subscriptable
        ("Pad", lambda: A.Pad(1, fill="black")),  # could not convert string to float
    ],
)
def test_more_bad_options_are_refused_in_words(name, build):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: "):
        build()


class Mode(enum.Enum):
    BILINEAR = "bilinear"
    BOX = "box"


TAKES_A_MODE = [
    lambda mode: A.Affine(9, interpolation=mode),
    lambda mode: A.Rotate(9, interpolation=mode),
    lambda mode: A.Perspective(interpolation=mode),
    lambda mode: A.ElasticTransform(interpolation=mode),
    lambda mode: A.Resize(9, interpolation=mode),
    lambda mode: A.RandomResizedCrop(9, interpolation=mode),
    lambda mode: A.RandAugment(interpolation=mode),
]


@pytest.mark.parametrize("make", TAKES_A_MODE)
def test_an_enums_member_stands_for_the_interpolation_that_is_its_value(make):
    assert make(Mode.BILINEAR).interpolation == "bilinear"
    with pytest.raises(ValueError, match="interpolation must be one of 'nearest', 'bilinear', 'bicubic', got 'box'"):
        make(Mode.BOX)


@pytest.mark.parametrize("make", [A.Affine, A.Rotate, A.Perspective, A.Pad])
def test_no_fill_is_0(make):
    assert make(1, fill=None).fill == make(1, fill=0).fill == (0.0,)


# flips ----------------------------------------------------------------------------------------------------------------


@every_dtype
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 5, 7), (2, 3, 4, 6), (2, 1, 1, 5), (2, 1, 6, 1)])
def test_flips_mirror_one_axis(shape, dtype, rng):
    images = images_of(rng, shape, dtype)
    assert np.array_equal(A.HorizontalFlip(1)(images), images[:, :, :, ::-1])
    assert np.array_equal(A.VerticalFlip(1)(images), images[:, :, ::-1])
    assert np.array_equal(A.HorizontalFlip(0)(images), images) and np.array_equal(A.VerticalFlip(0)(images), images)
    assert np.array_equal(A.Compose([A.HorizontalFlip(1), A.HorizontalFlip(1)])(images), images)
    turned = A.Compose([A.HorizontalFlip(1), A.VerticalFlip(1)])(images)
    assert np.array_equal(turned, images[:, :, ::-1, ::-1])


def test_flips_go_sample_by_sample(rng):
    images = images_of(rng, (50, 2, 3, 5))
    for flip, mirrored in ((A.HorizontalFlip(), images[..., ::-1]), (A.VerticalFlip(), images[:, :, ::-1])):
        params = flip.sample(np.arange(50))
        chosen = params["applied"]
        assert 10 < chosen.sum() < 40
        out = flip.apply(images, params)
        assert np.array_equal(out[chosen], mirrored[chosen]) and np.array_equal(out[~chosen], images[~chosen])


def test_torchvisions_names_are_the_same_classes():
    assert A.RandomHorizontalFlip is A.HorizontalFlip and A.RandomVerticalFlip is A.VerticalFlip
    assert A.RandomAffine is A.Affine and A.RandomRotation is A.Rotate and A.RandomPerspective is A.Perspective


# matrices -------------------------------------------------------------------------------------------------------------


def textbook_matrix(angle, translate, scale, shear, center):
    """T(t) C R(angle) S(scale) SHy(sy) SHx(sx) C^-1, from the input to the output (FACTS 9.2), factor by factor."""
    (tx, ty), (cx, cy) = translate, center
    r, sx, sy = np.radians([angle, *shear])
    move, middle = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]]), np.array([[1, 0, cx], [0, 1, cy], [0, 0, 1]])
    turn = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    along_x = np.array([[1, -np.tan(sx), 0], [0, 1, 0], [0, 0, 1]])
    along_y = np.array([[1, 0, 0], [-np.tan(sy), 1, 0], [0, 0, 1]])
    return move @ middle @ turn @ np.diag([scale, scale, 1]) @ along_y @ along_x @ np.linalg.inv(middle)


def test_affine_matrix_is_the_inverse_of_the_formula(rng):
    N = 20
    angle, scale = rng.uniform(-180, 180, N), rng.uniform(0.3, 3, N)
    translate, shear, center = rng.uniform(-9, 9, (N, 2)), rng.uniform(-50, 50, (N, 2)), rng.uniform(0, 30, 2)
    got = affine_matrix(angle, translate, scale, shear, center)
    assert got.shape == (N, 3, 3) and got.dtype == np.float64
    for n in range(N):
        expected = textbook_matrix(angle[n], translate[n], scale[n], shear[n], center)
        np.testing.assert_allclose(got[n] @ expected, np.eye(3), atol=1e-11)


def test_a_matrix_of_nothing_is_exactly_the_identity():
    nothing = affine_matrix(np.zeros(2), np.zeros((2, 2)), np.ones(2), np.zeros((2, 2)), (3.5, 8.0))
    assert np.array_equal(nothing, np.tile(np.eye(3), (2, 1, 1)))


def test_perspective_matrix_takes_the_moved_corners_back(rng):
    start = np.array([[0, 0], [16, 0], [16, 10], [0, 10]], float)
    end = start + rng.integers(-3, 4, (6, 4, 2))
    matrix = perspective_matrix(start, end)
    for n in range(6):
        for (u, v), (x, y) in zip(start, end[n]):
            # the corners count from the upper left one, pixels' middles half a pixel less
            a, b, w = matrix[n] @ [x - 0.5, y - 0.5, 1]
            np.testing.assert_allclose([a / w + 0.5, b / w + 0.5], [u, v], atol=1e-9)
    np.testing.assert_allclose(perspective_matrix(start, start[None])[0], np.eye(3), atol=1e-12)


@every_dtype
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(6, 6), (5, 5), (1, 1)])
def test_quarter_turns_are_exact(size, interpolation, dtype, rng):
    """Affine turns clockwise, Rotate the other way, as in torchvision."""
    images = images_of(rng, (2, 3, *size), dtype)
    for turns in range(-3, 4):
        expected = np.rot90(images, turns, axes=(2, 3))
        for out in (
            A.Rotate((90 * turns,) * 2, interpolation)(images),
            A.Affine((-90 * turns,) * 2, interpolation=interpolation)(images),
        ):
            if dtype == np.uint8 or interpolation == "nearest":
                assert np.array_equal(out, expected)
            else:  # the sine of a half turn isn't quite 0, so an outermost pixel has a trace of the fill
                np.testing.assert_allclose(out, expected, atol=1e-5 if dtype == np.float32 else 1e-12)
            assert out.dtype == dtype


def translated(images, tx, ty, **options):
    """Affine that moves by fractions of width and height."""
    N = len(images)
    params = {
        "applied": np.ones(N, bool),
        "angle": np.zeros(N),
        "translate": np.tile([tx, ty], (N, 1)),
        "scale": np.ones(N),
        "shear": np.zeros((N, 2)),
    }
    return A.Affine(0, **options).apply(images, params)


def test_translation_is_by_whole_pixels_to_the_right_and_down(rng):
    images = images_of(rng, (2, 3, 8, 10))
    out = translated(images, 0.3, -0.25, fill=(5, 6, 7))
    assert np.array_equal(out[:, :, :6, 3:], images[:, :, 2:, :7])
    for c in range(3):
        assert (out[:, c, 6:] == 5 + c).all() and (out[:, c, :, :3] == 5 + c).all()
    assert np.array_equal(translated(images, 0.25, 0.31), translated(images, 0.2, 0.25))  # 2.5 is 2, 2.48 is 2
    assert np.array_equal(translated(images, 1, 0, fill=9), np.full_like(images, 9))


def test_scaling_by_two_repeats_pixels_about_the_middle(rng):
    images = images_of(rng, (2, 2, 6, 8))
    out = A.Affine(0, scale=(2, 2))(images)
    inner = images[:, :, 1:5, 2:6]
    assert np.array_equal(out, inner.repeat(2, 2)[:, :, 1:7].repeat(2, 3))


@pytest.mark.parametrize("center", [(0.5, 0.5), (3, 3), (8, 0), (2.5, 4.5)])
def test_the_center_stays_where_it_is(center, rng):
    """It counts from the upper left corner: (0.5, 0.5) is the middle of the first pixel."""
    images = images_of(rng, (1, 1, 6, 8), np.float64)
    point = np.array([[center[0] - 0.5, center[1] - 0.5]])
    for transform in (A.Rotate((35, 35), center=center), A.Affine(50, None, (0.6, 1.4), 20, center=center)):
        _, targets = transform(images, targets={"keypoints": [point]})
        np.testing.assert_allclose(targets["keypoints"][0], np.clip(point, None, 7.5)[point[:, 0] < 7.5].reshape(-1, 2))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@every_dtype
def test_a_constant_image_on_fill_of_its_colour_stays(interpolation, dtype):
    value = 100 if dtype == np.uint8 else 0.25
    images = np.full((5, 3, 7, 9), value, dtype)
    for transform in (
        A.Affine(180, (0.5, 0.5), (0.2, 3), (-30, 30, -20, 20), interpolation, fill=value),
        A.Rotate(180, interpolation, fill=value),
        A.Perspective(0.9, 1, interpolation, fill=value),
    ):
        np.testing.assert_allclose(transform(images), images, rtol=1e-5)


# their random parameters ----------------------------------------------------------------------------------------------

MANY = np.arange(8000)


def test_affines_parameters_fill_their_ranges_evenly():
    params = A.Affine((-10, 30), (0.1, 0.3), (0.5, 2), (-4, 4, 5, 10)).sample(MANY)
    for values, low, high in (
        (params["angle"], -10, 30),
        (params["translate"][:, 0], -0.1, 0.1),
        (params["translate"][:, 1], -0.3, 0.3),
        (params["scale"], 0.5, 2),
        (params["shear"][:, 0], -4, 4),
        (params["shear"][:, 1], 5, 10),
    ):
        assert values.min() >= low and values.max() <= high
        assert looks_even(np.histogram(values, 20, (low, high))[0])
    columns = [params["angle"], *params["translate"].T, params["scale"], *params["shear"].T]
    assert np.abs(np.corrcoef(columns) - np.eye(6)).max() < 4.5 / np.sqrt(MANY.size)


def test_affine_does_only_what_it_was_asked_for():
    params = A.Affine(20).sample(MANY)
    assert abs(params["angle"]).max() <= 20 and params["angle"].min() < -19 and params["angle"].max() > 19
    assert (params["scale"] == 1).all() and not params["shear"].any() and not params["translate"].any()
    params = A.Affine(0, shear=15).sample(MANY)
    assert not params["shear"][:, 1].any() and params["shear"][:, 0].min() < -14 and params["shear"][:, 0].max() > 14
    assert not params["angle"].any()


def test_rotates_angles_are_even():
    assert looks_even(np.histogram(A.Rotate(180).sample(MANY)["angle"], 24, (-180, 180))[0])
    angles = A.Rotate((5, 7)).sample(MANY)["angle"]
    assert angles.min() >= 5 and angles.max() <= 7


@pytest.mark.parametrize("scale, most_x, most_y", [(0.5, 4, 2), (0.3, 2, 1), (0.0, 0, 0)])
def test_perspective_moves_each_corner_by_whole_pixels_inwards_evenly(scale, most_x, most_y, monkeypatch):
    """From 0 to int(scale * (width // 2)) pixels, and the same of the height, both included."""
    ends = []

    def spy(start, end):
        ends.append((start, end))
        return perspective_matrix(start, end)

    monkeypatch.setattr("minitorch_cnn.augment.affine.perspective_matrix", spy)
    A.Perspective(scale, p=1)(np.zeros((4000, 1, 11, 16), np.uint8))
    ((start, end),) = ends
    assert start.tolist() == [[0, 0], [15, 0], [15, 10], [0, 10]]
    inwards = (end - start) * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    for corner in range(4):
        for axis, most in ((0, most_x), (1, most_y)):
            moved = inwards[:, corner, axis]
            assert set(moved) == set(range(most + 1))
            assert most == 0 or looks_even(np.bincount(moved.astype(int)))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_perspective_of_images_of_one_row_or_column(size, rng):
    images = images_of(rng, (2, 1, *size))
    assert np.array_equal(A.Perspective(p=0)(images), images)


def test_perspective_with_the_largest_distortion(rng):
    images = images_of(rng, (500, 1, 4, 6))
    assert A.Perspective(1.0, p=1)(images).shape == images.shape
