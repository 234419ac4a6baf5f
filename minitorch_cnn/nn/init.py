"""Starting weights. The aim: values, and gradients on the way back, of about the same size in every layer.

A layer that sums over fan_in inputs multiplies the variance by fan_in * var(w), and backward by fan_out * var(w):

    Glorot, Bengio 2010 (xavier)      var(w) = gain^2 * 2 / (fan_in + fan_out)
    He et al. 2015 (1502.01852)       var(w) = gain^2 / fan_in, gain = sqrt(2): ReLU halves the variance

fan_in = weight.shape[1] * KH * KW, fan_out = weight.shape[0] * KH * KW. A uniform distribution on (-b, b) has variance b^2 / 3.
Every function fills the tensor in place and returns it; the random numbers are those of `mt.manual_seed`.
"""

import contextlib
import math
import threading

import numpy as np

from .. import backend
from ..backend import random
from ..ops import check

_GAINS = {
    "linear": 1.0,
    "conv2d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity, param=None):
    """By how much weights are enlarged to make up for what the nonlinearity takes away.

    >>> round(calculate_gain("relu") ** 2, 6), round(calculate_gain("leaky_relu", 1.0), 6)
    (2.0, 1.0)
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    check.one_of("calculate_gain", "nonlinearity", nonlinearity, (*_GAINS, "leaky_relu"))
    return _GAINS[nonlinearity]


def fans(tensor):
    """(fan_in, fan_out) of a weight with at least two dimensions."""
    if tensor.ndim < 2:
        raise ValueError(f"init: fan_in and fan_out need a weight of at least 2 dimensions, got shape {tensor.shape}")
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


_state = threading.local()  # of each thread: one that builds a network must not empty another's layers


@contextlib.contextmanager
def left_out():
    """Within this block the functions here leave tensors as they are: layers start with zeros.

    For weights that come from elsewhere, a file or another initialiser: drawing VGG's 140 million numbers in vain takes a second.

    >>> from minitorch_cnn import nn
    >>> with left_out():
    ...     layer = nn.Linear(2, 1)
    >>> layer.weight.numpy()
    array([[0., 0.]], dtype=float32)
    """
    before, _state.left_out = _is_left_out(), True
    try:
        yield
    finally:
        _state.left_out = before


def _is_left_out():
    return getattr(_state, "left_out", False)


def _draw(tensor, draw):
    """Random numbers drawn on the CPU in float64, wherever the tensor is: the same weights on every device and in every dtype."""
    if _is_left_out():
        return tensor
    if isinstance(tensor.data, np.ndarray):
        random.fill(tensor.data, draw)
        return tensor
    values = np.empty(tensor.shape, tensor.dtype)
    random.fill(values, draw)
    return _fill(tensor, values)


def _fill(tensor, values):
    """Values made on the CPU, wherever the tensor is."""
    if _is_left_out():
        return tensor
    with backend.on_device_of(tensor.data):
        tensor.data[...] = backend.to_device(np.asarray(values).astype(tensor.dtype), tensor.device)
    return tensor


def uniform_(tensor, a=0.0, b=1.0):
    """Uniform on [a, b)."""
    if np.any(np.greater(a, b)):  # bounds may be arrays that broadcast to the weight
        raise ValueError(f"uniform_: a must be at most b, got a={a}, b={b}")
    if np.ndim(a) or np.ndim(b):
        return _fill(tensor, random.generator().uniform(a, b, tensor.shape))
    return _draw(tensor, lambda generator, n: generator.uniform(a, b, n))


def normal_(tensor, mean=0.0, std=1.0):
    """Normal with the given mean and standard deviation."""
    if np.any(np.less(std, 0)):
        raise ValueError(f"normal_: std must be at least 0, got {std}")
    if np.ndim(mean) or np.ndim(std):
        return _fill(tensor, random.generator().normal(mean, std, tensor.shape))
    return _draw(tensor, lambda generator, n: generator.normal(mean, std, n))


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0):
    """Normal, drawn again until it lies in [a, b] (absolute bounds, not multiples of std).

    Raises: ValueError if a isn't less than b, or if the mean is more than 2 std from [a, b].
    """
    if not a < b:
        raise ValueError(f"trunc_normal_: a must be less than b, got a={a}, b={b}")
    if mean < a - 2 * std or mean > b + 2 * std:
        raise ValueError(
            f"trunc_normal_: mean {mean} is more than 2 std from [{a}, {b}]; hardly any draw would fall into it"
        )
    nearest = min(max(mean, a), b)  # where in [a, b] the density is highest

    def draw(generator, n):
        values = np.empty(n)
        missing = np.arange(n)
        while len(missing):
            if b - a > std:
                tries = generator.normal(mean, std, len(missing))
                good = (tries >= a) & (tries <= b)
            else:  # so narrow that few normal draws would hit it: draw uniformly, keep with a probability like the density
                tries = generator.uniform(a, b, len(missing))
                density = np.exp(((nearest - mean) ** 2 - (tries - mean) ** 2) / (2 * std**2))
                good = generator.random(len(missing)) < density
            values[missing[good]] = tries[good]
            missing = missing[~good]
        return values

    return _draw(tensor, draw)


def constant_(tensor, val):
    """All `val`."""
    return _fill(tensor, np.full(tensor.shape, val))


def zeros_(tensor):
    """All 0."""
    return constant_(tensor, 0)


def ones_(tensor):
    """All 1."""
    return constant_(tensor, 1)


def eye_(tensor):
    """The identity matrix, as far as it goes."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: the tensor must have 2 dimensions, got shape {tensor.shape}")
    return _fill(tensor, np.eye(*tensor.shape))


