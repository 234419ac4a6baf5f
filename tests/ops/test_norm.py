"""Batch, layer and group normalisation: against their formulas and against numerical differences.

    mu = mean(x)    var = mean((x - mu)^2)    xhat = (x - mu) / sqrt(var + eps)    y = weight * xhat + bias

Batch norm (1502.03167, Algorithm 1) takes them over samples and places, layer norm (1607.06450) over the last dimensions, group
norm (1803.08494) over a sample's groups of channels. running = (1 - m) * running + m * batch, with the unbiased variance.
"""

import math
import statistics

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F

EXACT = 1e-12  # float64: sums of some hundred values, divided by a standard deviation near 1


def normalised(values, eps):
    """A flat list of values to mean 0 and variance 1, in exact sums."""
    mean = math.fsum(values) / len(values)
    var = math.fsum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / math.sqrt(var + eps) for v in values]


def naive_batch_norm(x, weight=None, bias=None, eps=1e-5):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        y[:, c] = np.reshape(normalised(x[:, c].ravel().tolist(), eps), x[:, c].shape)
        y[:, c] = y[:, c] * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y


def naive_layer_norm(x, dims, weight=None, bias=None, eps=1e-5):
    y = np.empty_like(x)
    for index in np.ndindex(x.shape[: x.ndim - dims]):
        y[index] = np.reshape(normalised(x[index].ravel().tolist(), eps), x[index].shape)
        y[index] = y[index] * (1 if weight is None else weight) + (0 if bias is None else bias)
    return y


def naive_group_norm(x, groups, weight=None, bias=None, eps=1e-5):
    y, each = np.empty_like(x), x.shape[1] // groups
    for n in range(len(x)):
        for first in range(0, x.shape[1], each):
            part = x[n, first : first + each]
            y[n, first : first + each] = np.reshape(normalised(part.ravel().tolist(), eps), part.shape)
        for c in range(x.shape[1]):
            y[n, c] = y[n, c] * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y


def tensors(*arrays, requires_grad=False):
    return [None if a is None else mt.Tensor(a, requires_grad) for a in arrays]


def affine(shape, which, rng):
    """(weight, bias) of a shape, either of which may be absent: which is "", "w", "b" or "wb"."""
    weight, bias = rng.standard_normal(shape) + 2, rng.standard_normal(shape)
    return weight if "w" in which else None, bias if "b" in which else None


# batch norm in training -----------------------------------------------------------------------------------------------

SHAPES = [(5, 3), (2, 3, 4), (3, 2, 4, 5), (1, 3, 2, 4), (2, 1, 3, 2), (2, 2, 2, 3, 2)]


@pytest.mark.parametrize("which", ["", "w", "b", "wb"])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_in_training_is_the_formula(shape, which, rng):
    x, (weight, bias) = 3 * rng.standard_normal(shape) + 5, affine(shape[1], which, rng)
    y = F.batch_norm(*tensors(x, None, None, weight, bias), training=True, eps=0.1)
    assert_close(y, naive_batch_norm(x, weight, bias, eps=0.1), EXACT)
    inputs = [a for a in (x, weight, bias) if a is not None]

    def operator(x, *rest):
        rest = iter(rest)
        return F.batch_norm(
            x, None, None, *(next(rest) if name in which else None for name in "wb"), training=True, eps=0.1
        )

    mt.gradcheck(operator, inputs)


def test_the_gradient_goes_through_mean_and_variance(rng):
    """Of a normalised batch a constant and a multiple of itself can't be seen: the gradient has no part along 1 and xhat."""
    x = mt.Tensor(rng.standard_normal((4, 3, 2, 5)), requires_grad=True)
    y = F.batch_norm(x, training=True, eps=0.0)
    y.backward(rng.standard_normal(y.shape))
    assert np.abs(x.grad.sum((0, 2, 3))).max() < 1e-12
    assert np.abs((x.grad * y.numpy()).sum((0, 2, 3))).max() < 1e-12


def test_eps_stands_beside_the_variance_under_the_root():
    y = F.batch_norm(mt.Tensor(np.array([[1.0], [3.0]])), training=True, eps=3.0)  # variance 1
    assert_close(y, np.array([[-0.5], [0.5]]), EXACT)
    y = F.layer_norm(mt.Tensor(np.array([[1.0, 3.0]])), 2, eps=3.0)
    assert_close(y, np.array([[-0.5, 0.5]]), EXACT)
    y = F.batch_norm(*tensors(np.array([[1.0], [3.0]]), np.array([2.0]), np.array([1.0])), eps=3.0)
    assert_close(y, np.array([[-0.5], [0.5]]), EXACT)


