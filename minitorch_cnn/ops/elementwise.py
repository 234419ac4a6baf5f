"""Arithmetic, value by value.

    z = x + y      dx = g                dy = g
    z = x * y      dx = g * y            dy = g * x
    z = x / y      dx = g / y            dy = -g * z / y
    z = x ** y     dx = g * y * x**(y-1) dy = g * z * log(x)
    z = exp(x)     dx = g * z
    z = log(x)     dx = g / x
    z = sqrt(x)    dx = g / 2z

Shapes broadcast as in NumPy: a value used several times gets the sum of its gradients.
A Python number or a plain array becomes a constant of the tensor's own dtype, so `x * 2.0` of a float32 tensor stays float32.
"""

import numbers

import numpy as np

from .. import backend
from ..autograd import Function, Tensor, is_grad_enabled, refuse_in_list
from . import check


def sum_to_shape(grad, shape):
    """The gradient of broadcasting: sum over the axes along which an array of `shape` was repeated."""
    if grad.shape == shape:
        return grad
    added = grad.ndim - len(shape)
    repeated = tuple(range(added)) + tuple(
        i + added for i, n in enumerate(shape) if n == 1 and grad.shape[i + added] != 1
    )
    return grad.sum(repeated, keepdims=True).reshape(shape)


class Add(Function):
    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return x + y

    def backward(self, grad):
        return sum_to_shape(grad, self.shapes[0]), sum_to_shape(grad, self.shapes[1])


class Sub(Function):
    def forward(self, x, y):
        self.shapes = x.shape, y.shape
        return x - y

    def backward(self, grad):
        return sum_to_shape(grad, self.shapes[0]), sum_to_shape(-grad, self.shapes[1])


class Mul(Function):
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, grad):
        gx = sum_to_shape(grad * self.y, self.x.shape) if self.needs_input_grad[0] else None
        gy = sum_to_shape(grad * self.x, self.y.shape) if self.needs_input_grad[1] else None
        return gx, gy


class Div(Function):
    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, grad):
        gx = grad / self.y
        gy = sum_to_shape(-gx * (self.x / self.y), self.y.shape) if self.needs_input_grad[1] else None
        return sum_to_shape(gx, self.x.shape), gy


class Neg(Function):
    def forward(self, x):
        return -x

    def backward(self, grad):
        return -grad


class Pow(Function):
    def forward(self, x, y):
        self.x, self.y = x, y
        self.z = x**y
        return self.z

    def backward(self, grad):
        x, y, xp = self.x, self.y, backend.array_module(grad)
        gx = gy = None
        if self.needs_input_grad[0]:
            one = y.dtype.type(1)
            # x**(y-1) is infinite at x = 0 for y < 1, but the gradient of x**0 is 0 everywhere
            gx = sum_to_shape(grad * (y * x ** xp.where(y == 0, one, y - one)), x.shape)
        if self.needs_input_grad[1]:
            flat = (x == 0) & (y >= 0)  # 0**y is 0 for all y > 0: no gradient there
            log = xp.log(xp.where(flat, x.dtype.type(1), x))
            gy = sum_to_shape(grad * self.z * log, y.shape)
        return gx, gy


class Exp(Function):
    def forward(self, x):
        self.z = backend.array_module(x).exp(x)
        return self.z

    def backward(self, grad):
        return grad * self.z


class Log(Function):
    def forward(self, x):
        self.x = x
        return backend.array_module(x).log(x)

    def backward(self, grad):
        return grad / self.x


class Sqrt(Function):
    def forward(self, x):
        self.z = backend.array_module(x).sqrt(x)
        return self.z

    def backward(self, grad):
        return grad / (self.z + self.z)


class Abs(Function):
    def forward(self, x):
        self.x = x
        return abs(x)

    def backward(self, grad):
        return grad * backend.array_module(grad).sign(self.x)


class Clamp(Function):
    def __init__(self, low, high):
        self.low, self.high = low, high

    def forward(self, x):
        self.inside = True  # torch: the gradient passes where low <= x <= high, the ends included
        if self.low is not None:
            self.inside = self.inside & (x >= self.low)
        if self.high is not None:
            self.inside = self.inside & (x <= self.high)
        return x.clip(self.low, self.high)

    def backward(self, grad):
        return grad * self.inside


class Where(Function):
    def forward(self, condition, x, y):
        self.condition, self.shapes = condition, (x.shape, y.shape)
        return backend.array_module(x).where(condition, x, y)

    def backward(self, grad):
        # no product: an infinite gradient would become NaN where the other one was chosen
        xp, zero = backend.array_module(grad), grad.dtype.type(0)
        gx, gy = xp.where(self.condition, grad, zero), xp.where(self.condition, zero, grad)
        return None, sum_to_shape(gx, self.shapes[0]), sum_to_shape(gy, self.shapes[1])