def dirac_(tensor, groups=1):
    """A convolution that hands on its input channels, as far as there are outputs."""
    if tensor.ndim < 3 or tensor.shape[0] % groups:
        raise ValueError(
            f"dirac_: needs a convolution's weight whose outputs can be cut into groups; got {tensor.shape}, {groups}"
        )
    values = np.zeros(tensor.shape)
    each = tensor.shape[0] // groups
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for g in range(groups):
        for c in range(min(each, tensor.shape[1])):
            values[(g * each + c, c, *centre)] = 1
    return _fill(tensor, values)


def xavier_uniform_(tensor, gain=1.0):
    """Uniform with variance gain^2 * 2 / (fan_in + fan_out). Glorot, Bengio 2010."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor, gain=1.0):
    """Normal with variance gain^2 * 2 / (fan_in + fan_out). Glorot, Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))))


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Uniform with variance gain^2 / fan; `a` is leaky_relu's slope. He et al. (1502.01852)."""
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu"):
    """Normal with variance gain^2 / fan; `a` is leaky_relu's slope. He et al. (1502.01852)."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity))


def _kaiming_std(op, tensor, a, mode, nonlinearity):
    check.one_of(op, "mode", mode, ("fan_in", "fan_out"))
    fan = fans(tensor)[0 if mode == "fan_in" else 1]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def sparse_(tensor, sparsity, std=0.01):
    """A matrix with the fraction `sparsity` of each column 0, the rest normal with mean 0. Martens 2010."""
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: the tensor must have 2 dimensions, got shape {tensor.shape}")
    check.in_range("sparse_", "sparsity", sparsity, 0.0, 1.0)
    rows, columns = tensor.shape
    values = random.generator().normal(0.0, std, tensor.shape)
    for column in range(columns):
        values[random.generator().permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return _fill(tensor, values)


def orthogonal_(tensor, gain=1.0):
    """A random matrix with orthogonal rows (or columns, if they are fewer). Saxe et al. (1312.6120).

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> w = orthogonal_(Tensor(np.zeros((2, 5)))).numpy()
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: needs at least 2 dimensions, got shape {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr(random.generator().normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # makes the distribution uniform
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))
