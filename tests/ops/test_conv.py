"""Convolution, its transpose, unfold and fold: against their formulas in loops, and against numerical differences.

    y[n,o,i,j] = b[o] + sum over c,u,v of w[o,c,u,v] * x[n, c, s*i + u*d - p, s*j + v*d - p]

The loops here are written from that line alone. All extents are unequal, so that an axis taken for another shows.
"""

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F

EXACT = 1e-12  # float64: sums of some hundred products, in whatever order


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def output_size(image_size, kernel_size, stride, padding, dilation):
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(image_size, kernel_size, pair(stride), pair(padding), pair(dilation))
    )


def taps(x_shape, weight_shape, stride, padding, dilation, groups):
    """Every product of the formula: (place in y, place in weight, place in x)."""
    (N, _, H, W), (O, c_group, KH, KW) = x_shape, weight_shape
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    OH, OW = output_size((H, W), (KH, KW), stride, padding, dilation)
    for n, o, i, j, c, u, v in np.ndindex(N, O, OH, OW, c_group, KH, KW):
        h, w = sh * i + u * dh - ph, sw * j + v * dw - pw
        if 0 <= h < H and 0 <= w < W:
            yield (n, o, i, j), (o, c, u, v), (n, o // (O // groups) * c_group + c, h, w)


def naive_conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    OH, OW = output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    y = np.zeros((len(x), len(weight), OH, OW))
    for at, k, place in taps(x.shape, weight.shape, stride, padding, dilation, groups):
        y[at] += weight[k] * x[place]
    return y if bias is None else y + bias[None, :, None, None]


def naive_gradients(grad, x, weight, stride, padding, dilation, groups):
    gx, gw = np.zeros_like(x), np.zeros_like(weight)
    for at, k, place in taps(x.shape, weight.shape, stride, padding, dilation, groups):
        gx[place] += grad[at] * weight[k]
        gw[k] += grad[at] * x[place]
    return gx, gw


def naive_conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation):
    """Each x[n, c, i, j] lays weight[c] times itself on the output, its corner at (i*s - p, j*s - p)."""
    (N, C, H, W), (_, o_group, KH, KW) = x.shape, weight.shape
    (sh, sw), (ph, pw), (dh, dw), (eh, ew) = pair(stride), pair(padding), pair(dilation), pair(output_padding)
    OH, OW = (H - 1) * sh - 2 * ph + dh * (KH - 1) + eh + 1, (W - 1) * sw - 2 * pw + dw * (KW - 1) + ew + 1
    y = np.zeros((N, o_group * groups, OH, OW))
    for n, c, i, j, o, u, v in np.ndindex(N, C, H, W, o_group, KH, KW):
        h, w = i * sh - ph + u * dh, j * sw - pw + v * dw
        if 0 <= h < OH and 0 <= w < OW:
            y[n, c // (C // groups) * o_group + o, h, w] += x[n, c, i, j] * weight[c, o, u, v]
    return y if bias is None else y + bias[None, :, None, None]


# conv2d ---------------------------------------------------------------------------------------------------------------

CASES = [  # x, weight, options
    ((2, 3, 5, 7), (4, 3, 3, 2), {}),
    ((2, 3, 7, 6), (4, 3, 2, 3), {"stride": (2, 3)}),
    ((2, 3, 5, 4), (2, 3, 3, 4), {"padding": (2, 1)}),
    ((1, 2, 8, 7), (3, 2, 3, 2), {"dilation": (2, 3)}),
    ((2, 4, 7, 8), (6, 2, 3, 2), {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}),
    ((2, 6, 5, 7), (3, 2, 2, 3), {"stride": (1, 2), "padding": (2, 0), "dilation": (3, 1), "groups": 3}),
    ((3, 4, 6, 5), (4, 1, 3, 2), {"stride": (2, 3), "padding": (1, 2), "groups": 4}),  # depthwise
    ((2, 3, 7, 6), (6, 1, 2, 3), {"padding": (0, 2), "groups": 3}),  # two filters a channel
    ((3, 5, 4, 3), (2, 5, 1, 1), {}),
    ((2, 3, 5, 6), (4, 3, 1, 1), {"stride": (2, 3)}),
    ((2, 3, 4, 3), (4, 3, 1, 1), {"padding": (1, 2)}),
    ((2, 3, 4, 6), (5, 3, 4, 6), {}),  # one window: the whole image
    ((2, 2, 2, 3), (3, 2, 5, 4), {"padding": (3, 2)}),  # padding wider than the image
    ((2, 2, 9, 5), (3, 2, 2, 1), {"stride": (4, 3)}),  # pixels between the windows that none sees
]


@pytest.mark.parametrize("x_shape, weight_shape, options", CASES)
@pytest.mark.parametrize("with_bias", [True, False])
def test_conv2d_is_the_formula(x_shape, weight_shape, options, with_bias, rng):
    x, weight = rng.standard_normal(x_shape), rng.standard_normal(weight_shape)
    bias = rng.standard_normal(len(weight)) if with_bias else None
    y = F.conv2d(mt.Tensor(x), mt.Tensor(weight), bias if bias is None else mt.Tensor(bias), **options)
    assert_close(y, naive_conv2d(x, weight, bias, **options), EXACT)


@pytest.mark.parametrize("x_shape, weight_shape, options", CASES)
def test_conv2d_gradients_are_the_numerical_ones(x_shape, weight_shape, options, rng):
    arrays = [rng.standard_normal(shape) for shape in (x_shape, weight_shape, weight_shape[:1])]
    mt.gradcheck(lambda x, weight, bias: F.conv2d(x, weight, bias, **options), arrays)


@st.composite
def convolutions(draw):
    """(x.shape, weight.shape, stride, padding, dilation, groups) that fit together."""
    groups = draw(st.integers(1, 3))
    c_group, o_group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel_size = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    image_size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    assume(min(output_size(image_size, kernel_size, stride, padding, dilation)) >= 1)
    x_shape = (draw(st.integers(1, 3)), c_group * groups, *image_size)
    return x_shape, (o_group * groups, c_group, *kernel_size), stride, padding, dilation, groups


@settings(deadline=None, derandomize=True, max_examples=60)
@given(convolutions())
def test_conv2d_and_its_gradients_for_any_shape(convolution):
    x_shape, weight_shape, stride, padding, dilation, groups = convolution
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal(x_shape), rng.standard_normal(weight_shape)
    xt, wt = mt.Tensor(x, requires_grad=True), mt.Tensor(weight, requires_grad=True)
    y = F.conv2d(xt, wt, None, stride, padding, dilation, groups)
    assert_close(y, naive_conv2d(x, weight, None, stride, padding, dilation, groups), EXACT)
    grad = rng.standard_normal(y.shape)
    y.backward(grad)
    gx, gw = naive_gradients(grad, x, weight, stride, padding, dilation, groups)
    assert_close(xt.grad, gx, EXACT)
    assert_close(wt.grad, gw, EXACT)


def test_the_kernel_is_not_flipped():
    y = F.conv2d(mt.Tensor([[[[0.0, 1.0, 0.0, 0.0]]]]), mt.Tensor([[[[1.0, 2.0, 3.0]]]]), padding=(0, 1))
    assert y.numpy().ravel().tolist() == [3.0, 2.0, 1.0, 0.0]  # the impulse shows the kernel mirrored


def test_the_bias_is_added_once_a_place_whatever_the_groups():
    bias = np.array([1.0, 20.0, 300.0, 4000.0])
    y = F.conv2d(mt.Tensor(np.zeros((2, 4, 5, 3))), mt.Tensor(np.ones((4, 2, 3, 2))), mt.Tensor(bias), groups=2)
    assert_close(y, np.broadcast_to(bias[:, None, None], (2, 4, 3, 2)).copy(), rtol=0)


def test_bias_gradient_is_the_sum_over_samples_and_places(rng):
    bias = mt.Tensor(np.zeros(4), requires_grad=True)
    y = F.conv2d(mt.Tensor(np.zeros((3, 2, 5, 6))), mt.Tensor(np.zeros((4, 2, 2, 3))), bias)
    grad = rng.standard_normal(y.shape)
    y.backward(grad)
    assert_close(bias.grad, [sum(grad[n, o].sum() for n in range(3)) for o in range(4)], EXACT)


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_only_the_gradients_asked_for_are_computed(wanted, rng):
    tensors = [mt.Tensor(rng.standard_normal(s)) for s in ((2, 3, 4, 5), (2, 3, 3, 2), (2,))]
    tensors[wanted].requires_grad_()
    F.conv2d(*tensors).sum().backward()
    assert [t.grad is not None for t in tensors] == [i == wanted for i in range(3)]


@pytest.mark.parametrize(
    "kernel_size, dilation", [((3, 5), 1), ((2, 3), 1), ((4, 2), 1), ((2, 4), (3, 1)), ((3, 2), (2, 3)), ((1, 1), 1)]
)
def test_same_padding_keeps_the_size_and_puts_the_odd_zero_at_the_end(kernel_size, dilation, rng):
    x, weight = rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((4, 3, *kernel_size))
    total = [d * (k - 1) for d, k in zip(pair(dilation), kernel_size)]
    padded = np.pad(x, ((0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)))
    y = F.conv2d(mt.Tensor(x), mt.Tensor(weight), padding="same", dilation=dilation)
    assert y.shape == (2, 4, 6, 7)
    assert_close(y, naive_conv2d(padded, weight, dilation=dilation), EXACT)
    mt.gradcheck(lambda x, w: F.conv2d(x, w, padding="same", dilation=dilation), [x[:1, :, :4, :5], weight])


def test_valid_padding_is_none(rng):
    x, weight = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 3, 2, 3))
    y = F.conv2d(mt.Tensor(x), mt.Tensor(weight), padding="valid", stride=(2, 1))
    assert_close(y, naive_conv2d(x, weight, stride=(2, 1)), EXACT)


