"""Sums, means, extremes and variances along some dimensions.

y = sum(x)     dx = g, repeated
y = mean(x)    dx = g / n, repeated
y = max(x)     dx = g at the place of the maximum, 0 elsewhere
y = var(x)     dx = g * 2 (x - mean) / (n - correction)
y = std(x)     dx = g * (x - mean) / (n - correction) / y
"""

import math
from collections import namedtuple

from .. import backend
from ..autograd import Function, Tensor
from . import check

Extreme = namedtuple("Extreme", ["values", "indices"])


class _Reduction(Function):
    """`dims` is a tuple of dimensions; `spread` repeats the gradient along them."""

    def __init__(self, dims, keepdim):
        self.dims, self.keepdim = dims, keepdim

    def spread(self, grad, shape):
        if not self.keepdim:
            grad = grad.reshape([1 if i in self.dims else n for i, n in enumerate(shape)])
        return backend.array_module(grad).broadcast_to(grad, shape)


class Sum(_Reduction):
    def forward(self, x):
        self.shape = x.shape
        return x.sum(self.dims, keepdims=self.keepdim)

    def backward(self, grad):
        return self.spread(grad, self.shape)


class Mean(_Reduction):
    def forward(self, x):
        self.shape = x.shape
        self.n = x.dtype.type(math.prod(x.shape[d] for d in self.dims))
        return x.sum(self.dims, keepdims=self.keepdim) / self.n

    def backward(self, grad):
        return self.spread(grad / self.n, self.shape)


class Var(_Reduction):
    def __init__(self, dims, keepdim, correction):
        super().__init__(dims, keepdim)
        self.correction = correction

    def forward(self, x):
        n = math.prod(x.shape[d] for d in self.dims)
        self.centred = x - x.mean(self.dims, keepdims=True)
        self.divisor = x.dtype.type(n - self.correction)
        return (self.centred * self.centred).sum(self.dims, keepdims=self.keepdim) / self.divisor

    def backward(self, grad):
        return self.spread(grad * (grad.dtype.type(2) / self.divisor), self.centred.shape) * self.centred


class Std(Var):
    def forward(self, x):
        self.y = backend.array_module(x).sqrt(super().forward(x))
        return self.y

    def backward(self, grad):
        flat = self.y == 0  # where all values are equal the slope is undefined; 0, as in PyTorch
        return super().backward(grad * ~flat / (self.y + self.y + flat))


class Extremes(_Reduction):
    """The largest or smallest of everything; equal values share the gradient, as in PyTorch."""

    def __init__(self, dims, largest):
        super().__init__(dims, False)
        self.largest = largest

    def forward(self, x):
        self.x = x
        self.y = x.max() if self.largest else x.min()
        return self.y

    def backward(self, grad):
        equal = (self.x == self.y).astype(grad.dtype)
        return equal * (grad / equal.sum())


class Pick(Function):
    """One value for each place along a dimension: indices has extent 1 there."""

    def __init__(self, indices, dim):
        self.indices, self.dim = indices, dim

    def forward(self, x):
        self.shape = x.shape
        return backend.array_module(x).take_along_axis(x, self.indices, self.dim)

    def backward(self, grad):
        xp = backend.array_module(grad)
        places = xp.arange(self.shape[self.dim]).reshape([-1 if i == self.dim else 1 for i in range(len(self.shape))])
        return grad * (places == self.indices)


def _dims(op, dim, ndim):
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(check.dim(op, d, ndim) for d in (dim if isinstance(dim, tuple | list) else (dim,)))
    if len(set(dims)) < len(dims):
        raise ValueError(f"{op}: a dimension is named twice in {dim}")
    return dims if ndim else ()


def sum(input, dim=None, keepdim=False):
    """The sum along `dim` (an int, several, or None for all of them).

    >>> from minitorch_cnn import Tensor
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]).sum(0).numpy().tolist()
    [4.0, 6.0]
    """
    check.tensor("sum", "input", input)
    return Sum.apply(input, dims=_dims("sum", dim, input.ndim), keepdim=keepdim)


