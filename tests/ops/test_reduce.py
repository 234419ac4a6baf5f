"""Sums, means, extremes, variances: by loops over the places that each result is made of."""

import math
from itertools import product

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

from minitorch_cnn import Tensor, gradcheck


def naive(x, dim, keepdim, formula):
    """formula(list of the values) for each place of the result."""
    dims = range(x.ndim) if dim is None else [d % x.ndim for d in (dim if isinstance(dim, tuple) else (dim,))]
    kept = [1 if d in dims else n for d, n in enumerate(x.shape)]
    out = np.empty(kept)
    for index in np.ndindex(*kept):
        places = product(*(range(x.shape[d]) if d in dims else [index[d]] for d in range(x.ndim)))
        out[index] = formula([x[p] for p in places])
    return out if keepdim else out.reshape([n for d, n in enumerate(kept) if d not in dims])


def variance(values, correction=1):
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - correction)


FORMULAS = {
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
    "var": variance,
    "std": lambda values: math.sqrt(variance(values)),
}
DIMS = [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2), (1,)]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("name", FORMULAS)
def test_values_and_gradients_along_every_choice_of_dimensions(name, dim, keepdim, rng):
    x = rng.standard_normal((2, 3, 4))
    expected = naive(x, dim, keepdim, FORMULAS[name])
    assert_close(
        getattr(Tensor(x), name)(dim=dim, keepdim=keepdim), expected, rtol=1e-14
    )  # 24 summands of rounding 1e-16
    gradcheck(lambda t: getattr(t, name)(dim=dim, keepdim=keepdim), x, upstream=rng.standard_normal(expected.shape))


@pytest.mark.parametrize("dim", [0, 2, (0, 1), None], ids=str)
@pytest.mark.parametrize("correction", [0, 1, 2])
def test_the_variance_divides_by_n_minus_its_correction(correction, dim, rng):
    x = rng.standard_normal((3, 4, 5))
    expected = naive(x, dim, False, lambda values: variance(values, correction))
    assert_close(Tensor(x).var(dim, correction=correction), expected, rtol=1e-14)
    gradcheck(lambda t: t.var(dim, correction=correction), x, upstream=rng.standard_normal(expected.shape))


def test_unbiased_is_a_correction_of_one_or_none():
    x = Tensor(np.array([1.0, 2.0, 6.0]))
    assert x.var(0, True).item() == x.var().item() == 7.0
    assert_close(x.var(0, False), np.array(14 / 3), rtol=1e-15)
    assert_close(x.var(unbiased=False), np.array(14 / 3), rtol=1e-15)


def test_the_variance_of_values_far_from_zero_keeps_its_digits():
    # E[x^2] - E[x]^2 would lose all of them
    assert_close(Tensor(1e8 + np.array([0.0, 1.0, 2.0])).var(), np.array(1.0), rtol=1e-7)


def test_the_deviation_of_equal_values_has_a_gradient_of_zero_as_in_torch():
    x = Tensor(np.array([[3.0, 3.0, 3.0], [1.0, 2.0, 6.0]]), requires_grad=True)
    x.std(1).sum().backward()
    np.testing.assert_allclose(x.grad, [[0, 0, 0], (np.array([1, 2, 6]) - 3) / 2 / np.sqrt(7)], rtol=1e-15)


@pytest.mark.parametrize("name", ["sum", "mean", "var"])
def test_of_a_tensor_without_dimensions(name):
    options = {"correction": 0} if name == "var" else {}
    for dim in (None, 0, -1):
        result = getattr(Tensor(np.array(3.0)), name)(dim, **options)
        assert result.shape == () and result.item() == (0.0 if name == "var" else 3.0)


def test_sums_of_nothing_are_zero_and_have_gradients():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    total = x.sum(0)
    assert total.numpy().tolist() == [0.0, 0.0, 0.0]
    (total.sum() + x.sum(1).sum()).backward()
    assert x.grad.shape == (0, 3)
    assert Tensor(np.zeros((0, 3))).mean(1).shape == (0,)


