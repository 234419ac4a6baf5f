"""The sampling pass: NumPy's form against the loops that define it, in every kind of step, border, interpolation and dtype."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitorch_cnn.backend import cpu, reference
from minitorch_cnn.backend.cpu import threads
from minitorch_cnn.backend.warp_step import BORDERS, KINDS, TAPS, Step

N, C = 3, 2
DTYPES = [np.uint8, np.float32, np.float64]
INTERPOLATIONS = list(TAPS)


def image(rng, shape, dtype):
    return rng.integers(0, 256, shape, dtype=np.uint8) if dtype == np.uint8 else rng.random(shape).astype(dtype)


def some_step(rng, kind, input_size, output_size, border="constant", fill=(0.0,), N=N, dtype=np.float64):
    """A step of the kind whose output shows most of its input and a little of what is around."""
    (H, W), (h, w) = input_size, output_size
    field = None
    if kind == "projective":
        turn = np.eye(3) + rng.uniform(-0.3, 0.3, (N, 3, 3))
        turn[:, 2] = rng.uniform(-0.01, 0.01, (N, 3)) + [0, 0, 1]
        stretch, back = np.diag([W / w, H / h, 1]), np.eye(3)
        back[:2, 2] = -(w - 1) / 2, -(h - 1) / 2
        middle = np.eye(3)
        middle[:2, 2] = (W - 1) / 2, (H - 1) / 2
        numbers = (middle @ turn @ stretch @ back).reshape(N, 9)
    elif kind == "table":
        rows = np.sort(rng.uniform(-2, H + 1, (N, h)), axis=1)
        numbers = np.concatenate([rows, np.sort(rng.uniform(-2, W + 1, (N, w)), axis=1)], axis=1)
    elif kind == "lens":
        numbers = np.tile([(W - 1) / 2, (H - 1) / 2, W, H, 0.0], (N, 1)) + rng.uniform(-0.4, 0.4, (N, 5))
    else:
        numbers = np.array([2.0, 0.0, -1.3][:N])[:, None]
        field = rng.uniform(-1, 1, (N, 2, h, w)).astype(dtype)
    return Step(kind, numbers, input_size, output_size, border, fill, field)


def assert_same(x, steps, size, interpolation):
    """cpu as reference; a tie that float32 rounds the other way is allowed for one pixel in a thousand."""
    before, numbers = x.copy(), [step.numbers.copy() for step in steps]
    got, expected = (form.warp(x, steps, size, interpolation) for form in (cpu, reference))
    assert got.shape == expected.shape == (*x.shape[:2], *size) and got.dtype == expected.dtype == x.dtype
    assert np.array_equal(x, before) and all(np.array_equal(s.numbers, n) for s, n in zip(steps, numbers))
    apart = np.abs(got.astype(float) - expected)
    allowed = {"B": 1, "f": 2e-4, "d": 1e-9}[x.dtype.char]
    assert (apart > allowed).mean() <= (0 if x.dtype == np.float64 else 1e-3), (apart.max(), steps)
    return got


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_step(kind, border, interpolation, dtype, rng):
    x = image(rng, (N, C, 9, 11), dtype)
    fill = (10.0, 200.0) if dtype == np.uint8 else (0.25, 0.75)
    for size in ((9, 11), (7, 13)) if kind in ("projective", "table") else ((9, 11),):
        step = some_step(
            rng, kind, (9, 11), size, border, fill, dtype=np.float64 if dtype == np.float64 else np.float32
        )
        assert_same(x, [step], size, interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("first, second", list(itertools.product(KINDS, KINDS)))
def test_two_steps(first, second, interpolation, rng):
    x = image(rng, (N, C, 8, 10), np.float64)
    for borders in (
        ("constant", "constant"),
        ("constant", "reflect"),
        ("edge", "constant"),
        ("symmetric", "symmetric"),
    ):
        steps = [
            some_step(rng, first, (8, 10), (8, 10), borders[0], (0.2, 0.4)),
            some_step(rng, second, (8, 10), (8, 10), borders[1], (0.6, 0.8)),
        ]
        assert_same(x, steps, (8, 10), interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("first, second", list(itertools.product(KINDS, KINDS)))
def test_samples_go_past_steps_that_are_not_applied_to_them(first, second, interpolation, rng):
    """Each sample as if its chain were without these steps; a first step still says what is around the image."""
    x = image(rng, (N, C, 8, 10), np.float64)
    for borders in (("constant", "constant"), ("edge", "constant"), ("constant", "symmetric"), ("reflect", "edge")):
        steps = [some_step(rng, k, (8, 10), (8, 10), b, (0.2, 0.4)) for k, b in zip((first, second), borders)]
        for which in ([True, False, False], [False, True, False], [True, True, False]):
            own = [steps[0]._replace(applied=np.array(which)), steps[1]._replace(applied=np.array(which[::-1]))]
            got = assert_same(x, own, (8, 10), interpolation)
            for n in range(N):
                kept = [own[0], *(step for step in own[1:] if step.applied[n])]
                alone = [s._replace(numbers=s.numbers[[n]], applied=s.applied[[n]]) for s in kept]
                alone = [s if s.field is None else s._replace(field=s.field[[n]]) for s in alone]
                assert np.array_equal(cpu.warp(x[[n]], alone, (8, 10), interpolation)[0], got[n])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_long_chain_through_several_sizes(interpolation, dtype, rng):
    sizes = [(9, 11), (12, 7), (10, 10), (10, 10), (10, 10), (6, 9)]
    kinds = ["projective", "table", "lens", "displacement", "projective"]
    borders = ["constant", "edge", "constant", "symmetric", "constant"]
    x = image(rng, (N, C, *sizes[0]), dtype)
    steps = [
        some_step(rng, kind, before, after, border, (k + 1.0,))
        for k, (kind, border, before, after) in enumerate(zip(kinds, borders, sizes, sizes[1:]))
    ]
    assert_same(x, steps, sizes[-1], interpolation)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (2, 2)])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_tiny_images(kind, border, interpolation, size, rng):
    x = image(rng, (N, 1, *size), np.float64)
    step = some_step(rng, kind, size, size, border, (0.5,))
    assert_same(x, [step], size, interpolation)
    other = (3, 4) if kind in ("projective", "table") else size
    chain = [step, some_step(rng, kind, size, other, border, (0.25,))]
    assert_same(x, chain, other, interpolation)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1)])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_tiny_outputs_of_larger_images(interpolation, size, rng):
    x = image(rng, (N, C, 7, 8), np.float64)
    for kind in ("projective", "table"):
        assert_same(x, [some_step(rng, kind, (7, 8), size)], size, interpolation)


def matrix(*rows, n=1):
    return np.tile(np.array(rows, float).reshape(1, 9), (n, 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("offset", [-0.5, 0.5, -2.5, 0.25, -1.0, 3.5])
def test_places_halfway_between_pixels_and_on_the_images_edge(offset, border, interpolation, dtype, rng):
    """Quarters are exact in float32, so both forms see the same ties: halves go to the even pixel."""
    x = image(rng, (1, C, 4, 5), dtype)
    half = Step("projective", matrix(0.5, 0, offset, 0, 0.5, -offset, 0, 0, 1), (4, 5), (12, 14), border, (3.0, 4.0))
    whole = Step("projective", matrix(1, 0, offset, 0, 1, offset, 0, 0, 1), (12, 14), (9, 10), border, (5.0, 6.0))
    for steps, size in (([half], (12, 14)), ([half, whole], (9, 10))):
        got, expected = (form.warp(x, steps, size, interpolation) for form in (cpu, reference))
        if dtype == np.uint8 or interpolation == "nearest":
            assert np.array_equal(got, expected)
        else:
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_does_not_move_keeps_its_bits(interpolation, dtype, rng):
    """Also beside a sample that does: a batch has one path."""
    x = image(rng, (N, C, 6, 7), dtype)
    still = np.tile(np.eye(3), (N, 1, 1)).reshape(N, 9)
    moved = some_step(rng, "projective", (6, 7), (6, 7))
    moved.numbers[0] = moved.numbers[2] = still[0]
    bent = some_step(rng, "displacement", (6, 7), (6, 7))  # its second sample's factor is 0
    lens = some_step(rng, "lens", (6, 7), (6, 7))
    lens.numbers[1] = [3.0, 2.5, 8, 4, 0]
    table = Step("table", np.tile(np.concatenate([np.arange(6.0), np.arange(7.0)]), (N, 1)), (6, 7), (6, 7))
    for form in (cpu, reference):
        out = form.warp(x, [moved], (6, 7), interpolation)
        assert np.array_equal(out[[0, 2]], x[[0, 2]]) and not np.array_equal(out[1], x[1])
        assert np.array_equal(form.warp(x, [bent], (6, 7), interpolation)[1], x[1])
        assert np.array_equal(form.warp(x, [lens], (6, 7), interpolation)[1], x[1])
        assert np.array_equal(form.warp(x, [table, table], (6, 7), interpolation), x)


@pytest.mark.parametrize("form", [cpu, reference], ids=["cpu", "reference"])
def test_a_wide_horizon_is_fill(form, rng):
    """Where the denominator is zero there is no place; behind it the plane goes on, mirrored."""
    x = image(rng, (1, 1, 4, 5), np.float64) + 1
    steps = [Step("projective", matrix(1, 0, 0, 0, 1, 0, 0.5, 0, -1), (4, 5), (4, 5), "constant", (0.5,))]
    out = form.warp(x, steps, (4, 5), "bilinear")
    assert (out[..., 2] == 0.5).all()  # x = 2: the denominator
    np.testing.assert_allclose(out, reference.warp(x, steps, (4, 5), "bilinear"), atol=1e-12)


def test_a_horizon_is_fill_whatever_the_border(rng):
    x = image(rng, (1, 1, 4, 5), np.float64)
    steps = [Step("projective", matrix(1, 0, 0, 0, 1, 0, 0.5, 0, -1), (4, 5), (4, 5), "edge", (0.5,))]
    assert_same(x, steps, (4, 5), "nearest")


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_slope_is_sampled_where_the_step_leads(interpolation, rng):
    """Nearest and bilinear keep a plane. Keys' weights add up to 1, but with a = -0.75 a slope is off by up to 1/12 of it."""
    i, j = np.mgrid[:12, :14]
    x = np.stack([1.0 * j, 2.0 * i, np.ones((12, 14))])[None]
    step = some_step(rng, "projective", (12, 14), (12, 14), fill=(0.0,), N=1)
    out = cpu.warp(x, [step], (12, 14), interpolation)[0]
    a, b, c, d, e, f, g, h, k = step.numbers[0]
    w = g * j + h * i + k
    X, Y = (a * j + b * i + c) / w, (d * j + e * i + f) / w
    inside = (X >= 1) & (X <= 12) & (Y >= 1) & (Y <= 10)
    assert inside.mean() > 0.3
    if interpolation == "nearest":
        X, Y = np.rint(X), np.rint(Y)
    atol = 1 / 12 if interpolation == "bicubic" else 1e-9
    np.testing.assert_allclose(out[0][inside], X[inside], atol=atol)
    np.testing.assert_allclose(out[1][inside], 2 * Y[inside], atol=2 * atol)
    np.testing.assert_allclose(out[2][inside], 1, atol=1e-12)


