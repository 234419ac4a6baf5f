"""Dropout: how many, how they are scaled, and that the seed decides which."""

import re

import numpy as np
import pytest

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor

ONES = np.ones((200, 500))


def dropped(p=0.5, dtype=np.float64, seed=0, **options):
    mt.manual_seed(seed)
    return F.dropout(Tensor(ONES.astype(dtype)), p, **options).numpy()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_share_of_p_becomes_zero_and_the_rest_is_divided_by_the_rest(p, dtype):
    y = dropped(p, dtype)
    assert y.dtype == dtype
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)], rtol=1e-7)
    deviation = np.sqrt(p * (1 - p) / ONES.size)
    assert abs((y == 0).mean() - p) < 4 * deviation


def test_rows_columns_and_neighbours_are_dropped_independently():
    zero = (dropped(0.5) == 0).astype(float)
    assert abs(zero.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(200)
    assert abs(zero.mean(1) - 0.5).max() < 5 * 0.5 / np.sqrt(500)
    for a, b in ((zero[1:], zero[:-1]), (zero[:, 1:], zero[:, :-1])):
        assert abs((a == b).mean() - 0.5) < 5 * 0.5 / np.sqrt(a.size)


def test_the_seed_decides_and_each_call_draws_anew():
    first = dropped()
    second = F.dropout(Tensor(ONES)).numpy()
    assert (first != second).any()
    np.testing.assert_array_equal(dropped(), first)
    assert (dropped(seed=1) != first).any()


def test_both_precisions_drop_the_same_values():
    np.testing.assert_array_equal(dropped(0.3, np.float32) == 0, dropped(0.3, np.float64) == 0)


def test_the_gradient_goes_where_the_value_went():
    x = Tensor(ONES, requires_grad=True)
    upstream = np.random.default_rng(1).standard_normal(ONES.shape)
    y = F.dropout(x, 0.25)
    y.backward(upstream)
    np.testing.assert_array_equal(x.grad, upstream * y.numpy())  # x is 1, so y is the mask


def test_p_of_one_leaves_nothing_and_p_of_zero_everything():
    x = Tensor(ONES, requires_grad=True)
    F.dropout(x, 1.0).sum().backward()
    assert (dropped(1.0) == 0).all() and (x.grad == 0).all()
    assert F.dropout(x, 0.0) is x


def test_evaluation_changes_nothing_and_draws_nothing():
    x = Tensor(ONES)
    mt.manual_seed(0)
    assert F.dropout(x, 0.9, training=False) is x
    np.testing.assert_array_equal(F.dropout(x).numpy(), dropped())


def test_inplace_is_accepted_and_changes_nothing():
    x = Tensor(np.ones(100))
    F.dropout(x, 0.5, True, True)
    assert (x.numpy() == 1).all()


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4, 5)])
def test_any_shape(shape):
    assert F.dropout(Tensor(np.ones(shape))).shape == shape


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_a_probability_out_of_range_is_named(p):
    for training in (True, False):
        with pytest.raises(ValueError, match=rf"dropout: p must be between 0\.0 and 1\.0, got {p}"):
            F.dropout(Tensor(ONES), p, training)


@pytest.mark.parametrize("p", ["a", None, [0.5]])
def test_a_probability_that_is_no_number_is_named(p):
    with pytest.raises(TypeError, match=rf"dropout: p must be a number, got {re.escape(repr(p))}"):
        F.dropout(Tensor(ONES), p)


@pytest.mark.parametrize("p", [1, np.float32(0.5), np.int64(1)])
def test_numpys_numbers_are_probabilities_too(p):
    assert F.dropout(Tensor(ONES), p).shape == Tensor(ONES).shape


def test_integers_are_refused():
    with pytest.raises(TypeError, match=r"dropout: input must be a float tensor, got int64; use input\.float\(\)"):
        F.dropout(Tensor(np.ones(3, int)))
