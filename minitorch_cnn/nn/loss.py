"""Losses as layers: each is the function of `functional`, with its options kept."""

import numpy as np

from .. import functional as F
from ..autograd import Tensor
from .module import Buffer, Module


class CrossEntropyLoss(Module):
    """Softmax and negative log-likelihood. Arguments as functional.cross_entropy.

    >>> import numpy as np
    >>> from minitorch_cnn import Tensor, nn
    >>> round(nn.CrossEntropyLoss()(Tensor([[0.0, 0.0]]), np.array([0])).item(), 4)
    0.6931
    """

    def __init__(self, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
        self.weight = _buffer(weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input, target):
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class NLLLoss(Module):
    """Negative log-likelihood of log-probabilities. Arguments as functional.nll_loss."""

    def __init__(self, weight=None, ignore_index=-100, reduction="mean"):
        self.weight = _buffer(weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input, target):
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class MSELoss(Module):
    """The squared difference. Arguments as functional.mse_loss."""

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, input, target):
        return F.mse_loss(input, target, self.reduction)


class BCEWithLogitsLoss(Module):
    """Binary cross entropy of logits. Arguments as functional.binary_cross_entropy_with_logits."""

    def __init__(self, weight=None, reduction="mean", pos_weight=None):
        self.weight, self.pos_weight, self.reduction = _buffer(weight), _buffer(pos_weight), reduction

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)


def _buffer(weight):
    if weight is None:
        return None
    return Buffer(weight.data if isinstance(weight, Tensor) else np.asarray(weight, np.float32))