def test_bicubic_overshoots_are_cut_off_in_uint8():
    x = np.zeros((1, 1, 1, 8), np.uint8)
    x[..., 4:] = 255
    step = Step("projective", matrix(1, 0, 0.5, 0, 1, 0, 0, 0, 1), (1, 8), (1, 8), "edge")
    out = cpu.warp(x, [step], (1, 8), "bicubic")[0, 0, 0]
    assert out.tolist() == reference.warp(x, [step], (1, 8), "bicubic")[0, 0, 0].tolist()
    assert out.min() == 0 and out.max() == 255
    overshoot = cpu.warp(x / 255, [step], (1, 8), "bicubic")
    assert overshoot.min() < -0.01 and overshoot.max() > 1.01, "floats keep it"


# windows --------------------------------------------------------------------------------------------------------------

sign, offset, extent = st.sampled_from([-1, 1]), st.integers(-9, 9), st.integers(1, 6)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(sign, offset, sign, offset), min_size=1, max_size=3),
    extent,
    extent,
    extent,
    extent,
    st.sampled_from(DTYPES),
)
def test_windows_are_copied_as_the_loops_do(windows, H, W, OH, OW, dtype):
    """Also those that look past the image on one side, or wholly."""
    numbers = np.array([[a, 0, c, 0, e, f, 0, 0, 1] for a, c, e, f in windows], float)
    x = image(np.random.default_rng(H * 100 + W), (len(windows), C, H, W), dtype)
    steps = [Step("projective", numbers, (H, W), (OH, OW), "constant", (7.0, 9.0))]
    expected = reference.warp(x, steps, (OH, OW), "nearest")
    for interpolation in INTERPOLATIONS:
        assert np.array_equal(cpu.warp(x, steps, (OH, OW), interpolation), expected)


