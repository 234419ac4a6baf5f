"""Dropout (Srivastava et al. 2014), inverted: what stays is scaled up in training, so that evaluation needs nothing.

y = x * mask / (1 - p),  mask = 1 with probability 1 - p, else 0        dx = g * mask / (1 - p)
"""

from ..autograd import Function
from ..backend import primitives as P
from . import check


class Dropout(Function):
    def __init__(self, p):
        self.p = p

    def forward(self, x):
        self.mask = P.dropout_mask(x, self.p)  # 0 or 1 / (1 - p)
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask


def dropout(input, p=0.5, training=True, inplace=False):
    """Each value set to 0 with probability p and divided by 1 - p otherwise; nothing when not training.

    Args:
        input: a float tensor.
        p: from 0 to 1.
        training: False returns input itself.
        inplace: accepted and ignored.
    Raises: ValueError on a probability out of range.
    Source: torch.nn.functional.dropout. The random numbers are those of `mt.manual_seed`.

    >>> from minitorch_cnn import Tensor
    >>> dropout(Tensor([1.0, 2.0]), p=0.5, training=False).numpy().tolist(), dropout(Tensor([1.0, 2.0]), p=1.0).numpy().tolist()
    ([1.0, 2.0], [0.0, 0.0])
    """
    check.float_tensor("dropout", "input", input)
    check.in_range("dropout", "p", p, 0.0, 1.0)
    if not training or p == 0:
        return input
    return Dropout.apply(input, p=float(p))
