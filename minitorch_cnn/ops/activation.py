"""Activations: f value by value, with

relu          max(x, 0)                            f' = [x > 0]
leaky_relu    x or slope*x below 0                 f' = 1 or slope
elu           x or alpha*(e^x - 1) below 0         f' = 1 or f + alpha
relu6         min(max(x, 0), 6)                    f' = [0 < x < 6]
sigmoid       s = 1 / (1 + e^-x)                   f' = s (1 - s)
tanh          t                                    f' = 1 - t^2
silu          x s                                  f' = s (1 + x (1 - s))
gelu          x Phi(x)                             f' = Phi(x) + x phi(x), Phi and phi the normal distribution
hardsigmoid   relu6(x + 3) / 6                     f' = [-3 < x < 3] / 6
hardswish     x relu6(x + 3) / 6                   f' = (2x + 3) / 6 inside (-3, 3), 1 above, 0 below
softplus      log(1 + e^(beta x)) / beta           f' = sigmoid(beta x)
softmax       e^x_i / sum of e^x_j                 dx = y (g - sum of g y)
log_softmax   x_i - log of sum of e^x_j            dx = g - e^y sum of g
"""

import math

import numpy as np

from .. import backend
from ..autograd import Function
from ..backend import primitives as P
from . import check

# Of the narrowest type, which float64 absorbs: in NumPy 1 a Python number makes float64 of a float32 array without dimensions.
ZERO, ONE, THREE, SIX = (np.float32(v) for v in (0, 1, 3, 6))


class ReLU(Function):
    def forward(self, x):
        self.y = P.relu(x)
        return self.y

    def backward(self, grad):
        return P.relu_backward(grad, self.y)


class ReLU6(Function):
    def forward(self, x):
        self.y = x.clip(ZERO, SIX)
        return self.y

    def backward(self, grad):
        return grad * ((self.y > 0) & (self.y < 6))


class LeakyReLU(Function):
    def __init__(self, negative_slope):
        self.slope = negative_slope

    def forward(self, x):
        self.below = x <= 0
        return x * self.factor(x.dtype)

    def factor(self, dtype):
        return ~self.below + self.below * dtype.type(self.slope)  # 1 or the slope; 0.1 of the time of where

    def backward(self, grad):
        return grad * self.factor(grad.dtype)


class ELU(Function):
    def __init__(self, alpha):
        self.alpha = alpha

    def forward(self, x):
        xp = backend.array_module(x)
        self.below = x <= 0
        alpha = x.dtype.type(self.alpha)
        self.negative = alpha * xp.expm1(xp.minimum(x, ZERO))  # 0 above 0
        return xp.maximum(x, ZERO) + self.negative

    def backward(self, grad):
        slope = ~self.below + self.below * (self.negative + grad.dtype.type(self.alpha))
        return grad * slope


class Sigmoid(Function):
    def forward(self, x):
        self.s = _sigmoid(x)
        return self.s

    def backward(self, grad):
        return grad * (self.s * (ONE - self.s))


class Tanh(Function):
    def forward(self, x):
        self.t = backend.array_module(x).tanh(x)
        return self.t

    def backward(self, grad):
        return grad * (ONE - self.t * self.t)


class SiLU(Function):
    def forward(self, x):
        self.x, self.s = x, _sigmoid(x)
        return x * self.s

    def backward(self, grad):
        return grad * (self.s * (ONE + self.x * (ONE - self.s)))


class GELU(Function):
    def forward(self, x):
        self.x = x
        return x * self.cdf()

    def cdf(self):
        """Phi(x), the chance that a normal variable is below x."""
        half = self.x.dtype.type(0.5)
        return half + half * P.erf(self.x * self.x.dtype.type(1 / math.sqrt(2)))

    def backward(self, grad):
        x, xp = self.x, backend.array_module(grad)
        density = xp.exp(x * x * x.dtype.type(-0.5)) * x.dtype.type(1 / math.sqrt(2 * math.pi))
        return grad * (self.cdf() + x * density)


