"""The fully connected layer and matmul, against sums of products in loops."""

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, gradcheck


def naive_linear(x, weight, bias):
    out = np.zeros((*x.shape[:-1], len(weight)))
    for index in np.ndindex(out.shape):
        *sample, o = index
        out[index] = sum(x[(*sample, i)] * weight[o, i] for i in range(x.shape[-1])) + (0 if bias is None else bias[o])
    return out


def naive_matmul(a, b):
    """torch.matmul's rules: vectors are rows or columns and lose that dimension again, the others broadcast."""
    rows, columns = a.reshape(1, -1) if a.ndim == 1 else a, b.reshape(-1, 1) if b.ndim == 1 else b
    batch = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    rows, columns = (np.broadcast_to(m, (*batch, *m.shape[-2:])) for m in (rows, columns))
    out = np.zeros((*batch, rows.shape[-2], columns.shape[-1]))
    for *sample, i, j in np.ndindex(out.shape):
        place = tuple(sample)
        out[(*place, i, j)] = sum(rows[(*place, i, k)] * columns[(*place, k, j)] for k in range(rows.shape[-1]))
    if a.ndim == 1:
        out = out[..., 0, :]
    return out[..., 0] if b.ndim == 1 else out


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4), (0, 4), (3, 1)])
def test_linear_with_any_leading_dimensions(shape, with_bias, rng):
    x, weight = rng.standard_normal(shape), rng.standard_normal((5, shape[-1]))
    bias = rng.standard_normal(5) if with_bias else None
    inputs = (x, weight, bias)[: 2 + with_bias]
    expected = naive_linear(x, weight, bias)
    assert_close(F.linear(*map(Tensor, inputs)), expected, rtol=1e-14)
    gradcheck(F.linear, inputs, upstream=rng.standard_normal(expected.shape))


def test_linear_of_views_that_are_not_contiguous(rng):
    x, weight = rng.standard_normal((4, 2, 3)).transpose(2, 1, 0), rng.standard_normal((4, 5)).T
    assert_close(F.linear(Tensor(x), Tensor(weight)), naive_linear(x, weight, None), rtol=1e-14)
    gradcheck(F.linear, (x, weight))


@pytest.mark.parametrize("needed", [(True, False, False), (False, True, False), (False, False, True)])
def test_linear_gives_gradients_only_to_those_who_want_one(needed, rng):
    tensors = [Tensor(rng.standard_normal(s), requires_grad=n) for s, n in zip(((3, 4), (5, 4), (5,)), needed)]
    F.linear(*tensors).sum().backward()
    assert [t.grad is not None for t in tensors] == list(needed)


def test_linear_does_not_change_its_inputs(rng):
    arrays = [rng.standard_normal(s) for s in ((3, 4), (5, 4), (5,))]
    before = [a.copy() for a in arrays]
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    F.linear(*tensors).sum().backward()
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a, b)


SHAPES = [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)),
    ((2, 0), (0, 3)), ((0, 3), (3, 4)), ((0, 2, 3), (3, 4)), ((1, 1), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=lambda s: f"{s[0]}-{s[1]}")
def test_matmul_of_vectors_matrices_and_broadcast_batches(shapes, rng):
    a, b = (rng.standard_normal(s) for s in shapes)
    expected = naive_matmul(a, b)
    assert_close(Tensor(a) @ Tensor(b), expected, rtol=1e-14)
    assert_close(mt.matmul(Tensor(a), Tensor(b)), expected, rtol=1e-14)
    gradcheck(lambda p, q: p @ q, (a, b), upstream=rng.standard_normal(expected.shape))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(data=st.data())
def test_matmul_of_random_shapes_has_the_gradients_of_its_sum_of_products(data):
    """With integers all is exact: c = a b, and for upstream g, da = g b^T and db = a^T g, summed where repeated."""
    n, k, m = (data.draw(st.integers(1, 3)) for _ in range(3))
    batch = data.draw(st.lists(st.integers(1, 2), max_size=2))
    shapes = [
        [1 if data.draw(st.booleans()) else e for e in batch][data.draw(st.integers(0, len(batch))) :] for _ in range(2)
    ]
    rng = np.random.default_rng(n * 100 + k * 10 + m)
    a, b = (rng.integers(-4, 5, (*s, *e)).astype(float) for s, e in zip(shapes, ((n, k), (k, m))))
    ta, tb = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    c = ta @ tb
    np.testing.assert_array_equal(c.numpy(), naive_matmul(a, b))
    upstream = rng.integers(-4, 5, c.shape).astype(float)
    c.backward(upstream)
    for index in np.ndindex(a.shape):  # c is linear in a: the gradient by one element is what one more of it adds
        one = np.zeros(a.shape)
        one[index] = 1
        assert ta.grad[index] == (naive_matmul(one, b) * upstream).sum()
    for index in np.ndindex(b.shape):
        one = np.zeros(b.shape)
        one[index] = 1
        assert tb.grad[index] == (naive_matmul(a, one) * upstream).sum()


