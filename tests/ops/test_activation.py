"""Activations: formulas in Python's own math, value by value; derivatives, kinks, extreme values, float32."""

import math

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, gradcheck
from minitorch_cnn.backend import primitives as P


def sigmoid(a):
    return 1 / (1 + math.exp(-a)) if a > -700 else 0.0


def relu6(a):
    return min(max(a, 0.0), 6.0)


def softplus(a, beta=1.0, threshold=20.0):
    return a if a * beta > threshold else math.log1p(math.exp(a * beta)) / beta


def normal_cdf(a):
    return 0.5 * math.erfc(-a / math.sqrt(2))


# name: (operator, formula, kinks): the kinks are left out of the gradient check and tested one by one below
ACTIVATIONS = {
    "relu": (F.relu, lambda a: max(a, 0.0), [0]),
    "relu6": (F.relu6, relu6, [0, 6]),
    "leaky_relu": (F.leaky_relu, lambda a: a if a > 0 else 0.01 * a, [0]),
    "leaky_relu(0.3)": (lambda x: F.leaky_relu(x, 0.3), lambda a: a if a > 0 else 0.3 * a, [0]),
    "leaky_relu(0)": (lambda x: F.leaky_relu(x, 0.0), lambda a: max(a, 0.0), [0]),
    "leaky_relu(2)": (lambda x: F.leaky_relu(x, 2.0), lambda a: a if a > 0 else 2 * a, [0]),
    "elu": (F.elu, lambda a: a if a > 0 else math.expm1(a), []),
    "elu(0.5)": (lambda x: F.elu(x, alpha=0.5), lambda a: a if a > 0 else 0.5 * math.expm1(a), [0]),
    "sigmoid": (F.sigmoid, sigmoid, []),
    "tanh": (F.tanh, math.tanh, []),
    "silu": (F.silu, lambda a: a * sigmoid(a), []),
    "gelu": (F.gelu, lambda a: a * normal_cdf(a), []),
    "gelu(tanh)": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda a: a / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))),
        [],
    ),
    "hardsigmoid": (F.hardsigmoid, lambda a: relu6(a + 3) / 6, [-3, 3]),
    "hardswish": (F.hardswish, lambda a: a * relu6(a + 3) / 6, [-3, 3]),
    "softplus": (F.softplus, softplus, []),
    "softplus(2, 5)": (lambda x: F.softplus(x, beta=2, threshold=5), lambda a: softplus(a, 2, 5), [2.5]),
}
VALUES = np.array(
    [-8.0, -3.5, -3.01, -2.99, -1.0, -0.3, -1e-3, 0.0, 1e-3, 0.4, 1.0, 2.49, 2.51, 2.99, 3.01, 5.99, 6.01, 8.0]
)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_are_the_formulas(name):
    operator, formula, _ = ACTIVATIONS[name]
    expected = np.array([formula(a) for a in VALUES.tolist()])
    # each value by itself, so that a small one can't hide behind a large one: some 8 roundings of 1e-16
    np.testing.assert_allclose(operator(Tensor(VALUES)).numpy(), expected, rtol=2e-15, atol=2e-16)


