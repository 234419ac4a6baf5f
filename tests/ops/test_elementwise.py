"""Arithmetic value by value: formulas, broadcasting gradients, kinks, dtypes, comparisons."""

import math

import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch_cnn as mt
from minitorch_cnn import Tensor, gradcheck
from minitorch_cnn.ops.elementwise import sum_to_shape

FOUR_ULP = 1e-15  # what NumPy's vectorised exp, log and pow promise in float64

# name: (the operator, its value for two numbers); inputs are positive, so that powers and quotients are smooth
BINARY = {
    "add": (lambda x, y: x + y, lambda a, b: a + b),
    "sub": (lambda x, y: x - y, lambda a, b: a - b),
    "mul": (lambda x, y: x * y, lambda a, b: a * b),
    "div": (lambda x, y: x / y, lambda a, b: a / b),
    "pow": (lambda x, y: x**y, math.pow),
    "maximum": (mt.maximum, max),
    "minimum": (mt.minimum, min),
}
# all ways in which one operand is repeated along the other, and both at once
SHAPES = [
    ((2, 3), (2, 3)), ((2, 3), ()), ((), (2, 3)), ((), ()), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 3), (1, 3)), ((2, 3), (2, 1)),
    ((2, 1), (1, 3)), ((1, 1), (2, 3)), ((5, 1, 3), (2, 1)), ((1,), (1, 1, 1)), ((1, 2, 1, 3), (5, 1, 4, 1)), ((0, 3), (1, 3)),
    ((0, 3), (3,)), ((2, 1), (2, 0)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=lambda s: f"{s[0]}-{s[1]}")
@pytest.mark.parametrize("name", BINARY)
def test_values_and_gradients_with_broadcasting(name, shapes, rng):
    operator, formula = BINARY[name]
    x, y = (rng.uniform(0.5, 3.0, shape) for shape in shapes)
    out = operator(Tensor(x), Tensor(y))
    xs, ys = np.broadcast_arrays(x, y)
    expected = np.array([formula(a, b) for a, b in zip(xs.ravel().tolist(), ys.ravel().tolist())]).reshape(xs.shape)
    assert_close(out, expected, rtol=FOUR_ULP)
    gradcheck(operator, (x, y), upstream=rng.standard_normal(xs.shape))


dims = st.integers(1, 3)


@st.composite
def broadcastable(draw):
    """Two shapes that broadcast, made from a result shape by putting ones in and leaving leading dimensions out."""
    result = draw(st.lists(dims, max_size=4))
    pair = []
    for _ in range(2):
        shape = [n if draw(st.booleans()) else 1 for n in result]
        pair.append(tuple(shape[draw(st.integers(0, len(shape))) :]))
    return pair


@settings(deadline=None, derandomize=True, max_examples=60)
@given(shapes=broadcastable())
def test_a_broadcast_gradient_is_the_sum_over_the_places_where_a_value_went(shapes):
    a_shape, b_shape = shapes
    out_shape = np.broadcast_shapes(a_shape, b_shape)
    grad = np.arange(1.0, 1 + math.prod(out_shape)).reshape(out_shape)
    for shape in shapes:
        expected = np.zeros(shape)
        for index in np.ndindex(out_shape):
            own = index[len(index) - len(shape) :]
            expected[tuple(0 if n == 1 else i for i, n in zip(own, shape))] += grad[index]
        np.testing.assert_array_equal(sum_to_shape(grad, shape), expected)
        assert sum_to_shape(grad, shape).shape == shape


@pytest.mark.parametrize("name", BINARY)
def test_shapes_that_do_not_broadcast_are_named(name):
    with pytest.raises(ValueError, match=rf"{name}: shapes \(2, 3\) and \(2,\) do not broadcast"):
        BINARY[name][0](Tensor(np.ones((2, 3))), Tensor(np.ones(2)))


@pytest.mark.parametrize("name", BINARY)
def test_the_same_tensor_on_both_sides(name, rng):
    gradcheck(lambda x: BINARY[name][0](x, x * 1.5), rng.uniform(0.5, 3.0, (2, 3)))


