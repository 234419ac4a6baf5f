"""scaled_dot_product_attention and MultiheadAttention against PyTorch."""

import numpy as np
import pytest

import minitorch_cnn as mt

torch = pytest.importorskip("torch")

from against_torch import SINGLE, agree, both_refuse, same_layer  # noqa: E402  after the skip


def qkv(rng, *leading, L=5, S=7, d=4, dv=3, dtype=np.float64):
    return [rng.standard_normal((*leading, *s)).astype(dtype) for s in ((L, d), (S, d), (S, dv))]


@pytest.mark.parametrize("leading", [(), (2,), (2, 3), (2, 3, 2)], ids=str)
@pytest.mark.parametrize(
    "options", [dict(), dict(is_causal=True), dict(scale=0.7), dict(is_causal=True, scale=2.0)], ids=str
)
def test_scaled_dot_product_attention(leading, options, rng):
    agree(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, **options), *qkv(rng, *leading))


@pytest.mark.parametrize("L, S", [(7, 5), (5, 7), (1, 6), (6, 1)])
def test_causal_attention_of_other_numbers_of_queries_and_keys(L, S, rng):
    agree(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), *qkv(rng, 2, L=L, S=S))


@pytest.mark.parametrize("mask_shape", [(5, 7), (2, 3, 5, 7), (1, 3, 5, 7), (2, 1, 1, 7), (3, 1, 7), (1, 7)], ids=str)
def test_attention_with_a_mask(mask_shape, rng):
    visible = rng.random(mask_shape) < 0.6
    visible[..., 2] = True  # a query with nothing to see is another test's
    inputs = qkv(rng, 2, 3)
    # a bool mask says what may be seen; a float one is added, and has a gradient
    agree(lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), *inputs, visible)
    agree(
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
        *inputs,
        rng.standard_normal(mask_shape),
    )


def test_attention_in_float32_and_in_pytorch_s_order(rng):
    inputs = qkv(rng, 2, 3, dtype=np.float32)
    agree(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, None, 0.0, True), *inputs, rtol=SINGLE)


def test_attention_of_large_scores(rng):
    q, k, v = qkv(rng, 2)
    with np.errstate(under="ignore"):
        agree(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v), 100 * q, 100 * k, v)


def test_attention_dropped_altogether_is_zero(rng):
    agree(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=1.0), *qkv(rng, 2))


def test_what_pytorch_s_attention_refuses_is_refused(rng):
    q, k, v = qkv(rng, 2)
    both_refuse(lambda F, q, k, v: F.scaled_dot_product_attention(q, v, v), q, k, v, match="last extent")
    both_refuse(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v[:, :3]), q, k, v, match="key and value")
    mask = np.ones((5, 7), bool)
    both_refuse(
        lambda F, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m, is_causal=True), q, k, v, mask, match="both"
    )


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_may_see_nothing_gets_zero(kind, rng):
    visible = rng.random((5, 7)) < 0.6
    visible[3] = False
    mask = visible if kind == "bool" else np.where(visible, 0.0, -np.inf)
    constant = {mt.functional: mt.Tensor(mask), torch.nn.functional: torch.tensor(mask)}
    agree(lambda F, q, k, v: F.scaled_dot_product_attention(q, k, v, constant[F]), *qkv(rng, 2))


def sequences(rng, batch_first, L=5, S=7, N=3, E=8):
    shapes = ((N, L, E), (N, S, E), (N, S, E)) if batch_first else ((L, N, E), (S, N, E), (S, N, E))
    return [rng.standard_normal(s) for s in shapes]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("options", [dict(), dict(need_weights=False), dict(average_attn_weights=False)], ids=str)
def test_multihead_attention(batch_first, bias, options, rng):
    layer = same_layer(
        lambda nn: nn.MultiheadAttention(8, 2, bias=bias, batch_first=batch_first),
        *sequences(rng, batch_first),
        call=lambda layer, q, k, v: layer(q, k, v, **options),
    )
    assert len(list(layer.parameters())) == (4 if bias else 2)


@pytest.mark.parametrize("train", [False, True])
def test_multihead_self_attention(train, rng):
    """One tensor in three places gets the sum of three gradients."""
    same_layer(
        lambda nn: nn.MultiheadAttention(12, 3, 0.0, True, batch_first=True),
        rng.standard_normal((2, 5, 12)),
        call=lambda layer, x: layer(x, x, x),
        train=train,
    )


@pytest.mark.parametrize("shape", [(5, 7), (6, 5, 7)], ids=str)  # for all, or for each sample and head
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_multihead_attention_with_a_mask(shape, kind, batch_first, rng):
    hidden = rng.random(shape) < 0.4
    hidden[..., 2] = False
    mask = hidden if kind == "bool" else rng.standard_normal(shape)
    same_layer(
        lambda nn: nn.MultiheadAttention(8, 2, batch_first=batch_first),
        *sequences(rng, batch_first),
        mask,
        call=lambda layer, q, k, v, m: layer(q, k, v, attn_mask=m, average_attn_weights=False),
    )


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_multihead_attention_with_padding(with_mask, kind, rng):
    padding = np.arange(7) >= np.array([7, 4, 5])[:, None]  # (N, S), True where a sequence has ended
    if kind == "float":
        padding = np.where(padding, -2.0, 0.3)
    mask = rng.standard_normal((5, 7)) if kind == "float" else rng.random((5, 7)) < 0.3
    if kind == "bool":
        mask[:, 1] = False
    options = dict(attn_mask=mask) if with_mask else {}

    def call(layer, q, k, v, padding):
        own = torch.tensor if isinstance(layer, torch.nn.Module) else mt.Tensor
        return layer(q, k, v, key_padding_mask=padding, **{name: own(m) for name, m in options.items()})

    same_layer(lambda nn: nn.MultiheadAttention(8, 4), *sequences(rng, False), padding, call=call)


def test_multihead_attention_takes_its_options_in_pytorch_s_order(rng):
    padding = np.zeros((3, 7), bool)
    padding[1, 5:] = True

    def call(layer, q, k, v, padding):  # key_padding_mask, need_weights, attn_mask, average_attn_weights
        return layer(q, k, v, padding, True, None, False)

    same_layer(lambda nn: nn.MultiheadAttention(8, 2, 0.0, False), *sequences(rng, False), padding, call=call)


def test_multihead_attention_in_float32(rng):
    inputs = [a.astype(np.float32) for a in sequences(rng, False)]
    same_layer(lambda nn: nn.MultiheadAttention(8, 2), *inputs, dtype="float32", rtol=SINGLE)


def test_multihead_attention_starts_as_pytorch_s():
    """Biases 0; the joint projection uniform with Glorot's bound for its whole (3E, E) matrix; out_proj as Linear."""
    ours, theirs = mt.nn.MultiheadAttention(64, 4), torch.nn.MultiheadAttention(64, 4)
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters()):
        a, b = a.numpy(), b.detach().numpy()
        bound = np.abs(b).max()
        assert np.abs(a).max() == pytest.approx(bound, rel=0.01), (
            name
        )  # the largest of 4096 draws is within 1e-3 of the bound
        assert a.std() == pytest.approx(b.std(), rel=0.05), name


@pytest.mark.parametrize(
    "build, match",
    [(lambda nn: nn.MultiheadAttention(8, 3), "heads"), (lambda nn: nn.MultiheadAttention(8, 0), "num_heads")],
)
def test_multihead_attention_refuses_what_pytorch_s_refuses(build, match):
    with pytest.raises((AssertionError, ValueError, ZeroDivisionError)):
        build(torch.nn)
    with pytest.raises(ValueError, match=match):
        build(mt.nn)
