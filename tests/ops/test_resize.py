"""interpolate: every mode against its formula (FACTS: torch's), pixel by pixel."""

import math

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, gradcheck


def weights(n, out, ratio, mode, align_corners, antialias, i):
    """{input pixel: weight} of output pixel i along one axis; ratio = input pixels to an output pixel."""
    if mode.startswith("nearest"):
        return {min(math.floor((i + (0.5 if mode == "nearest-exact" else 0)) * ratio), n - 1): 1.0}
    if antialias:
        half = max(ratio, 1.0)
        centre = (i + 0.5) * ratio
        triangle = {j: max(0.0, 1 - abs(j + 0.5 - centre) / half) for j in range(n)}
        return {j: w / sum(triangle.values()) for j, w in triangle.items()}
    if align_corners:
        place = i * (n - 1) / (out - 1) if out > 1 else 0.0
    else:
        place = max((i + 0.5) * ratio - 0.5, 0.0)
    low = min(math.floor(place), n - 1)
    high, t = min(low + 1, n - 1), place - low
    return {low: 1.0} if low == high else {low: 1 - t, high: t}


def naive(x, size, ratios, mode, align_corners=None, antialias=False):
    out = np.zeros((*x.shape[:2], *size))
    for i, j in np.ndindex(*size):
        rows = weights(x.shape[2], size[0], ratios[0], mode, align_corners, antialias, i)
        columns = weights(x.shape[3], size[1], ratios[1], mode, align_corners, antialias, j)
        for a, wa in rows.items():
            for b, wb in columns.items():
                out[:, :, i, j] += wa * wb * x[:, :, a, b]
    return out


MODES = [
    {"mode": "nearest"},
    {"mode": "nearest-exact"},
    {"mode": "bilinear"},
    {"mode": "bilinear", "align_corners": False},
    {"mode": "bilinear", "align_corners": True},
    {"mode": "bilinear", "antialias": True},
]
MODE_NAMES = ["nearest", "nearest-exact", "bilinear", "no-corners", "corners", "antialias"]