class GELUTanh(Function):
    """0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))"""

    def forward(self, x):
        self.x = x
        a, b = x.dtype.type(math.sqrt(2 / math.pi)), x.dtype.type(0.044715)
        self.t = backend.array_module(x).tanh(a * (x + b * (x * x * x)))
        return x.dtype.type(0.5) * x * (ONE + self.t)

    def backward(self, grad):
        x, t = self.x, self.t
        half, a, b = (x.dtype.type(v) for v in (0.5, math.sqrt(2 / math.pi), 3 * 0.044715))
        return grad * half * (ONE + t + x * (ONE - t * t) * a * (ONE + b * (x * x)))


class Hardsigmoid(Function):
    def forward(self, x):
        self.inside = (x > -3) & (x < 3)
        return (x + THREE).clip(ZERO, SIX) * x.dtype.type(1 / 6)

    def backward(self, grad):
        return grad * self.inside * grad.dtype.type(1 / 6)


class Hardswish(Function):
    def forward(self, x):
        self.x = x
        return x * ((x + THREE).clip(ZERO, SIX) * x.dtype.type(1 / 6))

    def backward(self, grad):
        x = self.x
        inside = (x > -3) & (x < 3)
        return grad * ((x >= 3) + inside * ((x + x + THREE) * x.dtype.type(1 / 6)))


class Softplus(Function):
    def __init__(self, beta, threshold):
        self.beta, self.threshold = beta, threshold

    def forward(self, x):
        xp = backend.array_module(x)
        beta = x.dtype.type(self.beta)
        scaled = x * beta
        self.linear = scaled > self.threshold
        self.slope = _sigmoid(scaled)
        # log(1 + e^a) = max(a, 0) + log(1 + e^-|a|), which cannot overflow
        soft = (xp.maximum(scaled, ZERO) + xp.log1p(xp.exp(-abs(scaled)))) / beta
        return xp.where(self.linear, x, soft)

    def backward(self, grad):
        return grad * backend.array_module(grad).where(self.linear, grad.dtype.type(1), self.slope)


class Softmax(Function):
    def __init__(self, dim):
        self.dim = dim

    def forward(self, x):
        y = backend.array_module(x).exp(x - x.max(self.dim, keepdims=True))
        y /= y.sum(self.dim, keepdims=True)
        self.y = y
        return y

    def backward(self, grad):
        return self.y * (grad - (grad * self.y).sum(self.dim, keepdims=True))


class LogSoftmax(Function):
    def __init__(self, dim):
        self.dim = dim

    def forward(self, x):
        xp = backend.array_module(x)
        centred = x - x.max(self.dim, keepdims=True)
        self.y = centred - xp.log(xp.exp(centred).sum(self.dim, keepdims=True))
        return self.y

    def backward(self, grad):
        return grad - backend.array_module(grad).exp(self.y) * grad.sum(self.dim, keepdims=True)


def _sigmoid(x):
    # (1 + tanh(x/2)) / 2 could not overflow, but rounds to 0 from x = -17 on in float32, where log(sigmoid(x)) is -17
    with np.errstate(over="ignore"):  # e^1000 is inf, and 1 / inf = 0 is right
        return ONE / (ONE + backend.array_module(x).exp(-x))


def relu(input, inplace=False):
    """max(x, 0): what is negative becomes 0. `inplace` is accepted and ignored: results are always new arrays.

    Shape and dtype are input's. Source: Nair, Hinton 2010; torch.nn.functional.relu (gradient 0 at 0).

    >>> from minitorch_cnn import Tensor
    >>> relu(Tensor([-1.0, 0.0, 2.0])).numpy().tolist()
    [0.0, 0.0, 2.0]
    """
    check.float_tensor("relu", "input", input)
    return ReLU.apply(input)


