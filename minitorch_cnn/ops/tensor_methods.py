"""Tensor's operators and methods: each is the function of the same name, so a debugger steps from `x + y` straight into `add`."""

import numpy as np

from ..autograd import Tensor
from . import activation, comparison, elementwise, linear, reduce, shape

# operators
Tensor.__add__ = elementwise.add
Tensor.__radd__ = lambda self, other: elementwise.add(other, self)
Tensor.__sub__ = elementwise.sub
Tensor.__rsub__ = lambda self, other: elementwise.sub(other, self)
Tensor.__mul__ = elementwise.mul
Tensor.__rmul__ = lambda self, other: elementwise.mul(other, self)
Tensor.__truediv__ = elementwise.div
Tensor.__rtruediv__ = lambda self, other: elementwise.div(other, self)
Tensor.__pow__ = elementwise.pow
Tensor.__rpow__ = lambda self, other: elementwise.pow(other, self)
Tensor.__neg__ = elementwise.neg
Tensor.__abs__ = elementwise.abs_
Tensor.__matmul__ = linear.matmul
Tensor.__rmatmul__ = lambda self, other: linear.matmul(other, self)
Tensor.__invert__ = comparison.bitwise_not
Tensor.__and__ = comparison.bitwise_and
Tensor.__rand__ = lambda self, other: comparison.bitwise_and(other, self)
Tensor.__or__ = comparison.bitwise_or
Tensor.__ror__ = lambda self, other: comparison.bitwise_or(other, self)
Tensor.__getitem__ = shape.getitem
Tensor.__iter__ = lambda self: (self[i] for i in range(len(self)))


# x += y: in place inside no_grad(), a new tensor where operators are recorded
Tensor.__iadd__ = lambda self, other: elementwise.in_place(elementwise.add, self, other)
Tensor.__isub__ = lambda self, other: elementwise.in_place(elementwise.sub, self, other)
Tensor.__imul__ = lambda self, other: elementwise.in_place(elementwise.mul, self, other)
Tensor.__itruediv__ = lambda self, other: elementwise.in_place(elementwise.div, self, other)
Tensor.__ipow__ = lambda self, other: elementwise.in_place(elementwise.pow, self, other)


def _set_item(self, index, value):
    raise TypeError(
        "a Tensor's values are not assigned one by one, for the graph would not know; outside the graph write x.data[0] = 1, "
        "inside it use mt.where"
    )


Tensor.__setitem__ = _set_item


def _equal(self, other):
    return comparison.eq(self, other) if _comparable(other) else NotImplemented


def _not_equal(self, other):
    return comparison.ne(self, other) if _comparable(other) else NotImplemented


def _comparable(other):
    return isinstance(other, Tensor) or elementwise.is_constant(other)


# comparisons; a tensor stays usable as a key, by identity, and `x == None` is False
Tensor.__eq__ = _equal
Tensor.__ne__ = _not_equal
Tensor.__lt__ = comparison.lt
Tensor.__le__ = comparison.le
Tensor.__gt__ = comparison.gt
Tensor.__ge__ = comparison.ge
Tensor.__hash__ = object.__hash__

# value by value
Tensor.exp = elementwise.exp
Tensor.log = elementwise.log
Tensor.sqrt = elementwise.sqrt
Tensor.abs = elementwise.abs_
Tensor.clamp = elementwise.clamp
Tensor.tanh = activation.tanh
Tensor.sigmoid = activation.sigmoid
Tensor.relu = activation.relu

# reductions
Tensor.sum = reduce.sum
Tensor.mean = reduce.mean
Tensor.max = reduce.max
Tensor.min = reduce.min
Tensor.var = reduce.var
Tensor.std = reduce.std
Tensor.argmax = reduce.argmax
Tensor.argmin = reduce.argmin

# shapes
Tensor.reshape = shape.reshape
Tensor.flatten = shape.flatten
Tensor.squeeze = shape.squeeze
Tensor.unsqueeze = shape.unsqueeze
Tensor.permute = shape.permute
Tensor.transpose = shape.transpose
Tensor.expand = shape.expand
Tensor.T = property(lambda self: shape.permute(self, *range(self.ndim)[::-1]))

# dtypes and devices
Tensor.to = elementwise.to
Tensor.float = lambda self: elementwise.to(self, np.float32)
Tensor.double = lambda self: elementwise.to(self, np.float64)
Tensor.long = lambda self: elementwise.to(self, np.int64)
Tensor.matmul = linear.matmul