def test_sizes_may_be_ints_tuples_lists_and_numpy_ints(rng):
    x, weight = mt.Tensor(rng.standard_normal((1, 2, 7, 8))), mt.Tensor(rng.standard_normal((2, 2, 2, 3)))
    wanted = F.conv2d(x, weight, stride=(2, 2), padding=(1, 1), dilation=(2, 2)).numpy()
    assert np.array_equal(F.conv2d(x, weight, None, 2, 1, 2).numpy(), wanted)
    assert np.array_equal(F.conv2d(x, weight, stride=[2, 2], padding=[1, 1], dilation=[2, 2]).numpy(), wanted)
    assert np.array_equal(F.conv2d(x, weight, stride=np.int64(2), padding=np.int32(1), dilation=2).numpy(), wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_float32_becomes_float64(dtype, rng):
    tensors = [mt.Tensor(rng.standard_normal(s).astype(dtype), True) for s in ((2, 4, 6, 5), (4, 2, 3, 2), (4,))]
    for operator in (F.conv2d, F.conv_transpose2d):
        bias = tensors[2] if operator is F.conv2d else None
        y = operator(*tensors[:2], bias, padding=1, groups=2)
        y.backward(np.ones(y.shape, dtype))
        assert y.dtype == dtype
        assert [t.grad.dtype for t in tensors] == [dtype] * 3


def test_float32_agrees_with_float64(rng):
    x, weight, bias = (rng.standard_normal(s) for s in ((2, 5, 9, 8), (6, 5, 3, 4), (6,)))
    y = F.conv2d(*(mt.Tensor(a.astype(np.float32)) for a in (x, weight, bias)), padding=(1, 2))
    expected = naive_conv2d(x, weight, bias, padding=(1, 2))
    assert_close(y, expected.astype(np.float32), rtol=1e-6)  # 60 products: a few times 6e-8 of the largest


def test_inputs_are_left_alone_and_may_be_any_view(rng):
    x, weight = (
        rng.standard_normal((2, 5, 6, 4)).transpose(0, 2, 1, 3),
        rng.standard_normal((3, 2, 6, 4))[..., ::-1, ::2],
    )
    weight = weight.transpose(1, 2, 0, 3)[:, :, ::-1]  # (2, 6, 3, 2), strides of both signs
    kept = x.copy(), weight.copy()
    xt, wt = mt.Tensor(x, requires_grad=True), mt.Tensor(weight, requires_grad=True)
    y = F.conv2d(xt, wt, padding=1)
    grad = rng.standard_normal((y.shape[3], *y.shape[:3])).transpose(1, 2, 3, 0)
    kept_grad = grad.copy()
    y.backward(grad)
    assert_close(y, naive_conv2d(*kept, padding=1), EXACT)
    gx, gw = naive_gradients(kept_grad, *kept, 1, 1, 1, 1)
    assert_close(xt.grad, gx, EXACT)
    assert_close(wt.grad, gw, EXACT)
    assert np.array_equal(x, kept[0]) and np.array_equal(weight, kept[1]) and np.array_equal(grad, kept_grad)


@pytest.mark.parametrize(
    "weight_shape, options",
    [
        ((4, 4, 3, 2), {"padding": 1}),
        ((4, 4, 3, 3), {"stride": 2}),
        ((4, 1, 3, 2), {"groups": 4}),
        ((6, 4, 1, 1), {}),
        ((64, 4, 3, 3), {"groups": 1}),
    ],
)
def test_an_empty_batch_gives_an_empty_result_and_zero_gradients(weight_shape, options):
    x = mt.Tensor(np.zeros((0, 4, 20, 19)), requires_grad=True)
    weight, bias = (mt.Tensor(np.ones(shape), requires_grad=True) for shape in (weight_shape, weight_shape[:1]))
    y = F.conv2d(x, weight, bias, **options)
    one = F.conv2d(mt.Tensor(np.zeros((1, 4, 20, 19))), weight, bias, **options)
    assert y.shape == (0, *one.shape[1:])
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert not weight.grad.any() and not bias.grad.any()


def zeros(*shape, dtype=np.float64):
    return mt.Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda: F.conv2d(zeros(8, 4, 32, 32), zeros(16, 3, 5, 5)),
            ValueError,
            r"conv2d: x has 4 channels, but weight expects 3 \(weight.shape\[1\] \* groups = 3 \* 1\); "
            r"x.shape=\(8, 4, 32, 32\), weight.shape=\(16, 3, 5, 5\)",
        ),
        (
            lambda: F.conv2d(zeros(1, 4, 5, 5), zeros(3, 2, 3, 3), groups=2),
            ValueError,
            "3 output channels.*into 2 groups",
        ),
        (
            lambda: F.conv2d(zeros(1, 4, 5, 5), zeros(3, 4, 3, 3), zeros(4)),
            ValueError,
            r"bias must have shape \(3,\).*\(4,\)",
        ),
        (
            lambda: F.conv2d(zeros(4, 5, 5), zeros(3, 4, 3, 3)),
            ValueError,
            r"must have 4 dimensions, got 3.*unsqueeze\(0\)",
        ),
        (lambda: F.conv2d(zeros(1, 4, 5, 5), zeros(3, 4, 3)), ValueError, "weight must have 4 dimensions, got 3"),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 2), zeros(1, 1, 3, 3)),
            ValueError,
            r"larger than the image.*x.shape=\(1, 1, 5, 2\)",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), dilation=(1, 3)),
            ValueError,
            r"dilation=\(1, 3\).*larger",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), stride=0),
            ValueError,
            "stride must be at least 1, got 0",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), padding=-1),
            ValueError,
            "padding must be at least 0, got -1",
        ),
        (lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), dilation=0), ValueError, "dilation must be at least 1"),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), groups=0),
            ValueError,
            "groups must be at least 1, got 0",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), stride=(1, 2, 3)),
            ValueError,
            "stride must be an int or a pair",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), stride=1.5),
            TypeError,
            "stride must be an integer, got 1.5",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), padding="full"),
            ValueError,
            "'valid', 'same', got 'full'",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), padding="same", stride=2),
            ValueError,
            'padding="same" needs stride 1',
        ),
        (lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 0, 3)), ValueError, "conv2d: the kernel has no pixels"),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3, dtype=np.float32)),
            TypeError,
            "input is float64, weight is float32",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5, dtype=np.int64), zeros(1, 1, 3, 3)),
            TypeError,
            "input must be a float tensor.*int64",
        ),
        (
            lambda: F.conv2d(np.zeros((1, 1, 5, 5)), zeros(1, 1, 3, 3)),
            TypeError,
            r"input must be a Tensor, got ndarray; wrap it",
        ),
        (
            lambda: F.conv2d(zeros(1, 1, 5, 5), zeros(1, 1, 3, 3), np.zeros(1)),
            TypeError,
            "bias must be a Tensor, got ndarray",
        ),
    ],
)
def test_conv2d_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