class Maximum(Function):
    def __init__(self, sign):
        self.sign = sign  # +1: the larger, -1: the smaller

    def forward(self, x, y):
        xp = backend.array_module(x)
        self.shapes = x.shape, y.shape
        chosen, equal = (x > y if self.sign > 0 else x < y), x == y
        self.share = chosen + equal * x.dtype.type(0.5)  # equal values get half of the gradient each, as in PyTorch
        return xp.maximum(x, y) if self.sign > 0 else xp.minimum(x, y)

    def backward(self, grad):
        gx = grad * self.share
        return sum_to_shape(gx, self.shapes[0]), sum_to_shape(grad - gx, self.shapes[1])


class ToDtype(Function):
    def __init__(self, dtype):
        self.dtype = dtype

    def forward(self, x):
        self.before = x.dtype
        return x.astype(self.dtype)

    def backward(self, grad):
        return grad.astype(self.before)


class ToDevice(Function):
    def __init__(self, device):
        self.device = device

    def forward(self, x):
        self.before = backend.device_of(x)
        return backend.to_device(x, self.device)

    def backward(self, grad):
        return backend.to_device(grad, self.before)


def operands(op, x, y):
    """x and y as Tensors of one dtype and of shapes that broadcast; numbers and arrays become constants of the other's dtype."""
    if type(x) is not Tensor or type(y) is not Tensor or x.data.dtype != y.data.dtype:
        x, y = _common(op, x, y)
    if x.data.shape != y.data.shape:
        for n, m in zip(x.shape[::-1], y.shape[::-1]):
            if n != m and n != 1 and m != 1:
                raise ValueError(f"{op}: shapes {x.shape} and {y.shape} do not broadcast")
    return x, y


def _common(op, x, y):
    if not isinstance(x, Tensor):
        x = constant(op, x, y)
    elif not isinstance(y, Tensor):
        y = constant(op, y, x)
    if x.dtype != y.dtype:
        if x.dtype.kind == "f" and y.dtype.kind != "f":
            y = to(y, dtype=x.dtype)
        elif y.dtype.kind == "f" and x.dtype.kind != "f":
            x = to(x, dtype=y.dtype)
        elif x.dtype.kind == "f":
            check.same_dtype(op, x=x, y=y)
    return x, y


_CONSTANTS = (int, float, np.generic, list, tuple, numbers.Number)


def is_constant(value):
    """Whether `value` can be an operand beside a Tensor: a number, an array or a list."""
    return isinstance(value, _CONSTANTS) or backend.is_array(value)


def constant(op, value, tensor):
    """`value`, a number, an array or a list, as a Tensor on the device and, where that loses nothing, of the dtype of `tensor`."""
    if not is_constant(value) or not isinstance(tensor, Tensor):
        both = f"{type(value).__name__} and {type(tensor).__name__}" if is_constant(value) else type(value).__name__
        raise TypeError(f"{op}: expected a Tensor, and with it a Tensor, a number or an array; got {both}")
    if isinstance(value, list | tuple):
        refuse_in_list(value)
    xp, dtype = backend.array_module(tensor.data), tensor.dtype
    if dtype.kind != "f":  # an integer or bool tensor with a float becomes float32; with integers NumPy finds the dtype
        own = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
        if own.kind == "f":
            dtype = np.dtype(np.float32)
        elif dtype.kind == "b" or not isinstance(value, int):
            dtype = own
    with backend.on_device_of(tensor.data):
        return Tensor(xp.asarray(value, dtype=dtype))


def add(input, other):
    """input + other, with broadcasting. `other` may be a Tensor, a number or an array.

    >>> from minitorch_cnn import Tensor
    >>> (Tensor([[1.0], [2.0]]) + Tensor([10.0, 20.0])).numpy().tolist()
    [[11.0, 21.0], [12.0, 22.0]]
    """
    x, y = operands("add", input, other)
    return Add.apply(x, y)


def sub(input, other):
    """input - other, with broadcasting."""
    x, y = operands("sub", input, other)
    return Sub.apply(x, y)


def mul(input, other):
    """input * other, with broadcasting."""
    x, y = operands("mul", input, other)
    return Mul.apply(x, y)


def div(input, other):
    """input / other, with broadcasting; integers are divided as float32."""
    x, y = operands("div", input, other)
    if x.dtype.kind != "f":
        x, y = to(x, dtype=np.float32), to(y, dtype=np.float32)
    return Div.apply(x, y)


def neg(input):
    """-input."""
    check.tensor("neg", "input", input)
    return Neg.apply(input)


def pow(input, exponent):
    """input ** exponent, with broadcasting; either may be a number.

    >>> from minitorch_cnn import Tensor
    >>> (Tensor([1.0, 2.0, 3.0]) ** 2).numpy().tolist()
    [1.0, 4.0, 9.0]
    """
    x, y = operands("pow", input, exponent)
    return Pow.apply(x, y)