@pytest.mark.parametrize("as_tensors", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (3, 3, 2, 4), (2, 3)])
def test_running_statistics_move_by_momentum_towards_the_unbiased_variance(shape, as_tensors, rng):
    x = 2 * rng.standard_normal(shape) + 1
    mean, var = rng.standard_normal(3), rng.random(3) + 1
    wanted_mean = [0.7 * mean[c] + 0.3 * statistics.fmean(x[:, c].ravel().tolist()) for c in range(3)]
    wanted_var = [0.7 * var[c] + 0.3 * statistics.variance(x[:, c].ravel().tolist()) for c in range(3)]
    given = tensors(mean, var) if as_tensors else (mean, var)
    F.batch_norm(mt.Tensor(x), *given, training=True, momentum=0.3)
    assert_close(mean, np.array(wanted_mean), EXACT)  # in place
    assert_close(var, np.array(wanted_var), EXACT)


def test_training_doesnt_use_the_running_statistics_and_momentum_is_a_tenth_by_default(rng):
    x, mean, var = rng.standard_normal((4, 2, 3)), np.zeros(2), np.ones(2)
    y = F.batch_norm(*tensors(x, mean, var), training=True)
    assert_close(y, naive_batch_norm(x), EXACT)
    assert_close(mean, 0.1 * x.mean((0, 2)), EXACT)
    assert_close(var, 0.9 + 0.1 * x.var((0, 2), ddof=1), EXACT)


def test_momentum_one_keeps_the_batch_and_momentum_zero_keeps_what_was(rng):
    x = rng.standard_normal((4, 2, 3))
    for momentum, mean, var in ((1, x.mean((0, 2)), x.var((0, 2), ddof=1)), (0, np.full(2, 7.0), np.full(2, 8.0))):
        running = np.full(2, 7.0), np.full(2, 8.0)
        F.batch_norm(mt.Tensor(x), *running, training=True, momentum=momentum)
        assert_close(running[0], mean, EXACT)
        assert_close(running[1], var, EXACT)


def test_either_of_the_running_statistics_may_be_absent(rng):
    x, mean, var = rng.standard_normal((4, 2, 3)), np.zeros(2), np.zeros(2)
    F.batch_norm(mt.Tensor(x), mean, None, training=True, momentum=1)
    F.batch_norm(mt.Tensor(x), None, var, training=True, momentum=1)
    assert_close(mean, x.mean((0, 2)), EXACT)
    assert_close(var, x.var((0, 2), ddof=1), EXACT)


def test_running_statistics_keep_their_dtype(rng):
    for dtype, other in ((np.float32, np.float64), (np.float64, np.float32)):
        mean, var = np.zeros(3, dtype), np.ones(3, dtype)
        y = F.batch_norm(mt.Tensor(rng.standard_normal((4, 3)).astype(other)), mean, var, training=True)
        assert (mean.dtype, var.dtype, y.dtype) == (dtype, dtype, other) and mean.any()


# batch norm in evaluation ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["", "w", "b", "wb"])
@pytest.mark.parametrize("shape", [(5, 3), (1, 3), (2, 3, 4), (3, 2, 4, 5)])
def test_batch_norm_in_evaluation_uses_the_running_statistics(shape, which, rng):
    C = shape[1]
    x, mean, var, (weight, bias) = (
        rng.standard_normal(shape),
        rng.standard_normal(C),
        rng.random(C),
        affine(C, which, rng),
    )
    kept = mean.copy(), var.copy()
    expected = np.empty(shape)
    for c in range(C):
        expected[:, c] = (x[:, c] - mean[c]) / math.sqrt(var[c] + 0.01)
        expected[:, c] = expected[:, c] * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    assert_close(F.batch_norm(*tensors(x, mean, var, weight, bias), eps=0.01), expected, EXACT)

    def operator(x, *rest):
        rest = iter(rest)
        return F.batch_norm(x, mean, var, *(next(rest) if name in which else None for name in "wb"), eps=0.01)

    mt.gradcheck(operator, [a for a in (x, weight, bias) if a is not None])
    assert np.array_equal(mean, kept[0]) and np.array_equal(var, kept[1])  # evaluation moves nothing


def test_evaluation_treats_each_sample_by_itself(rng):
    x, mean, var = rng.standard_normal((4, 3, 5)), rng.standard_normal(3), rng.random(3)
    together = F.batch_norm(*tensors(x, mean, var)).numpy()
    for i in range(4):
        assert np.array_equal(F.batch_norm(*tensors(x[i : i + 1], mean, var)).numpy()[0], together[i])