@pytest.mark.parametrize("shape", [(18,), (3, 1, 6), (), (0, 3)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_away_from_the_kinks(name, shape, rng):
    operator, _, kinks = ACTIVATIONS[name]
    x = rng.permutation(VALUES).reshape(shape) if len(shape) in (1, 3) else np.full(shape, 0.7)
    for kink in kinks:
        x = np.where(abs(x - kink) < 1e-4, x + 0.5, x)
    gradcheck(operator, x, upstream=rng.standard_normal(shape))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_has_its_own_accuracy_and_dtype(name):
    operator, formula, _ = ACTIVATIONS[name]
    x = Tensor(VALUES.astype(np.float32), requires_grad=True)
    y = operator(x)
    assert y.dtype == np.float32
    expected = [formula(float(a)) for a in x.numpy()]
    # a few roundings of 6e-8, small values included; in the gelus a gate 1 + t near 0 has lost its digits: 6e-8 * |x|
    exact = not name.startswith("gelu")
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6 if exact else 0, atol=1e-8 if exact else 1e-6)
    y.sum().backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_tensor_without_dimensions_has_the_same_value_in_both_precisions(name):
    operator, formula, _ = ACTIVATIONS[name]
    for dtype in (np.float32, np.float64):
        x = Tensor(np.array(0.7, dtype), requires_grad=True)
        y = operator(x)
        (y * 3).backward()
        assert y.shape == x.grad.shape == () and y.dtype == x.grad.dtype == dtype
        assert abs(y.item() - formula(0.7)) < (1e-6 if dtype == np.float32 else 1e-15)


def slopes(operator, *values, dtype=np.float64):
    x = Tensor(np.array(values, dtype), requires_grad=True)
    operator(x).sum().backward()
    return x.grad.tolist()


def test_subgradients_at_the_kinks_are_torchs():
    assert slopes(F.relu, 0.0, -0.0) == [0.0, 0.0]
    assert slopes(F.relu6, 0.0, 6.0) == [0.0, 0.0]
    assert slopes(lambda x: F.leaky_relu(x, 0.25), 0.0) == [0.25]
    assert slopes(lambda x: F.elu(x, 0.5), 0.0) == [0.5]
    assert slopes(F.hardsigmoid, -3.0, 3.0) == [0.0, 0.0]
    assert slopes(F.hardswish, -3.0, 3.0) == [0.0, 1.0]
    assert slopes(F.hardswish, -1.5, 0.0) == [0.0, 0.5]  # (2x + 3) / 6


HUGE = [-np.inf, -1e30, -1e4, -1000.0, 1000.0, 1e4, 1e30, np.inf]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "name, left, right",
    [
        ("relu", 0, None), ("relu6", 0, 6), ("elu", -1, None), ("sigmoid", 0, 1), ("tanh", -1, 1), ("hardsigmoid", 0, 1),
        ("softplus", 0, None), ("silu", 0, None), ("hardswish", 0, None), ("gelu", 0, None),
    ],
)  # fmt: skip
def test_extreme_inputs_give_the_limits_without_overflow(name, left, right, dtype):
    """None: the input itself. Warnings are errors here. Products of x and a gate that is 0 start at finite inputs."""
    values = HUGE[1:] if name in ("silu", "hardswish", "gelu") else HUGE
    values = [v for v in values if name != "gelu" or abs(v) < 1e18]  # gelu squares x, and float32 ends at 3e38
    x = np.array(values, dtype)
    y = getattr(F, name)(Tensor(x)).numpy()
    wanted = np.where(x < 0, dtype(left), x if right is None else dtype(right))
    np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "elu", "sigmoid", "tanh", "softplus", "silu", "hardsigmoid", "hardswish"]
)
def test_slopes_at_extreme_inputs_are_finite_and_flat_or_one(name):
    gradient = slopes(getattr(F, name), -1000.0, 1000.0, dtype=np.float32)
    assert gradient == [0.0, 0.0 if name in ("relu6", "sigmoid", "tanh", "hardsigmoid") else 1.0]


@pytest.mark.parametrize("dtype, lowest", [(np.float32, -80.0), (np.float64, -700.0)])
def test_a_small_sigmoid_keeps_its_digits(dtype, lowest):
    # half + half * tanh(x / 2) is 0 from -17 on in float32
    x = np.linspace(lowest, 0, 50).astype(dtype)
    expected = [sigmoid(float(a)) if a > -700 else math.exp(float(a)) for a in x]
    np.testing.assert_allclose(F.sigmoid(Tensor(x)).numpy(), expected, rtol=1e-6 if dtype == np.float32 else 1e-14)


def test_a_nan_stays_one():
    for name in (
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "sigmoid",
        "tanh",
        "silu",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "softplus",
    ):
        assert np.isnan(getattr(F, name)(Tensor([np.nan])).numpy()).all(), name


GRID = np.concatenate([np.linspace(-9, 9, 6001), [0.46875, 4.0, -4.25, 1e-8, -1e-30]])  # and where the formulas meet


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-7), (np.float64, 1e-15)])
def test_the_error_function_is_pythons_everywhere(dtype, tolerance):
    x = GRID.astype(dtype)
    expected = np.array([math.erf(a) for a in x.tolist()])
    error = abs(P.erf(x).astype(np.float64) - expected)
    assert error.max() <= tolerance
    assert (error <= 4 * tolerance * abs(expected)).all()  # relatively, too: 1 - (something near 1) would not do


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-7), (np.float64, 1e-15)])
def test_gelus_gate_has_the_error_functions_accuracy(dtype, tolerance):
    x = GRID.astype(dtype)
    expected = np.array([a * 0.5 * (1 + math.erf(a / math.sqrt(2))) for a in x.tolist()])
    assert (abs(F.gelu(Tensor(x)).numpy() - expected) <= tolerance * np.maximum(abs(x), 1)).all()


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "elu", "silu", "hardsigmoid", "hardswish"])
def test_inplace_is_accepted_and_changes_nothing(name):
    x = np.array([-4.0, 0.5, 7.0])
    t = Tensor(x.copy())
    result = getattr(F, name)(t, inplace=True)
    np.testing.assert_array_equal(t.numpy(), x)
    np.testing.assert_array_equal(result.numpy(), getattr(F, name)(Tensor(x)).numpy())


@pytest.mark.parametrize("name", ["relu", "gelu", "sigmoid", "softmax"])
def test_integers_and_arrays_are_refused_with_the_remedy(name):
    options = {"dim": 0} if name == "softmax" else {}
    with pytest.raises(TypeError, match=rf"{name}: input must be a float tensor, got int64; use input\.float\(\)"):
        getattr(F, name)(Tensor(np.array([1, 2])), **options)
    with pytest.raises(TypeError, match=rf"{name}: input must be a Tensor, got ndarray; wrap it: Tensor\(input\)"):
        getattr(F, name)(np.ones(2), **options)


