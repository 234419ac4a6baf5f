"""Multi-head attention (Vaswani et al. 2017, 1706.03762, section 3.2.2).

    head_i = attention(q Wq_i, k Wk_i, v Wv_i)        output = concat(heads) Wo

All the heads' Wq, Wk and Wv are rows of one matrix, in_proj_weight: first those for queries, then for keys, then for values.
"""

import numpy as np

from .. import backend
from .. import functional as F
from ..autograd import Tensor
from ..ops import check
from ..ops.attention import attention_scores
from . import init
from .linear import Linear
from .module import Module, Parameter


class MultiheadAttention(Module):
    """Attention with several heads, each on its own slice of the features.

    Args:
        embed_dim: features of query, key and value.
        num_heads: a divisor of embed_dim.
        dropout: probability with which an attention weight is dropped in training.
        bias: whether the projections have one.
        batch_first: (N, L, E) instead of PyTorch's default (L, N, E).
    Source: torch.nn.MultiheadAttention; keys in_proj_weight in_proj_bias out_proj.weight out_proj.bias.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor, nn
    >>> x = Tensor(np.zeros((2, 5, 8), np.float32))
    >>> output, weights = nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x)
    >>> output.shape, weights.shape
    ((2, 5, 8), (2, 5, 5))
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, *, batch_first=False):
        check.integer("MultiheadAttention", "embed_dim", embed_dim, least=1)
        check.integer("MultiheadAttention", "num_heads", num_heads, least=1)
        check.in_range("MultiheadAttention", "dropout", dropout, 0.0, 1.0)
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: embed_dim {embed_dim} can't be cut into {num_heads} heads")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.in_proj_weight = Parameter(np.zeros((3 * embed_dim, embed_dim), np.float32))
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, np.float32)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        init.xavier_uniform_(self.in_proj_weight)
        if bias:
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True
    ):
        """
        Args:
            query: (L, N, E), or (N, L, E) with batch_first; key, value: (S, N, E) or (N, S, E).
            key_padding_mask: (N, S) bool, True for keys to be ignored (note: the other way round than in
                scaled_dot_product_attention; so has PyTorch it), or floats to be added.
            attn_mask: (L, S) or (N*heads, L, S), bool (True: may not be seen) or floats to be added.
            need_weights: also return the attention weights.
            average_attn_weights: their mean over heads (N, L, S), or each head's (N, heads, L, S).
        Returns: (output, weights or None).
        Raises: ValueError if a shape doesn't fit the others; TypeError on a mask of integers, or on mixed dtypes.
        """
        self._check(query, key, value)
        if not self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        N, L, E = query.shape
        heads = self.num_heads
        q, k, v = (
            self._project(t, slice(i * E, (i + 1) * E))  # (N, L or S, E)
            .reshape(N, -1, heads, E // heads)
            .transpose(1, 2)  # (N, heads, L or S, E/heads)
            for i, t in enumerate((query, key, value))
        )
        scores = attention_scores(q, k, self._mask(attn_mask, key_padding_mask, q, k))
        weights = F.softmax(scores, dim=-1)  # (N, heads, L, S)
        weights = F.dropout(weights, self.dropout, self.training)
        output = (weights @ v).transpose(1, 2).reshape(N, L, E)
        output = self.out_proj(output)
        if not self.batch_first:
            output = output.transpose(0, 1)
        if not need_weights:
            return output, None
        return output, weights.mean(1) if average_attn_weights else weights

    def _project(self, t, rows):
        return F.linear(t, self.in_proj_weight[rows], None if self.in_proj_bias is None else self.in_proj_bias[rows])

    def _check(self, query, key, value):
        op = "MultiheadAttention"
        batch, length = (0, 1) if self.batch_first else (1, 0)
        for name, t in (("query", query), ("key", key), ("value", value)):
            check.float_tensor(op, name, t)
            if t.ndim != 3 or t.shape[2] != self.embed_dim:
                layout = "(batch, length, features)" if self.batch_first else "(length, batch, features)"
                raise ValueError(
                    f"{op}: {name} must be {layout} with {self.embed_dim} features; {name}.shape={t.shape}"
                )
        if not query.shape[batch] == key.shape[batch] == value.shape[batch] or key.shape[length] != value.shape[length]:
            raise ValueError(
                f"{op}: query, key and value must have one batch size, key and value one length (batch_first={self.batch_first}); "
                f"query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape}"
            )

    def _mask(self, attn_mask, key_padding_mask, q, k):
        """Both masks as one tensor that is added to the scores (N, heads, L, S), or None."""
        (N, heads, L, _), S = q.shape, k.shape[2]
        total = None
        for name, mask, shapes in (
            ("attn_mask", attn_mask, {(L, S): (1, 1, L, S), (N * heads, L, S): (N, heads, L, S)}),
            ("key_padding_mask", key_padding_mask, {(N, S): (N, 1, 1, S)}),
        ):
            if mask is None:
                continue
            xp = backend.array_module(q.data)
            mask = (
                mask
                if isinstance(mask, Tensor)
                else Tensor(mask if backend.is_array(mask) else np.asarray(mask), device=q.device)
            )
            if mask.shape not in shapes:
                wanted = " or ".join(map(str, shapes))
                raise ValueError(f"MultiheadAttention: {name} must have shape {wanted}, got {mask.shape}")
            if mask.dtype.kind == "b":
                with backend.on_device_of(q.data):
                    mask = Tensor(xp.where(mask.data, q.dtype.type(-np.inf), q.dtype.type(0)))
            elif mask.dtype.kind != "f":
                raise TypeError(f"MultiheadAttention: {name} must be bool (True: not seen) or float, got {mask.dtype}")
            mask = mask.to(q.dtype).reshape(shapes[mask.shape])
            total = mask if total is None else total + mask
        return total

    def extra_repr(self):
        return f"{self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"