def test_reflected_operators_with_numbers_and_arrays(rng):
    x, other = rng.uniform(0.5, 3, (2, 3)), rng.uniform(0.5, 3, 3)
    for v in (2.5, other):
        for f in (
            lambda t, v=v: v + t,
            lambda t, v=v: v - t,
            lambda t, v=v: v * t,
            lambda t, v=v: v / t,
            lambda t, v=v: v**t,
            lambda t, v=v: t - v,
            lambda t, v=v: t / v,
            lambda t, v=v: t**v,
        ):
            assert_close(f(Tensor(x)), f(x), rtol=FOUR_ULP)
            gradcheck(f, x)


UNARY = {  # the operator, the value for one number, and the range of inputs
    "neg": (lambda x: -x, lambda a: -a, (-3, 3)),
    "abs": (abs, abs, (-3, 3)),
    "exp": (lambda x: x.exp(), math.exp, (-3, 3)),
    "log": (lambda x: x.log(), math.log, (0.1, 5)),
    "sqrt": (lambda x: x.sqrt(), math.sqrt, (0.1, 5)),
    "square": (lambda x: x**2, lambda a: a * a, (-3, 3)),
    "cube": (lambda x: x**3, lambda a: a**3, (-3, 3)),
    "inverse": (lambda x: x**-1, lambda a: 1 / a, (0.5, 3)),
    "root": (lambda x: x**0.5, math.sqrt, (0.1, 5)),
    "clamp": (lambda x: x.clamp(-1, 2), lambda a: min(max(a, -1), 2), (-3, 3)),
    "clamp-min": (lambda x: x.clamp(min=0.5), lambda a: max(a, 0.5), (-3, 3)),
    "clamp-max": (lambda x: x.clamp(max=0.5), lambda a: min(a, 0.5), (-3, 3)),
}


@pytest.mark.parametrize("shape", [(), (4, 5), (0, 3)])
@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_value(name, shape, rng):
    operator, formula, (low, high) = UNARY[name]
    x = rng.uniform(low, high, shape)
    expected = np.array([formula(a) for a in x.ravel().tolist()]).reshape(shape)
    assert_close(operator(Tensor(x)), expected, rtol=FOUR_ULP)
    gradcheck(operator, x, upstream=rng.standard_normal(shape))


def gradient_at(function, *values):
    tensors = [Tensor(np.array(v, np.float64), requires_grad=True) for v in values]
    function(*tensors).sum().backward()
    gradients = [t.grad for t in tensors]
    return gradients[0].tolist() if len(gradients) == 1 else [g.tolist() for g in gradients]


def test_subgradients_at_kinks_are_torchs():
    assert gradient_at(abs, [0.0, -0.0]) == [0.0, 0.0]
    assert gradient_at(lambda x: x.clamp(-1, 2), [-1.0, 2.0, 2.1, -1.1]) == [
        1.0,
        1.0,
        0.0,
        0.0,
    ]  # the ends belong to it
    for extreme in (mt.maximum, mt.minimum):
        assert gradient_at(extreme, [3.0, 1.0], [3.0, 1.0]) == [[0.5, 0.5], [0.5, 0.5]]


def test_a_bound_above_the_other_wins_as_in_torch():
    assert Tensor([0.0, 5.0]).clamp(min=3, max=1).numpy().tolist() == [1.0, 1.0]


def test_powers_at_zero_have_torchs_gradients():
    assert gradient_at(lambda x: x**2, [0.0]) == [0.0]
    assert gradient_at(lambda x: x**1, [0.0]) == [1.0]
    assert gradient_at(lambda x: x**0, [0.0, 2.0]) == [0.0, 0.0]
    x, y = gradient_at(lambda x, y: x**y, [0.0, 0.0], [2.0, 0.0])
    assert (x, y) == ([0.0, 0.0], [0.0, 0.0])  # 0**y is 0 for all y > 0: its slope there is 0


def test_the_slope_of_a_negative_base_by_its_exponent_is_undefined():
    y = Tensor(np.array([2.0]), requires_grad=True)
    with np.errstate(invalid="ignore"):
        (Tensor(np.array([-2.0])) ** y).sum().backward()
    assert np.isnan(y.grad).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_gradients_keep_the_dtype(shape, dtype, rng):
    x, y = (Tensor(np.asarray(rng.uniform(1, 2, shape), dtype), requires_grad=True) for _ in range(2))
    ((x * y + x / y - x**y) * mt.maximum(x, y) + (x.sqrt() + x.log() + x.exp() + abs(x)).clamp(0, 2)).sum().backward()
    assert x.grad.dtype == y.grad.dtype == dtype