def relu6(input, inplace=False):
    """min(max(x, 0), 6). Source: MobileNets (1704.04861); torch.nn.functional.relu6 (gradient 0 at both ends)."""
    check.float_tensor("relu6", "input", input)
    return ReLU6.apply(input)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x above 0, negative_slope * x below. Source: Maas et al. 2013; torch.nn.functional.leaky_relu."""
    check.float_tensor("leaky_relu", "input", input)
    return LeakyReLU.apply(input, negative_slope=negative_slope)


def elu(input, alpha=1.0, inplace=False):
    """x above 0, alpha * (e^x - 1) below. Source: Clevert et al. (1511.07289); torch.nn.functional.elu."""
    check.float_tensor("elu", "input", input)
    return ELU.apply(input, alpha=alpha)


def sigmoid(input):
    """1 / (1 + e^-x), between 0 and 1.

    >>> from minitorch_cnn import Tensor
    >>> sigmoid(Tensor([0.0])).item()
    0.5
    """
    check.float_tensor("sigmoid", "input", input)
    return Sigmoid.apply(input)


def tanh(input):
    """The hyperbolic tangent, between -1 and 1."""
    check.float_tensor("tanh", "input", input)
    return Tanh.apply(input)


def silu(input, inplace=False):
    """x * sigmoid(x), also called swish. Source: Ramachandran et al. (1710.05941); torch.nn.functional.silu."""
    check.float_tensor("silu", "input", input)
    return SiLU.apply(input)


def gelu(input, approximate="none"):
    """x * Phi(x), Phi the normal distribution's cumulative function; or its approximation by tanh.

    Args:
        input: a float tensor.
        approximate: "none" or "tanh".
    Source: Hendrycks, Gimpel (1606.08415); torch.nn.functional.gelu.

    >>> from minitorch_cnn import Tensor
    >>> gelu(Tensor([0.0, 10.0])).numpy().tolist()
    [0.0, 10.0]
    """
    check.float_tensor("gelu", "input", input)
    check.one_of("gelu", "approximate", approximate, ("none", "tanh"))
    return GELUTanh.apply(input) if approximate == "tanh" else GELU.apply(input)


def hardsigmoid(input, inplace=False):
    """relu6(x + 3) / 6, a sigmoid of straight lines. Source: MobileNetV3 (1905.02244)."""
    check.float_tensor("hardsigmoid", "input", input)
    return Hardsigmoid.apply(input)


def hardswish(input, inplace=False):
    """x * relu6(x + 3) / 6. Source: MobileNetV3 (1905.02244)."""
    check.float_tensor("hardswish", "input", input)
    return Hardswish.apply(input)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + e^(beta x)) / beta, a smooth relu; x itself where beta * x > threshold. Source: torch.nn.functional.softplus."""
    check.float_tensor("softplus", "input", input)
    return Softplus.apply(input, beta=beta, threshold=threshold)


def softmax(input, dim=None):
    """e^x_i / sum over j along `dim` of e^x_j: positive numbers that sum to 1.

    Raises: TypeError if no dim is given (1 for a batch of logits).

    >>> from minitorch_cnn import Tensor
    >>> softmax(Tensor([[0.0, 0.0]]), dim=1).numpy().tolist()
    [[0.5, 0.5]]
    """
    return Softmax.apply(input, dim=_dim("softmax", input, dim))


def log_softmax(input, dim=None):
    """log(softmax(x)), without the loss of accuracy of computing it so. Raises TypeError if no dim is given."""
    return LogSoftmax.apply(input, dim=_dim("log_softmax", input, dim))


def _dim(op, input, dim):
    check.float_tensor(op, "input", input)
    if dim is None:
        raise TypeError(
            f"{op}: say along which dim, e.g. {op}(x, dim=1) for a batch of logits; input.shape={input.shape}"
        )
    number = check.dim(op, dim, input.ndim)
    if 0 in input.shape[number : number + 1]:
        raise ValueError(f"{op}: there are no values along dim {dim}; input.shape={input.shape}")
    return number if input.ndim else ()