# conv_transpose2d -----------------------------------------------------------------------------------------------------

TRANSPOSED = [  # x, weight, stride, padding, output_padding, groups, dilation
    ((2, 3, 4, 5), (3, 4, 3, 2), 1, 0, 0, 1, 1),
    ((2, 3, 3, 4), (3, 2, 3, 2), (2, 3), (1, 0), 0, 1, 1),
    ((2, 3, 3, 4), (3, 2, 2, 3), (3, 2), (1, 1), (2, 1), 1, 1),
    ((1, 4, 4, 3), (4, 3, 3, 2), (2, 1), (1, 2), (1, 0), 2, (2, 3)),
    ((2, 6, 3, 2), (6, 1, 2, 3), (1, 2), 0, (0, 1), 3, 1),
    ((2, 3, 4, 2), (3, 5, 1, 1), 1, 0, 0, 1, 1),
    ((2, 4, 3, 5), (4, 1, 3, 2), 2, 1, 1, 4, 1),
    ((2, 2, 3, 4), (2, 3, 2, 2), 1, 0, (1, 2), 1, (2, 3)),  # output_padding less than the dilation, not the stride
]


@pytest.mark.parametrize("x_shape, weight_shape, stride, padding, output_padding, groups, dilation", TRANSPOSED)
def test_conv_transpose2d_lays_a_scaled_filter_for_each_input_value(
    x_shape, weight_shape, stride, padding, output_padding, groups, dilation, rng
):
    x, weight, bias = (rng.standard_normal(s) for s in (x_shape, weight_shape, (weight_shape[1] * groups,)))
    options = (stride, padding, output_padding, groups, dilation)
    y = F.conv_transpose2d(mt.Tensor(x), mt.Tensor(weight), mt.Tensor(bias), *options)
    assert_close(y, naive_conv_transpose2d(x, weight, bias, *options), EXACT)
    y = F.conv_transpose2d(mt.Tensor(x), mt.Tensor(weight), None, *options)
    assert_close(y, naive_conv_transpose2d(x, weight, None, *options), EXACT)
    mt.gradcheck(lambda x, w, b: F.conv_transpose2d(x, w, b, *options), [x, weight, bias])