# where ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3), (2, 3)), ((3,), (2, 3), ()), ((2, 1), (1, 3), (3,)), ((), (2,), (2,))]
)
def test_where_chooses_and_sends_the_gradient_to_the_chosen_one(shapes, rng):
    condition = rng.random(shapes[0]) < 0.5
    x, y = rng.standard_normal(shapes[1]), rng.standard_normal(shapes[2])
    assert_close(mt.where(Tensor(condition), Tensor(x), Tensor(y)), np.where(condition, x, y), rtol=0)
    gradcheck(lambda a, b: mt.where(condition, a, b), (x, y))


def test_an_infinite_gradient_stays_out_of_what_where_did_not_choose():
    x, y = (Tensor(np.zeros(3, np.float32), requires_grad=True) for _ in range(2))
    mt.where([True, False, True], x, y).backward(np.array([np.inf, -np.inf, 2], np.float32))
    assert x.grad.tolist() == [np.inf, 0, 2] and y.grad.tolist() == [0, -np.inf, 0]
    assert x.grad.dtype == y.grad.dtype == np.float32


def test_where_takes_numbers_and_a_list_of_conditions():
    assert mt.where([True, False], 1.0, 2.0).numpy().tolist() == [1.0, 2.0]
    assert mt.where([True, False], Tensor(np.array([3, 4])), 0).numpy().tolist() == [3, 0]
    x = Tensor([1.0, -2.0], requires_grad=True)
    mt.where(x > 0, x, 0.0).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0]


def test_where_refuses_a_condition_that_is_not_bool():
    with pytest.raises(TypeError, match="where: condition must be bool, got int64"):
        mt.where(Tensor(np.array([1, 0])), Tensor([1.0, 2.0]), 0.0)


def test_where_refuses_a_condition_of_another_shape():
    with pytest.raises(ValueError, match=r"where: shapes \(3,\) and \(2,\) do not broadcast"):
        mt.where([True, False, True], Tensor([1.0, 2.0]), 0.0)


# dtypes ---------------------------------------------------------------------------------------------------------------


def integer(values, dtype=np.int64):
    return Tensor(np.array(values, dtype))


@pytest.mark.parametrize(
    "result, values, dtype",
    [
        (lambda: integer([1, 2]) + 1, [2, 3], np.int64),
        (lambda: integer([1, 2]) + 1.5, [2.5, 3.5], np.float32),
        (lambda: integer([1, 2]) * [1.5, 2.5], [1.5, 5.0], np.float32),
        (lambda: integer([1, 2]) * np.array([1.5, 2.5]), [1.5, 5.0], np.float32),
        (lambda: integer([1, 2]) / 2, [0.5, 1.0], np.float32),
        (lambda: integer([6, 9]) / integer([4, 2]), [1.5, 4.5], np.float32),
        (lambda: integer([1, 2]) + Tensor(np.array([0.5, 0.5])), [1.5, 2.5], np.float64),
        (lambda: Tensor([0.5, 0.5]) * integer([1, 2]), [0.5, 1.0], np.float32),
        (lambda: integer([2, 3]) ** 2, [4, 9], np.int64),
        (lambda: integer([4, 9]) ** 0.5, [2.0, 3.0], np.float32),
        (lambda: 2 ** integer([3, 4]), [8, 16], np.int64),
        (lambda: integer([200, 100], np.uint8) + integer([1, 2], np.int64), [201, 102], np.int64),
        (lambda: integer([200, 100], np.uint8) + np.array([100, 200]), [300, 300], np.int64),
        (lambda: integer([200, 100], np.uint8) / 2, [100.0, 50.0], np.float32),
        (lambda: integer([True, False], bool) * 2, [2, 0], np.int64),
        (lambda: integer([True, False], bool) + 1, [2, 1], np.int64),
        (lambda: integer([True, False], bool) * 0.5, [0.5, 0.0], np.float32),
        (lambda: integer([True, False], bool) * Tensor([3.0, 3.0]), [3.0, 0.0], np.float32),
        (lambda: mt.minimum(integer([3, 0, 2], np.uint8), integer([1, 1, 1], np.uint8)), [1, 0, 1], np.uint8),
        (lambda: mt.maximum(integer([3, 0, 2]), 1), [3, 1, 2], np.int64),
        (lambda: abs(integer([-3, 2])), [3, 2], np.int64),
        (lambda: -integer([-3, 2]), [3, -2], np.int64),
    ],
)
def test_integers_and_bools_become_what_torch_makes_of_them(result, values, dtype):
    tensor = result()
    assert tensor.dtype == dtype and tensor.numpy().tolist() == values


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "clamp"])
def test_float_functions_refuse_integers_with_the_remedy(name):
    with pytest.raises(TypeError, match=rf"{name}: input must be a float tensor, got int64; use input\.float\(\)"):
        getattr(integer([1, 2]), name)(*([0] if name == "clamp" else []))