@pytest.mark.parametrize("options", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize(
    "size", [(4, 7), (8, 14), (2, 3), (1, 1), (9, 2), (3, 16), (5, 5), [7, 1]], ids=lambda s: "x".join(map(str, s))
)
def test_every_mode_at_every_size_is_its_formula(size, options, rng):
    x = rng.standard_normal((2, 3, 4, 7))
    ratios = [4 / size[0], 7 / size[1]]
    assert_close(F.interpolate(Tensor(x), size=size, **options), naive(x, size, ratios, **options), rtol=1e-14)


@pytest.mark.parametrize("options", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize("size", [(3, 7), (6, 2), (1, 5)], ids=str)
def test_gradients(size, options, rng):
    x = rng.standard_normal((2, 1, 3, 4))
    gradcheck(lambda t: F.interpolate(t, size, **options), x, upstream=rng.standard_normal((2, 1, *size)))


@pytest.mark.parametrize("options", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize("scale", [2, 0.5, 1.7, 0.3, (0.6, 2.4), [3, 1]], ids=str)
def test_a_scale_factor_gives_the_size_and_itself_goes_into_the_formula(scale, options, rng):
    x = rng.standard_normal((1, 2, 5, 8))
    factors = scale if isinstance(scale, tuple | list) else (scale, scale)
    size = [math.floor(n * f) for n, f in zip((5, 8), factors)]
    expected = naive(x, size, [1 / f for f in factors], **options)
    assert_close(F.interpolate(Tensor(x), scale_factor=scale, **options), expected, rtol=1e-14)
    recomputed = naive(x, size, [5 / size[0], 8 / size[1]], **options)
    result = F.interpolate(Tensor(x), scale_factor=scale, recompute_scale_factor=True, **options)
    assert_close(result, recomputed, rtol=1e-14)


def test_one_number_is_the_size_of_both_sides(rng):
    x = Tensor(rng.standard_normal((1, 1, 3, 4)))
    np.testing.assert_array_equal(F.interpolate(x, 5).numpy(), F.interpolate(x, (5, 5)).numpy())


def row(n, **options):
    return F.interpolate(Tensor(np.arange(n, dtype=np.float32).reshape(1, 1, 1, n)), **options).numpy().ravel()


def test_where_a_pixel_is_at_a_whole_number_rounding_is_torchs():
    # torch multiplies in float32: 41 * float32(2/82) is below 1, and 49 * float32(2/98) is 1 (values from torch 2.14)
    assert row(2, size=(1, 82))[40:44].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert row(2, size=(1, 98))[47:51].tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_a_factor_that_leaves_the_size_leaves_the_image_as_in_torch(mode):
    assert row(5, scale_factor=(1.0, 1.1), mode=mode).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_nearest_at_about_twice_the_size_is_two_of_each_as_in_torch():
    assert row(10, scale_factor=(1.0, 2.04)).tolist() == [i // 2 for i in range(20)]


def test_nearest_keeps_infinities_and_nans_where_they_are():
    x = Tensor(np.array([[[[1.0, np.inf, np.nan, 2.0]]]]))
    np.testing.assert_array_equal(F.interpolate(x, (1, 8)).numpy().ravel(), np.repeat([1, np.inf, np.nan, 2], 2))


@pytest.mark.parametrize("options", MODES, ids=MODE_NAMES)
def test_an_even_image_stays_even_and_float32(options):
    x = Tensor(np.full((1, 1, 5, 6), 3, np.float32), requires_grad=True)
    y = F.interpolate(x, (7, 4), **options)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), 3, rtol=1e-6)
    y.sum().backward()
    assert x.grad.dtype == np.float32 and abs(x.grad.sum() - 28) < 1e-4  # every output's weights sum to 1


def test_corners_meet_corners():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    y = F.interpolate(Tensor(x), (7, 9), mode="bilinear", align_corners=True).numpy()
    np.testing.assert_allclose(y[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]], [0, 3, 8, 11], rtol=1e-14)


def test_antialias_changes_shrinking_only(rng):
    x = Tensor(rng.standard_normal((1, 1, 6, 8)))
    up = [F.interpolate(x, (9, 12), mode="bilinear", antialias=a).numpy() for a in (False, True)]
    down = [F.interpolate(x, (2, 3), mode="bilinear", antialias=a).numpy() for a in (False, True)]
    np.testing.assert_allclose(up[0], up[1], rtol=1e-12)
    assert abs(down[0] - down[1]).max() > 0.1


def test_an_empty_batch_has_an_empty_result():
    for options in MODES:
        assert F.interpolate(Tensor(np.zeros((0, 2, 3, 4))), (5, 6), **options).shape == (0, 2, 5, 6)


IMAGE = Tensor(np.zeros((1, 2, 3, 4), np.float32))


@pytest.mark.parametrize(
    "options, kind, words",
    [
        ({}, ValueError, "interpolate: give size or scale_factor, one of them; got size=None, scale_factor=None"),
        ({"size": 2, "scale_factor": 2}, ValueError, "interpolate: give size or scale_factor, one of them"),
        ({"size": 0}, ValueError, "interpolate: size must be at least 1, got 0"),
        ({"size": (2, 3, 4)}, ValueError, "interpolate: size must be an int or a pair of ints"),
        ({"size": 2.5}, TypeError, r"interpolate: size must be an integer, got 2\.5"),
        ({"scale_factor": 0.1}, ValueError, r"interpolate: scale_factor=0\.1 leaves nothing of an image of \(3, 4\)"),
        ({"scale_factor": -1}, ValueError, "interpolate: scale_factor must be a positive number or a pair, got -1"),
        ({"scale_factor": "a"}, TypeError, "interpolate: scale_factor must be a number, got 'a'"),
        ({"scale_factor": (2, None)}, TypeError, "interpolate: scale_factor must be a number, got None"),
        ({"scale_factor": (1, 2, 3)}, ValueError, "interpolate: scale_factor must be a positive number or a pair"),
        ({"size": 2, "mode": "bicubic"}, ValueError, "interpolate: mode must be one of 'nearest', .*, got 'bicubic'"),
        (
            {"size": 2, "align_corners": False},
            ValueError,
            'align_corners and antialias go with mode="bilinear", not "nearest"',
        ),
        ({"size": 2, "antialias": True}, ValueError, 'go with mode="bilinear", not "nearest"'),
        ({"size": 2, "mode": "bilinear", "align_corners": True, "antialias": True}, ValueError, "can't go together"),
    ],
)
def test_options_that_do_not_go_say_why(options, kind, words):
    with pytest.raises(kind, match=words):
        F.interpolate(IMAGE, **options)


def test_images_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"interpolate: input must have 4 dimensions, got 3; .*unsqueeze\(0\)"):
        F.interpolate(IMAGE[0], 2)
    with pytest.raises(TypeError, match="interpolate: input must be a float tensor, got uint8"):
        F.interpolate(Tensor(np.zeros((1, 1, 2, 2), np.uint8)), 4)
    for mode in ("nearest", "bilinear"):
        with pytest.raises(ValueError, match=r"interpolate: the image has no pixels; input\.shape=\(1, 2, 0, 4\)"):
            F.interpolate(IMAGE[:, :, :0], 2, mode=mode)