@settings(deadline=None, derandomize=True, max_examples=60)
@given(convolutions())
def test_conv_transpose2d_is_the_adjoint_of_conv2d(convolution):
    """<conv(x, w), y> = <x, conv_transpose(y, w)> for every x and y, with the same weight array."""
    x_shape, weight_shape, stride, padding, dilation, groups = convolution
    rng = np.random.default_rng(1)
    x, weight = rng.standard_normal(x_shape), rng.standard_normal(weight_shape)
    wt = mt.Tensor(weight)
    forward = F.conv2d(mt.Tensor(x), wt, None, stride, padding, dilation, groups)
    y = rng.standard_normal(forward.shape)
    # what the strided convolution leaves at the end comes back by output_padding
    left = tuple(
        (n + 2 * p - d * (k - 1) - 1) % s
        for n, k, s, p, d in zip(x_shape[2:], weight_shape[2:], stride, padding, dilation)
    )
    back = F.conv_transpose2d(mt.Tensor(y), wt, None, stride, padding, left, groups, dilation)
    assert back.shape == x.shape
    left_side, right_side = (forward.numpy() * y).sum(), (x * back.numpy()).sum()
    scale = np.abs(forward.numpy() * y).sum()
    assert abs(left_side - right_side) <= 1e-13 * max(scale, 1)


