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

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True, batch_first=False):
        check.integer("MultiheadAttention", "num_heads", num_heads, least=1)
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
        """
        if not self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        N, L, E = query.shape
        S, heads = key.shape[1], self.num_heads
        q, k, v = (
            self._project(t, slice(i * E, (i + 1) * E))  # (N, L or S, E)
            .reshape(N, -1, heads, E // heads)
            .transpose(1, 2)  # (N, heads, L or S, E/heads)
            for i, t in enumerate((query, key, value))
        )
        scores = attention_scores(q, k, self._mask(attn_mask, key_padding_mask, N, L, S, query))
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

    def _mask(self, attn_mask, key_padding_mask, N, L, S, query):
        """Both masks as one float array to be added to the scores, or None."""
        total = None
        for mask, shape in ((attn_mask, None), (key_padding_mask, (N, 1, 1, S))):
            if mask is None:
                continue
            mask = mask.data if isinstance(mask, Tensor) else mask
            xp = backend.array_module(query.data)
            if mask.dtype.kind == "b":
                mask = xp.where(mask, query.dtype.type(-np.inf), query.dtype.type(0))
            if shape is None:
                shape = (N, self.num_heads, L, S) if mask.ndim == 3 else (1, 1, L, S)
            mask = mask.astype(query.dtype).reshape(shape)
            total = mask if total is None else total + mask
        return total

    def extra_repr(self):
        return f"{self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"
