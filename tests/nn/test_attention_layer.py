"""MultiheadAttention against the formula, a sample and a head at a time."""

import re

import numpy as np
import pytest
from closeness import assert_close

import minitorch_cnn as mt
from minitorch_cnn import nn

N, L, S, E, HEADS = 2, 3, 5, 6, 3  # batch, queries, keys, features, heads; E/HEADS = 2


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def by_formula(layer, query, key, value, added=None):
    """(output, weights of each head) of (N, L, E), (N, S, E); `added` (N, HEADS, L, S) goes onto the scores."""
    wq, wk, wv = layer.in_proj_weight.numpy().reshape(3, E, E)
    bq, bk, bv = np.zeros((3, E)) if layer.in_proj_bias is None else layer.in_proj_bias.numpy().reshape(3, E)
    size = E // layer.num_heads
    outputs, all_weights = [], []
    for n in range(len(query)):
        heads, weights = [], []
        for h in range(layer.num_heads):
            rows = slice(h * size, (h + 1) * size)
            q = query[n] @ wq[rows].T + bq[rows]
            k = key[n] @ wk[rows].T + bk[rows]
            v = value[n] @ wv[rows].T + bv[rows]
            scores = q @ k.T / np.sqrt(size) + (0 if added is None else added[n, h])
            weights.append(softmax(scores))
            heads.append(weights[-1] @ v)
        joined = np.concatenate(heads, axis=1) @ layer.out_proj.weight.numpy().T
        outputs.append(joined + (0 if layer.out_proj.bias is None else layer.out_proj.bias.numpy()))
        all_weights.append(weights)
    return np.array(outputs), np.array(all_weights)


def attention(rng, **options):
    layer = nn.MultiheadAttention(E, HEADS, **{"batch_first": True, **options}).double()
    for parameter in layer.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape)
    return layer


@pytest.fixture
def inputs(rng):
    return [rng.standard_normal((N, length, E)) for length in (L, S, S)]


def run(layer, inputs, **options):
    output, weights = layer(*map(mt.Tensor, inputs), **options)
    return output.numpy(), None if weights is None else weights.numpy()


@pytest.mark.parametrize("bias", [True, False])
def test_queries_keys_and_values_of_their_own(bias, inputs, rng):
    layer = attention(rng, bias=bias)
    output, weights = run(layer, inputs)
    expected, each = by_formula(layer, *inputs)
    assert_close(output, expected, rtol=1e-12)
    assert_close(weights, each.mean(1), rtol=1e-12)
    assert_close(weights.sum(-1), np.ones((N, L)), rtol=1e-14)


def test_the_weights_of_each_head_or_none(inputs, rng):
    layer = attention(rng)
    expected, each = by_formula(layer, *inputs)
    assert_close(run(layer, inputs, average_attn_weights=False)[1], each, rtol=1e-12)
    output, weights = run(layer, inputs, need_weights=False)
    assert weights is None
    assert_close(output, expected, rtol=1e-12)


def test_the_batch_is_second_unless_asked_otherwise(inputs, rng):
    layer = attention(rng, batch_first=False)
    output, weights = run(layer, [x.swapaxes(0, 1) for x in inputs])
    expected, each = by_formula(layer, *inputs)
    assert_close(output, expected.swapaxes(0, 1), rtol=1e-12)
    assert_close(weights, each.mean(1), rtol=1e-12)


def test_self_attention_knows_no_order(rng):
    layer = attention(rng)
    x, order = rng.standard_normal((N, L, E)), [2, 0, 1]
    assert_close(run(layer, [x[:, order]] * 3)[0], run(layer, [x] * 3)[0][:, order], rtol=1e-12)


BOOL_2D = np.triu(np.ones((L, S), bool), 1)  # True: not seen


def as_added(mask):
    return np.where(mask, -np.inf, 0.0)