def test_an_empty_batch_of_conv_transpose2d():
    x = mt.Tensor(np.zeros((0, 3, 4, 5)), requires_grad=True)
    weight, bias = mt.Tensor(np.ones((3, 2, 3, 2)), requires_grad=True), mt.Tensor(np.ones(2), requires_grad=True)
    y = F.conv_transpose2d(x, weight, bias, stride=2)
    assert y.shape == (0, 2, 9, 10)
    y.sum().backward()
    assert x.grad.shape == x.shape and not weight.grad.any() and not bias.grad.any()


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda: F.conv_transpose2d(zeros(1, 4, 5, 5), zeros(3, 4, 3, 3)),
            ValueError,
            r"input has 4 channels, but weight expects 3 in 1 groups \(weight.shape\[0\] = 3\)",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 3, 5, 5), zeros(3, 4, 3, 3), groups=2),
            ValueError,
            "expects 3 in 2 groups",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 3, 5, 5), zeros(3, 4, 3, 3), zeros(3)),
            ValueError,
            r"bias must have shape \(4,\).*\(3,\)",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 3, 5, 5), zeros(3, 4, 3, 3), stride=2, output_padding=2),
            ValueError,
            "output_padding must be less than stride or dilation",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 3, 1, 5), zeros(3, 4, 2, 2), padding=1),
            ValueError,
            r"output would have size \(0, 4\)",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 3, 5, 5, dtype=np.int32), zeros(3, 4, 2, 2)),
            TypeError,
            "input must be a float tensor",
        ),
        (
            lambda: F.conv_transpose2d(zeros(1, 3, 5, 5), zeros(3, 4, 2, 2, dtype=np.float32)),
            TypeError,
            "input is float64, weight is float32",
        ),
        (lambda: F.conv_transpose2d(zeros(3, 5, 5), zeros(3, 4, 2, 2)), ValueError, r"must have 4 dimensions, got 3"),
    ],
)
def test_conv_transpose2d_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