# precision ------------------------------------------------------------------------------------------------------------


def test_a_large_mean_does_not_swallow_the_variance_in_float32(rng):
    """The mean of x**2 minus the square of the mean would leave nothing of a variance of 1 beside 4096**2 in float32."""
    x = (4096 + rng.standard_normal((8, 3, 16, 15))).astype(np.float32)  # neighbouring float32 numbers are 0.0005 apart
    exact = naive_batch_norm(x.astype(np.float64))
    mean, var = np.zeros(3, np.float32), np.zeros(3, np.float32)
    y = F.batch_norm(mt.Tensor(x), mean, var, training=True, momentum=1.0)
    # the mean, rounded to float32, is off by up to 0.0003 standard deviations, and all of y with it
    assert_close(y, exact.astype(np.float32), rtol=0.0005 / np.abs(exact).max())
    np.testing.assert_allclose(var, x.astype(np.float64).var((0, 2, 3), ddof=1), rtol=1e-5)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean((0, 2, 3)), rtol=1e-7)


@pytest.mark.parametrize("operator", [lambda x: F.layer_norm(x, (12, 10)), lambda x: F.group_norm(x, 1)])
def test_a_large_mean_of_a_row(operator, rng):
    x = (4096 + rng.standard_normal((4, 1, 12, 10))).astype(np.float32)
    exact = naive_layer_norm(x.astype(np.float64), 3)
    assert_close(operator(mt.Tensor(x)), exact.astype(np.float32), rtol=0.0005 / np.abs(exact).max())


def test_a_large_mean_in_float64_keeps_ten_digits(rng):
    x = 1e5 + rng.standard_normal((5, 2, 3, 4))
    assert_close(
        F.batch_norm(mt.Tensor(x), training=True), naive_batch_norm(x), rtol=1e-10
    )  # 1e5 * 1e-16, some of it summed


def test_a_constant_channel_becomes_its_bias_not_nan():
    x = mt.Tensor(np.full((3, 2, 4), 7.0, np.float32), requires_grad=True)
    y = F.batch_norm(x, bias=mt.Tensor(np.array([1.0, -2.0], np.float32)), training=True)
    y.sum().backward()
    assert_close(y, np.broadcast_to(np.array([1.0, -2.0], np.float32)[:, None], (3, 2, 4)).copy(), rtol=0)
    assert not x.grad.any()


# layer norm and group norm --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["", "w", "b", "wb"])
@pytest.mark.parametrize(
    "shape, normalized_shape",
    [((3, 5), 5), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 4)), ((2, 3, 4, 2), [3, 4, 2]), ((3, 1, 4), (1, 4)), ((6,), 6)],
)
def test_layer_norm_is_the_formula(shape, normalized_shape, which, rng):
    dims = 1 if isinstance(normalized_shape, int) else len(normalized_shape)
    x, (weight, bias) = 2 * rng.standard_normal(shape) + 3, affine(shape[len(shape) - dims :], which, rng)
    y = F.layer_norm(*tensors(x), normalized_shape, *tensors(weight, bias), eps=0.1)
    assert_close(y, naive_layer_norm(x, dims, weight, bias, eps=0.1), EXACT)

    def operator(x, *rest):
        rest = iter(rest)
        return F.layer_norm(x, normalized_shape, *(next(rest) if name in which else None for name in "wb"), eps=0.1)

    mt.gradcheck(operator, [a for a in (x, weight, bias) if a is not None])


@pytest.mark.parametrize("which", ["", "w", "b", "wb"])
@pytest.mark.parametrize(
    "shape, groups",
    [((2, 6, 3, 4), 2), ((3, 6, 2), 3), ((2, 4, 3), 4), ((2, 4, 3, 2), 1), ((3, 6), 2), ((1, 2, 3, 1), 2)],
)
def test_group_norm_is_the_formula(shape, groups, which, rng):
    x, (weight, bias) = 2 * rng.standard_normal(shape) + 3, affine(shape[1], which, rng)
    y = F.group_norm(*tensors(x), groups, *tensors(weight, bias), eps=0.1)
    assert_close(y, naive_group_norm(x, groups, weight, bias, eps=0.1), EXACT)

    def operator(x, *rest):
        rest = iter(rest)
        return F.group_norm(x, groups, *(next(rest) if name in which else None for name in "wb"), eps=0.1)

    mt.gradcheck(operator, [a for a in (x, weight, bias) if a is not None])


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_any_shape(N, groups, each, H, W):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, groups * each, H, W))
    weight, bias = rng.standard_normal(x.shape[1]), rng.standard_normal(x.shape[1])
    assert_close(
        F.group_norm(mt.Tensor(x), groups, *tensors(weight, bias)), naive_group_norm(x, groups, weight, bias), 1e-10
    )
    assert_close(F.layer_norm(mt.Tensor(x), (H, W)), naive_layer_norm(x, 2), 1e-10)  # rows of 1: 0 / sqrt(eps)
    if N * H * W > 1:
        y = F.batch_norm(*tensors(x, None, None, weight, bias), training=True)
        assert_close(y, naive_batch_norm(x, weight, bias), 1e-10)


