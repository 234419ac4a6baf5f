"""Reshaping, indexing, joining, padding: where each value goes, and that its gradient comes back from there."""

import math

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, gradcheck

X = np.arange(24.0).reshape(2, 3, 4)


def holds(function, *arrays, expected=None):
    """The values are NumPy's, exactly (nothing is computed), and the gradients right."""
    assert_close(function(*map(Tensor, arrays)), function(*arrays) if expected is None else expected, rtol=0)
    gradcheck(function, arrays)


# shapes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(24,), (4, 6), (4, -1), (-1,), (2, 1, 3, 1, 4), [6, 4], (np.int64(6), 4)])
def test_reshape(shape):
    holds(lambda x: x.reshape(shape), X)
    holds(lambda x: x.reshape(*shape), X)


def test_reshape_to_and_from_no_dimensions_and_of_nothing():
    holds(lambda x: x.reshape(()), np.array([[3.0]]))
    holds(lambda x: x.reshape(1, -1), np.array(3.0))
    holds(lambda x: x.reshape(3, 0, 2), np.zeros((0, 5)))
    holds(lambda x: x.reshape(2, -1), np.zeros((2, 0)))


@pytest.mark.parametrize("shape", [(5, 5), (-1, 5), (-1, -1), (-2, 12), (24, 0), (0, -1), ()])
def test_a_shape_that_does_not_fit_is_named(shape):
    with pytest.raises(ValueError, match=r"reshape: 24 elements of shape \(2, 3, 4\) don't fit shape \("):
        Tensor(X).reshape(shape)


def test_reshape_wants_integers():
    with pytest.raises(TypeError, match=r"reshape: each number must be an integer, got 2\.0"):
        Tensor(X).reshape(2.0, 12)


@pytest.mark.parametrize(
    "dims, shape",
    [((), (24,)), ((1,), (2, 12)), ((0, 1), (6, 4)), ((-2, -1), (2, 12)), ((1, 1), (2, 3, 4)), ((-1,), (2, 3, 4))],
)
def test_flatten(dims, shape):
    holds(lambda x: x.flatten(*dims), X, expected=X.reshape(shape)) if dims else None
    assert_close(Tensor(X).flatten(*dims), X.reshape(shape), rtol=0)


def test_flatten_of_a_number_and_of_nothing():
    assert Tensor(5.0).flatten().shape == (1,)
    assert Tensor(np.zeros((0, 3, 4))).flatten(1).shape == (0, 12)


def test_flatten_errors():
    with pytest.raises(ValueError, match=r"flatten: start_dim 2 comes after end_dim 0; input\.shape=\(2, 3, 4\)"):
        Tensor(X).flatten(2, 0)
    with pytest.raises(ValueError, match=r"flatten: dim 3 is out of range for a tensor of 3 dimensions \(-3 to 2\)"):
        Tensor(X).flatten(3)


@pytest.mark.parametrize(
    "dim, shape",
    [
        (None, (2, 3)),
        ((0, -1), (2, 1, 3)),
        ((1, 2), (1, 2, 3, 1)),
        (0, (2, 1, 3, 1)),
        (2, (1, 2, 3, 1)),
        (-1, (1, 2, 1, 3)),
        (1, (1, 2, 1, 3, 1)),
        (3, (1, 2, 1, 3, 1)),
    ],
)
def test_squeeze_drops_extents_of_one_only(dim, shape, rng):
    x = rng.standard_normal((1, 2, 1, 3, 1))
    assert_close(Tensor(x).squeeze(dim), x.reshape(shape), rtol=0)
    gradcheck(lambda t: t.squeeze(dim), x)


@pytest.mark.parametrize("dim", [0, 1, 3, -1, -4])
def test_unsqueeze(dim):
    assert_close(Tensor(X).unsqueeze(dim), np.expand_dims(X, dim), rtol=0)
    gradcheck(lambda t: t.unsqueeze(dim), X)


@pytest.mark.parametrize("name", ["squeeze", "unsqueeze"])
@pytest.mark.parametrize("dim", [4, -5])
def test_a_dimension_out_of_range_is_named(name, dim):
    with pytest.raises(ValueError, match=rf"{name}: dim {dim} is out of range for a tensor of"):
        getattr(Tensor(X), name)(dim)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1), (-1, 0, 1), (0, 2, -2)])
