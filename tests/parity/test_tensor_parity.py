"""Tensor's operators and methods, and the engine's habits, against PyTorch: each call is the same text for both."""

import operator

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import ROUNDING, SINGLE, agree, both_refuse, compare, tensors  # noqa: E402  after the skip

# arithmetic -----------------------------------------------------------------------------------------------------------

BROADCASTS = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((4,), (3, 4)),
    ((3, 1), (1, 4)),
    ((2, 3, 4), (3, 1)),
    ((2, 1, 4), (5, 1, 3, 1)),
    ((3, 4), ()),
    ((), (2, 3)),
    ((), ()),
    ((1, 1), (3,)),
    ((0, 3), (1, 3)),
]


@pytest.mark.parametrize("a, b", BROADCASTS, ids=str)
@pytest.mark.parametrize(
    "op", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow], ids=lambda o: o.__name__
)
def test_arithmetic_with_broadcasting(op, a, b, rng):
    x, y = np.asarray(rng.random(a) + 0.5), np.asarray(rng.random(b) + 0.5)
    agree(lambda _, x, y: op(x, y), x, y, space=tensors)
    agree(lambda _, x: op(x, 2 * x + 1), x, space=tensors)  # one tensor on both sides


@pytest.mark.parametrize("number", [2, 2.5, -1.5, 0.5])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arithmetic_with_a_number(number, dtype, rng):
    x = (rng.random((3, 4)) + 0.5).astype(dtype)  # and the result keeps x's dtype
    rtol = ROUNDING if dtype == np.float64 else 1e-6  # one operation, a few roundings
    for op in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow):
        agree(lambda _, x, op=op: op(x, number), x, space=tensors, rtol=rtol)
        if number > 0 or op is not operator.pow:
            agree(lambda _, x, op=op: op(number, x), x, space=tensors, rtol=rtol)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, 1.5, 0.0, 2.0])
def test_pow_with_a_number_at_and_below_zero(exponent):
    whole = float(exponent).is_integer()
    x = np.array([-2.0, -1.0, 0.0, 1.0, 3.0]) if whole and exponent >= 0 else np.array([0.5, 1.0, 3.0])
    agree(lambda _, x: x**exponent, x, space=tensors)


@pytest.mark.parametrize("exponent", [0.5, -1, -0.5])
def test_pow_s_infinities_at_zero(exponent):
    with np.errstate(divide="ignore", invalid="ignore"):  # NumPy remarks on 1/0, PyTorch does not
        agree(lambda _, x: x**exponent, np.array([0.0, 1.0]), space=tensors)


def test_pow_s_gradient_by_the_exponent_at_zero():
    agree(lambda _, x, y: x**y, np.array([0.0, 0.0, 2.0, 1.0]), np.array([0.0, 1.5, 0.0, 3.0]), space=tensors)


def test_division_by_zero_and_of_infinities():
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.array([1.0, -1.0, 0.0, np.inf, 2.0]), np.array([0.0, 0.0, 0.0, np.inf, np.inf])
        agree(lambda _, x, y: x / y, x, y, space=tensors)


INTEGERS = {
    "i + i": lambda i, x: i + i,
    "i + 1": lambda i, x: i + 1,
    "i * 2.5": lambda i, x: i * 2.5,
    "2.5 - i": lambda i, x: 2.5 - i,
    "i / 2": lambda i, x: i / 2,
    "i / i": lambda i, x: i / i,
    "i ** 2": lambda i, x: i**2,
    "x * i": lambda i, x: x * i,
    "i - x": lambda i, x: i - x,
    "-i": lambda i, x: -i,
    "sum": lambda i, x: i.sum(),
    "sum 0": lambda i, x: i.sum(0),
    "max": lambda i, x: i.max(),
    "min": lambda i, x: i.min(1),
    "abs": lambda i, x: (-i).abs(),
    "float": lambda i, x: i.float(),
    "double": lambda i, x: i.double(),
    "bool sum": lambda i, x: (i > 2).sum(),
    "long": lambda i, x: x.long(),
}