@pytest.mark.parametrize("wrap", [np.asarray, mt.Tensor, lambda m: m.tolist()], ids=["array", "tensor", "list"])
def test_a_bool_mask_hides_keys_from_queries(wrap, inputs, rng):
    layer = attention(rng)
    output, weights = run(layer, inputs, attn_mask=wrap(BOOL_2D))
    expected, each = by_formula(layer, *inputs, added=np.broadcast_to(as_added(BOOL_2D), (N, HEADS, L, S)))
    assert_close(output, expected, rtol=1e-12)
    assert_close(weights, each.mean(1), rtol=1e-12)
    assert (weights[:, BOOL_2D] == 0).all() and (weights[:, ~BOOL_2D] > 0).all()


def test_a_float_mask_is_added_to_the_scores(inputs, rng):
    layer, mask = attention(rng), rng.standard_normal((L, S))
    expected = by_formula(layer, *inputs, added=np.broadcast_to(mask, (N, HEADS, L, S)))[0]
    assert_close(run(layer, inputs, attn_mask=mask)[0], expected, rtol=1e-12)


def test_a_mask_of_its_own_for_each_sample_and_head(inputs, rng):
    layer, mask = attention(rng), rng.standard_normal((N * HEADS, L, S))
    expected = by_formula(layer, *inputs, added=mask.reshape(N, HEADS, L, S))[0]
    assert_close(run(layer, inputs, attn_mask=mask)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_padded_keys_are_hidden_sample_by_sample(kind, inputs, rng):
    layer = attention(rng)
    padded = np.array([[False, False, False, True, True], [True, False, False, False, False]])
    added = as_added(padded) if kind == "bool" else rng.standard_normal((N, S))
    expected = by_formula(layer, *inputs, added=np.broadcast_to(added[:, None, None], (N, HEADS, L, S)))[0]
    output = run(layer, inputs, key_padding_mask=padded if kind == "bool" else added)[0]
    assert_close(output, expected, rtol=1e-12)
    if kind == "bool":
        inputs[1][padded] = inputs[2][padded] = 1e6
        assert_close(run(layer, inputs, key_padding_mask=padded)[0], expected, rtol=1e-12)


def test_both_masks_together(inputs, rng):
    layer = attention(rng)
    padded = np.zeros((N, S), bool)
    padded[1, 3:] = True
    added = as_added(BOOL_2D)[None, None] + as_added(padded)[:, None, None]
    expected = by_formula(layer, *inputs, added=np.broadcast_to(added, (N, HEADS, L, S)))[0]
    assert_close(run(layer, inputs, attn_mask=BOOL_2D, key_padding_mask=padded)[0], expected, rtol=1e-12)


def test_gradients_of_inputs_parameters_and_a_learnt_mask(inputs, rng):
    layer = attention(rng)

    def function(query, key, value, mask, in_weight, in_bias, out_weight, out_bias):
        vars(layer).update(in_proj_weight=in_weight, in_proj_bias=in_bias)
        vars(layer.out_proj).update(weight=out_weight, bias=out_bias)
        output, weights = layer(query, key, value, attn_mask=mask)
        return mt.cat([output.flatten(), weights.flatten()])

    parameters = [p.numpy().copy() for p in layer.parameters()]
    upstream = rng.standard_normal(N * L * E + N * L * S)
    assert mt.gradcheck(function, [*inputs, rng.standard_normal((L, S)), *parameters], upstream)


def test_dropout_drops_weights_in_training_only(inputs, rng):
    layer = attention(rng, dropout=0.5)
    expected, each = by_formula(layer, *inputs)
    weights = run(layer, inputs, average_attn_weights=False)[1]
    dropped = weights == 0
    assert 0.2 < dropped.mean() < 0.8
    assert_close(weights, np.where(dropped, 0, 2 * each), rtol=1e-12)
    layer.eval()
    assert_close(run(layer, inputs)[0], expected, rtol=1e-12)


def test_keys_shapes_and_starting_values():
    layer = nn.MultiheadAttention(E, HEADS)
    shapes = {name: t.shape for name, t in layer.state_dict().items()}
    assert list(shapes.items()) == [
        ("in_proj_weight", (3 * E, E)),
        ("in_proj_bias", (3 * E,)),
        ("out_proj.weight", (E, E)),
        ("out_proj.bias", (E,)),
    ]
    assert not layer.in_proj_bias.numpy().any() and not layer.out_proj.bias.numpy().any()
    bound = np.sqrt(6 / (4 * E))  # xavier, of the whole (3E, E) matrix
    assert 0.9 * bound < abs(layer.in_proj_weight.numpy()).max() <= bound
    assert abs(layer.out_proj.weight.numpy()).max() <= 1 / np.sqrt(E)
    assert list(nn.MultiheadAttention(E, HEADS, bias=False).state_dict()) == ["in_proj_weight", "out_proj.weight"]


@pytest.mark.parametrize(
    "options, text",
    [
        (dict(embed_dim=6, num_heads=4), "MultiheadAttention: embed_dim 6 can't be cut into 4 heads"),
        (dict(embed_dim=6, num_heads=0), "MultiheadAttention: num_heads must be at least 1, got 0"),
        (dict(embed_dim=0, num_heads=1), "MultiheadAttention: embed_dim must be at least 1, got 0"),
        (dict(embed_dim=6, num_heads=2, dropout=2), "MultiheadAttention: dropout must be between 0.0 and 1.0, got 2"),
    ],
)
def test_wrong_options(options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        nn.MultiheadAttention(**options)


@pytest.mark.parametrize(
    "shapes, batch_first, text",
    [
        (
            [(L, E), (S, E), (S, E)],
            True,
            f"query must be (batch, length, features) with 6 features; query.shape=({L}, {E})",
        ),
        (
            [(L, N, E), (S, N, 4), (S, N, E)],
            False,
            "key must be (length, batch, features) with 6 features; key.shape=(5, 2, 4)",
        ),
        (
            [(N, L, E), (4, S, E), (4, S, E)],
            True,
            "must have one batch size, key and value one length (batch_first=True); "
            "query.shape=(2, 3, 6), key.shape=(4, 5, 6), value.shape=(4, 5, 6)",
        ),
        ([(N, L, E), (N, S, E), (N, 4, E)], True, "value.shape=(2, 4, 6)"),
        ([(N, L, E), (N, S, E), (N, S, E)], False, "(batch_first=False); query.shape=(2, 3, 6)"),
    ],
)
def test_inputs_that_do_not_fit_each_other(shapes, batch_first, text):
    layer = nn.MultiheadAttention(E, HEADS, batch_first=batch_first)
    with pytest.raises(ValueError, match="MultiheadAttention: .*" + re.escape(text)):
        layer(*(mt.Tensor(np.zeros(shape, np.float32)) for shape in shapes))


@pytest.mark.parametrize(
    "name, shape, text",
    [
        ("attn_mask", (S, L), "attn_mask must have shape (3, 5) or (6, 3, 5), got (5, 3)"),
        ("attn_mask", (N, L, S), "attn_mask must have shape (3, 5) or (6, 3, 5), got (2, 3, 5)"),
        ("key_padding_mask", (S, N), "key_padding_mask must have shape (2, 5), got (5, 2)"),
        ("key_padding_mask", (N, L), "key_padding_mask must have shape (2, 5), got (2, 3)"),
    ],
)
def test_a_mask_of_another_shape_is_refused_and_not_reshaped(name, shape, text, inputs, rng):
    with pytest.raises(ValueError, match="MultiheadAttention: " + re.escape(text)):
        run(attention(rng), inputs, **{name: np.zeros(shape, bool)})


def test_a_mask_of_integers_is_refused_and_not_added(inputs, rng):
    with pytest.raises(TypeError, match=re.escape("attn_mask must be bool (True: not seen) or float, got int64")):
        run(attention(rng), inputs, attn_mask=np.zeros((L, S), np.int64))
    with pytest.raises(TypeError, match="query must be a float tensor, got int64"):
        attention(rng)(*(mt.Tensor(np.zeros((N, L, E), np.int64)) for _ in range(3)))