def test_permute(order):
    assert_close(Tensor(X).permute(*order), X.transpose(order), rtol=0)
    gradcheck(lambda t: t.permute(order), X, upstream=np.arange(24.0).reshape(X.transpose(order).shape))


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 1), (0, 1, -2), (0, 1, 2, 0)])
def test_permute_wants_each_dimension_once(order):
    with pytest.raises(
        ValueError, match=r"permute: .* doesn't name each of the 3 dimensions once; input\.shape=\(2, 3, 4\)"
    ):
        Tensor(X).permute(order)


@pytest.mark.parametrize("dims", [(0, 1), (2, 0), (-1, 1), (1, 1)])
def test_transpose(dims):
    assert_close(Tensor(X).transpose(*dims), X.swapaxes(*dims), rtol=0)
    gradcheck(lambda t: t.transpose(*dims), X)


def test_capital_t_reverses_the_dimensions():
    assert_close(Tensor(X[0]).T, X[0].T, rtol=0)
    gradcheck(lambda t: t.T * np.arange(12.0).reshape(4, 3), X[0])


@pytest.mark.parametrize(
    "before, wanted, after",
    [
        ((3, 1), (3, 4), (3, 4)), ((3, 1), (-1, 4), (3, 4)), ((1, 1), (2, 5), (2, 5)), ((3,), (2, 4, 3), (2, 4, 3)),
        ((), (2, 3), (2, 3)), ((1, 3), (0, 3), (0, 3)), ((3,), (3,), (3,)), ((1, 3), (5, -1, -1), (5, 1, 3)),
    ],
)  # fmt: skip
def test_expand_repeats_and_its_gradient_sums(before, wanted, after, rng):
    x = rng.standard_normal(before)
    assert_close(Tensor(x).expand(*wanted), np.broadcast_to(x, after), rtol=0)
    gradcheck(lambda t: t.expand(wanted), x, upstream=rng.standard_normal(after))


@pytest.mark.parametrize(
    "before, wanted", [((3,), (4,)), ((3, 1), (3,)), ((3,), (-1, 3)), ((1,), (-2,)), ((2, 3), (2, 6))]
)
def test_an_expansion_that_is_none_is_refused(before, wanted):
    with pytest.raises(ValueError, match=r"expand: a tensor of shape \(.*\) can't be expanded to \("):
        Tensor(np.zeros(before)).expand(wanted)


# indexing -------------------------------------------------------------------------------------------------------------

ROWS = np.array([[1, 0], [1, 1]])
MASK = np.array([[True, False, True], [False, False, True]])
INDICES = {
    "int": 1,
    "negative": -1,
    "numpy-int": np.int64(1),
    "slice": slice(1, None),
    "step": (slice(None), slice(None, None, 2)),
    "negative-step": (slice(None, None, -1), slice(2, None, -2)),
    "empty-slice": slice(2, 2),
    "ellipsis": (..., 1),
    "ellipsis-first": (0, ..., slice(1, 3)),
    "None": (None, 1, None, slice(None), None),
    "all": (1, 2, 3),
    "mixed": (slice(None), 1, slice(None, None, -1)),
    "mask": MASK,
    "mask-all": X > 7,
    "mask-none": X > 99,
    "mask-axis": (slice(None), np.array([True, False, True])),
    "mask-list": ([True, False], slice(None)),
    "array": np.array([1, 0, 1, 1]),
    "array-2d": ROWS,
    "list": [0, 0, 1],
    "list-negative": [-1, 1, -2],
    "list-empty": [],
    "tuple-in-tuple": ((0, 0, 1),),
    "range": range(2),
    "two-arrays": ([0, 1, 1, 0, 0], [2, 0, 0, 2, 2]),
    "broadcast-arrays": (ROWS, slice(None), np.array([3, 3])),
    "array-after-slice": (slice(None), [2, 2, 0]),
    "array-and-none": (None, [1, 1], ..., [0, 3]),
    "array-and-int": (1, [2, 2, 1]),
    "array-0d": np.array(1),
    "uint8": np.array([0, 0, 1], np.uint8),
}