@pytest.mark.parametrize("offset", [-6, 8, 100, -100])
def test_a_window_wholly_outside_is_fill(offset, rng):
    x = image(rng, (1, C, 4, 5), np.uint8)
    for numbers in (matrix(1, 0, offset, 0, 1, 0, 0, 0, 1), matrix(1, 0, 0, 0, -1, offset, 0, 0, 1)):
        out = cpu.warp(x, [Step("projective", numbers, (4, 5), (3, 2), "constant", (3.0, 8.0))], (3, 2), "nearest")
        assert (out[:, 0] == 3).all() and (out[:, 1] == 8).all()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(
    "numbers",
    [
        (2, 0, -1, 0, 1, 0, 0, 0, 1),
        (0, 1, 0, 1, 0, 0, 0, 0, 1),
        (1, 0, 0.5, 0, 1, 0, 0, 0, 1),
        (2, 0, 0, 0, 2, 0, 0, 0, 2),
        (1, 0, 0, 0, 1, 0, 0.25, 0, 1),
    ],
)
def test_what_only_looks_like_a_window(numbers, border, rng):
    """Steps of two pixels, transposed, by halves, scaled as a whole, or with a horizon."""
    x = image(rng, (1, C, 5, 5), np.float64)
    assert_same(x, [Step("projective", matrix(*numbers), (5, 5), (4, 6), border, (0.5,))], (4, 6), "nearest")


