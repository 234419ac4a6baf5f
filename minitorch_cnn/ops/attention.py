"""Scaled dot-product attention (Vaswani et al. 2017, 1706.03762, equation 1).

    softmax(q k^T / sqrt(d) + mask) v

Every query takes a weighted mean of the values; the weights say how well its key fits. Composed of matmul and softmax, which know
their gradients.
"""

import math

import numpy as np

from .. import backend
from ..autograd import Tensor
from . import check
from .activation import Softmax
from .elementwise import add, mul
from .linear import matmul
from .regularize import dropout
from .shape import transpose


class AttentionWeights(Softmax):
    """Softmax, but a query whose scores are all -inf, since it may see nothing, gets weights 0 and not 0/0 (as in PyTorch)."""

    def forward(self, x):
        xp = backend.array_module(x)
        blind = (x == -np.inf).all(self.dim, keepdims=True)
        self.y = super().forward(xp.where(blind, x.dtype.type(0), x)) * ~blind
        return self.y


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
    """Attention of L queries to S keys and their values.

    Args:
        query: (..., L, d) float tensor; key: (..., S, d); value: (..., S, dv).
        attn_mask: broadcasts to (..., L, S): bool, True where a key may be seen, or a float that is added to the scores.
            A query that may see nothing gets 0.
        dropout_p: probability with which a weight is dropped (always: pass 0 in evaluation).
        is_causal: let query i see keys 0 to i only; not together with attn_mask.
        scale: instead of 1 / sqrt(d).
    Returns: (..., L, dv).
    Raises: ValueError if the shapes don't fit; TypeError on mixed dtypes.
    Source: Vaswani et al. 2017; torch.nn.functional.scaled_dot_product_attention.

    >>> from minitorch_cnn import Tensor
    >>> q, k, v = Tensor([[0.0]]), Tensor([[1.0], [2.0]]), Tensor([[10.0], [20.0]])
    >>> scaled_dot_product_attention(q, k, v).item()                                 # equal scores: the mean of the values
    15.0
    """
    op = "scaled_dot_product_attention"
    for name, t in (("query", query), ("key", key), ("value", value)):
        check.float_tensor(op, name, t, min_ndim=2)
    check.same_dtype(op, query=query, key=key, value=value)
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{op}: query and key must agree in their last extent, key and value in the one before; "
            f"query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape}"
        )
    weights = AttentionWeights.apply(attention_scores(query, key, attn_mask, is_causal, scale), dim=-1)
    return matmul(dropout(weights, dropout_p), value)


def attention_scores(query, key, attn_mask=None, is_causal=False, scale=None):
    """q k^T * scale + mask: what the softmax is taken of, (..., L, S)."""
    op = "scaled_dot_product_attention"
    scores = matmul(mul(query, 1 / math.sqrt(query.shape[-1]) if scale is None else scale), transpose(key, -2, -1))
    xp = backend.array_module(scores.data)
    if is_causal:
        if attn_mask is not None:
            raise ValueError(f"{op}: give attn_mask or is_causal, not both")
        with backend.on_device_of(scores.data):
            attn_mask = xp.tri(*scores.shape[-2:], dtype=np.bool_)
    if attn_mask is None:
        return scores
    mask = Tensor(attn_mask, device=scores.device) if backend.is_array(attn_mask) else attn_mask
    check.tensor(op, "attn_mask", mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"{op}: attn_mask must be bool (True where a key may be seen) or float (added to the scores), got {mask.dtype}"
        )
    fits = mask.ndim <= scores.ndim and all(m in (1, n) for m, n in zip(mask.shape[::-1], scores.shape[::-1]))
    if not fits:
        raise ValueError(f"{op}: attn_mask must broadcast to (..., L, S) = {scores.shape}, got {mask.shape}")
    if mask.dtype.kind == "b":
        with backend.on_device_of(scores.data):
            mask = Tensor(xp.where(mask.data, scores.dtype.type(0), scores.dtype.type(-np.inf)))
    return add(scores, mask)