@pytest.mark.parametrize("name", INDICES)
def test_indexing_gives_numpys_values_and_each_pick_its_gradient(name, rng):
    index = INDICES[name]
    raw = np.array(index, np.intp) if isinstance(index, list | range) else index
    expected = np.asarray(X[raw])
    assert_close(Tensor(X)[index], expected, rtol=0)
    # an element picked twice gets both gradients: add up place by place
    places = np.arange(24).reshape(X.shape)[raw]
    upstream = rng.standard_normal(expected.shape)
    wanted = np.zeros(24)
    for place, gradient in zip(np.ravel(places), np.ravel(upstream)):
        wanted[place] += gradient
    x = Tensor(X, requires_grad=True)
    x[index].backward(upstream)
    np.testing.assert_allclose(x.grad.ravel(), wanted, rtol=1e-15)


@pytest.mark.parametrize(
    "index, ints_first",
    [
        ((1, slice(None), [3, 0]), lambda x: x[1][:, [3, 0]]),
        ((1, ..., [3, 0, 0]), lambda x: x[1][..., [3, 0, 0]]),
        (([1, 0], slice(None), 2), lambda x: x[:, :, 2][[1, 0]]),
        ((slice(None), -1, [3, 0]), lambda x: x[:, -1][:, [3, 0]]),
        ((None, 1, slice(None), [3, 0]), lambda x: x[1][None, :, [3, 0]]),
        ((1, None, [2, 0, 2]), lambda x: x[1][None, [2, 0, 2]]),
        ((1, slice(None), np.array([True, False, True, True])), lambda x: x[1][:, [0, 2, 3]]),
        ((MASK, 1), lambda x: x[:, :, 1][MASK]),
        ((np.int64(1), slice(0, 2), np.array([[0, 3]])), lambda x: x[1][:2, [[0, 3]]]),
    ],
)
def test_an_int_apart_from_an_index_array_is_taken_first_as_in_torch(index, ints_first):
    """NumPy would move the array's dimension to the front."""
    assert_close(Tensor(X)[index], ints_first(X), rtol=0)
    gradcheck(lambda t: t[index], X)


def test_tensors_are_indices_too():
    x = Tensor(X)
    assert_close(x[Tensor(ROWS)], X[ROWS], rtol=0)
    assert_close(x[:, Tensor(np.array([2, 2]))], X[:, [2, 2]], rtol=0)
    assert_close(x[x > 5], X[X > 5], rtol=0)


@pytest.mark.parametrize("index", [2, (0, 3), (0, 0, 0, 0), [0, 2], "a", 1.0, [0.5], np.ones((3, 3), bool)])
def test_a_wrong_index_names_itself_and_the_shape(index):
    with pytest.raises(IndexError, match=r"indexing: .*shape=\(2, 3, 4\), index="):
        Tensor(X)[index]


# joining --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_cat_along_each_dimension_with_unequal_extents(dim, rng):
    shapes = [[2, 3, 4] for _ in range(3)]
    for shape, extent in zip(shapes, (1, 0, 5)):
        shape[dim] = extent
    arrays = [rng.standard_normal(shape) for shape in shapes]
    assert_close(mt.cat([Tensor(a) for a in arrays], dim), np.concatenate(arrays, dim), rtol=0)
    gradcheck(lambda *t: mt.cat(t, dim), arrays)


def test_cat_of_one_tensor_twice_adds_both_gradients():
    x = Tensor(np.ones(2), requires_grad=True)
    mt.cat([x, x]).backward(np.array([1.0, 2.0, 30.0, 40.0]))
    assert x.grad.tolist() == [31.0, 42.0]


def test_cat_takes_a_generator_and_a_tensor_that_needs_no_gradient():
    x, c = Tensor(np.ones(2), requires_grad=True), Tensor(np.zeros(3))
    mt.cat(t for t in (c, x)).backward(np.arange(5.0))
    assert x.grad.tolist() == [3.0, 4.0] and c.grad is None


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2])
def test_stack_along_each_dimension(dim, rng):
    arrays = [rng.standard_normal((2, 3)) for _ in range(4)]
    assert_close(mt.stack([Tensor(a) for a in arrays], dim), np.stack(arrays, dim), rtol=0)
    gradcheck(lambda *t: mt.stack(t, dim), arrays)