def test_gelu_knows_two_forms():
    with pytest.raises(ValueError, match="gelu: approximate must be one of 'none', 'tanh', got 'erf'"):
        F.gelu(Tensor([1.0]), approximate="erf")


def test_large_relus_are_computed_in_parts_that_leave_nothing_out(rng):
    x = rng.standard_normal((37, 1 << 15)).astype(np.float32)  # 4.8 MB: two threads, unequal shares
    t = Tensor(x, requires_grad=True)
    y = F.relu(t)
    np.testing.assert_array_equal(y.numpy(), x * (x > 0))
    y.backward(x)
    np.testing.assert_array_equal(t.grad, x * (x > 0))


def test_relu_of_a_transposed_view(rng):
    x = rng.standard_normal((3, 4)).T
    assert_close(F.relu(Tensor(x)), np.maximum(x, 0), rtol=0)
    gradcheck(F.relu, x)


# softmax --------------------------------------------------------------------------------------------------------------


def naive_softmax(x, dim):
    out = np.empty_like(x)
    rows, targets = np.moveaxis(x, dim, -1), np.moveaxis(out, dim, -1)
    for index in np.ndindex(rows.shape[:-1]):
        largest = max(rows[index])
        powers = [math.exp(v - largest) for v in rows[index]]
        targets[index] = [p / math.fsum(powers) for p in powers]
    return out


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_softmax_and_its_logarithm_along_each_dimension(dim, rng):
    x = 3 * rng.standard_normal((2, 3, 4))
    expected = naive_softmax(x, dim)
    assert_close(F.softmax(Tensor(x), dim), expected, rtol=1e-15)
    assert_close(F.log_softmax(Tensor(x), dim), np.log(expected), rtol=1e-15)
    for f in (F.softmax, F.log_softmax):
        gradcheck(lambda t, f=f: f(t, dim=dim), x, upstream=rng.standard_normal(x.shape))


@pytest.mark.parametrize("shift", [1e4, -1e4, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_shift_of_all_changes_nothing_and_does_not_overflow(shift, dtype):
    x = Tensor(np.array([[0.0, 0.0, 0.0, 0.0]], dtype) + dtype(shift))
    np.testing.assert_array_equal(F.softmax(x, 1).numpy(), np.full((1, 4), 0.25))
    np.testing.assert_allclose(F.log_softmax(x, 1).numpy(), np.full((1, 4), -math.log(4)), rtol=1e-7)


def test_the_logarithm_of_a_hopeless_class_is_finite():
    x = Tensor(np.array([[0.0, -1e4, 3.0]], np.float32), requires_grad=True)
    y = F.log_softmax(x, dim=1)
    total = 3 + math.log1p(math.exp(-3))  # log(e^0 + e^-10000 + e^3)
    np.testing.assert_allclose(
        y.numpy(), [[-total, -1e4 - total, 3 - total]], rtol=1e-6, atol=3e-7
    )  # 3 - total cancels
    y[0, 1].backward()
    np.testing.assert_allclose(x.grad, [[-math.exp(-total), 1.0, -math.exp(3 - total)]], rtol=1e-6)


def test_minus_infinity_gets_no_share_and_no_gradient():
    x = Tensor(np.array([[1.0, -np.inf, 2.0], [-np.inf, -np.inf, 5.0]]), requires_grad=True)
    y = F.softmax(x, dim=1)
    e = math.exp(1.0)
    assert_close(y, np.array([[1 / (1 + e), 0, e / (1 + e)], [0, 0, 1]]), rtol=1e-15)
    y.backward(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert np.isfinite(x.grad).all() and (x.grad[[0, 1, 1, 1], [1, 0, 1, 2]] == 0).all()


def test_softmax_of_a_number_and_of_an_empty_batch():
    assert F.softmax(Tensor(3.0), dim=0).item() == 1.0 and F.log_softmax(Tensor(3.0), dim=-1).item() == 0.0
    assert F.softmax(Tensor(np.zeros((0, 3))), dim=1).shape == (0, 3)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_errors(name):
    f = getattr(F, name)
    with pytest.raises(
        TypeError, match=rf"{name}: say along which dim, e\.g\. {name}\(x, dim=1\) .*input\.shape=\(2, 3\)"
    ):
        f(Tensor(np.ones((2, 3))))
    with pytest.raises(ValueError, match=rf"{name}: dim 2 is out of range for a tensor of 2 dimensions"):
        f(Tensor(np.ones((2, 3))), dim=2)
    with pytest.raises(ValueError, match=rf"{name}: there are no values along dim 1; input\.shape=\(2, 0\)"):
        f(Tensor(np.ones((2, 0))), dim=1)