# all of them ----------------------------------------------------------------------------------------------------------

OPERATORS = {  # of x (N, 4, ...), weight (4,), bias (4,)
    "batch_norm, training": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "batch_norm, evaluation": lambda x, w, b: F.batch_norm(x, np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1]), w, b),
    "layer_norm": lambda x, w, b: F.layer_norm(x, 4, w, b),
    "group_norm": lambda x, w, b: F.group_norm(x, 2, w, b),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_float32_stays_float32_and_agrees_with_float64(name, rng):
    arrays = [rng.standard_normal(s) for s in ((6, 4, 3, 4), (4,), (4,), (6, 4, 3, 4))]
    results = []
    for dtype in (np.float32, np.float64):
        *inputs, grad = (a.astype(np.float32).astype(dtype) for a in arrays)
        given = tensors(*inputs, requires_grad=True)
        y = OPERATORS[name](*given)
        y.backward(grad)
        assert y.dtype == dtype
        results.append([y.numpy(), *(t.grad for t in given)])
    for single, double in zip(*results):
        assert_close(
            single, double.astype(np.float32), rtol=5e-6
        )  # gradients are sums of 72 products of rounded values


@pytest.mark.parametrize("name", OPERATORS)
def test_inputs_are_left_alone_and_may_be_any_view(name, rng):
    x = rng.standard_normal((3, 8, 4, 5)).transpose(3, 2, 0, 1)[::-1, :, :, ::2]  # (5, 4, 3, 4)
    weight, bias = rng.standard_normal(8)[::2], rng.standard_normal(4)[::-1]
    grad = rng.standard_normal((4, 3, 4, 5)).transpose(3, 2, 1, 0)
    kept, results = [a.copy() for a in (x, weight, bias, grad)], []
    for *inputs, g in ((x, weight, bias, grad), [a.copy() for a in kept]):
        given = tensors(*inputs, requires_grad=True)
        y = OPERATORS[name](*given)
        y.backward(g)
        results.append([y.numpy(), *(t.grad for t in given)])
    for view, contiguous in zip(*results):
        assert_close(view, contiguous, 1e-13)
    assert all(np.array_equal(a, b) for a, b in zip((x, weight, bias, grad), kept))


@pytest.mark.parametrize("name", ["batch_norm, evaluation", "layer_norm", "group_norm"])
@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 4), (0, 4, 2, 4)])
def test_an_empty_batch_gives_an_empty_result_and_zero_gradients(name, shape):
    given = tensors(np.zeros(shape), np.ones(4), np.zeros(4), requires_grad=True)
    y = OPERATORS[name](*given)
    assert y.shape == shape
    y.sum().backward()
    assert [t.grad.shape for t in given] == [shape, (4,), (4,)]
    assert not given[1].grad.any() and not given[2].grad.any()


def test_large_inputs_agree_for_any_number_of_threads(rng):
    x, weight, bias = (rng.standard_normal(s).astype(np.float32) for s in ((12, 4, 90, 92), (4,), (4,)))
    grad = rng.standard_normal(x.shape).astype(np.float32)
    for name, w in (("batch_norm, training", 4), ("group_norm", 4), ("layer_norm", 92)):
        operator = OPERATORS[name] if w == 4 else lambda x, w, b: F.layer_norm(x, 92, w, b)
        before, results = mt.get_num_threads(), []
        try:
            for n in (1, 2, 3):
                mt.set_num_threads(n)
                given = tensors(x, np.resize(weight, w), np.resize(bias, w), requires_grad=True)
                y = operator(*given)
                y.backward(grad)
                results.append([y.numpy(), *(t.grad for t in given)])
        finally:
            mt.set_num_threads(before)
        for other in results[1:]:
            # a block of other length may be summed in another order by BLAS: equal to rounding
            for a, b in zip(results[0], other):
                assert_close(a, b, rtol=1e-5)