def test_a_batch_of_which_one_sample_is_no_window(rng):
    x = image(rng, (3, C, 5, 6), np.float64)
    step = Step("projective", matrix(1, 0, 1, 0, 1, -2, 0, 0, 1, n=3), (5, 6), (5, 6), "constant", (0.5,))
    windows = cpu.warp(x, [step], (5, 6), "bilinear")
    step.numbers[1, 2] = 0.5
    mixed = assert_same(x, [step], (5, 6), "bilinear")
    assert np.array_equal(mixed[[0, 2]], windows[[0, 2]])


# memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_threads_make_no_difference(interpolation, dtype, rng):
    """Large enough that the batch is divided."""
    x = image(rng, (5, 3, 150, 170), dtype)
    window = Step("projective", matrix(-1, 0, 169, 0, 1, 3, 0, 0, 1, n=5), (150, 170), (150, 170))
    turned = some_step(rng, "projective", (150, 170), (150, 170), N=5)
    before = threads.get_num_threads()
    try:
        for steps in ([window], [turned], [window, turned]):
            results = []
            for count in (1, 2, 3):
                threads.set_num_threads(count)
                results.append(cpu.warp(x, steps, (150, 170), interpolation))
            assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
            alone = cpu.warp(x[3:4], [s._replace(numbers=s.numbers[3:4]) for s in steps], (150, 170), interpolation)
            assert np.array_equal(alone[0], results[0][3])
    finally:
        threads.set_num_threads(before)


def test_a_result_is_never_memory_that_the_next_call_writes(rng):
    x = image(rng, (N, C, 9, 11), np.float32)
    step = some_step(rng, "projective", (9, 11), (9, 11))
    first = cpu.warp(x, [step], (9, 11), "bilinear")
    kept = first.copy()
    cpu.warp(x[::-1].copy(), [step], (9, 11), "bicubic")
    assert np.array_equal(first, kept) and not np.shares_memory(first, x)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_images_and_fields_in_any_layout(interpolation, rng):
    x = image(rng, (N, C, 9, 11), np.float32)
    step = some_step(rng, "displacement", (9, 11), (9, 11), "reflect")
    expected = cpu.warp(x, [step], (9, 11), interpolation)
    odd = np.ascontiguousarray(x.transpose(3, 0, 2, 1)).transpose(1, 3, 2, 0)
    field = np.ascontiguousarray(step.field[..., ::-1])[..., ::-1]
    assert np.array_equal(cpu.warp(odd, [step._replace(field=field)], (9, 11), interpolation), expected)
    assert np.array_equal(cpu.warp(x[:, ::-1], [step], (9, 11), interpolation), expected[:, ::-1])


@pytest.mark.parametrize("form", [cpu, reference], ids=["cpu", "reference"])
def test_one_fill_is_for_all_channels(form, rng):
    x = image(rng, (1, 3, 4, 5), np.float64)
    one = Step("projective", matrix(1, 0, 2.25, 0, 1, 0, 0, 0, 1), (4, 5), (4, 5), "constant", (0.5,))
    assert np.array_equal(
        form.warp(x, [one], (4, 5), "bilinear"), form.warp(x, [one._replace(fill=(0.5,) * 3)], (4, 5), "bilinear")
    )