@pytest.mark.parametrize("call", INTEGERS.values(), ids=INTEGERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_integers_among_floats(call, dtype, rng):
    """Values and dtypes: an integer tensor takes a float's dtype, and becomes float32 beside a Python float."""
    agree(
        lambda _, i, x: call(i, x),
        rng.integers(1, 9, (3, 4)),
        (rng.random((3, 4)) * 5).astype(dtype),
        space=tensors,
        rtol=1e-6,
    )


COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("op", COMPARISONS, ids=lambda o: o.__name__)
def test_comparisons(op, rng):
    x, y = rng.integers(0, 3, (4, 5)).astype(float), rng.integers(0, 3, (5,)).astype(float)
    x[0, 0] = np.nan
    agree(lambda _, x, y: op(x, y), x, y, space=tensors)
    agree(lambda _, x: op(x, 1), x, space=tensors)
    agree(lambda _, x: op(1.0, x), x, space=tensors)


ELEMENTWISE = {
    "neg": lambda _, x: -x,
    "abs": lambda _, x: x.abs(),
    "builtin abs": lambda _, x: abs(x),
    "exp": lambda _, x: x.exp(),
    "tanh": lambda _, x: x.tanh(),
    "sigmoid": lambda _, x: x.sigmoid(),
    "relu": lambda _, x: x.relu(),
    "clamp min": lambda _, x: x.clamp(min=-0.5),
    "clamp max": lambda _, x: x.clamp(max=0.5),
    "clamp both": lambda _, x: x.clamp(-0.5, 0.9),
    "clamp names": lambda _, x: x.clamp(
        min=-0.7, max=0.2
    ),  # at the bound itself PyTorch's versions differ in the gradient
    "clamp crossed": lambda _, x: x.clamp(1.0, -1.0),  # torch: max wins
    "float": lambda _, x: x.float(),
    "double": lambda _, x: x.double(),
    "detach": lambda _, x: x.detach() * x,
    "where": lambda t, x: t.where(x > 0, x * 2, x * x),
    "where number": lambda t, x: t.where(x > 0, x, 0.0),
    "where broadcast": lambda t, x: t.where(x > 0, x, x[0]),
    "maximum": lambda t, x: t.maximum(x, x[0]),
    "minimum": lambda t, x: t.minimum(x, x * x),
}


@pytest.mark.parametrize("call", ELEMENTWISE.values(), ids=ELEMENTWISE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_value_by_value(call, dtype, rng):
    x = rng.standard_normal((4, 5))
    x[1, :2] = 0.0, 1.0  # the kinks, and the ties of maximum and minimum
    agree(call, x.astype(dtype), space=tensors, rtol=1e-14 if dtype == np.float64 else 1e-6)  # a few roundings a value


def test_log_and_sqrt_at_zero_and_below():
    with np.errstate(divide="ignore", invalid="ignore"):
        for name in ("log", "sqrt"):
            agree(lambda _, x, name=name: getattr(x, name)(), np.array([0.0, 1e-300, 2.0, np.inf]), space=tensors)
            agree(lambda _, x, name=name: getattr(x, name)().detach(), np.array([-1.0]), space=tensors)


# indexing -------------------------------------------------------------------------------------------------------------

i3, j3 = np.array([0, 3, 1]), np.array([[2, 0, 2]])
INDICES = [
    1,
    -1,
    (1, -2),
    (1, 2, 3),
    slice(1, 3),
    slice(None, None, 2),
    slice(-3, None),
    slice(2, 2),
    (slice(None), slice(1, None, 3)),
    (..., 1),
    (1, ...),
    (..., slice(1, 3), 2),
    None,
    (slice(None), None, 2),
    (None, ..., None),
    (),
    ...,
    [0, 2, 2, 0],  # the same element more than once
    [-1, 0],
    i3,
    (slice(None), i3),
    (slice(None), [3, 3, 0]),
    (i3, i3),
    (i3, j3),  # index arrays that broadcast
    (i3, slice(1, 4), j3[0]),  # apart: their dimension comes first
    (slice(None), i3, j3[0]),  # side by side: it stays in its place
    (1, slice(None), i3),
    (i3, 2),
    (i3, None, ..., 0),
    (..., j3),
    np.array(2),
    np.zeros((0,), np.int64),
    np.array([True, False, True, True, False]),
    (slice(None), np.array([True, False, True, True])),
    np.arange(20).reshape(5, 4) % 3 == 0,  # a mask of two dimensions
    (np.arange(20).reshape(5, 4) % 3 == 0, 2),
    (np.array([True, False, True, True, False]), i3),
    (2, np.array([True, False, True, True])),
    (1, slice(None), np.array([0, 3, 5])),  # an int and an array apart: NumPy would put the array's dimension first
    (slice(1, 3), i3, 4),
    (i3, slice(None), -1),
    (None, 1, ..., i3),
    (np.int64(1), None, slice(1, None), j3),
    (3, ..., np.array([True, False, True, True, False, True])),
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing(index, rng):
    def call(library, x):
        own = mt.Tensor if library is mt else torch.tensor
        parts = tuple(
            own(i) if isinstance(i, np.ndarray) else i for i in (index if isinstance(index, tuple) else (index,))
        )
        return x[parts if isinstance(index, tuple) else parts[0]]

    agree(call, rng.standard_normal((5, 4, 6)), space=tensors)


def test_indexing_by_a_comparison_and_iteration(rng):
    x = rng.standard_normal((5, 4))
    agree(lambda _, x: x[x > 0.3], x, space=tensors)
    agree(lambda _, x: tuple(row * row for row in x), x, space=tensors)


# shapes ---------------------------------------------------------------------------------------------------------------

SHAPES = {
    "reshape": lambda _, x: x.reshape(6, 4),
    "reshape tuple": lambda _, x: x.reshape((4, 6)),
    "reshape -1": lambda _, x: x.reshape(3, -1, 2),
    "reshape flat": lambda _, x: x.reshape(-1),
    "flatten": lambda _, x: x.flatten(),
    "flatten 1": lambda _, x: x.flatten(1),
    "flatten -2": lambda _, x: x.flatten(start_dim=-2),
    "flatten 0, 1": lambda _, x: x.flatten(0, 1),
    "flatten end": lambda _, x: x.flatten(start_dim=1, end_dim=2),
    "permute": lambda _, x: x.permute(2, 0, 3, 1),
    "permute tuple": lambda _, x: x.permute((3, -2, 0, 1)),
    "transpose": lambda _, x: x.transpose(0, 2),
    "transpose -1": lambda _, x: x.transpose(-1, 0),
    "T": lambda _, x: x[0, :, :, 0].T,
    "squeeze": lambda _, x: x.squeeze(),
    "squeeze 1": lambda _, x: x.squeeze(1),
    "squeeze 0": lambda _, x: x.squeeze(0),  # of extent 2: it stays
    "squeeze -3": lambda _, x: x.squeeze(-3),
    "squeeze dims": lambda _, x: x.squeeze((1, 2)),
    "unsqueeze 0": lambda _, x: x.unsqueeze(0),
    "unsqueeze 2": lambda _, x: x.unsqueeze(2),
    "unsqueeze -1": lambda _, x: x.unsqueeze(-1),
    "unsqueeze dim": lambda _, x: x.unsqueeze(dim=-2),
    "expand": lambda _, x: x.expand(2, 5, 3, 4),
    "expand -1": lambda _, x: x.expand(-1, 4, -1, -1),
    "expand in front": lambda _, x: x.expand(6, 2, 1, 3, 4),
    "expand tuple": lambda _, x: x.expand((2, 2, 3, 4)),
    "reshape after permute": lambda _, x: x.permute(3, 1, 0, 2).reshape(4, 6),
    "cat": lambda t, x: t.cat([x, x * 2]),
    "cat dim": lambda t, x: t.cat((x, x[:, :, :1], x[:, :, 1:]), dim=2),
    "cat -1": lambda t, x: t.cat([x, x], -1),
    "cat one": lambda t, x: t.cat([x]),
    "stack": lambda t, x: t.stack([x, x * x, -x]),
    "stack 2": lambda t, x: t.stack((x, x * x), dim=2),
    "stack -1": lambda t, x: t.stack([x, x * x], -1),
}


@pytest.mark.parametrize("call", SHAPES.values(), ids=SHAPES)
def test_shapes(call, rng):
    agree(call, rng.standard_normal((2, 1, 3, 4)), space=tensors)


def test_cat_of_different_tensors(rng):
    arrays = [rng.standard_normal(s) for s in ((2, 3), (2, 1), (2, 4), (2, 0))]
    agree(lambda t, *xs: t.cat(xs, dim=1), *arrays, space=tensors)
    agree(lambda t, x, y: t.stack((x, y), 1), arrays[0], arrays[2][:, :3], space=tensors)


# reductions -----------------------------------------------------------------------------------------------------------

DIMS = [None, 0, 1, 2, -1, -2, (0, 2), (1,), (0, 1, 2), [-1, 0]]


@pytest.mark.parametrize("dim", DIMS, ids=str)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std"])
def test_reductions(name, dim, keepdim, rng):
    x = rng.standard_normal((3, 4, 5))
    agree(lambda _, x: getattr(x, name)(dim=dim, keepdim=keepdim), x, space=tensors)
    agree(lambda _, x: getattr(x, name)(dim=dim, keepdim=keepdim), x.astype(np.float32), space=tensors, rtol=SINGLE)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std"])
def test_reductions_take_their_options_in_pytorch_s_order(name, rng):
    x = rng.standard_normal((3, 4, 5))
    agree(lambda _, x: getattr(x, name)(), x, space=tensors)
    agree(lambda _, x: getattr(x, name)(1), x, space=tensors)
    if name in ("sum", "mean"):
        agree(lambda _, x: getattr(x, name)((0, 1), True), x, space=tensors)
        agree(lambda _, x: getattr(x, name)(), np.array(2.5), space=tensors)


@pytest.mark.parametrize("correction", [0, 1, 2, 2.5])
@pytest.mark.parametrize("name", ["var", "std"])
def test_variance_with_each_correction(name, correction, rng):
    x = rng.standard_normal((3, 4, 5)) + 3
    agree(lambda _, x: getattr(x, name)(1, correction=correction), x, space=tensors)
    agree(lambda _, x: getattr(x, name)((0, 2), correction=correction, keepdim=True), x, space=tensors)
    agree(lambda _, x: getattr(x, name)(dim=(0, 2), unbiased=False), x, space=tensors)
    agree(lambda _, x: getattr(x, name)(unbiased=False), x, space=tensors)
    agree(lambda _, x: getattr(x, name)(2, True), x, space=tensors)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("ties", [False, True])
def test_extremes(name, ties, rng):
    x = rng.integers(0, 3, (4, 5, 3)).astype(float) if ties else rng.standard_normal((4, 5, 3))
    agree(lambda _, x: getattr(x, name)(), x, space=tensors)  # all that tie share the gradient
    for dim in (0, 1, -1):
        agree(lambda _, x, dim=dim: tuple(getattr(x, name)(dim)), x, space=tensors)  # the first takes it
        agree(lambda _, x, dim=dim: tuple(getattr(x, name)(dim=dim, keepdim=True)), x, space=tensors)
        agree(lambda _, x, dim=dim: getattr(x, name)(dim).values, x, space=tensors)
        agree(lambda _, x, dim=dim: getattr(x, name)(dim).indices, x, space=tensors)
        agree(lambda _, x, dim=dim: getattr(x, "arg" + name)(dim), x, space=tensors)
        agree(lambda _, x, dim=dim: getattr(x, "arg" + name)(dim=dim, keepdim=True), x, space=tensors)
    agree(lambda _, x: getattr(x, "arg" + name)(), x, space=tensors)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_take_a_nan(name, rng):
    x = rng.standard_normal((4, 5))
    x[1, 2] = np.nan
    agree(lambda _, x: tuple(getattr(x, name)(1)), x, space=tensors)
    agree(lambda _, x: getattr(x, "arg" + name)(1), x, space=tensors)
    agree(lambda _, x: getattr(x, name)().detach(), x, space=tensors)


# matrix products ------------------------------------------------------------------------------------------------------

PRODUCTS = [
    ((5,), (5,)),
    ((5,), (5, 3)),
    ((4, 5), (5,)),
    ((4, 5), (5, 3)),
    ((2, 4, 5), (5,)),
    ((5,), (2, 5, 3)),
    ((2, 4, 5), (5, 3)),
    ((4, 5), (2, 5, 3)),
    ((2, 4, 5), (2, 5, 3)),
    ((2, 4, 5), (1, 5, 3)),
    ((6, 1, 4, 5), (2, 5, 3)),
    ((2, 1, 1, 4, 5), (3, 2, 5, 1)),
    ((1, 5), (5, 1)),
    ((0, 5), (5, 3)),
    ((4, 0), (0, 3)),
]


@pytest.mark.parametrize("a, b", PRODUCTS, ids=str)
def test_matmul_of_all_dimensions(a, b, rng):
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    agree(lambda _, x, y: x @ y, x, y, space=tensors)
    agree(lambda t, x, y: t.matmul(x, y), x.astype(np.float32), y.astype(np.float32), space=tensors, rtol=SINGLE)


def test_matmul_of_a_tensor_with_itself(rng):
    agree(lambda _, x: x @ x.T, rng.standard_normal((3, 4)), space=tensors)


# errors ---------------------------------------------------------------------------------------------------------------

REFUSED = [
    (lambda t, x: x + x[:, :2], ValueError, "broadcast"),
    (lambda t, x: x @ x, ValueError, "matmul"),
    (lambda t, x: x @ x[0, :2], ValueError, "matmul"),
    (lambda t, x: x.reshape(5, 2), ValueError, "12 elements"),
    (lambda t, x: x.reshape(-1, -1), ValueError, "reshape"),
    (lambda t, x: x.permute(0, 0), ValueError, "permute"),
    (lambda t, x: x.permute(0), ValueError, "permute"),
    (lambda t, x: x.transpose(0, 2), ValueError, "dim 2"),
    (lambda t, x: x.flatten(1, 0), ValueError, "flatten"),
    (lambda t, x: x.unsqueeze(4), ValueError, "dim 4"),
    (lambda t, x: x.squeeze(2), ValueError, "dim 2"),
    (lambda t, x: x.expand(3, 5), ValueError, "expand"),
    (lambda t, x: x.expand(4), ValueError, "expand"),
    (lambda t, x: x.sum(2), ValueError, "dim 2"),
    (lambda t, x: x.sum((0, 0)), ValueError, "twice"),
    (lambda t, x: x.max(2), ValueError, "dim 2"),
    (lambda t, x: x[:0].max(), ValueError, "no values"),
    (lambda t, x: x[:0].argmax(), ValueError, "no values"),
    (lambda t, x: x.clamp(), ValueError, "clamp"),
    (lambda t, x: x[3], IndexError, "out of bounds"),
    (lambda t, x: x[0, 0, 0], IndexError, "index"),
    (lambda t, x: x[[0, 3]], IndexError, "out of bounds"),
    (lambda t, x: t.cat([]), ValueError, "no tensors"),
    (lambda t, x: t.cat([x, x[:, :2]]), ValueError, "differ"),
    (lambda t, x: t.cat([x, x], 2), ValueError, "dim 2"),
    (lambda t, x: t.stack([x, x[:2]]), ValueError, "one shape"),
    (lambda t, x: t.stack([]), ValueError, "no tensors"),
    (lambda t, x: (x > 0).long().mean(), TypeError, "float"),
    (lambda t, x: x.item(), ValueError, "one element"),
    (lambda t, x: bool(x), ValueError, "neither true nor false"),
    (lambda t, x: len(x.sum()), TypeError, "len"),
    (lambda t, x: x + "1", TypeError, "str"),
    (lambda t, x: x.backward(), RuntimeError, "requires_grad"),
]


@pytest.mark.parametrize("call, error, match", REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_what_pytorch_refuses_is_refused(call, error, match, rng):
    both_refuse(call, rng.standard_normal((3, 4)), space=tensors, error=error, match=match)


# the engine -----------------------------------------------------------------------------------------------------------


def leaf(library, array):
    return (mt.Tensor if library is mt else torch.tensor)(array.copy(), requires_grad=True)


ENGINE = {
    "used three times": lambda t, x: (x * x + x).sum().backward(),
    "twice: gradients add up": lambda t, x: [(x * k).sum().backward() for k in (2.0, 3.0)],
    "with a gradient": lambda t, x: (x * x).backward(leaf(t, np.arange(12.0).reshape(3, 4)).detach()),
    "a diamond": lambda t, x: diamond(x).backward(),
    "kept graph": lambda t, x: walk_twice((x * x).sum()),
    "detached": lambda t, x: (x.detach() * x).sum().backward(),
    "partly without recording": lambda t, x: without_recording(t, x).backward(),
    "a hook": lambda t, x: hooked(x).backward(),
    "a view of a view": lambda t, x: (x.T.reshape(2, 6)[1] * 3).sum().backward(),
    "through float32": lambda t, x: (x.float() * 2).sum().backward(),
}


def diamond(x):
    a, b = x * 2, x * 3
    c = a * b
    return (c + a + c * c).sum()


def walk_twice(y):
    y.backward(retain_graph=True)
    y.backward()


def without_recording(library, x):
    with library.no_grad():
        constant = (x * 2).sum()
    assert not constant.requires_grad
    return (x * constant).sum()


def hooked(x):
    y = x * x
    y.register_hook(lambda grad: grad * 10)
    return (y + x).sum()


@pytest.mark.parametrize("run", ENGINE.values(), ids=ENGINE)
def test_gradients_of_a_leaf(run, rng):
    array = rng.standard_normal((3, 4))
    ours, theirs = leaf(mt, array), leaf(torch, array)
    run(mt, ours)
    run(torch, theirs)
    compare(ours.grad, theirs.grad, "the gradient", rtol=1e-6 if run is ENGINE["through float32"] else ROUNDING)


def test_a_leaf_that_was_not_used_and_one_without_requires_grad_have_no_gradient(rng):
    for library in tensors:
        used, unused = leaf(library, rng.standard_normal(3)), leaf(library, rng.standard_normal(3))
        frozen = leaf(library, rng.standard_normal(3)).detach()
        (used * frozen).sum().backward()
        assert used.grad is not None and unused.grad is None and frozen.grad is None


def test_retained_gradients(rng):
    array = rng.standard_normal((3, 4))
    results = []
    for library in tensors:
        x = leaf(library, array)
        y = x * x
        y.retain_grad()
        (y * y).sum().backward()
        results.append(y.grad)
    compare(*results, "the retained gradient")


@pytest.mark.parametrize("library", tensors, ids=["ours", "PyTorch's"])
def test_the_graph_s_state(library, rng):
    x = leaf(library, rng.standard_normal((3, 4)))
    y = (x * x).sum()
    assert (
        x.is_leaf and not y.is_leaf and y.requires_grad and not (x > 0).requires_grad and not x.argmax(1).requires_grad
    )
    assert len(x) == 3 and x.ndim == 2 and tuple(x.shape) == (3, 4) and float(y.detach()) == y.item()
    y.backward()
    with pytest.raises(RuntimeError):  # freed
        y.backward()
    with pytest.raises(RuntimeError):  # a gradient is needed
        (x * x).backward()
    with pytest.raises(RuntimeError):  # not a leaf
        (x * x).requires_grad_(False)
    with pytest.raises((RuntimeError, ValueError)):  # a gradient of another shape
        (x * x).backward(x.detach()[0])