@pytest.mark.parametrize(
    "a_shape, b_shape",
    [((301, 120), (120, 131)), ((67, 300), (300, 301)), ((7, 90, 90), (7, 90, 91)), ((1, 5, 301, 90), (3, 1, 90, 40))],
    ids=["rows", "columns", "samples", "repeated-samples"],
)
def test_large_products_computed_in_parts_leave_nothing_out(a_shape, b_shape, rng):
    # beyond 4 million multiply-adds each thread takes some rows, columns or samples; integers, so float32 is exact
    a, b = (rng.integers(-9, 10, s) for s in (a_shape, b_shape))
    product = Tensor(a.astype(np.float32)) @ Tensor(b.astype(np.float32))
    np.testing.assert_array_equal(product.numpy(), np.einsum("...ik,...kj->...ij", a, b))


def test_float32_stays_float32(rng):
    x, w, b = (Tensor(rng.standard_normal(s).astype(np.float32), requires_grad=True) for s in ((2, 3), (4, 3), (4,)))
    y = F.linear(x, w, b) @ w
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == w.grad.dtype == b.grad.dtype == np.float32


def test_an_array_on_either_side_of_a_product_is_a_constant_of_the_tensors_dtype(rng):
    array = rng.standard_normal((2, 3))  # float64
    left, right = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in [(5, 2), (3, 4)])
    for product, tensor, expected in [
        (left @ array, left, np.tile(array.astype(np.float32).sum(1), (5, 1))),
        (array @ right, right, np.tile(array.astype(np.float32).sum(0)[:, None], (1, 4))),
    ]:
        assert isinstance(product, Tensor) and product.dtype == np.float32
        product.sum().backward()
        assert_close(tensor.grad, expected, rtol=1e-6)  # sums of three float32 in another order


def zeros(*shape, dtype=np.float32):
    return Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda: F.linear(zeros(2, 3), zeros(5, 4)), ValueError,
         r"linear: x has 3 features, but weight expects 4; x\.shape=\(2, 3\), weight\.shape=\(5, 4\)$"),
        (lambda: F.linear(zeros(2, 3, 4, 5), zeros(7, 60)), ValueError, r"did you forget flatten\(1\)\?"),
        (lambda: F.linear(zeros(2, 4), zeros(5, 4), zeros(4)), ValueError, r"linear: bias must have shape \(5,\), .*got \(4,\)"),
        (lambda: F.linear(zeros(2, 4), zeros(4)), ValueError, r"linear: weight must have 2 dimensions, got 1"),
        (lambda: F.linear(zeros(), zeros(5, 1)), ValueError, "linear: input must have at least 1 dimensions, got 0"),
        (lambda: F.linear(zeros(2, 4, dtype=int), zeros(5, 4)), TypeError, "linear: input must be a float tensor, got int64"),
        (lambda: F.linear(zeros(2, 4), zeros(5, 4, dtype=float)), TypeError, "input is float32, weight is float64"),
        (lambda: F.linear(zeros(2, 4), zeros(5, 4), zeros(5, dtype=float)), TypeError, "bias is float64"),
        (lambda: F.linear(zeros(2, 4), zeros(5, 4), [0.0] * 5), TypeError, "linear: bias must be a Tensor, got list"),
        (lambda: F.linear(np.zeros((2, 4)), zeros(5, 4)), TypeError, "linear: input must be a Tensor, got ndarray"),
        (lambda: zeros(2, 3) @ zeros(2, 3), ValueError, r"matmul: shapes \(2, 3\) and \(2, 3\) do not fit: \(\.\.\., n, k\) @"),
        (lambda: zeros(4, 2, 3) @ zeros(5, 3, 2), ValueError, r"matmul: shapes \(4, 2, 3\) and \(5, 3, 2\) do not fit"),
        (lambda: zeros(3) @ zeros(4), ValueError, r"matmul: shapes \(3,\) and \(4,\) do not fit"),
        (lambda: zeros() @ zeros(3), ValueError, "matmul: input must have at least 1 dimensions, got 0"),
        (lambda: np.zeros((2, 3)) @ zeros(2, 3), ValueError, r"matmul: shapes \(2, 3\) and \(2, 3\) do not fit"),
        (lambda: zeros(2, 3) @ 2.0, ValueError, "matmul: other must have at least 1 dimensions, got 0"),
        (lambda: "a" @ zeros(2, 3), TypeError, "matmul: expected a Tensor, .*got str"),
        (lambda: zeros(2, 3, dtype=int) @ zeros(3, 2), TypeError, "matmul: input must be a float tensor, got int64"),
        (lambda: zeros(2, 3) @ zeros(3, 2, dtype=float), TypeError, "matmul: .*input is float32, other is float64"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_why(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