def mean(input, dim=None, keepdim=False):
    """The mean along `dim` (an int, several, or None for all of them)."""
    check.float_tensor("mean", "input", input)
    dims = _dims("mean", dim, input.ndim)
    if any(input.shape[d] == 0 for d in dims):
        raise ValueError(f"mean: there are no values to take the mean of; input.shape={input.shape}, dim={dim}")
    return Mean.apply(input, dims=dims, keepdim=keepdim)


def var(input, dim=None, unbiased=None, *, correction=1, keepdim=False):
    """The variance along `dim`: squared distances from the mean, divided by n - correction.

    Args:
        input: a float tensor.
        dim: an int, several, or None for all.
        unbiased: True is correction=1, False correction=0.
        correction: 1 for the sample's variance, 0 for the population's.
        keepdim: keep the reduced dimensions with extent 1.
    Source: torch.var.

    >>> from minitorch_cnn import Tensor
    >>> Tensor([1.0, 2.0, 3.0]).var().item()
    1.0
    """
    return Var.apply(input, **_spread_options("var", input, dim, unbiased, correction, keepdim))


def std(input, dim=None, unbiased=None, *, correction=1, keepdim=False):
    """The standard deviation: the square root of `var`, with its arguments; its gradient is 0 where all values are equal."""
    return Std.apply(input, **_spread_options("std", input, dim, unbiased, correction, keepdim))


def _spread_options(op, input, dim, unbiased, correction, keepdim):
    check.float_tensor(op, "input", input)
    dims = _dims(op, dim, input.ndim)
    correction = correction if unbiased is None else int(unbiased)
    n = math.prod(input.shape[d] for d in dims)
    if n - correction <= 0:
        raise ValueError(f"{op}: {n} values are too few for correction={correction}; input.shape={input.shape}")
    return {"dims": dims, "keepdim": keepdim, "correction": correction}


def max(input, dim=None, keepdim=False):
    """The largest value of all; or, along `dim`, a pair (values, indices) in which the first of equal values counts.

    >>> from minitorch_cnn import Tensor
    >>> values, indices = Tensor([[1.0, 5.0], [7.0, 2.0]]).max(1)
    >>> values.numpy().tolist(), indices.numpy().tolist()
    ([5.0, 7.0], [1, 0])
    """
    return _extreme("max", input, dim, keepdim, largest=True)


def min(input, dim=None, keepdim=False):
    """The smallest value of all; or, along `dim`, a pair (values, indices) in which the first of equal values counts."""
    return _extreme("min", input, dim, keepdim, largest=False)


def _extreme(op, input, dim, keepdim, largest):
    axis = _axis(op, input, dim)
    if axis is None:
        return Extremes.apply(input, dims=tuple(range(input.ndim)), largest=largest)
    indices = _argument(input, axis, True, largest)
    if input.ndim == 0:
        return Extreme(input, Tensor(indices))
    values = Pick.apply(input, indices=indices, dim=axis)
    if not keepdim:
        values, indices = values.squeeze(axis), indices.squeeze(axis)
    return Extreme(values, Tensor(indices))


def argmax(input, dim=None, keepdim=False):
    """Where the largest value stands (the first of equal ones): int64, outside the graph.

    >>> from minitorch_cnn import Tensor
    >>> Tensor([[1.0, 5.0], [7.0, 2.0]]).argmax(1).numpy().tolist()
    [1, 0]
    """
    return Tensor(_argument(input, _axis("argmax", input, dim), keepdim, largest=True))


def argmin(input, dim=None, keepdim=False):
    """Where the smallest value stands (the first of equal ones): int64, outside the graph."""
    return Tensor(_argument(input, _axis("argmin", input, dim), keepdim, largest=False))


def _argument(input, axis, keepdim, largest):
    with backend.on_device_of(input.data):
        # a number has no dimension 0, though PyTorch lets it be named
        return (input.data.argmax if largest else input.data.argmin)(axis if input.ndim else None, keepdims=keepdim)


def _axis(op, input, dim):
    """`dim` counted from 0, or None for all; there must be something to choose from."""
    check.tensor(op, "input", input)
    axis = None if dim is None else check.dim(op, dim, input.ndim)
    if input.size == 0 and (axis is None or input.shape[axis] == 0):
        raise ValueError(f"{op}: there are no values to choose from; input.shape={input.shape}, dim={dim}")
    return axis
