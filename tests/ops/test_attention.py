"""Scaled dot-product attention, query by query in loops."""

import math

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
import minitorch_cnn.functional as F
from minitorch_cnn import Tensor, gradcheck

attention = F.scaled_dot_product_attention


def naive_attention(q, k, v, mask=None, scale=None):
    """mask: (L, S) numbers added to the scores, for each sample, or None."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    out = np.zeros((*q.shape[:-1], v.shape[-1]))
    for *sample, i in np.ndindex(q.shape[:-1]):
        place = tuple(sample)
        scores = [scale * sum(q[place][i] * k[place][j]) for j in range(k.shape[-2])]
        if mask is not None:
            scores = [s + m for s, m in zip(scores, np.broadcast_to(mask, (*q.shape[:-1], k.shape[-2]))[place][i])]
        powers = [math.exp(s - max(scores)) for s in scores]
        for j, p in enumerate(powers):
            out[(*place, i)] += p / sum(powers) * v[place][j]
    return out


@pytest.fixture(params=[(), (2,), (2, 3)], ids=["single", "batch", "heads"])
def qkv(request, rng):
    """L = 4 queries, S = 5 keys of length 3, values of length 6: all extents unequal."""
    return [rng.standard_normal((*request.param, n, d)) for n, d in ((4, 3), (5, 3), (5, 6))]


def test_values_and_gradients(qkv, rng):
    expected = naive_attention(*qkv)
    assert_close(attention(*map(Tensor, qkv)), expected, rtol=1e-14)
    gradcheck(attention, qkv, upstream=rng.standard_normal(expected.shape))


@pytest.mark.parametrize("scale", [0.5, 2.0, 0.0])
def test_a_scale_of_ones_own(qkv, scale):
    assert_close(attention(*map(Tensor, qkv), scale=scale), naive_attention(*qkv, scale=scale), rtol=1e-14)


MASK = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 1, 1, 0, 0]], bool)


@pytest.mark.parametrize("kind", [np.asarray, Tensor], ids=["array", "Tensor"])
def test_a_bool_mask_says_true_where_a_key_may_be_seen(qkv, kind, rng):
    expected = naive_attention(*qkv, mask=np.where(MASK, 0, -np.inf))
    assert_close(attention(*map(Tensor, qkv), attn_mask=kind(MASK)), expected, rtol=1e-14)
    gradcheck(lambda q, k, v: attention(q, k, v, MASK), qkv, upstream=rng.standard_normal(expected.shape))


def test_a_float_mask_is_added_and_has_a_gradient(qkv, rng):
    bias = rng.standard_normal((4, 5))
    assert_close(attention(*map(Tensor, qkv), Tensor(bias)), naive_attention(*qkv, mask=bias), rtol=1e-14)
    gradcheck(attention, [*qkv, bias])


def test_masks_broadcast_over_queries_and_heads(qkv):
    keys = np.array([True, False, True, True, False])
    expected = naive_attention(*qkv, mask=np.where(keys, 0, -np.inf)[None])
    for mask in (keys, keys[None]):
        assert_close(attention(*map(Tensor, qkv), mask), expected, rtol=1e-14)


def test_causal_lets_query_i_see_keys_up_to_i(qkv):
    triangle = np.array([[0.0 if j <= i else -np.inf for j in range(5)] for i in range(4)])
    assert_close(attention(*map(Tensor, qkv), is_causal=True), naive_attention(*qkv, mask=triangle), rtol=1e-14)


def test_keys_that_are_not_seen_get_no_gradient(qkv):
    q, k, v = (Tensor(a, requires_grad=True) for a in qkv)
    attention(q, k, v, np.array([True, True, False, True, True])).sum().backward()
    assert (k.grad[..., 2, :] == 0).all() and (v.grad[..., 2, :] == 0).all()
    assert (v.grad[..., 1, :] != 0).all()


def test_large_scores_do_not_overflow():
    q, k = Tensor(np.full((1, 4), 1e4, np.float32)), Tensor(np.array([[1e4] * 4, [-1e4] * 4], np.float32))
    v = Tensor(np.array([[3.0], [5.0]], np.float32))
    out = attention(q, k, v)
    assert out.dtype == np.float32 and out.numpy().tolist() == [[3.0]]


def test_dropout_drops_whole_weights_and_scales_the_others(rng):
    # value j is the j-th unit vector, so the output is the row of weights itself
    q, k = Tensor(rng.standard_normal((50, 3))), Tensor(rng.standard_normal((40, 3)))
    v = Tensor(np.eye(40))
    weights, dropped = attention(q, k, v).numpy(), attention(q, k, v, dropout_p=0.25).numpy()
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], weights[kept] / 0.75, rtol=1e-12)
    assert abs(kept.mean() - 0.75) < 0.05  # five deviations: sqrt(0.25 * 0.75 / 2000) = 0.0097
    mt.manual_seed(0)
    attention(q, k, v, dropout_p=0.25)
    mt.manual_seed(0)
    np.testing.assert_array_equal(attention(q, k, v, dropout_p=0.25).numpy(), dropped)
    assert (attention(q, k, v, dropout_p=1.0).numpy() == 0).all()


def zeros(*shape, dtype=np.float32):
    return Tensor(np.zeros(shape, dtype))


Q, K, V = zeros(2, 4, 3), zeros(2, 5, 3), zeros(2, 5, 6)


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda: attention(zeros(2, 4, 7), K, V), ValueError, r"query and key must agree .*query\.shape=\(2, 4, 7\), key\.shape="),
        (lambda: attention(Q, zeros(2, 6, 3), V), ValueError, r"key\.shape=\(2, 6, 3\), value\.shape=\(2, 5, 6\)"),
        (lambda: attention(Q, K, V, np.ones((4, 5), int)), TypeError, "attn_mask must be bool .* or float .*, got int64"),
        (lambda: attention(Q, K, V, [[True] * 5] * 4), TypeError, "attn_mask must be a Tensor, got list"),
        (lambda: attention(Q, K, V, np.ones((5, 4), bool)), ValueError,
         r"attn_mask must broadcast to \(\.\.\., L, S\) = \(2, 4, 5\), got \(5, 4\)"),
        (lambda: attention(Q, K, V, np.ones((7, 1, 4, 5), bool)), ValueError, r"attn_mask must broadcast to .* got \(7, 1, 4, 5\)"),
        (lambda: attention(Q, K, V, np.ones((4, 5), bool), is_causal=True), ValueError, "give attn_mask or is_causal, not both"),
        (lambda: attention(Q, K, V, dropout_p=1.5), ValueError, r"p must be between 0\.0 and 1\.0, got 1\.5"),
        (lambda: attention(Q, K, zeros(2, 5, 6, dtype=float)), TypeError, "query is float32, key is float32, value is float64"),
        (lambda: attention(zeros(3), K, V), ValueError, "query must have at least 2 dimensions, got 1"),
        (lambda: attention(np.zeros((4, 3)), K, V), TypeError, "query must be a Tensor, got ndarray"),
    ],
)  # fmt: skip
def test_what_does_not_fit_says_why(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
