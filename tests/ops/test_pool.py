"""Pooling: against its definition in loops, one window at a time, and against numerical differences.

Sizes (FACTS of PyTorch's documentation): floor((n + 2p - d(k-1) - 1) / s) + 1; with ceil_mode rounded up, but the last window
is dropped where it would begin in the right-hand padding.
"""

import itertools
import math

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F

EXACT = 1e-13  # float64: sums of some ten values
INF = math.inf


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def output_extent(n, k, s, p, d, ceil_mode):
    """By counting: as many windows as fit, one more with ceil_mode if there are pixels left and it begins before the padding."""
    span, out = d * (k - 1) + 1, 0
    while out * s + span <= n + 2 * p:
        out += 1
    if ceil_mode and (out - 1) * s + span < n + 2 * p and out * s < n + p:
        out += 1
    return out


def windows(image_size, kernel_size, stride, padding, dilation, ceil_mode):
    """For each output (i, j): (i, j, the pixels of its window that are inside the image, row by row)."""
    (H, W), (KH, KW), (sh, sw) = image_size, pair(kernel_size), pair(kernel_size if stride is None else stride)
    (ph, pw), (dh, dw) = pair(padding), pair(dilation)
    OH, OW = output_extent(H, KH, sh, ph, dh, ceil_mode), output_extent(W, KW, sw, pw, dw, ceil_mode)
    for i, j in itertools.product(range(OH), range(OW)):
        rows = [i * sh - ph + u * dh for u in range(KH)]
        columns = [j * sw - pw + v * dw for v in range(KW)]
        yield i, j, [(h, w) for h in rows for w in columns if 0 <= h < H and 0 <= w < W]


def first_largest(image, pixels):
    best = pixels[0]
    for place in pixels:
        if not math.isnan(image[best]) and (image[place] > image[best] or math.isnan(image[place])):
            best = place
    return best


def naive_max_pool2d(x, grad, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """(y, indices, gx); grad(shape) makes the gradient of y."""
    every = list(windows(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode))
    shape = (*x.shape[:2], every[-1][0] + 1, every[-1][1] + 1)
    y, indices, gx, g = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(x.shape), grad(shape)
    for n, c in np.ndindex(x.shape[:2]):
        for i, j, pixels in every:
            h, w = first_largest(x[n, c], pixels)
            y[n, c, i, j], indices[n, c, i, j] = x[n, c, h, w], h * x.shape[3] + w
            gx[n, c, h, w] += g[n, c, i, j]
    return y, indices, gx


def naive_avg_pool2d(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor=None):
    (H, W), (KH, KW), (ph, pw) = x.shape[2:], pair(kernel_size), pair(padding)
    sh, sw = pair(kernel_size if stride is None else stride)
    every = list(windows((H, W), kernel_size, stride, padding, 1, ceil_mode))
    y = np.zeros((*x.shape[:2], every[-1][0] + 1, every[-1][1] + 1))
    for i, j, pixels in every:
        rows = [i * sh + u for u in range(KH) if i * sh + u < H + 2 * ph]  # in the padded image, not beyond it
        columns = [j * sw + v for v in range(KW) if j * sw + v < W + 2 * pw]
        count = len(rows) * len(columns) if count_include_pad else len(pixels)
        for h, w in pixels:
            y[:, :, i, j] += x[:, :, h, w]
        y[:, :, i, j] /= divisor or count
    return y


@st.composite
def poolings(draw, dilated):
    """(x.shape, kernel_size, stride, padding, dilation, ceil_mode) that fit together."""
    small = st.integers(1, 4)
    kernel_size, stride = draw(st.tuples(small, small)), draw(st.tuples(small, small))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel_size)
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilated else (1, 1)
    image_size = draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    ceil_mode = draw(st.booleans())
    sizes = (image_size, kernel_size, stride, padding, dilation)
    assume(all(output_extent(*numbers, ceil_mode) >= 1 for numbers in zip(*sizes)))
    assume(all(pixels for _, _, pixels in windows(*sizes, ceil_mode)))
    return (2, 3, *image_size), kernel_size, stride, padding, dilation, ceil_mode