def exp(input):
    """e ** input."""
    check.float_tensor("exp", "input", input)
    return Exp.apply(input)


def log(input):
    """The natural logarithm."""
    check.float_tensor("log", "input", input)
    return Log.apply(input)


def sqrt(input):
    """The square root."""
    check.float_tensor("sqrt", "input", input)
    return Sqrt.apply(input)


def abs_(input):
    """The absolute value; its gradient at 0 is 0."""
    check.tensor("abs", "input", input)
    return Abs.apply(input)


def clamp(input, min=None, max=None):
    """Each value, but at least `min` and at most `max` (numbers).

    >>> from minitorch_cnn import Tensor
    >>> clamp(Tensor([-2.0, 0.5, 2.0]), min=-1, max=1).numpy().tolist()
    [-1.0, 0.5, 1.0]
    """
    check.float_tensor("clamp", "input", input)
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    low, high = (None if v is None else input.dtype.type(v) for v in (min, max))
    return Clamp.apply(input, low=low, high=high)


def maximum(input, other):
    """The larger of the two, value by value; equal values share the gradient."""
    x, y = operands("maximum", input, other)
    return Maximum.apply(x, y, sign=1)


def minimum(input, other):
    """The smaller of the two, value by value; equal values share the gradient."""
    x, y = operands("minimum", input, other)
    return Maximum.apply(x, y, sign=-1)


def where(condition, input, other):
    """input where the condition (bool Tensor or array) holds, other elsewhere.

    >>> from minitorch_cnn import Tensor
    >>> x = Tensor([1.0, -2.0])
    >>> where(x > 0, x, 0.0).numpy().tolist()
    [1.0, 0.0]
    """
    given = isinstance(condition, Tensor)
    if not given:
        condition = Tensor(condition if backend.is_array(condition) else np.asarray(condition))
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = Tensor(input)
    if condition.dtype.kind != "b":
        raise TypeError(f"where: condition must be bool, got {condition.dtype}")
    x, y = operands("where", input, other)
    if not given:
        condition = condition.to(device=x.device)
    operands("where", to(condition, dtype=x.dtype), x)
    return Where.apply(condition, x, y)


def to(input, *where, dtype=None, device=None):
    """The tensor with another dtype or on another device, in either order; itself if nothing changes.

    >>> from minitorch_cnn import Tensor
    >>> to(Tensor([1.0]), "float64").dtype
    dtype('float64')
    """
    for value in where:
        if isinstance(value, str) and (value == "cpu" or value.startswith("cuda")):
            device = value
        else:
            dtype = value
    if dtype is not None and (dtype := _dtype(dtype)) != input.dtype:
        if dtype.kind == "f":
            input = ToDtype.apply(input, dtype=dtype)
        else:
            with backend.on_device_of(input.data):
                input = Tensor(input.data.astype(dtype))  # an integer tensor has no gradient
    if device is not None and backend.canonical_device(device) != input.device:
        input = ToDevice.apply(input, device=device)
    return input


def _dtype(value):
    try:
        return np.dtype(value)
    except TypeError:
        raise ValueError(
            f'to: {value!r} is neither a device ("cpu", "cuda", "cuda:N") nor a dtype such as "float64"'
        ) from None


def in_place(operator, input, other):
    """What `input += other` and its kin do, `operator` being add, sub, mul, div or pow.

    Inside `no_grad()` the values are written into the tensor's own array, for everybody who holds it. While operators are recorded
    it is `input = input + other`, a new tensor, so that `total += loss` stays differentiable; a leaf that requires a gradient is
    refused then, because it would stop being the parameter that an optimiser knows.
    Raises: RuntimeError for such a leaf; ValueError if the shape would grow; TypeError if the dtype can't hold the result.
    Source: PyTorch, but for a recorded tensor, which PyTorch also changes in place.

    >>> from minitorch_cnn import Tensor, no_grad
    >>> p = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     p -= 0.5
    >>> p
    Tensor([0.5, 1.5], requires_grad=True)
    """
    if is_grad_enabled():
        if input.is_leaf and input.requires_grad:
            raise RuntimeError(
                f"{operator.__name__}: a leaf that requires a gradient is changed in place; use `with mt.no_grad():` or an "
                "optimiser"
            )
        return operator(input, other)
    result = operator(input, other).data
    if result.shape != input.shape:
        raise ValueError(
            f"{operator.__name__}: a tensor of shape {input.shape} can't be changed in place to shape {result.shape}; "
            "write x = x + y"
        )
    if not np.can_cast(result.dtype, input.dtype, "same_kind"):
        raise TypeError(
            f"{operator.__name__}: a tensor of {input.dtype} can't be changed in place to {result.dtype}; write x = x + y, or "
            "convert it first"
        )
    with backend.on_device_of(input.data):
        input.data[...] = result
    return input