# unfold and fold ------------------------------------------------------------------------------------------------------

WINDOWS = [  # x, kernel_size, stride, padding, dilation
    ((2, 3, 5, 6), (3, 2), 1, 0, 1),
    ((2, 2, 7, 6), (2, 3), (3, 2), (1, 2), 1),
    ((1, 3, 8, 7), (3, 2), (2, 1), (2, 1), (2, 3)),
    ((2, 2, 3, 4), (3, 4), 1, 0, 1),
]


def naive_unfold(x, kernel_size, stride, padding, dilation):
    (N, C, H, W), (KH, KW) = x.shape, kernel_size
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    OH, OW = output_size((H, W), kernel_size, stride, padding, dilation)
    columns = np.zeros((N, C * KH * KW, OH * OW))
    for n, c, u, v, i, j in np.ndindex(N, C, KH, KW, OH, OW):
        h, w = i * sh + u * dh - ph, j * sw + v * dw - pw
        if 0 <= h < H and 0 <= w < W:
            columns[n, (c * KH + u) * KW + v, i * OW + j] = x[n, c, h, w]
    return columns


@pytest.mark.parametrize("x_shape, kernel_size, stride, padding, dilation", WINDOWS)
def test_unfold_writes_each_window_as_a_column(x_shape, kernel_size, stride, padding, dilation, rng):
    x = rng.standard_normal(x_shape)
    y = F.unfold(mt.Tensor(x), kernel_size, dilation, padding, stride)
    assert_close(y, naive_unfold(x, kernel_size, stride, padding, dilation), rtol=0)
    mt.gradcheck(lambda x: F.unfold(x, kernel_size, dilation, padding, stride), x)


