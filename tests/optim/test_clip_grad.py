"""clip_grad_norm_: one norm over all gradients, which are scaled down in place and never up."""

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import optim


def with_gradients(*grads, dtype=np.float64):
    tensors = []
    for grad in grads:
        grad = np.asarray(grad, dtype)
        tensors.append(mt.Tensor(np.zeros_like(grad), requires_grad=True))
        tensors[-1].grad = grad
    return tensors


@pytest.mark.parametrize("norm_type, expected", [
    (2, 13.0), (2.0, 13.0), (1, 19.0), (float("inf"), 12.0), (3, (27 + 64 + 1728) ** (1 / 3))])  # fmt: skip
def test_the_norm_is_that_of_all_gradients_together(norm_type, expected):
    params = with_gradients([[3.0, 0.0]], [-4.0], -12.0)
    unused = mt.Tensor([1.0], requires_grad=True)
    norm = optim.clip_grad_norm_([*params, unused], 1e9, norm_type)
    assert_close(norm, np.array(expected))
    assert unused.grad is None


def test_gradients_are_scaled_down_in_place_and_keep_their_direction():
    params = with_gradients([[3.0, 0.0]], [-4.0], -12.0)
    arrays = [p.grad for p in params]
    optim.clip_grad_norm_(params, 6.5)
    for p, array, expected in zip(params, arrays, ([[1.5, 0.0]], [-2.0], -6.0)):
        assert p.grad is array
        assert_close(p.grad, np.array(expected), rtol=1e-7)  # the formula's 1e-6 beside the norm of 13


def test_gradients_are_never_scaled_up():
    (p,) = with_gradients([0.3, -0.4])
    optim.clip_grad_norm_(p, 100.0)
    np.testing.assert_array_equal(p.grad, [0.3, -0.4])


def test_float32_stays_float32_and_other_dtypes_beside_it_themselves():
    p, q = *with_gradients([3.0], dtype=np.float32), *with_gradients([4.0], dtype=np.float64)
    norm = optim.clip_grad_norm_(iter([p, q]), 1.0)
    assert (norm.dtype, norm.shape, norm.item()) == (np.float32, (), 5.0)
    assert (p.grad.dtype, q.grad.dtype) == (np.float32, np.float64)


def test_gradients_that_are_not_contiguous_or_empty_count_by_their_values():
    p, q = with_gradients(np.zeros((3, 2)), np.zeros((0, 3)))
    p.grad = np.array([[3.0, 0.0, 9.0], [0.0, 4.0, 9.0]])[:, :2].T[[0, 1, 1]] * [[1, 1], [1, 1], [0, 0]]
    for norm_type in (2, float("inf")):
        assert optim.clip_grad_norm_([p, q], 100.0, norm_type).item() == {2: 5.0}.get(norm_type, 4.0)


def test_without_any_gradient_the_norm_is_zero():
    assert optim.clip_grad_norm_([mt.Tensor([1.0], requires_grad=True)], 1.0).item() == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite_can_be_refused_and_then_nothing_is_scaled(bad):
    params = with_gradients([1.0, bad], [2.0])
    with pytest.raises(
        RuntimeError, match=r"norm of order 2 is (nan|inf), so they can't be clipped; .* error_if_nonfinite=False"
    ):
        optim.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[1].grad[0] == 2.0


def test_a_norm_that_is_not_finite_is_else_the_gradients_fate():
    p, q = with_gradients([np.inf, 1.0], [2.0])
    assert optim.clip_grad_norm_([p, q], 1.0).item() == np.inf
    np.testing.assert_array_equal(np.concatenate([p.grad, q.grad]), [np.nan, 0.0, 0.0])  # times 1 / inf


def test_a_finite_norm_is_clipped_by_also_where_others_are_refused():
    (p,) = with_gradients([3.0, 4.0])
    assert optim.clip_grad_norm_(p, 0.5, error_if_nonfinite=True).item() == 5.0
    assert_close(p.grad, np.array([0.3, 0.4]), rtol=1e-6)  # the formula's 1e-6 beside the norm of 5


@pytest.mark.parametrize("params, options, text", [
    ([], {}, r"no parameters \(a generator can be walked only once"),
    (iter(()), {}, "no parameters"),
    (with_gradients([1.0]), {"max_norm": -1.0}, "max_norm must be at least 0, got -1"),
    (with_gradients([1.0]), {"max_norm": float("nan")}, "max_norm must be at least 0, got nan"),
    (with_gradients([1.0]), {"norm_type": 0}, "norm_type must be above 0, got 0"),
])  # fmt: skip
def test_arguments_out_of_range(params, options, text):
    with pytest.raises(ValueError, match=f"^clip_grad_norm_: {text}"):
        optim.clip_grad_norm_(params, **{"max_norm": 1.0, **options})
