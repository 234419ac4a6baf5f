"""Softmax cross entropy with its gradient at once: the exponentials are there already."""

import numpy as np

__all__ = ["softmax_cross_entropy"]


def softmax_cross_entropy(logits, q):
    centred = logits - logits.max(1, keepdims=True)  # the largest is 0: exp can't overflow
    gradient = np.exp(centred)
    sums = gradient.sum(1, keepdims=True)
    weight = q.sum(1)
    with np.errstate(invalid="ignore"):
        wanted = q * centred
    losses = np.log(sums[:, 0]) * weight - wanted.sum(1)
    if np.isnan(losses).any():  # 0 * -inf: a class that is ruled out, and not wanted, costs nothing
        wanted[q == 0] = 0
        losses = np.log(sums[:, 0]) * weight - wanted.sum(1)
    gradient *= weight[:, None] / sums
    gradient -= q
    return losses, gradient
