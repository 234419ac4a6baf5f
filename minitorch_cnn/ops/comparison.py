"""Comparisons, and what is done with their answers. They are outside the graph: a bool has no gradient.

Shapes broadcast and numbers and arrays become constants as in elementwise.py.
"""

import operator

from .. import backend
from ..autograd import Tensor, refuse_mixed_devices
from . import check
from .elementwise import operands


def _result(op, compute, x, y):
    """compute(x, y) of the raw arrays, where they are."""
    refuse_mixed_devices(op, [x.data, y.data])
    with backend.on_device_of(x.data):
        return Tensor(compute(x.data, y.data))


def eq(input, other):
    """input == other, value by value: a bool Tensor outside the graph, as all comparisons."""
    return _result("eq", operator.eq, *operands("eq", input, other))


def ne(input, other):
    """input != other."""
    return _result("ne", operator.ne, *operands("ne", input, other))


def lt(input, other):
    """input < other."""
    return _result("lt", operator.lt, *operands("lt", input, other))


def le(input, other):
    """input <= other."""
    return _result("le", operator.le, *operands("le", input, other))


def gt(input, other):
    """input > other."""
    return _result("gt", operator.gt, *operands("gt", input, other))


def ge(input, other):
    """input >= other."""
    return _result("ge", operator.ge, *operands("ge", input, other))


def _without_floats(op, *tensors):
    for t in tensors:
        if t.dtype.kind not in "biu":
            raise TypeError(f"{op}: only bool and integer tensors have bits, got {t.dtype}; compare first: (x > 0)")


def bitwise_not(input):
    """~input: not, of a bool tensor; of integers, each bit. Outside the graph, as are & and |."""
    check.tensor("bitwise_not", "input", input)
    _without_floats("bitwise_not", input)
    with backend.on_device_of(input.data):
        return Tensor(~input.data)


def bitwise_and(input, other):
    """input & other, of bools or integers.

    >>> from minitorch_cnn import Tensor
    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> ((x > 1) & (x < 3)).numpy().tolist()
    [False, True, False]
    """
    x, y = operands("bitwise_and", input, other)
    _without_floats("bitwise_and", x, y)
    return _result("bitwise_and", operator.and_, x, y)


def bitwise_or(input, other):
    """input | other, of bools or integers."""
    x, y = operands("bitwise_or", input, other)
    _without_floats("bitwise_or", x, y)
    return _result("bitwise_or", operator.or_, x, y)
