"""Comparisons, and what is done with their answers. They are outside the graph: a bool has no gradient.

Shapes broadcast and numbers and arrays become constants as in elementwise.py.
"""

from ..autograd import Tensor
from . import check
from .elementwise import operands


def _compared(op, x, y):
    x, y = operands(op, x, y)
    return x.data, y.data


def eq(input, other):
    """input == other, value by value: a bool Tensor outside the graph, as all comparisons."""
    x, y = _compared("eq", input, other)
    return Tensor(x == y)


def ne(input, other):
    """input != other."""
    x, y = _compared("ne", input, other)
    return Tensor(x != y)


def lt(input, other):
    """input < other."""
    x, y = _compared("lt", input, other)
    return Tensor(x < y)


def le(input, other):
    """input <= other."""
    x, y = _compared("le", input, other)
    return Tensor(x <= y)


def gt(input, other):
    """input > other."""
    x, y = _compared("gt", input, other)
    return Tensor(x > y)


def ge(input, other):
    """input >= other."""
    x, y = _compared("ge", input, other)
    return Tensor(x >= y)


def _without_floats(op, *tensors):
    for t in tensors:
        if t.dtype.kind not in "biu":
            raise TypeError(f"{op}: only bool and integer tensors have bits, got {t.dtype}; compare first: (x > 0)")


def bitwise_not(input):
    """~input: not, of a bool tensor; of integers, each bit. Outside the graph, as are & and |."""
    check.tensor("bitwise_not", "input", input)
    _without_floats("bitwise_not", input)
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
    return Tensor(x.data & y.data)


def bitwise_or(input, other):
    """input | other, of bools or integers."""
    x, y = operands("bitwise_or", input, other)
    _without_floats("bitwise_or", x, y)
    return Tensor(x.data | y.data)
