"""interpolate and pad against PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse  # noqa: E402  after the skip

# larger, smaller, one of each, the same, one pixel, not a multiple
SIZES = [5, (13, 17), (3, 4), (14, 3), (7, 9), (1, 1), (1, 9), (7, 1), (14, 27), [8, 8]]
FACTORS = [2, 3.0, (2, 3), (0.5, 1.7), 0.3, (1.3, 0.6), 1.0, [2.5, 0.9], 1.999, (0.15, 5.25)]
MODES = [
    dict(mode="nearest"),
    dict(mode="nearest-exact"),
    dict(mode="bilinear"),
    dict(mode="bilinear", align_corners=False),
    dict(mode="bilinear", align_corners=True),
    dict(mode="bilinear", antialias=True),
    dict(mode="bilinear", antialias=True, align_corners=False),
]
every_mode = pytest.mark.parametrize("options", MODES, ids=str)


@every_mode
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_interpolate_to_a_size(options, size, rng):
    agree(lambda F, x: F.interpolate(x, size=size, **options), rng.standard_normal((2, 3, 7, 9)))


@every_mode
@pytest.mark.parametrize("scale_factor", FACTORS, ids=str)
@pytest.mark.parametrize("recompute", [None, False, True])
def test_interpolate_by_a_factor(options, scale_factor, recompute, rng):
    def call(F, x):
        return F.interpolate(x, scale_factor=scale_factor, recompute_scale_factor=recompute, **options)

    agree(call, rng.standard_normal((2, 3, 7, 9)))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("n", [3, 7, 10, 49])
def test_interpolate_takes_the_same_pixel_at_every_size(mode, n, rng):
    """Where i * in / out is nearly a whole number, one rounding decides which pixel it is."""
    x = np.arange(float(n)).reshape(1, 1, 1, n)
    for out in range(1, 3 * n):
        agree(lambda F, x, out=out: F.interpolate(x, size=(1, out), mode=mode), x)
        agree(lambda F, x, out=out: F.interpolate(x, scale_factor=(1.0, out / n + 0.01), mode=mode), x)


@pytest.mark.parametrize("align_corners, antialias", [(False, False), (True, False), (False, True)])
def test_interpolate_bilinear_to_many_sizes(align_corners, antialias, rng):
    x = rng.standard_normal((1, 2, 3, 11))
    for out in range(2, 30, 2):  # not 1: antialiasing to one column, PyTorch repeats the first row in all others

        def call(F, x, out=out):
            return F.interpolate(x, size=(5, out), mode="bilinear", align_corners=align_corners, antialias=antialias)

        agree(call, x)


def test_interpolate_takes_its_options_in_pytorch_s_order(rng):
    x = rng.standard_normal((2, 3, 7, 9))
    agree(lambda F, x: F.interpolate(x, (3, 4), None, "bilinear", True, None, False), x)
    agree(lambda F, x: F.interpolate(x, None, 1.7, "bilinear", False, True, True), x)
    agree(lambda F, x: F.interpolate(x, 3), x)


@every_mode
def test_interpolate_in_float32(options, rng):
    x = rng.standard_normal((2, 3, 7, 9)).astype(np.float32)
    agree(lambda F, x: F.interpolate(x, size=(5, 12), **options), x, rtol=SINGLE)
    agree(lambda F, x: F.interpolate(x, scale_factor=(1.7, 0.4), **options), x, rtol=SINGLE)


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_interpolate_nearest_keeps_nan_and_infinities_in_their_pixels(special, rng):
    x = rng.standard_normal((2, 3, 7, 9))
    x[1, 2, 3, 4] = special
    agree(lambda F, x: F.interpolate(x, size=(9, 4)), x)


PADS = [(1, 2), (0, 3), (2, 0), (0, 0)]
PADS += [(1, 2, 3, 0), (0, 0, 2, 1), (2, 1, 0, 0), (1, 2, 0, 1, 1, 2), (0, 1, 2, 0, 1, 0), (1, 0, 2, 1, 0, 1, 1, 2)]
SHAPES = [(6,), (5, 6), (4, 5, 6), (3, 4, 5, 6)]


@pytest.mark.parametrize("shape, pad", [(s, p) for s in SHAPES for p in PADS if len(p) <= 2 * len(s)], ids=str)
def test_pad_with_a_constant(shape, pad, rng):
    x = rng.standard_normal(shape)
    agree(lambda F, x: F.pad(x, pad), x, rtol=0)
    agree(lambda F, x: F.pad(x, pad, value=1.5), x, rtol=0)
    agree(lambda F, x: F.pad(x, list(pad), "constant", -np.inf), x, rtol=0)


@pytest.mark.parametrize("pad", [(-1, 2), (-2, -1), (1, -1, -2, 3), (0, 0, -1, -1), (-3, -2), (2, -4, -1, 0)], ids=str)
def test_pad_with_negative_numbers_crops(pad, rng):
    agree(lambda F, x: F.pad(x, pad, value=2.0), rng.standard_normal((2, 3, 5, 6)), rtol=0)


# PyTorch pads the last 1, 2 or 3 dimensions by reflection or repetition, of tensors with one or two dimensions more
@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize(
    "shape, pad",
    [
        ((3, 6), (1, 2)),
        ((2, 3, 6), (0, 5)),
        ((2, 3, 6), (4, 3)),
        ((3, 5, 6), (1, 2, 3, 0)),
        ((2, 3, 5, 6), (2, 0, 1, 4)),
        ((2, 3, 5, 6), (5, 5, 4, 4)),
        ((2, 3, 4, 5), (0, 0, 0, 0)),
        ((2, 4, 5, 6), (1, 2, 0, 1, 3, 2)),
        ((2, 3, 4, 5, 6), (1, 2, 0, 1, 3, 2)),
    ],
    ids=str,
)
def test_pad_by_reflection_or_repetition(mode, shape, pad, rng):
    agree(lambda F, x: F.pad(x, pad, mode=mode), rng.standard_normal(shape))


def test_pad_by_repetition_wider_than_the_image(rng):
    agree(lambda F, x: F.pad(x, (7, 9, 4, 0), mode="replicate"), rng.standard_normal((2, 3, 3, 4)))


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda F, x: F.interpolate(x), "size"),
        (lambda F, x: F.interpolate(x, size=3, scale_factor=2), "one of them"),
        (lambda F, x: F.interpolate(x, size=(3, 4, 5)), "size"),
        (lambda F, x: F.interpolate(x, size=0), "size"),
        (lambda F, x: F.interpolate(x, scale_factor=(1, 2, 3)), "scale_factor"),
        (lambda F, x: F.interpolate(x, scale_factor=0.01), "nothing"),
        (lambda F, x: F.interpolate(x, size=3, mode="cubic"), "mode"),
        (lambda F, x: F.interpolate(x, size=3, align_corners=True), "align_corners"),
        (lambda F, x: F.interpolate(x, size=3, antialias=True), "antialias"),
        (lambda F, x: F.pad(x, (1,)), "pad"),
        (lambda F, x: F.pad(x, (1, 2, 3)), "pad"),
        (lambda F, x: F.pad(x, (1,) * 10), "pad"),
        (lambda F, x: F.pad(x, (9, 0), mode="reflect"), "reflect"),
        (lambda F, x: F.pad(x, (-4, -6)), "crops"),
        (lambda F, x: F.pad(x, (1, 1), mode="mirror"), "mode"),
    ],
)
def test_what_pytorch_refuses_is_refused(call, match, rng):
    both_refuse(call, rng.standard_normal((2, 3, 7, 9)), match=match)
