"""Dropout as a layer."""

from .. import functional as F
from ..ops import check
from .module import Module


class Dropout(Module):
    """In training each value is 0 with probability p, and divided by 1 - p otherwise; in evaluation nothing happens.

    Source: Srivastava et al. 2014; torch.nn.Dropout.

    >>> from minitorch_cnn import Tensor, nn
    >>> nn.Dropout(0.5).eval()(Tensor([1.0, 2.0])).numpy().tolist()
    [1.0, 2.0]
    """

    def __init__(self, p=0.5, inplace=False):
        check.in_range("Dropout", "p", p, 0.0, 1.0)
        self.p = p

    def forward(self, input):
        return F.dropout(input, self.p, self.training)

    def extra_repr(self):
        return f"p={self.p}"