def test_sums_of_integers_and_bools_count():
    assert Tensor(np.array([True, True, False])).sum().item() == 2
    assert Tensor(np.full(300, 200, np.uint8)).sum().item() == 60_000


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "max", "min"])
@pytest.mark.parametrize("shape", [(2, 3), (6,)])
def test_float32_stays_float32(shape, name):
    x = Tensor(np.arange(6, dtype=np.float32).reshape(shape), requires_grad=True)
    for dim in (None, -1):
        result = getattr(x, name)(dim)
        result = result[0] if isinstance(result, tuple) else result
        assert result.dtype == np.float32
        result.sum().backward()
    assert x.grad.dtype == np.float32


@settings(deadline=None, derandomize=True, max_examples=60)
@given(data=st.data())
def test_a_sums_gradient_is_the_upstream_repeated_whatever_the_shape(data):
    shape = data.draw(st.lists(st.integers(0, 3), max_size=4))
    dims = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1)))) if shape else ()
    keepdim = data.draw(st.booleans())
    x = Tensor(np.ones(shape), requires_grad=True)
    total = x.sum(dims or None, keepdim)
    upstream = np.arange(1.0, 1 + total.size).reshape(total.shape)
    total.backward(upstream)
    dims = dims or tuple(range(len(shape)))
    for index in np.ndindex(*shape):
        place = tuple(0 if d in dims else i for d, i in enumerate(index) if keepdim or d not in dims)
        assert x.grad[index] == upstream[place]


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda x: x.sum(3), ValueError, r"sum: dim 3 is out of range for a tensor of 3 dimensions \(-3 to 2\)"),
        (lambda x: x.mean((0, -3)), ValueError, r"mean: a dimension is named twice in \(0, -3\)"),
        (lambda x: x.sum(1.0), TypeError, r"sum: dim must be an integer, got 1\.0"),
        (lambda x: x.sum(True), TypeError, "sum: dim must be an integer, got True"),
        (lambda x: x.long().mean(), TypeError, r"mean: input must be a float tensor, got int64; use input\.float\(\)"),
        (lambda x: x.long().var(), TypeError, "var: input must be a float tensor, got int64"),
        (
            lambda x: x[:, :1].var(1),
            ValueError,
            r"var: 1 values are too few for correction=1; input\.shape=\(2, 1, 4\)",
        ),
        (
            lambda x: x[:, :1].std(1),
            ValueError,
            r"std: 1 values are too few for correction=1; input\.shape=\(2, 1, 4\)",
        ),
        (lambda x: x[:, :0].mean(1), ValueError, r"mean: there are no values .* input\.shape=\(2, 0, 4\), dim=1"),
        (lambda x: x[:0].mean(), ValueError, "mean: there are no values"),
        (
            lambda x: x[:0].max(),
            ValueError,
            r"max: there are no values to choose from; input\.shape=\(0, 3, 4\), dim=None",
        ),
        (lambda x: x[:, :0].min(1), ValueError, r"min: there are no values to choose from; .*dim=1"),
        (lambda x: x[:, :0].argmax(1), ValueError, "argmax: there are no values"),
        (lambda x: x[:, :0].argmin(), ValueError, "argmin: there are no values"),
        (lambda x: x.max(3), ValueError, "max: dim 3 is out of range"),
        (
            lambda x: x.sum().max(1),
            ValueError,
            r"max: dim 1 is out of range for a tensor of 0 dimensions \(it is one number: only dim 0 or -1\)",
        ),
        (lambda x: x.argmin(3), ValueError, "argmin: dim 3 is out of range"),
    ],
)
def test_errors_name_the_operator_and_the_numbers(call, kind, words):
    with pytest.raises(kind, match=words):
        call(Tensor(np.ones((2, 3, 4))))


