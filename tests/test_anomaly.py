"""detect_anomaly: which operator, on which line of the user's program."""

import inspect
import warnings

import numpy as np
import pytest

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Function, Tensor, nn


def line_of(function, text):
    """file:line of the one line of `function` that contains `text`."""
    lines, first = inspect.getsourcelines(function)
    (number,) = [first + i for i, line in enumerate(lines) if text in line]
    return f"{__file__}:{number} in {function.__name__}"


def failure(function, *arguments):
    with pytest.raises(RuntimeError) as error:
        function(*arguments)
    return str(error.value)


def forward_nan(x):
    with mt.detect_anomaly():
        y = x - 3
        z = y.log()  # this line
        return z * 2


def test_a_forward_nan_names_the_operator_the_value_the_place_and_the_users_line():
    text = failure(forward_nan, Tensor([[5.0, 4.0], [9.0, 1.0]]))
    assert text.startswith("Log: the forward pass made nan at index (1, 1) of an array of shape (2, 2)")
    assert text.endswith("called at " + line_of(forward_nan, "# this line"))


def test_a_forward_infinity_is_found_too():
    text = failure(forward_nan, Tensor([5.0, 3.0]))
    assert text.startswith("Log: the forward pass made -inf at index (1,)")


def through_a_layer(model, x):
    with mt.detect_anomaly():
        return model(x)  # this line


def test_the_line_is_the_users_even_if_a_layer_calls_the_operator():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    model[1].weight.data[2, 1] = np.inf
    with np.errstate(invalid="ignore"):
        text = failure(through_a_layer, model, Tensor(np.zeros((2, 2, 2), np.float32)))
    assert text.startswith("Linear: the forward pass made nan")
    assert "its input held a NaN or infinity already" in text
    assert text.endswith("called at " + line_of(through_a_layer, "# this line"))


def backward_infinity(x):
    with mt.detect_anomaly():
        y = x.sqrt()  # this line
        loss = (y * 2).sum()
        loss.backward()


def test_a_backward_infinity_names_the_operator_and_the_line_of_its_forward():
    x = Tensor([4.0, 0.0], requires_grad=True)
    text = failure(backward_infinity, x)
    assert text.startswith("Sqrt: the backward pass made inf at index (1,) of an array of shape (2,)")
    assert text.endswith("called at " + line_of(backward_infinity, "# this line"))
    assert x.grad is None


def test_a_backward_nan_of_a_graph_from_outside_the_block_is_found_without_a_line():
    x = Tensor([0.0], requires_grad=True)
    y = (x * 0).sqrt() * 0
    with pytest.raises(RuntimeError, match=r"Sqrt: the backward pass made nan .*a line outside detect_anomaly"):
        with mt.detect_anomaly():
            y.sum().backward()


def test_a_nan_in_the_data_is_said_to_be_there_already():
    with (
        mt.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"Mul: .* nan at index \(1,\).*held a NaN or infinity already"),
    ):
        Tensor([1.0, np.nan]) * 2


def test_an_operator_that_made_it_from_finite_numbers_is_not_excused():
    with mt.detect_anomaly(), pytest.raises(RuntimeError) as error:
        Tensor([3e38]) * 10
    assert str(error.value).startswith("Mul: the forward pass made inf") and "already" not in str(error.value)


def test_finite_programs_pass_and_give_the_same_numbers(rng):
    x, w = rng.standard_normal((4, 3)), rng.standard_normal((2, 3))
    results = []
    for block in (mt.detect_anomaly(), mt.no_grad()):
        t = Tensor(x, requires_grad=True)
        if isinstance(block, mt.no_grad):
            loss = F.cross_entropy(F.linear(t, Tensor(w)).relu(), np.array([0, 1, 1, 0]))
            loss.backward()
        else:
            with block:
                loss = F.cross_entropy(F.linear(t, Tensor(w)).relu(), np.array([0, 1, 1, 0]))
                loss.backward()
        results.append((loss.item(), t.grad.tolist()))
    assert results[0] == results[1]


def test_the_minus_infinity_of_an_attention_mask_passes(rng):
    q, k, v = (Tensor(rng.standard_normal((2, 5, 4)), requires_grad=True) for _ in range(3))
    with mt.detect_anomaly():
        F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()
    assert np.isfinite(q.grad).all() and np.isfinite(k.grad).all()


def test_but_a_nan_that_comes_of_an_infinity_does_not_pass():
    with mt.detect_anomaly(), pytest.raises(RuntimeError, match="Softmax: the forward pass made nan"):
        F.softmax(Tensor([[-np.inf, -np.inf]]), dim=1)


def changed_input():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with mt.detect_anomaly():
        y = x * x  # this line
        loss = y.sum()
        x.data[0] = 7
        loss.backward()


def changed_output():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with mt.detect_anomaly():
        y = x.exp()  # this line; its backward multiplies by y
        y.data += 1
        y.backward(np.ones(2))


@pytest.mark.parametrize(
    "program, operator", [(changed_input, "Mul"), (changed_output, "Exp")], ids=["input", "output"]
)
def test_an_array_changed_in_place_between_use_and_backward_is_caught(program, operator):
    with pytest.raises(
        RuntimeError, match=rf"{operator}: an array of shape \(2,\) .* was changed in place after the forward"
    ):
        program()


def test_the_line_of_the_operator_that_needed_the_changed_array_is_named():
    assert failure(changed_input).endswith("called at " + line_of(changed_input, "# this line"))


@pytest.mark.parametrize("shape", [(), (0, 3), (3, 0), (2, 1, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_every_shape_and_layout_can_be_watched(shape, dtype):
    x = Tensor(np.ones(shape, dtype).T, requires_grad=True)
    with mt.detect_anomaly():
        (x * 2).exp().sum().backward()
        (x * 2)[..., None][::-1].sum().backward() if x.ndim else None


def test_the_gradients_own_accumulation_is_not_taken_for_a_change():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with mt.detect_anomaly():
        y = x * 3
        (y * y + y * x + y).sum().backward()
    np.testing.assert_array_equal(x.grad, [18 * 1 + 6 * 1 + 3, 18 * 2 + 6 * 2 + 3])


def test_it_is_over_at_the_end_of_the_block_after_an_exception_and_after_an_inner_block():
    def watched():
        try:
            Tensor([np.nan]) * 2
        except RuntimeError:
            return True
        return False

    with mt.detect_anomaly():
        with mt.detect_anomaly():
            assert watched()
        assert watched()
    assert not watched()
    with pytest.raises(ZeroDivisionError), mt.detect_anomaly():
        raise ZeroDivisionError
    assert not watched()


def test_numpys_own_warnings_are_silent_inside_and_as_before_outside():
    with mt.detect_anomaly(), warnings.catch_warnings(), pytest.raises(RuntimeError):
        warnings.simplefilter("error")
        Tensor([-1.0]).log()
    with pytest.warns(RuntimeWarning, match="invalid value"):
        Tensor([-1.0]).log()


class Broken(Function):
    def forward(self, x):
        return x + 1

    def backward(self, grad):
        return grad * np.inf


def test_a_function_of_the_users_own_is_named():
    with mt.detect_anomaly(), pytest.raises(RuntimeError, match="Broken: the backward pass made inf"):
        Broken.apply(Tensor([1.0], requires_grad=True)).sum().backward()


def test_integers_are_left_alone():
    with mt.detect_anomaly():
        assert (Tensor(np.array([1, 2])) + 1).numpy().tolist() == [2, 3]
