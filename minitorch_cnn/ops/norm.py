"""Normalisation: subtract the mean, divide by the standard deviation, then scale and shift as learnt.

    mu = mean(x)    var = mean((x - mu)^2)    xhat = (x - mu) / sqrt(var + eps)    y = weight * xhat + bias

over each channel of a batch (batch norm: Ioffe, Szegedy, 1502.03167, Algorithm 1), over a sample's last dimensions (layer norm:
Ba et al., 1607.06450), or over a sample's groups of channels (group norm: Wu, He, 1803.08494). With g the gradient of y:

    dbias = sum of g        dweight = sum of g * xhat        h = g * weight
    dx = (h - mean(h) - xhat * mean(h * xhat)) / sqrt(var + eps)

In evaluation batch norm uses the running statistics, which are constants: y = x * scale + shift, and dx = g * scale.
"""

import math

from .. import backend
from ..autograd import Function, Tensor
from ..backend import primitives as P
from . import check


class BatchNorm(Function):
    """Training: the statistics are the batch's own, and the gradient goes through them. x is (N, C, ...)."""

    def __init__(self, running_mean, running_var, momentum, eps):
        self.running_mean, self.running_var, self.momentum, self.eps = running_mean, running_var, momentum, eps

    def forward(self, x, weight, bias):
        self.weight, self.x = weight, x
        running = (self.running_mean, self.running_var, self.momentum)
        y, self.mean, self.var = P.batch_norm(x, weight, bias, *running, self.eps)
        return y

    def backward(self, grad):
        return P.batch_norm_backward(grad, self.x, self.weight, self.mean, self.var, self.eps)


class FrozenBatchNorm(Function):
    """Evaluation: y = x * scale + shift with the running statistics, which get no gradient."""

    def __init__(self, mean, var, eps):
        self.mean, self.var, self.eps = mean, var, eps

    def forward(self, x, weight, bias):
        self.x = x
        self.inv = 1 / backend.array_module(x).sqrt(self.var + x.dtype.type(self.eps))
        self.scale = self.inv if weight is None else self.inv * weight
        shift = -self.mean * self.scale if bias is None else bias - self.mean * self.scale
        return P.channel_affine(x, self.scale, shift)

    def backward(self, grad):
        gx = gweight = gbias = None
        if self.needs_input_grad[0]:
            gx = P.channel_affine(grad, self.scale, 0 * self.scale)
        if self.needs_input_grad[1]:
            xhat = P.channel_affine(self.x, self.inv, -self.mean * self.inv)
            gweight = P.channel_sum(grad * xhat)
        if self.needs_input_grad[2]:
            gbias = P.channel_sum(grad)
        return gx, gweight, gbias


class RowNorm(Function):
    """Each row to mean 0 and variance 1; what a row is, `rows` says: (samples, values)."""

    def __init__(self, rows, eps):
        self.rows, self.eps = rows, eps

    def forward(self, x):
        self.shape = x.shape
        self.xhat, self.inv = P.row_norm(x.reshape(self.rows), self.eps)
        return self.xhat.reshape(x.shape)

    def backward(self, grad):
        return P.row_norm_backward(grad.reshape(self.rows), self.xhat, self.inv).reshape(self.shape)


class Affine(Function):
    """y = x * weight + bias, with weight and bias of a shape that broadcasts to x's."""

    def __init__(self, shape):
        self.broadcast = shape  # weight's shape with ones where it repeats

    def forward(self, x, weight, bias):
        self.x, self.weight = x, weight
        self.bias_shape = None if bias is None else bias.shape
        y = x if weight is None else x * weight.reshape(self.broadcast)
        return y if bias is None else y + bias.reshape(self.broadcast)

    def backward(self, grad):
        repeated = tuple(i for i, n in enumerate(self.broadcast) if n == 1 and grad.shape[i] != 1)
        gx, gweight, gbias = grad, None, None
        if self.weight is not None:
            gx = grad * self.weight.reshape(self.broadcast)
            gweight = (grad * self.x).sum(repeated).reshape(self.weight.shape)
        if self.needs_input_grad[2]:
            gbias = grad.sum(repeated).reshape(self.bias_shape)
        return gx, gweight, gbias


