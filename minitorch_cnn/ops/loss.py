"""Losses. Cross entropy compares the predicted distribution p = softmax(x) with the wanted one, q, over classes j:

    loss = -sum over j of q[j] * log p[j]          dx[j] = p[j] * sum(q) - q[j]

For class number t with smoothing e over C classes and class weights w (1 if there are none),

    q[j] = (1 - e) * w[t] * [j = t]  +  e / C * w[j]

and the mean over samples divides by the sum of their w[t]; a sample whose target is ignore_index has q = 0 and w = 0.
"""

import math

import numpy as np

from .. import backend
from ..autograd import Function, Tensor
from ..backend import primitives as P
from . import check
from .elementwise import sub
from .shape import permute, reshape


class SoftmaxCrossEntropy(Function):
    """The sum of the samples' losses, or each of them: x and q are (samples, classes)."""

    def __init__(self, q, reduction, divisor):
        self.q, self.reduction, self.divisor = q, reduction, divisor

    def forward(self, x):
        losses, self.gradient = P.softmax_cross_entropy(x, self.q)
        return losses if self.reduction == "none" else _divided(losses.sum(), self.divisor)

    def backward(self, grad):
        if self.reduction == "none":
            return self.gradient * grad[:, None]
        return self.gradient * _share(grad, self.divisor)


class NegativeLogLikelihood(Function):
    """-sum of q * x: x holds log-probabilities already."""

    def __init__(self, q, reduction, divisor):
        self.q, self.reduction, self.divisor = q, reduction, divisor

    def forward(self, x):
        xp = backend.array_module(x)
        # 0, not NaN, for an -inf that isn't wanted
        losses = -(self.q * xp.where(self.q == 0, x.dtype.type(0), x)).sum(1)
        return losses if self.reduction == "none" else _divided(losses.sum(), self.divisor)

    def backward(self, grad):
        return -self.q * (grad[:, None] if self.reduction == "none" else _share(grad, self.divisor))


class Reduce(Function):
    """The sum or mean of everything."""

    def __init__(self, reduction):
        self.mean = reduction == "mean"

    def forward(self, x):
        self.shape = x.shape
        return _divided(x.sum(), x.dtype.type(x.size) if self.mean else None)

    def backward(self, grad):
        grad = grad / grad.dtype.type(max(1, math.prod(self.shape))) if self.mean else grad
        return backend.array_module(grad).broadcast_to(grad, self.shape)


class Square(Function):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, grad):
        return grad * (self.x + self.x)


class BinaryCrossEntropyWithLogits(Function):
    """loss = (1 - t) x + (1 + (w - 1) t) log(1 + e^-x), w the weight of positive samples."""

    def __init__(self, pos_weight):
        self.pos_weight = pos_weight

    def forward(self, x, target):
        xp, zero, one = backend.array_module(x), x.dtype.type(0), x.dtype.type(1)
        self.x, self.target, self.negative = x, target, one - target
        # log(1 + e^-x) = log(1 + e^-|x|) + max(-x, 0), which can't overflow
        self.softplus = xp.log1p(xp.exp(-abs(x))) + xp.maximum(-x, zero)
        self.factor = one if self.pos_weight is None else one + (self.pos_weight - one) * target
        return self.negative * x + self.factor * self.softplus

    def backward(self, grad):
        gx = grad * (self.negative - self.factor * backend.array_module(grad).exp(-self.x - self.softplus))
        gt = None
        if self.needs_input_grad[1]:
            slope = 0 if self.pos_weight is None else self.pos_weight - grad.dtype.type(1)
            gt = grad * (slope * self.softplus - self.x)
        return gx, gt


def _divided(total, divisor):
    """total / divisor; NaN when there was nothing to take a mean of (divisor 0), without NumPy's warning."""
    if divisor is None:
        return total
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / divisor


def _share(grad, divisor):
    """A sample's part of the gradient of a mean. Where there was nothing to take a mean of no sample has one, and it is finite."""
    return grad if divisor is None else grad / (divisor + (divisor == 0))