def run(operator, x, grad):
    """(y, gx) of one operator and a gradient array."""
    tensor = mt.Tensor(x, requires_grad=True)
    y = operator(tensor)
    y.backward(grad)
    return y.numpy(), tensor.grad


# max pooling ----------------------------------------------------------------------------------------------------------

MAX_CASES = [  # image, options
    ((6, 8), {"kernel_size": (2, 4)}),  # side by side, all covered
    ((7, 9), {"kernel_size": (2, 4)}),  # side by side, some left over
    ((7, 5), {"kernel_size": (3, 2), "stride": (2, 1)}),  # overlapping
    ((7, 6), {"kernel_size": (2, 1), "stride": (3, 2)}),  # apart
    ((6, 7), {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0)}),
    ((5, 7), {"kernel_size": (4, 3), "stride": 1, "padding": (2, 1)}),
    ((8, 9), {"kernel_size": (3, 2), "stride": (2, 1), "dilation": (2, 3)}),
    ((9, 8), {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (3, 2)}),
    ((6, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((7, 4), {"kernel_size": (2, 3), "stride": (2, 3), "padding": (0, 1), "ceil_mode": True}),
    ((5, 6), {"kernel_size": (2, 3), "stride": (3, 4), "padding": 1, "ceil_mode": True}),  # would begin in the padding
    ((3, 4), {"kernel_size": (3, 4)}),  # one window
    ((5, 4), {"kernel_size": 1}),
    ((5, 4), {"kernel_size": 1, "stride": (2, 3)}),
]


@pytest.mark.parametrize("image_size, options", MAX_CASES)
def test_max_pool2d_its_indices_and_its_gradient_by_definition(image_size, options, rng):
    x = rng.standard_normal((2, 3, *image_size))
    grads = {}
    y, indices, gx = naive_max_pool2d(x, lambda shape: grads.setdefault(0, rng.standard_normal(shape)), **options)
    got, got_gx = run(lambda t: F.max_pool2d(t, **options), x, grads[0])
    assert_close(got, y, rtol=0)
    assert_close(got_gx, gx, EXACT)
    values, places = F.max_pool2d(mt.Tensor(x), **options, return_indices=True)
    assert_close(values, y, rtol=0)
    assert_close(places, indices, rtol=0)


@pytest.mark.parametrize("image_size, options", MAX_CASES)
def test_max_pool2d_gradient_is_the_numerical_one(image_size, options, rng):
    x = rng.permutation(6 * math.prod(image_size)).reshape(2, 3, *image_size) / 10.0  # no two values closer than 0.1
    mt.gradcheck(lambda t: F.max_pool2d(t, **options), x)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(poolings(dilated=True), st.integers(2, 40))
def test_max_pool2d_for_any_shape_with_ties(pooling, levels):
    """Few levels: many ties, which go to the first of a window, row by row, whether windows overlap or not."""
    shape, *options = pooling
    rng = np.random.default_rng(0)
    x, grads = rng.integers(-levels, 0, shape).astype(float), {}
    y, indices, gx = naive_max_pool2d(x, lambda s: grads.setdefault(0, rng.standard_normal(s)), *options)
    got, got_gx = run(lambda t: F.max_pool2d(t, *options), x, grads[0])
    assert_close(got, y, rtol=0)
    assert_close(got_gx, gx, EXACT)
    assert_close(F.max_pool2d(mt.Tensor(x), *options, return_indices=True)[1], indices, rtol=0)


@pytest.mark.parametrize("kernel_size, stride", [(2, 2), (3, 2), (3, 1), ((2, 3), (1, 3))])
def test_of_equal_values_the_first_takes_the_whole_gradient(kernel_size, stride):
    x = np.ones((1, 1, 6, 6))
    _, gx = run(
        lambda t: F.max_pool2d(t, kernel_size, stride),
        x,
        np.ones(F.max_pool2d(mt.Tensor(x), kernel_size, stride).shape),
    )
    expected = np.zeros((6, 6))
    for i, j, _ in windows((6, 6), kernel_size, stride, 0, 1, False):
        expected[i * pair(stride)[0], j * pair(stride)[1]] = 1
    assert np.array_equal(gx[0, 0], expected)


def test_relu_zeros_are_ties_too():
    """Where all of a window is 0, as after a ReLU, one place alone gets the gradient."""
    x = np.zeros((2, 3, 4, 6))
    _, gx = run(lambda t: F.max_pool2d(t, 2), x, np.full((2, 3, 2, 3), 5.0))
    assert gx.sum() == 5.0 * 2 * 3 * 2 * 3
    assert np.array_equal(gx[:, :, ::2, ::2], np.full((2, 3, 2, 3), 5.0))


def test_padding_is_minus_infinity_so_negative_windows_keep_their_values():
    x = -1.0 - np.arange(20.0).reshape(1, 1, 4, 5)
    y, gx = run(lambda t: F.max_pool2d(t, 3, 2, 1), x, np.ones((1, 1, 2, 3)))
    assert y[0, 0].tolist() == [[-1, -2, -4], [-6, -7, -9]]
    assert gx.sum() == 6
    assert F.max_pool2d(mt.Tensor(x), 3, 2, 1, return_indices=True)[1].numpy()[0, 0].tolist() == [[0, 1, 3], [5, 6, 8]]


def test_a_ceil_mode_window_over_the_edge_is_no_larger_than_its_pixels():
    y = F.max_pool2d(mt.Tensor(np.full((1, 1, 5, 3), -7.0)), 2, 2, ceil_mode=True)
    assert_close(y, np.full((1, 1, 3, 2), -7.0), rtol=0)


@pytest.mark.parametrize("padding", [0, 1])
def test_a_window_of_minus_infinities_gives_its_gradient_to_its_first_pixel(padding):
    x = np.full((1, 1, 4, 5), -INF)
    grads = {}
    y, indices, gx = naive_max_pool2d(
        x, lambda s: grads.setdefault(0, np.arange(1.0, 1 + math.prod(s)).reshape(s)), 3, 2, padding
    )
    got, got_gx = run(lambda t: F.max_pool2d(t, 3, 2, padding), x, grads[0])
    assert np.array_equal(got, y)
    assert np.array_equal(got_gx, gx)  # not lost to the padding, which is minus infinity as well
    assert np.array_equal(F.max_pool2d(mt.Tensor(x), 3, 2, padding, return_indices=True)[1].numpy(), indices)


@pytest.mark.parametrize("options", [(2,), (3, 2, 1), (3, 1, 1), ((2, 3), 2, (1, 0), 2)])
def test_a_nan_is_the_largest_and_takes_the_gradient(options, rng):
    x = rng.standard_normal((2, 2, 6, 7))
    x[0, 0, 2, 3] = x[0, 0, 3, 3] = x[1, 1, 0, 0] = x[1, 0, 5, 6] = np.nan
    x[1, 0, 4, 5] = INF
    grads = {}
    y, indices, gx = naive_max_pool2d(x, lambda s: grads.setdefault(0, rng.standard_normal(s)), *options)
    got, got_gx = run(lambda t: F.max_pool2d(t, *options), x, grads[0])
    assert np.array_equal(got, y, equal_nan=True)
    np.testing.assert_allclose(got_gx, gx, rtol=0, atol=1e-14)
    assert np.array_equal(F.max_pool2d(mt.Tensor(x), *options, return_indices=True)[1].numpy(), indices)


def test_a_pixel_that_wins_several_windows_gets_all_their_gradients():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1
    _, gx = run(lambda t: F.max_pool2d(t, 3, 1), x, np.arange(1.0, 10).reshape(1, 1, 3, 3))
    assert gx[0, 0, 2, 2] == 45 and gx.sum() == 45


def test_stride_is_the_kernel_by_default(rng):
    x = mt.Tensor(rng.standard_normal((1, 2, 7, 9)))
    assert np.array_equal(F.max_pool2d(x, (2, 3)).numpy(), F.max_pool2d(x, (2, 3), (2, 3)).numpy())
    assert np.array_equal(F.avg_pool2d(x, (2, 3)).numpy(), F.avg_pool2d(x, (2, 3), (2, 3)).numpy())


# average pooling ------------------------------------------------------------------------------------------------------

AVG_CASES = [  # image, options
    ((6, 8), {"kernel_size": (2, 4)}),
    ((7, 5), {"kernel_size": (3, 2), "stride": (2, 1)}),
    ((7, 6), {"kernel_size": (2, 1), "stride": (3, 2)}),
    ((6, 7), {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0)}),
    ((5, 7), {"kernel_size": (4, 3), "stride": (1, 2), "padding": (2, 1)}),
    ((6, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((7, 4), {"kernel_size": (2, 3), "stride": (2, 3), "padding": (0, 1), "ceil_mode": True}),
    ((6, 7), {"kernel_size": (4, 3), "stride": (3, 2), "padding": (2, 1), "ceil_mode": True}),
    ((5, 6), {"kernel_size": (2, 3), "stride": (3, 4), "padding": 1, "ceil_mode": True}),
    ((2, 3), {"kernel_size": 4, "stride": 3, "ceil_mode": True}),  # larger than the image
    ((3, 4), {"kernel_size": (3, 4)}),
    ((4, 5), {"kernel_size": 1}),
]


@pytest.mark.parametrize("count_include_pad, divisor", [(True, None), (False, None), (True, 7), (False, -3)])
@pytest.mark.parametrize("image_size, options", AVG_CASES)
def test_avg_pool2d_is_its_definition(image_size, options, count_include_pad, divisor, rng):
    x = rng.standard_normal((2, 3, *image_size))

    def operator(x):
        return F.avg_pool2d(x, **options, count_include_pad=count_include_pad, divisor_override=divisor)

    expected = naive_avg_pool2d(x, **options, count_include_pad=count_include_pad, divisor=divisor)
    assert_close(operator(mt.Tensor(x)), expected, EXACT)
    mt.gradcheck(operator, x[:1])


@settings(deadline=None, derandomize=True, max_examples=80)
@given(poolings(dilated=False), st.booleans())
def test_avg_pool2d_for_any_shape_and_its_gradient_is_the_adjoint(pooling, count_include_pad):
    shape, kernel_size, stride, padding, _, ceil_mode = pooling
    rng = np.random.default_rng(0)
    x, options = rng.standard_normal(shape), (kernel_size, stride, padding, ceil_mode, count_include_pad)
    expected = naive_avg_pool2d(x, *options)
    grad = rng.standard_normal(expected.shape)
    y, gx = run(lambda t: F.avg_pool2d(t, *options), x, grad)
    assert_close(y, expected, EXACT)
    # averaging is linear: the gradient holds exactly when <y(e), grad> = <e, gx> for every e; here for random ones
    for e in rng.standard_normal((3, *shape)):
        assert abs((naive_avg_pool2d(e, *options) * grad).sum() - (e * gx).sum()) <= 1e-12 * np.abs(gx).sum()


def test_by_default_padding_counts_in_the_mean_but_what_lies_beyond_it_does_not():
    x = mt.Tensor(np.ones((1, 1, 3, 3)))
    assert F.avg_pool2d(x, 2, 2, 1).numpy()[0, 0, 0].tolist() == [0.25, 0.5]
    assert F.avg_pool2d(x, 2, 2, 1, count_include_pad=False).numpy()[0, 0, 0].tolist() == [1, 1]
    # rows 0-3, 3-6 of 5 padded rows: the second window has two rows inside the padded image, one of them real
    y = F.avg_pool2d(x, 4, 3, 1, ceil_mode=True).numpy()[0, 0]
    assert y.tolist() == [[9 / 16, 3 / 8], [3 / 8, 1 / 4]]
    assert F.avg_pool2d(x, 2, 2, 1, divisor_override=2).numpy()[0, 0, 0].tolist() == [0.5, 1]


# adaptive -------------------------------------------------------------------------------------------------------------

ADAPTIVE = [  # image, output_size
    ((5, 7), (3, 2)),  # overlapping
    ((6, 8), (3, 2)),  # equal windows
    ((4, 5), (6, 7)),  # more windows than pixels
    ((6, 7), (1, 1)),
    ((5, 4), (None, 3)),
    ((5, 4), (2, None)),
    ((7, 5), 3),
    ((3, 4), (3, 4)),
]


def adaptive_pixels(image_size, output_size):
    sizes = [n if o is None else o for n, o in zip(image_size, pair(output_size))]
    spans = [[range(i * n // o, math.ceil((i + 1) * n / o)) for i in range(o)] for n, o in zip(image_size, sizes)]
    return {(i, j): list(itertools.product(spans[0][i], spans[1][j])) for i, j in np.ndindex(*sizes)}, sizes


@pytest.mark.parametrize("image_size, output_size", ADAPTIVE)
def test_adaptive_avg_pool2d_averages_its_windows(image_size, output_size, rng):
    x = rng.standard_normal((2, 3, *image_size))
    pixels, sizes = adaptive_pixels(image_size, output_size)
    expected = np.zeros((2, 3, *sizes))
    for (i, j), places in pixels.items():
        expected[:, :, i, j] = sum(x[:, :, h, w] for h, w in places) / len(places)
    assert_close(F.adaptive_avg_pool2d(mt.Tensor(x), output_size), expected, EXACT)
    mt.gradcheck(lambda t: F.adaptive_avg_pool2d(t, output_size), x)


@pytest.mark.parametrize("levels", [3, 10**6])  # with and without ties
@pytest.mark.parametrize("image_size, output_size", ADAPTIVE)
def test_adaptive_max_pool2d_takes_the_first_largest_of_its_windows(image_size, output_size, levels, rng):
    x = rng.integers(-levels, 0, (2, 3, *image_size)).astype(float)
    pixels, sizes = adaptive_pixels(image_size, output_size)
    y, indices, gx = np.zeros((2, 3, *sizes)), np.zeros((2, 3, *sizes), np.int64), np.zeros(x.shape)
    grad = rng.standard_normal(y.shape)
    for n, c in np.ndindex(2, 3):
        for (i, j), places in pixels.items():
            h, w = first_largest(x[n, c], places)
            y[n, c, i, j], indices[n, c, i, j] = x[n, c, h, w], h * image_size[1] + w
            gx[n, c, h, w] += grad[n, c, i, j]
    got, got_gx = run(lambda t: F.adaptive_max_pool2d(t, output_size), x, grad)
    assert_close(got, y, rtol=0)
    assert_close(got_gx, gx, EXACT)
    values, places = F.adaptive_max_pool2d(mt.Tensor(x), output_size, return_indices=True)
    assert_close(values, y, rtol=0)
    assert_close(places, indices, rtol=0)


def test_adaptive_max_pool2d_lets_nan_win():
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    x[0, 0, 1, 1] = np.nan
    y, indices = F.adaptive_max_pool2d(mt.Tensor(x), (1, 2), return_indices=True)
    assert np.isnan(y.numpy()[0, 0, 0, 0]) and y.numpy()[0, 0, 0, 1] == 11
    assert indices.numpy().ravel().tolist() == [5, 11]


# all of them ----------------------------------------------------------------------------------------------------------

OPERATORS = {
    "max": lambda x: F.max_pool2d(x, (3, 2), 2, 1),
    "max, side by side": lambda x: F.max_pool2d(x, 2),
    "average": lambda x: F.avg_pool2d(x, (3, 2), 2, (1, 0), count_include_pad=False),
    "adaptive average": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "adaptive average, equal windows": lambda x: F.adaptive_avg_pool2d(x, (2, 1)),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (3, 2)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_float32_stays_float32_and_agrees_with_float64(name, rng):
    operator, x = OPERATORS[name], rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    grad = rng.standard_normal(operator(mt.Tensor(x)).shape).astype(np.float32)
    y, gx = run(operator, x, grad)
    y64, gx64 = run(operator, x.astype(np.float64), grad.astype(np.float64))
    assert_close(y, y64.astype(np.float32), rtol=5e-7)  # sums of ten values
    assert_close(gx, gx64.astype(np.float32), rtol=5e-7)


@pytest.mark.parametrize("name", OPERATORS)
def test_inputs_are_left_alone_and_may_be_any_view(name, rng):
    operator, x = (
        OPERATORS[name],
        rng.standard_normal((5, 2, 4, 6)).transpose(1, 2, 0, 3)[:, ::-1, :, ::2],
    )  # (2, 4, 5, 3)
    y, gx = run(operator, x.copy(), np.ones(operator(mt.Tensor(x)).shape))
    kept, grad = x.copy(), np.ones(y.shape[::-1]).transpose(3, 2, 1, 0)
    got, got_gx = run(operator, x, grad)
    assert np.array_equal(got, y) and np.array_equal(got_gx, gx)
    assert np.array_equal(x, kept) and (grad == 1).all()


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("shape", [(0, 3, 6, 5), (2, 0, 6, 5)])
def test_no_samples_or_no_channels_give_an_empty_result(name, shape):
    x = mt.Tensor(np.zeros(shape), requires_grad=True)
    y = OPERATORS[name](x)
    assert y.shape == (*shape[:2], *OPERATORS[name](mt.Tensor(np.zeros((1, 1, 6, 5)))).shape[2:])
    y.sum().backward()
    assert x.grad.shape == shape


def test_indices_of_an_empty_batch():
    for operator in (lambda x: F.max_pool2d(x, 2, return_indices=True), lambda x: F.adaptive_max_pool2d(x, 2, True)):
        y, indices = operator(mt.Tensor(np.zeros((0, 3, 4, 5))))
        assert y.shape == indices.shape == (0, 3, 2, 2) and indices.dtype == np.int64


@pytest.mark.parametrize("operator", [lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.avg_pool2d(x, (3, 2), 2, 1)])
def test_large_inputs_in_any_number_of_threads_give_the_same_bits(operator, rng):
    """Beyond 2 MB the work is cut over threads and blocks; samples are independent, so nothing may change."""
    x = rng.standard_normal((6, 8, 120, 121)).astype(np.float32)  # 2.8 MB
    grad = rng.standard_normal(operator(mt.Tensor(x[:1])).shape[1:]).astype(np.float32)
    grad = np.broadcast_to(grad, (6, *grad.shape)) * np.arange(1, 7, dtype=np.float32)[:, None, None, None]
    before, results = mt.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            mt.set_num_threads(n)
            results.append(run(operator, x, grad))
    finally:
        mt.set_num_threads(before)
    one_by_one = [run(operator, x[i : i + 1], grad[i : i + 1]) for i in range(6)]
    results.append([np.concatenate(parts) for parts in zip(*one_by_one)])
    for y, gx in results[1:]:
        assert np.array_equal(y, results[0][0]) and np.array_equal(gx, results[0][1])


def zeros(*shape, dtype=np.float64):
    return mt.Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda: F.max_pool2d(zeros(1, 1, 3, 4), (4, 2)),
            ValueError,
            r"max_pool2d: the window \(kernel_size=\(4, 2\).*larger than the image.*x.shape=\(1, 1, 3, 4\)",
        ),
        (lambda: F.max_pool2d(zeros(1, 1, 3, 4), 2, dilation=(1, 4)), ValueError, r"dilation=\(1, 4\)\) is larger"),
        (
            lambda: F.max_pool2d(zeros(1, 1, 3, 4), (3, 2), padding=(1, 2)),
            ValueError,
            r"at most half of kernel_size.*\(1, 2\)",
        ),
        (lambda: F.max_pool2d(zeros(1, 1, 3, 4), 0), ValueError, "max_pool2d: kernel_size must be at least 1, got 0"),
        (lambda: F.max_pool2d(zeros(1, 1, 3, 4), 2, 0), ValueError, "max_pool2d: stride must be at least 1, got 0"),
        (
            lambda: F.max_pool2d(zeros(1, 1, 3, 4), 2, 1, -1),
            ValueError,
            "max_pool2d: padding must be at least 0, got -1",
        ),
        (
            lambda: F.max_pool2d(zeros(1, 1, 3, 4), 2.0),
            TypeError,
            "max_pool2d: kernel_size must be an integer, got 2.0",
        ),
        (
            lambda: F.max_pool2d(zeros(1, 3, 4), 2),
            ValueError,
            r"max_pool2d: input must have 4 dimensions.*unsqueeze\(0\)",
        ),
        (
            lambda: F.max_pool2d(zeros(1, 1, 3, 4, dtype=np.int64), 2),
            TypeError,
            "max_pool2d: input must be a float tensor",
        ),
        (lambda: F.max_pool2d(np.zeros((1, 1, 3, 4)), 2), TypeError, "max_pool2d: input must be a Tensor, got ndarray"),
        (
            lambda: F.max_pool2d(zeros(1, 1, 0, 4), 2, padding=1),
            ValueError,
            r"max_pool2d: the image is empty.*\(1, 1, 0, 4\)",
        ),
        (
            lambda: F.max_pool2d(zeros(1, 1, 2, 5), 2, padding=1, dilation=3),
            ValueError,
            r"max_pool2d: a window would lie in the padding alone",
        ),
        (lambda: F.avg_pool2d(zeros(1, 1, 3, 4), (2, 5)), ValueError, r"avg_pool2d: the window.*larger than the image"),
        (lambda: F.avg_pool2d(zeros(1, 1, 3, 4), 2, padding=2), ValueError, "avg_pool2d: padding may be at most half"),
        (lambda: F.avg_pool2d(zeros(1, 1, 3, 4), 2, divisor_override=0), ValueError, "divisor_override must not be 0"),
        (
            lambda: F.avg_pool2d(zeros(1, 1, 3, 4, dtype=np.int32), 2),
            TypeError,
            "avg_pool2d: input must be a float tensor",
        ),
        (lambda: F.avg_pool2d(zeros(1, 1, 4, 0), 2, padding=1), ValueError, "avg_pool2d: the image is empty"),
        (lambda: F.adaptive_avg_pool2d(zeros(1, 1, 3, 4), 0), ValueError, "output_size must be at least 1, got 0"),
        (
            lambda: F.adaptive_avg_pool2d(zeros(1, 1, 3, 4), (1, 2, 3)),
            ValueError,
            "output_size must be an int or a pair",
        ),
        (lambda: F.adaptive_avg_pool2d(zeros(1, 1, 0, 4), 2), ValueError, "adaptive_avg_pool2d: the image is empty"),
        (
            lambda: F.adaptive_max_pool2d(zeros(1, 3, 4), 2),
            ValueError,
            "adaptive_max_pool2d: input must have 4 dimensions",
        ),
        (lambda: F.adaptive_max_pool2d(zeros(1, 1, 3, 4), 1.5), TypeError, "output_size must be an integer, got 1.5"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
