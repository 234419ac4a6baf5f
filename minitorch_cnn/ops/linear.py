"""Matrix products: the fully connected layer, and matmul.

y = x W^T + b     dx = g W     dW = g^T x     db = sum of g over the samples
c = a b           da = g b^T   db = a^T g
"""

from ..autograd import Function, Tensor
from ..backend import primitives as P
from . import check
from .elementwise import constant, sum_to_shape
from .shape import reshape


class Linear(Function):
    def forward(self, x, weight, bias):  # (..., in), (out, in), (out,) or None
        self.x, self.weight = x, weight
        y = P.matmul(_rows(x), weight.T)  # (samples, out)
        if bias is not None:
            y += bias
        return y.reshape(*x.shape[:-1], len(weight))

    def backward(self, grad):
        gx = gw = gb = None
        rows = _rows(grad)  # (samples, out)
        if self.needs_input_grad[0]:
            gx = P.matmul(rows, self.weight).reshape(self.x.shape)
        if self.needs_input_grad[1]:
            gw = P.matmul(rows.T, _rows(self.x))  # (out, samples) @ (samples, in)
        if self.needs_input_grad[2]:
            gb = rows.sum(0)
        return gx, gw, gb


class MatMul(Function):
    def forward(self, a, b):  # (..., n, k), (..., k, m)
        self.a, self.b = a, b
        return P.matmul(a, b)

    def backward(self, grad):
        ga = gb = None
        if self.needs_input_grad[0]:
            ga = sum_to_shape(P.matmul(grad, self.b.swapaxes(-1, -2)), self.a.shape)
        if self.needs_input_grad[1]:
            gb = sum_to_shape(P.matmul(self.a.swapaxes(-1, -2), grad), self.b.shape)
        return ga, gb


def _rows(x):
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def linear(input, weight, bias=None):
    """The fully connected layer: each output is a weighted sum of all inputs.

    Args:
        input: (..., in_features) float tensor.
        weight: (out_features, in_features).
        bias: (out_features,) or None.
    Returns: (..., out_features).
    Raises: ValueError if the sizes differ; TypeError on mixed dtypes.
    Source: torch.nn.functional.linear.

    >>> from minitorch_cnn import Tensor
    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0, 4.0], [5.0, 6.0]]), Tensor([0.5, 0.0])).numpy().tolist()
    [[11.5, 17.0]]
    """
    check.float_tensor("linear", "input", input, min_ndim=1)
    check.float_tensor("linear", "weight", weight, ndim=2)
    if bias is not None:
        check.float_tensor("linear", "bias", bias, ndim=1)
    check.same_dtype("linear", input=input, weight=weight, bias=bias)
    if input.shape[-1] != weight.shape[1]:
        flat = input.ndim == 4 and input.size == input.shape[0] * weight.shape[1]
        raise ValueError(
            f"linear: x has {input.shape[-1]} features, but weight expects {weight.shape[1]}; "
            f"x.shape={input.shape}, weight.shape={weight.shape}{'; did you forget flatten(1)?' if flat else ''}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias must have shape ({weight.shape[0]},), one value an output, got {bias.shape}")
    return Linear.apply(input, weight, bias)


def matmul(input, other):
    """The matrix product. Vectors become rows or columns and lose that dimension again; leading dimensions broadcast.
    One of the two may be an array or a list: a constant of the other's dtype.

    >>> from minitorch_cnn import Tensor
    >>> (Tensor([[1.0, 2.0]]) @ Tensor([[3.0], [4.0]])).numpy().tolist()
    [[11.0]]
    """
    if not isinstance(input, Tensor):
        input = constant("matmul", input, other)
    elif not isinstance(other, Tensor):
        other = constant("matmul", other, input)
    check.float_tensor("matmul", "input", input, min_ndim=1)
    check.float_tensor("matmul", "other", other, min_ndim=1)
    check.same_dtype("matmul", input=input, other=other)
    a = input if input.ndim > 1 else reshape(input, 1, -1)
    b = other if other.ndim > 1 else reshape(other, -1, 1)
    fits = a.shape[-1] == b.shape[-2]
    for n, m in zip(a.shape[-3::-1], b.shape[-3::-1]):
        fits = fits and (n == m or n == 1 or m == 1)
    if not fits:
        raise ValueError(f"matmul: shapes {input.shape} and {other.shape} do not fit: (..., n, k) @ (..., k, m)")
    c = MatMul.apply(a, b)
    if input.ndim == 1:
        c = reshape(c, *c.shape[:-2], c.shape[-1])
    if other.ndim == 1:
        c = reshape(c, *c.shape[:-1])
    return c
