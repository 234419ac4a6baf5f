"""The gradient check itself: it passes what is right, and catches each kind of wrong backward."""

import numpy as np
import pytest

import minitorch_cnn as mt
from minitorch_cnn import Function, Tensor, gradcheck
from minitorch_cnn.gradcheck import numerical_gradient


def square_with(backward):
    """x -> x * x for a square matrix, with another backward(x, grad)."""

    class Square(Function):
        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, grad):
            return backward(self.x, grad)

    return Square.apply


@pytest.fixture
def x(rng):
    return rng.standard_normal((3, 3)) + 2


def test_a_right_backward_passes(x):
    assert gradcheck(square_with(lambda x, grad: 2 * x * grad), x) is True


@pytest.mark.parametrize(
    "backward",
    [
        lambda x, grad: 2.001 * x * grad,
        lambda x, grad: -2 * x * grad,
        lambda x, grad: (2 * x * grad).T,
        lambda x, grad: 2 * x,  # upstream forgotten
        lambda x, grad: 2 * x * grad.sum(),
        lambda x, grad: np.zeros_like(x),
        lambda x, grad: np.full_like(x, np.nan),
        lambda x, grad: 2 * x * grad * (np.arange(9).reshape(3, 3) != 4),  # one element of nine
    ],
    ids=["scaled", "sign", "transposed", "no-upstream", "summed", "zero", "nan", "one-element"],
)
def test_a_wrong_backward_is_caught(backward, x):
    with pytest.raises(AssertionError, match=r"gradcheck: input 0, element \(\d, \d\): backward gives .*numerical"):
        gradcheck(square_with(backward), x)


def test_the_error_names_the_input_the_worst_element_both_numbers_and_how_many_differ():
    def backward(x, grad):
        gradient = 2 * x * grad
        gradient[1, 0] += 1
        gradient[0, 1] += 5
        return gradient

    with pytest.raises(AssertionError) as error:
        gradcheck(square_with(backward), np.full((2, 2), 3.0), upstream=np.ones((2, 2)))
    text = str(error.value)
    assert "input 0, element (0, 1): backward gives 11, numerical differences 6" in text
    assert "2 of 4 elements differ" in text


def test_a_missing_accumulation_is_caught(x):
    class Twice(Function):  # the second use of a repeated element overwrites the first
        def forward(self, x):
            return x[[0, 0, 1]]

        def backward(self, grad):
            gradient = np.zeros((3, 3))
            gradient[[0, 0, 1]] = grad
            return gradient

    with pytest.raises(AssertionError, match=r"input 0, element \(0, \d\)"):
        gradcheck(Twice.apply, x)


def test_a_gradient_that_never_arrives_is_caught(x):
    with pytest.raises(AssertionError, match=r"input 1, element .*backward gives 0, numerical"):
        gradcheck(lambda a, b: a * b.detach(), (x, x + 1))


def test_a_wrong_second_input_is_named_and_a_right_first_one_is_not(x):
    class Product(Function):
        def forward(self, a, b):
            self.a, self.b = a, b
            return a * b

        def backward(self, grad):
            return grad * self.b, grad * self.b

    with pytest.raises(AssertionError, match="gradcheck: input 1,"):
        gradcheck(Product.apply, (x, x.T + 1))


def test_the_upstream_gradient_that_is_given_is_used():
    # wrong only where upstream is not zero: a fixed upstream of zeros there must pass, the random default must not
    def backward(x, grad):
        gradient = 2 * x * grad
        gradient[0, 0] *= 3
        return gradient

    f, x = square_with(backward), np.full((2, 2), 3.0)
    assert gradcheck(f, x, upstream=np.array([[0.0, 1.0], [2.0, 3.0]]))
    with pytest.raises(AssertionError):
        gradcheck(f, x)


@pytest.mark.parametrize(
    "value", [np.ones((2, 2), np.float32), Tensor([1.0], requires_grad=True)], ids=["array", "Tensor"]
)
def test_float32_is_refused_with_the_remedy(value):
    with pytest.raises(TypeError, match=r"gradcheck: input 1 is float32; differences need float64, use \.double\(\)"):
        gradcheck(lambda a, b: a.sum() + b.double().sum(), (np.ones(2), value))


def test_inputs_are_restored_and_get_no_gradient_of_their_own(x):
    before = x.copy()
    t = Tensor(x, requires_grad=True)
    gradcheck(lambda a, b: (a * b).exp(), (t, x))
    np.testing.assert_array_equal(x, before)
    assert t.grad is None and t.data is x


def test_inputs_are_restored_when_the_check_fails(x):
    before = x.copy()
    with pytest.raises(AssertionError):
        gradcheck(square_with(lambda x, grad: grad), x)
    np.testing.assert_array_equal(x, before)


def test_integer_inputs_and_tensors_without_gradient_are_passed_through(x):
    seen = []

    def pick(a, index, constant):
        seen.append((index.dtype.kind, constant.requires_grad))
        return a[index] * constant

    assert gradcheck(pick, (x, np.array([2, 0, 2]), Tensor(x)))
    assert set(seen) == {("i", False)}


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (2, 1, 3)])
def test_any_shape_can_be_checked_and_a_list_of_inputs_too(shape, rng):
    assert gradcheck(lambda a, b: a * b.exp(), [rng.standard_normal(shape), rng.standard_normal(shape)])


def test_a_function_without_any_gradient_says_so(x):
    with pytest.raises(RuntimeError, match="does not depend on any tensor with requires_grad=True"):
        gradcheck(lambda a: a.detach() * 2, x)


def test_the_numerical_gradient_is_that_of_the_formula(rng):
    x, upstream = rng.standard_normal(4), rng.standard_normal(4)
    gradient = numerical_gradient(lambda t: t * t * t, [Tensor(x)], 0, upstream)
    np.testing.assert_allclose(
        gradient, 3 * x**2 * upstream, rtol=1e-8, atol=1e-8
    )  # h = 1e-6: rounding 1e-16 / 1e-6 = 1e-10


def test_a_check_leaves_no_trace_in_the_global_state(x):
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda a: a * 2 if mt.is_grad_enabled() else 1 / 0, x)  # fails inside the differences
    assert mt.is_grad_enabled()


@pytest.mark.parametrize("inputs, number", [([1.0, 2.0], 0), (1.0, 0), ((np.ones(2), [1.0]), 1), (np.float64(1), 0)])
def test_numbers_and_lists_of_them_are_refused_by_place_with_the_remedy(inputs, number):
    with pytest.raises(TypeError, match=rf"input {number} must be an array or a Tensor, got \w+; .*np\.array"):
        gradcheck(lambda *tensors: tensors[0] * 2, inputs)