# extremes -------------------------------------------------------------------------------------------------------------

TIES = np.array([[1.0, 5.0, 5.0], [7.0, 2.0, 7.0], [3.0, 3.0, 3.0]])


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("name, better", [("max", lambda a, b: a > b), ("min", lambda a, b: a < b)])
def test_an_extreme_along_a_dimension_is_the_first_of_equals_and_alone_gets_the_gradient(
    name, better, dim, keepdim, rng
):
    x = Tensor(TIES, requires_grad=True)
    values, indices = getattr(x, name)(dim, keepdim)
    wanted_values, wanted_indices, wanted_gradient = [], [], np.zeros((3, 3))
    upstream = rng.standard_normal(3)
    for k in range(3):
        row = TIES[:, k] if dim == 0 else TIES[k]
        best = 0
        for i in range(1, 3):
            if better(row[i], row[best]):
                best = i
        wanted_values.append(row[best])
        wanted_indices.append(best)
        wanted_gradient[(best, k) if dim == 0 else (k, best)] = upstream[k]
    shape = {False: (3,), True: (1, 3) if dim == 0 else (3, 1)}[keepdim]
    assert_close(values, np.reshape(wanted_values, shape), rtol=0)
    assert_close(indices, np.reshape(wanted_indices, shape), rtol=0)
    assert not indices.requires_grad
    values.backward(upstream.reshape(shape))
    np.testing.assert_array_equal(x.grad, wanted_gradient)


def test_the_extreme_of_all_shares_its_gradient_among_equals_as_in_torch():
    x = Tensor(TIES, requires_grad=True)
    (x.max() * 3 + x.min()).backward()
    assert x.max().item() == 7.0 and x.min().item() == 1.0
    np.testing.assert_array_equal(x.grad, [[1.0, 0.0, 0.0], [1.5, 0.0, 1.5], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("dim", [None, 0, 1, 2], ids=str)
@pytest.mark.parametrize("name", ["max", "min"])
def test_gradients_of_extremes(name, dim, rng):
    x = rng.permutation(24.0 * np.arange(24)).reshape(2, 3, 4)  # no two near each other
    gradcheck(lambda t: getattr(t, name)(dim) if dim is None else getattr(t, name)(dim).values, x)


@pytest.mark.parametrize("dim", [None, 0, 1, -1], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.int64, bool])
def test_argmax_and_argmin_of_every_dtype(dtype, dim):
    x = np.array([[3, 0, 2], [0, 0, 9]]).astype(dtype)
    assert_close(Tensor(x).argmax(dim), np.asarray(x.argmax(dim)), rtol=0)
    assert_close(Tensor(x).argmin(dim), np.asarray(x.argmin(dim)), rtol=0)
    if dim is not None:
        assert Tensor(x).argmin(dim, keepdim=True).numpy().tolist() == x.argmin(dim, keepdims=True).tolist()


def test_argmin_of_the_most_negative_integer_is_not_lost_by_a_sign_change():
    assert Tensor(np.array([0, -128, 127], np.int8)).argmin().item() == 1


def test_extremes_of_a_tensor_without_dimensions():
    x = Tensor(np.array(3.0), requires_grad=True)
    assert x.max(0).values.item() == 3.0 and x.max(-1, keepdim=True).indices.item() == 0
    assert x.argmax(0).shape == () and x.argmin().item() == 0
    (x.max() + x.max(0).values * 5).backward()
    assert x.grad == 6.0


def test_an_empty_batch_has_no_extremes_and_no_error():
    x = Tensor(np.zeros((0, 3)))
    assert x.max(1).values.shape == x.argmax(1).shape == (0,)


def test_a_nan_is_the_extreme():
    x = Tensor([1.0, np.nan, 3.0])
    assert np.isnan(x.max().item()) and np.isnan(x.min().item()) and x.argmax().item() == 1