def test_clamp_without_bounds_says_so():
    with pytest.raises(ValueError, match="clamp: give min, max or both"):
        Tensor([1.0]).clamp()


@pytest.mark.parametrize("other", ["a", None, object(), {}])
def test_what_is_no_number_is_refused_by_name(other):
    for operator in (lambda t: t + other, lambda t: other * t, lambda t: t < other):
        with pytest.raises(TypeError, match=rf"(add|mul|lt): expected a Tensor, .*got {type(other).__name__}"):
            operator(Tensor([1.0]))


@pytest.mark.parametrize("values", [(1.0, 2.0), (1.0, 2), (np.ones(2), np.ones(2))])
def test_maximum_of_two_constants_asks_for_a_tensor(values):
    with pytest.raises(TypeError, match="maximum: expected a Tensor"):
        mt.maximum(*values)


# comparisons ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [2.0, 2, np.array([1.0, 2.0, 3.0]), Tensor([3.0, 2.0, 1.0]), Tensor([[2.0], [3.0]])])
def test_comparisons_are_bool_tensors_outside_the_graph(other):
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    raw = other.numpy() if isinstance(other, Tensor) else other
    for result, expected in [
        (x == other, x.numpy() == raw), (x != other, x.numpy() != raw), (x < other, x.numpy() < raw),
        (x <= other, x.numpy() <= raw), (x > other, x.numpy() > raw), (x >= other, x.numpy() >= raw),
        (other < x, raw < x.numpy()), (other >= x, raw >= x.numpy()),
    ]:  # fmt: skip
        assert isinstance(result, Tensor) and result.dtype == bool and not result.requires_grad
        np.testing.assert_array_equal(result.numpy(), expected)


def test_an_integer_compared_with_a_fraction_is_not_cut_off():
    assert (integer([1, 2]) > 1.5).numpy().tolist() == [False, True]
    assert (integer([1, 2]) == 1.5).numpy().tolist() == [False, False]
    assert (integer([True, False], bool) == 2).numpy().tolist() == [False, False]


# bits -----------------------------------------------------------------------------------------------------------------


def test_not_and_or_of_masks_and_integers_are_numpys_and_outside_the_graph():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    low, high, mask = x < 2.5, x > 1.5, np.array([True, False, True])
    for result, expected in [
        (~low, [False, False, True]), (low & high, [False, True, False]), (low | high, [True, True, True]),
        (mask & low, [True, False, False]), (mask | high, [True, True, True]), (low & True, [True, True, False]),
        (low | False, [True, True, False]),
    ]:  # fmt: skip
        assert isinstance(result, Tensor) and result.dtype == bool and not result.requires_grad
        assert result.numpy().tolist() == expected
    bits = integer([6, -1])
    for result, expected in [(~bits, [-7, 0]), (bits & 3, [2, 3]), (8 | bits, [14, -1])]:
        assert result.dtype == np.int64 and result.numpy().tolist() == expected


@pytest.mark.parametrize(
    "name, operation",
    [
        ("bitwise_not", lambda x, mask: ~x),
        ("bitwise_and", lambda x, mask: mask & x),
        ("bitwise_or", lambda x, mask: x | mask),
        ("bitwise_and", lambda x, mask: mask & 1.5),
    ],
)
def test_floats_have_no_bits(name, operation):
    x = Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=rf"{name}: only bool and integer tensors have bits, got float32"):
        operation(x, x > 1)