def zeros(*shape, dtype=np.float64):
    return mt.Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "call, error, text",
    [
        (
            lambda: F.batch_norm(zeros(1, 3), training=True),
            ValueError,
            r"batch_norm: training needs more than one value a channel, got x.shape=\(1, 3\); use eval\(\) or a larger batch",
        ),
        (
            lambda: F.batch_norm(zeros(1, 3, 1, 1), training=True),
            ValueError,
            r"more than one value a channel.*\(1, 3, 1, 1\)",
        ),
        (
            lambda: F.batch_norm(zeros(0, 3, 2, 2), training=True),
            ValueError,
            r"more than one value a channel.*\(0, 3, 2, 2\)",
        ),
        (
            lambda: F.batch_norm(zeros(2, 3)),
            ValueError,
            r"evaluation \(training=False\) needs running_mean and running_var",
        ),
        (lambda: F.batch_norm(zeros(2, 3), zeros(3)), ValueError, "needs running_mean and running_var"),
        (
            lambda: F.batch_norm(zeros(2, 3), zeros(2), zeros(3)),
            ValueError,
            r"running_mean must have shape \(3,\), one value a channel, got \(2,\); x.shape=\(2, 3\)",
        ),
        (
            lambda: F.batch_norm(zeros(2, 3), [0.0, 0.0, 0.0], zeros(3)),
            TypeError,
            "batch_norm: running_mean must be a Tensor or an array, got list",
        ),
        (
            lambda: F.batch_norm(zeros(2, 3), zeros(3), (1.0, 1.0, 1.0), training=True),
            TypeError,
            "batch_norm: running_var must be a Tensor or an array, got tuple",
        ),
        (lambda: F.batch_norm(zeros(2, 3), zeros(3), zeros(3, 1)), ValueError, r"running_var must have shape \(3,\)"),
        (
            lambda: F.batch_norm(zeros(2, 3), weight=zeros(4), training=True),
            ValueError,
            r"weight must have shape \(3,\).*\(4,\)",
        ),
        (
            lambda: F.batch_norm(zeros(2, 3), bias=zeros(1), training=True),
            ValueError,
            r"bias must have shape \(3,\).*\(1,\)",
        ),
        (
            lambda: F.batch_norm(zeros(3), training=True),
            ValueError,
            "batch_norm: input must have at least 2 dimensions, got 1",
        ),
        (
            lambda: F.batch_norm(zeros(2, 3, dtype=np.int64), training=True),
            TypeError,
            "batch_norm: input must be a float tensor",
        ),
        (
            lambda: F.batch_norm(zeros(2, 3), weight=zeros(3, dtype=np.float32), training=True),
            TypeError,
            "input is float64, weight is float32",
        ),
        (
            lambda: F.batch_norm(np.zeros((2, 3)), training=True),
            TypeError,
            "batch_norm: input must be a Tensor, got ndarray",
        ),
        (
            lambda: F.layer_norm(zeros(2, 3, 4), 3),
            ValueError,
            r"layer_norm: normalized_shape is \(3,\), but x ends in other extents; x.shape=\(2, 3, 4\)",
        ),
        (lambda: F.layer_norm(zeros(4), (3, 4)), ValueError, r"normalized_shape is \(3, 4\)"),
        (lambda: F.layer_norm(zeros(2, 4), ()), ValueError, r"normalized_shape is \(\)"),
        (lambda: F.layer_norm(zeros(2, 4), 4, zeros(1, 4)), ValueError, r"weight must have shape \(4,\), got \(1, 4\)"),
        (lambda: F.layer_norm(zeros(2, 4), 4, None, zeros(2)), ValueError, r"bias must have shape \(4,\), got \(2,\)"),
        (lambda: F.layer_norm(zeros(2, 4, dtype=np.int64), 4), TypeError, "layer_norm: input must be a float tensor"),
        (
            lambda: F.group_norm(zeros(2, 6, 3), 4),
            ValueError,
            r"group_norm: the 6 channels can't be cut into 4 groups; x.shape=\(2, 6, 3\)",
        ),
        (lambda: F.group_norm(zeros(2, 6, 3), 0), ValueError, "num_groups must be at least 1, got 0"),
        (lambda: F.group_norm(zeros(2, 6, 3), 2, zeros(3)), ValueError, r"weight must have shape \(6,\).*\(3,\)"),
        (lambda: F.group_norm(zeros(2, 6, 3), 2, None, zeros(2)), ValueError, r"bias must have shape \(6,\).*\(2,\)"),
        (lambda: F.group_norm(zeros(6), 2), ValueError, "group_norm: input must have at least 2 dimensions, got 1"),
        (lambda: F.group_norm(zeros(2, 6, dtype=np.int64), 2), TypeError, "group_norm: input must be a float tensor"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