@pytest.mark.parametrize("x_shape, kernel_size, stride, padding, dilation", WINDOWS)
def test_fold_counts_every_window_of_a_pixel(x_shape, kernel_size, stride, padding, dilation, rng):
    x = rng.standard_normal(x_shape)
    options = (kernel_size, dilation, padding, stride)
    columns = F.unfold(mt.Tensor(x), *options)
    count = np.zeros(x_shape)  # in how many windows a pixel is, by the formula of a convolution's input gradient
    for _, _, place in taps(x_shape, (1, x_shape[1], *kernel_size), stride, padding, dilation, 1):
        count[place] += 1
    assert_close(F.fold(columns, x_shape[2:], *options), x * count, EXACT)
    mt.gradcheck(lambda c: F.fold(c, x_shape[2:], *options), rng.standard_normal(columns.shape))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(convolutions())
def test_fold_is_the_adjoint_of_unfold(convolution):
    """<unfold(x), y> = <x, fold(y)>."""
    x_shape, (_, _, *kernel_size), stride, padding, dilation, _ = convolution
    rng = np.random.default_rng(2)
    x, options = rng.standard_normal(x_shape), (tuple(kernel_size), dilation, padding, stride)
    columns = F.unfold(mt.Tensor(x), *options).numpy()
    y = rng.standard_normal(columns.shape)
    image = F.fold(mt.Tensor(y), x_shape[2:], *options).numpy()
    assert image.shape == x_shape
    assert abs((columns * y).sum() - (x * image).sum()) <= 1e-13 * max(np.abs(columns * y).sum(), 1)


def test_convolution_is_unfold_and_one_product(rng):
    x, weight = rng.standard_normal((2, 3, 6, 7)), rng.standard_normal((4, 3, 3, 2))
    columns = F.unfold(mt.Tensor(x), (3, 2), dilation=(1, 2), padding=(2, 1), stride=(2, 1))
    product = (mt.Tensor(weight.reshape(4, -1)) @ columns).reshape(2, 4, 4, 7)
    assert_close(product, naive_conv2d(x, weight, None, (2, 1), (2, 1), (1, 2)), EXACT)


def test_unfold_and_fold_of_an_empty_batch_and_of_float32():
    x = mt.Tensor(np.zeros((0, 2, 4, 5), np.float32), requires_grad=True)
    columns = F.unfold(x, 2)
    assert columns.shape == (0, 8, 12) and columns.dtype == np.float32
    image = F.fold(columns, (4, 5), 2)
    assert image.shape == (0, 2, 4, 5) and image.dtype == np.float32
    image.sum().backward()
    assert x.grad.shape == x.shape and x.grad.dtype == np.float32


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda: F.unfold(zeros(1, 1, 3, 4), (4, 2)),
            ValueError,
            r"unfold: .*larger than the image.*x.shape=\(1, 1, 3, 4\)",
        ),
        (lambda: F.unfold(zeros(1, 1, 3, 4), (0, 2)), ValueError, "unfold: kernel_size must be at least 1, got 0"),
        (lambda: F.unfold(zeros(1, 3, 4), 2), ValueError, "unfold: input must have 4 dimensions, got 3"),
        (lambda: F.unfold(zeros(1, 1, 3, 4, dtype=np.int64), 2), TypeError, "unfold: input must be a float tensor"),
        (
            lambda: F.fold(zeros(1, 7, 6), (3, 4), 2),
            ValueError,
            r"fold: input has 7 rows, not a multiple of kernel_size 2\*2",
        ),
        (
            lambda: F.fold(zeros(1, 8, 5), (3, 4), 2),
            ValueError,
            r"fold: an image of \(3, 4\) has 2\*3 windows.*input has 5 columns",
        ),
        (lambda: F.fold(zeros(1, 8, 0), (1, 4), 2), ValueError, r"fold: an image of \(1, 4\) has 0\*3 windows"),
        (lambda: F.fold(zeros(8, 5), (3, 4), 2), ValueError, "fold: input must have 3 dimensions, got 2"),
    ],
)
def test_unfold_and_fold_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