def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Softmax and negative log-likelihood in one: the loss of a classifier.

    Args:
        input: (N, C) or (N, C, d1, ...) float tensor of logits.
        target: class numbers (N,) or (N, d1, ...), an integer array, list or Tensor; or probabilities, of input's shape and dtype.
        weight: (C,), a weight for each class, or None.
        ignore_index: a class number whose samples don't count.
        reduction: "mean" (weighted by the targets' weights), "sum" or "none".
        label_smoothing: from 0 to 1: how much of the wanted probability is spread evenly over all classes.
    Returns: a scalar; with "none" a tensor of the target's shape.
    Raises: ValueError on a label out of range or a wrong shape; TypeError on labels that aren't integers; RuntimeError on target
        probabilities that require a gradient. Labels on a GPU are not looked at, for which the host would have to wait: one that is
        out of range makes the loss NaN.
    Source: torch.nn.functional.cross_entropy; smoothing: Szegedy et al. (1512.00567), section 7.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> round(cross_entropy(Tensor([[0.0, 0.0]]), np.array([1])).item(), 4)                 # log 2
    0.6931
    """
    op = "cross_entropy"
    check.in_range(op, "label_smoothing", label_smoothing, 0.0, 1.0)
    rows, sample_shape = _rows(op, input, reduction)
    with backend.on_device_of(rows.data):
        q, divisor = _distribution(op, input, rows, target, weight, ignore_index, label_smoothing, sample_shape)
    return _reduced(SoftmaxCrossEntropy, rows, q, reduction, divisor, sample_shape)


def _distribution(op, input, rows, target, weight, ignore_index, label_smoothing, sample_shape):
    """q (samples, classes) for class numbers or probabilities, and the number that the mean divides by."""
    N, C = rows.shape
    class_weight = _class_weight(op, weight, C, rows)
    soft = target.data if isinstance(target, Tensor) else target
    if getattr(getattr(soft, "dtype", None), "kind", "i") == "f":
        if soft.shape != input.shape:
            raise ValueError(f"{op}: target probabilities must have input's shape {input.shape}, got {soft.shape}")
        if getattr(target, "requires_grad", False):
            raise RuntimeError(
                f"{op}: target probabilities get no gradient here; pass target.detach(), or write the loss out: "
                "-(target * log_softmax(input, 1)).sum(1).mean()"
            )
        q = reshape(_classes_last(Tensor(_array_like(soft, input))), N, C).data
        q = (q * rows.dtype.type(1 - label_smoothing) + rows.dtype.type(label_smoothing / C)) * class_weight
        return q, rows.dtype.type(N)
    return _wanted(op, target, sample_shape, class_weight, ignore_index, label_smoothing)


def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """The negative log-likelihood: cross_entropy for inputs that are log-probabilities already (log_softmax).

    Args and errors as for cross_entropy, with class numbers only. Source: torch.nn.functional.nll_loss.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor
    >>> nll_loss(Tensor([[-1.0, -2.0]]), np.array([1])).item()
    2.0
    """
    rows, sample_shape = _rows("nll_loss", input, reduction)
    with backend.on_device_of(rows.data):
        class_weight = _class_weight("nll_loss", weight, rows.shape[1], rows)
        q, divisor = _wanted("nll_loss", target, sample_shape, class_weight, ignore_index, 0.0)
    return _reduced(NegativeLogLikelihood, rows, q, reduction, divisor, sample_shape)


def mse_loss(input, target, reduction="mean"):
    """The squared difference: (input - target)^2.

    Args:
        input, target: float tensors of one shape (target may be an array).
        reduction: "mean", "sum" or "none".
    Raises: ValueError if the shapes differ. Source: torch.nn.functional.mse_loss.

    >>> from minitorch_cnn import Tensor
    >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """
    check.float_tensor("mse_loss", "input", input)
    check.one_of("mse_loss", "reduction", reduction, ("mean", "sum", "none"))
    target = _beside("mse_loss", input, target)
    squared = Square.apply(sub(input, target))
    return squared if reduction == "none" else Reduce.apply(squared, reduction=reduction)


def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean", pos_weight=None):
    """-t log s - (1 - t) log(1 - s) with s = sigmoid(input): yes-or-no questions, any number at once.

    Args:
        input: a float tensor of logits; target: of its shape, from 0 to 1.
        weight: multiplies each element's loss; broadcasts to input's shape.
        reduction: "mean", "sum" or "none".
        pos_weight: multiplies the loss of positive targets; broadcasts to input's shape.
    Raises: ValueError if the shapes differ. Source: torch.nn.functional.binary_cross_entropy_with_logits.

    >>> from minitorch_cnn import Tensor
    >>> round(binary_cross_entropy_with_logits(Tensor([0.0]), Tensor([1.0])).item(), 4)
    0.6931
    """
    op = "binary_cross_entropy_with_logits"
    check.float_tensor(op, "input", input)
    check.one_of(op, "reduction", reduction, ("mean", "sum", "none"))
    target = _beside(op, input, target)
    positive = None if pos_weight is None else _factor(op, "pos_weight", pos_weight, input)
    losses = BinaryCrossEntropyWithLogits.apply(input, target, pos_weight=positive)
    if weight is not None:
        losses = losses * Tensor(_factor(op, "weight", weight, input))
    return losses if reduction == "none" else Reduce.apply(losses, reduction=reduction)


def _rows(op, input, reduction):
    """input as (samples, classes), and the shape that its targets have."""
    check.float_tensor(op, "input", input, min_ndim=2)
    check.one_of(op, "reduction", reduction, ("mean", "sum", "none"))
    sample_shape = (input.shape[0], *input.shape[2:])
    if input.ndim == 2:
        return input, sample_shape
    return reshape(_classes_last(input), -1, input.shape[1]), sample_shape


def _classes_last(x):
    return permute(x, 0, *range(2, x.ndim), 1) if x.ndim > 2 else x


def _class_weight(op, weight, C, rows):
    if weight is None:
        return backend.array_module(rows.data).ones(C, rows.dtype)
    weight = _array_like(weight, rows)
    if weight.shape != (C,):
        raise ValueError(f"{op}: weight must have shape ({C},), one number a class, got {weight.shape}")
    return weight


def _wanted(op, target, sample_shape, class_weight, ignore_index, label_smoothing):
    """q (samples, classes) for class numbers, and the number that the mean divides by."""
    target = check.class_indices(op, target, sample_shape, len(class_weight), ignore_index)
    target = backend.array_module(class_weight).asarray(target).reshape(-1)
    q, weights = P.class_distribution(target, class_weight, ignore_index, label_smoothing)
    return q, weights.sum()


def _reduced(function, rows, q, reduction, divisor, sample_shape):
    loss = function.apply(rows, q=q, reduction=reduction, divisor=divisor if reduction == "mean" else None)
    return reshape(loss, sample_shape) if reduction == "none" else loss


def _beside(op, input, target):
    if not isinstance(target, Tensor):
        target = Tensor(_array_like(target, input))
    check.same_dtype(op, input=input, target=target)
    if target.shape != input.shape:
        raise ValueError(f"{op}: target must have input's shape {input.shape}, got {target.shape}")
    return target


def _factor(op, name, values, input):
    """values as an array that broadcasts to input's shape."""
    values = _array_like(values, input)
    shape = values.shape
    if len(shape) > input.ndim or any(a not in (1, b) for a, b in zip(shape[::-1], input.shape[::-1])):
        raise ValueError(f"{op}: {name} has shape {shape}, which doesn't broadcast to input's, {input.shape}")
    return values


def _array_like(values, tensor):
    values = values.data if isinstance(values, Tensor) else values
    with backend.on_device_of(tensor.data):
        return backend.array_module(tensor.data).asarray(values, dtype=tensor.dtype)