def batch_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Each channel to mean 0 and variance 1 over the batch, then scaled by weight and shifted by bias.

    Args:
        input: (N, C) or (N, C, ...) float tensor.
        running_mean, running_var: (C,) Tensors or arrays. In training they are moved in place towards the batch's statistics by
            `momentum` (the variance without bias, M/(M-1)); otherwise they are used instead of them.
        weight, bias: (C,) or None.
        training: normalise by the batch's statistics.
        momentum: how far the running statistics move.
        eps: added to the variance.
    Returns: a tensor of input's shape and dtype.
    Raises: ValueError if there is only one value a channel in training, if the running statistics are missing in evaluation, or
        if the sizes differ; TypeError if they are lists, or if the dtypes differ.
    Source: Ioffe, Szegedy (1502.03167), Algorithm 1; torch.nn.functional.batch_norm, argument for argument.

    >>> from minitorch_cnn import Tensor
    >>> batch_norm(Tensor([[1.0], [3.0]]), training=True, eps=0).numpy().tolist()
    [[-1.0], [1.0]]
    """
    op = "batch_norm"
    check.float_tensor(op, "input", input, min_ndim=2)
    check.same_dtype(op, input=input, weight=weight, bias=bias)
    mean, var = (s.data if isinstance(s, Tensor) else s for s in (running_mean, running_var))
    for name, s in (("running_mean", mean), ("running_var", var)):
        if s is not None and not backend.is_array(s):
            raise TypeError(f"{op}: {name} must be a Tensor or an array, got {type(s).__name__}")
    C = input.shape[1]
    for name, t in (("running_mean", mean), ("running_var", var), ("weight", weight), ("bias", bias)):
        if t is not None and t.shape != (C,):
            raise ValueError(
                f"{op}: {name} must have shape ({C},), one value a channel, got {t.shape}; x.shape={input.shape}"
            )
    if not training:
        if mean is None or var is None:
            raise ValueError(f"{op}: evaluation (training=False) needs running_mean and running_var")
        with backend.on_device_of(mean):
            mean, var = mean.astype(input.dtype, copy=False), var.astype(input.dtype, copy=False)
        return FrozenBatchNorm.apply(input, weight, bias, mean=mean, var=var, eps=eps)
    M = input.size // max(C, 1)
    if M < 2:
        raise ValueError(
            f"{op}: training needs more than one value a channel, got x.shape={input.shape}; use eval() or a larger batch"
        )
    return BatchNorm.apply(input, weight, bias, running_mean=mean, running_var=var, momentum=momentum, eps=eps)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Each sample's last dimensions to mean 0 and variance 1, then value by value scaled and shifted.

    Args:
        input: (..., *normalized_shape) float tensor.
        normalized_shape: an int or a tuple: the extents of the last dimensions.
        weight, bias: of that shape, or None.
        eps: added to the variance.
    Returns: a tensor of input's shape and dtype.
    Raises: ValueError if the last dimensions are others.
    Source: Ba, Kiros, Hinton (1607.06450); torch.nn.functional.layer_norm.

    >>> from minitorch_cnn import Tensor
    >>> layer_norm(Tensor([[1.0, 3.0], [10.0, 30.0]]), 2, eps=0).numpy().tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """
    check.float_tensor("layer_norm", "input", input, min_ndim=1)
    check.same_dtype("layer_norm", input=input, weight=weight, bias=bias)
    shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ValueError(f"layer_norm: normalized_shape is {shape}, but x ends in other extents; x.shape={input.shape}")
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.shape != shape:
            raise ValueError(f"layer_norm: {name} must have shape {shape}, got {t.shape}")
    y = RowNorm.apply(input, rows=(math.prod(input.shape[: -len(shape)]), math.prod(shape)), eps=eps)
    if weight is None and bias is None:
        return y
    return Affine.apply(y, weight, bias, shape=(1,) * (input.ndim - len(shape)) + shape)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Each sample's groups of channels to mean 0 and variance 1, then scaled and shifted by channel.

    Args:
        input: (N, C, ...) float tensor.
        num_groups: a divisor of C.
        weight, bias: (C,) or None.
        eps: added to the variance.
    Returns: a tensor of input's shape and dtype.
    Raises: ValueError if C can't be cut into num_groups.
    Source: Wu, He (1803.08494); torch.nn.functional.group_norm.

    >>> from minitorch_cnn import Tensor
    >>> group_norm(Tensor([[[1.0], [3.0], [10.0], [30.0]]]), 2, eps=0).numpy().ravel().tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """
    check.float_tensor("group_norm", "input", input, min_ndim=2)
    check.same_dtype("group_norm", input=input, weight=weight, bias=bias)
    num_groups = check.integer("group_norm", "num_groups", num_groups, least=1)
    N, C = input.shape[:2]
    if C % num_groups:
        raise ValueError(f"group_norm: the {C} channels can't be cut into {num_groups} groups; x.shape={input.shape}")
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.shape != (C,):
            raise ValueError(f"group_norm: {name} must have shape ({C},), one value a channel, got {t.shape}")
    y = RowNorm.apply(input, rows=(N * num_groups, math.prod(input.shape[1:]) // num_groups), eps=eps)
    if weight is None and bias is None:
        return y
    return Affine.apply(y, weight, bias, shape=(1, C) + (1,) * (input.ndim - 2))