def test_stack_of_numbers():
    assert mt.stack([Tensor(1.0), Tensor(2.0)]).numpy().tolist() == [1.0, 2.0]


def zeros(*shape, dtype=np.float32):
    return Tensor(np.zeros(shape, dtype))


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda: mt.cat([]), ValueError, "cat: no tensors given"),
        (lambda: mt.stack([]), ValueError, "stack: no tensors given"),
        (
            lambda: mt.cat([zeros(2, 3), zeros(3, 3)], 1),
            ValueError,
            r"cat: shapes \(2, 3\), \(3, 3\) differ in more than dim.* 1",
        ),
        (lambda: mt.cat([zeros(2, 3), zeros(2)]), ValueError, r"cat: shapes \(2, 3\), \(2,\)"),
        (lambda: mt.cat([zeros(), zeros()]), ValueError, "cat: a tensor without dimensions .* use stack"),
        (lambda: mt.cat([zeros(2)], 1), ValueError, "cat: dim 1 is out of range"),
        (lambda: mt.cat([zeros(2), np.zeros(2)]), TypeError, "cat: each element must be a Tensor, got ndarray"),
        (
            lambda: mt.cat([zeros(2), zeros(2, dtype=np.float64)]),
            TypeError,
            r"cat: .*tensors\[0\] is float32, tensors\[1\] is f",
        ),
        (
            lambda: mt.stack([zeros(2), zeros(3)]),
            ValueError,
            r"stack: all tensors must have one shape, got \(2,\), \(3,\)",
        ),
        (lambda: mt.stack([zeros(2)], 2), ValueError, "stack: dim 2 is out of range"),
        (lambda: mt.stack([[1.0], [2.0]]), TypeError, "stack: each element must be a Tensor, got list"),
        (lambda: mt.cat([zeros(2)], 0.0), TypeError, r"cat: dim must be an integer, got 0\.0"),
    ],
)
def test_what_cannot_be_joined_says_why(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


# padding --------------------------------------------------------------------------------------------------------------


def naive_pad(x, pad, mode, value=0.0):
    """Value by value: out[i] comes from x[i - before], or from where the mode says, or is `value`."""
    widths = [(0, 0)] * (x.ndim - len(pad) // 2) + [tuple(pad[i : i + 2]) for i in range(len(pad) - 2, -1, -2)]
    out = np.full([n + b + a for n, (b, a) in zip(x.shape, widths)], value)
    for index in np.ndindex(out.shape):
        source = [i - b for i, (b, _) in zip(index, widths)]
        for k, n in enumerate(x.shape):
            if mode == "replicate":
                source[k] = min(max(source[k], 0), n - 1)
            elif mode == "reflect":
                if source[k] < 0:
                    source[k] = -source[k]
                if source[k] > n - 1:
                    source[k] = 2 * (n - 1) - source[k]
        if all(0 <= s < n for s, n in zip(source, x.shape)):
            out[index] = x[tuple(source)]
    return out


@pytest.mark.parametrize(
    "pad",
    [
        (1, 2),
        (0, 3),
        (1, 2, 3, 0),
        (0, 0, 1, 0),
        (2, 1, 0, 1, 1, 2),
        (),
        (-1, 2),
        (1, -2),
        (-1, -1, -2, 1),
        (-4, 1),
        (-2, -2),
    ],
)
def test_constant_padding_and_cropping(pad, rng):
    x = rng.standard_normal((2, 3, 4))
    for value in (None, 1.5, -np.inf):
        expected = naive_pad(x, pad, "constant", 0.0 if value is None else value)
        np.testing.assert_array_equal(F.pad(Tensor(x), pad, value=value).numpy(), expected)
    gradcheck(lambda t: F.pad(t, pad), x, upstream=rng.standard_normal(expected.shape))


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
@pytest.mark.parametrize("pad", [(1, 2), (3, 3), (0, 1, 2, 2), (3, 0, 1, 2), (1, 0, 0, 2, 1, 1)])
def test_reflecting_and_repeating_padding(mode, pad, rng):
    x = rng.standard_normal((2, 3, 4))
    expected = naive_pad(x, pad, mode)
    assert_close(F.pad(Tensor(x), pad, mode=mode), expected, rtol=0)
    gradcheck(lambda t: F.pad(t, pad, mode=mode), x, upstream=rng.standard_normal(expected.shape))


def test_repeating_padding_may_be_wider_than_the_image(rng):
    x = rng.standard_normal((1, 2))
    assert_close(F.pad(Tensor(x), (5, 4), mode="replicate"), naive_pad(x, (5, 4), "replicate"), rtol=0)
    gradcheck(lambda t: F.pad(t, (5, 4), mode="replicate"), x)


def test_padding_of_an_empty_batch_is_an_empty_batch():
    for mode in ("constant", "reflect", "replicate"):
        assert F.pad(Tensor(np.zeros((0, 3, 4))), (1, 2), mode).shape == (0, 3, 7)


def test_padding_keeps_the_dtype():
    for dtype in (np.float32, np.int64, np.uint8):
        for mode in ("constant", "reflect", "replicate"):
            assert F.pad(Tensor(np.ones((2, 3), dtype)), (1, 1), mode).dtype == dtype


@pytest.mark.parametrize(
    "pad, mode, words",
    [
        ((1,), "constant", r"pad: expected \(before, after\) for at most 3 dimensions, got \(1,\)"),
        ((1,) * 8, "constant", "for at most 3 dimensions"),
        ((-5, 0), "constant", r"pad: \(-5, 0\) crops more than there is; input\.shape=\(2, 3, 4\)"),
        ((-3, -2), "constant", "crops more than there is"),
        ((4, 0), "reflect", r'pad: mode="reflect" needs widths smaller than the image, got \(4, 0\)'),
        ((0, 0, 0, 3), "reflect", "needs widths smaller than the image"),
        ((-1, 0), "reflect", 'pad: mode="reflect" takes no negative widths'),
        ((1, 1), "circular", "pad: mode must be one of 'constant', 'reflect', 'replicate', got 'circular'"),
    ],
)
def test_wrong_padding_says_why(pad, mode, words):
    with pytest.raises(ValueError, match=words):
        F.pad(Tensor(X), pad, mode)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    widths=st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_what_constant_padding_adds_cropping_takes_away(shape, widths):
    widths = widths[: 2 * len(shape)]
    x = np.arange(1.0, 1 + math.prod(shape)).reshape(shape)
    back = F.pad(F.pad(Tensor(x), widths, value=7.0), [-w for w in widths])
    np.testing.assert_array_equal(back.numpy(), x)


# one_hot --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.asarray, Tensor, list], ids=["array", "Tensor", "list"])
def test_one_hot(kind):
    labels = kind(np.array([2, 0, 1]))
    expected = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]])
    assert_close(F.one_hot(labels, 4), expected, rtol=0)
    assert_close(F.one_hot(labels), expected[:, :3], rtol=0)
    assert F.one_hot(labels).dtype == np.int64


def test_one_hot_of_any_shape_and_integer_type():
    assert F.one_hot(np.zeros((2, 0, 3), np.uint8), 5).shape == (2, 0, 3, 5)
    assert F.one_hot(np.array(1), 3).numpy().tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "labels, classes, kind, words",
    [
        ([0.5], 3, TypeError, "one_hot: expected integer class numbers, got float64"),
        ([0, 3], 3, ValueError, r"one_hot: target\[1\] is 3, but there are 3 classes"),
        ([-1, 0], 3, ValueError, r"one_hot: target\[0\] is -1"),
        ([-1, 0], -1, ValueError, r"one_hot: target\[0\] is -1"),
        ([0], 0, ValueError, "one_hot: num_classes must be at least 1, got 0"),
        (np.zeros(0, int), -1, ValueError, "num_classes can't be found from an empty tensor"),
    ],
)
def test_labels_that_are_no_classes_are_named(labels, classes, kind, words):
    with pytest.raises(kind, match=words):
        F.one_hot(np.asarray(labels), classes)
